/**
 * Plans backwards: the largest model of a family for what there is, and the fastest way to spread a model
 * over a cluster. Both try all that is possible, a few thousand at most, by the same closed forms, and say
 * which limit binds.
 */
import type { Model } from "../../runtime/contract/model.ts";
import type { ModelCosts } from "./costs.ts";
import { misfitsOf } from "./degrees.ts";
import { fits, lossAt, STANDARD_FIT } from "./chinchilla.ts";
import { paretoFront } from "./pareto.ts";
import { recomputations } from "./tables/choices.ts";
import {
  FULL,
  TIGHT,
  planOf,
  planTraining,
  servingOf,
  settingsOf,
  type Asked,
  type TrainingPlan,
} from "./plan.ts";
import { scaleModel } from "./scale-model.ts";

export interface Limits {
  /** Dollars for the whole run, device hours, days. */
  readonly dollars?: number | undefined;
  readonly hours?: number | undefined;
  readonly days?: number | undefined;
  /** Tokens per second in training, of all devices together. */
  readonly tokensPerSecond?: number | undefined;
  /** Tokens per second of one text that is written, on the devices of a node. */
  readonly decode?: number | undefined;
}

export type LimitName = keyof Limits | "memory";
/** What a limit is called, and the option that sets it. */
export const limitTexts: Readonly<Record<LimitName, string>> = {
  memory: "the memory of a device (--memory)",
  dollars: "money (--budget)",
  hours: "device hours (--hours)",
  days: "days (--days)",
  tokensPerSecond: "the speed of training (--tokens-per-second)",
  decode: "the speed of writing (--decode)",
};

/** The same, in a table. */
export const shortLimits: Readonly<Record<LimitName, string>> = {
  memory: "memory",
  dollars: "money",
  hours: "device hours",
  days: "days",
  tokensPerSecond: "speed of training",
  decode: "speed of writing",
};

/** What stands in the way of something better, and how much of it is used; a limit is broken above 1. */
export interface Bound {
  /** A limit; of a spread that none of them binds, the largest part of its step. */
  readonly by: string;
  readonly share: number;
}

/** A line of what may be chosen. */
export interface Choice {
  readonly plan: TrainingPlan;
  readonly bound: Bound;
  /** False: the nearest that breaks a limit. */
  readonly isWithin: boolean;
}

export interface Solution {
  readonly plan: TrainingPlan;
  /** The limit that the next larger model breaks. Undefined: none that was tried does. */
  readonly binding: LimitName | undefined;
  /** Smaller models, which are cheaper, up to this one, and the next larger one: from small to large. */
  readonly choices: readonly Choice[];
}

/** How much of each limit that is given a plan uses; memory is one always. */
function limitShares(plan: TrainingPlan, limits: Limits): readonly Bound[] {
  const { run, memory, settings, tokensPerSecond } = plan;
  const { dollars, hours, days, tokensPerSecond: least, decode } = limits;
  const shares: Readonly<Record<LimitName, number | undefined>> = {
    memory: memory.bytes / (FULL * settings.card.memory.value),
    dollars: dollars && (run.dollars?.[1] ?? 0) / dollars,
    hours: hours && run.hours / hours,
    days: days && run.days / days,
    tokensPerSecond: least && least / tokensPerSecond,
    decode: decode && decode / decodeRate(plan),
  };
  return Object.entries(shares).flatMap(([by, share]) => (share === undefined ? [] : [{ by, share }]));
}

/** The first limit that a plan breaks. */
export const brokenLimit = (plan: TrainingPlan, limits: Limits): LimitName | undefined =>
  limitShares(plan, limits).find(({ share }) => share > 1)?.by as LimitName | undefined;

/** The limit of which least is left. */
const nearestLimit = (plan: TrainingPlan, limits: Limits): Bound =>
  limitShares(plan, limits).reduce((a, b) => (b.share > a.share ? b : a));

export function decodeRate(plan: TrainingPlan): number {
  const { devices, one } = servingOf(plan);
  return devices === 0 ? 0 : one.decodeRate;
}

export const axes = ["width", "layers"] as const;
export type Axis = (typeof axes)[number];

/** Sizes of the family along one axis, from small to large. */
function sizesAlong({ sizes }: Model, axis: Axis): number[] {
  const step = axis === "layers" ? 1 : sizes.headDim * Math.max(1, sizes.heads / sizes.kvHeads);
  const most = axis === "layers" ? 16 * sizes.layers : 16 * sizes.width;
  return Array.from({ length: Math.floor(most / step) }, (_, i) => (i + 1) * step);
}

/**
 * The largest model along the axis that breaks no limit. Undefined: the smallest one breaks one already;
 * which, says `brokenLimit` of its plan.
 */
export function largestModel(model: Model, axis: Axis, asked: Asked, limits: Limits): Solution | undefined {
  const sizes = sizesAlong(model, axis);
  const planAt = (size: number): TrainingPlan | undefined => {
    const plan = planOf(scaleModel(model, { [axis]: size }), asked);
    return "together" in plan ? undefined : plan;
  };
  const breaks = (size: number): LimitName | undefined => {
    const plan = planAt(size);
    return plan && brokenLimit(plan, limits);
  };
  // all of it grows with the size, so the largest one is found by halving
  let [low, high] = [-1, sizes.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (breaks(sizes[middle]!) === undefined) low = middle;
    else high = middle;
  }
  const plan = low < 0 ? undefined : planAt(sizes[low]!);
  if (!plan) return undefined;
  const beyond = high < sizes.length ? planAt(sizes[high]!) : undefined;
  const smaller = SMALLER.map((ratio) => Math.floor(ratio * (low + 1)) - 1);
  const listed = new Set(smaller.filter((i) => i >= 0 && i < low));
  const fitting = [...[...listed].flatMap((i) => planAt(sizes[i]!) ?? []), plan];
  const choice = (one: TrainingPlan, isWithin: boolean): Choice => ({
    plan: one,
    bound: nearestLimit(one, limits),
    isWithin,
  });
  return {
    plan,
    binding: beyond && brokenLimit(beyond, limits),
    choices: [
      ...paretoFront(fitting, costsOfModel).map((one) => choice(one, true)),
      ...(beyond ? [choice(beyond, false)] : []),
    ],
  };
}

/** Of the largest size: the smaller ones that are listed beside it. */
const SMALLER = [1 / 8, 1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4, 7 / 8];

/** Loss by a fit, device hours, bytes of a device, time of a token that is written. */
const costsOfModel = (plan: TrainingPlan): readonly number[] => [
  lossOf(plan),
  plan.run.hours,
  plan.memory.bytes,
  1 / decodeRate(plan),
];

/** Of the whole run, as far as a fit of parameters and tokens can know it. */
export const lossOf = ({ costs, run }: TrainingPlan): number =>
  lossAt(fits[STANDARD_FIT], costs.activeParameters, run.tokens);

export interface Spread {
  readonly best: TrainingPlan | undefined;
  /** Every way that was tried, and why it is not the best: it does not divide, does not fit, is slower. */
  readonly tried: readonly { readonly title: string; readonly why: string }[];
  /** Those that fit, and that no other is as fast as with less memory: from the fastest on. */
  readonly choices: readonly Choice[];
}

const powers = (most: number): number[] =>
  Array.from({ length: Math.floor(Math.log2(Math.max(1, most))) + 1 }, (_, i) => 2 ** i);

/** Sequences from so many tokens on may be divided among devices. */
const LONG = 32_768;

/** Degrees to try; those that are asked for are not varied. */
function ways(
  { model: { sizes } }: ModelCosts,
  { card, devices, sequence = sizes.context, tensor: t, pipeline: p, context: c }: Asked,
): { tensor: number; pipeline: number; context: number }[] {
  const tensors = t === undefined ? powers(Math.min(card.node, devices)) : [t];
  return tensors.flatMap((tensor) => {
    const stages = p === undefined ? powers(Math.min(sizes.layers, devices / tensor, 64)) : [p];
    return stages.flatMap((pipeline) => {
      const most = sequence < LONG ? 1 : Math.min(devices / (tensor * pipeline), sequence / (LONG / 4));
      const contexts = c === undefined ? powers(Math.min(16, most)) : [c];
      return contexts.map((context) => ({ tensor, pipeline, context }));
    });
  });
}

/** The fastest of the ways to spread a model over the devices that fits below 80 % of their memory. */
export function fastestSpread(costs: ModelCosts, asked: Asked): Spread {
  const tried: ({ title: string } & Tried)[] = [];
  const { card, devices } = asked;
  for (const { tensor, pipeline, context } of ways(costs, asked)) {
    const shard = Math.floor(devices / (tensor * pipeline));
    const parts = [
      `tensor ${tensor}`,
      `pipeline ${pipeline}`,
      ...(context > 1 ? [`context ${context}`] : []),
    ];
    const title = `${parts.join(" × ")} × shard ${shard}`;
    const degrees = { devices, tensor, pipeline, context, expert: asked.expert ?? 1, shard };
    const [misfit] = misfitsOf(costs.model, degrees, card);
    if (misfit) tried.push({ title, why: misfit.message, all: [] });
    else tried.push({ title, ...bestBatch(costs, { ...asked, tensor, pipeline, context, shard }) });
  }
  const plans = tried.flatMap(({ plan }) => plan ?? []);
  const best = plans.reduce<TrainingPlan | undefined>(
    (a, b) => (a && a.tokensPerSecond >= b.tokensPerSecond ? a : b),
    undefined,
  );
  return {
    best,
    tried: tried
      .filter(({ plan }) => plan === undefined || plan !== best)
      .map(({ title, why, plan }) => ({
        title,
        why: plan && best ? `${percentSlower(plan, best)} % slower` : why,
      })),
    choices: choicesOf(tried),
  };
}

/** Lines that would say nearly the same are left out: memory or speed within so much of the line before. */
const NEAR = 0.02;

function choicesOf(tried: readonly Tried[]): readonly Choice[] {
  const fitting = tried.flatMap(({ all }) =>
    all.filter(({ fits: of }) => of === "fits").map((plan) => ({ plan, all })),
  );
  const front = paretoFront(fitting, ({ plan }) => [1 / plan.tokensPerSecond, plan.memory.bytes]);
  const choices: Choice[] = [];
  for (const { plan, all } of front.toSorted((a, b) => b.plan.tokensPerSecond - a.plan.tokensPerSecond)) {
    const before = choices.at(-1)?.plan;
    const isNear = before && plan.memory.bytes > (1 - NEAR) * before.memory.bytes;
    if (!isNear) choices.push({ plan, bound: boundOfSpread(plan, all), isWithin: true });
  }
  return choices;
}

/**
 * Memory, where the same degrees would be faster only with more than there is: a larger micro-batch, or less
 * that is computed again. Else the largest part of a step.
 */
function boundOfSpread(plan: TrainingPlan, all: readonly TrainingPlan[]): Bound {
  const { memory, settings, step, tokensPerSecond } = plan;
  const isFaster = (other: TrainingPlan): boolean => other.tokensPerSecond > 1.005 * tokensPerSecond;
  const faster = all.filter(isFaster);
  if (faster.length > 0 && faster.every((other) => other.fits !== "fits"))
    return { by: "memory", share: memory.bytes / (TIGHT * settings.card.memory.value) };
  const largest = step.parts.reduce((a, b) => (b.seconds > a.seconds ? b : a));
  return { by: largest.name, share: largest.seconds / step.seconds };
}

const percentSlower = (plan: TrainingPlan, best: TrainingPlan): number =>
  Math.round(100 * (1 - plan.tokensPerSecond / best.tokensPerSecond));

interface Tried {
  readonly why: string;
  /** The fastest that fits. */
  readonly plan?: TrainingPlan;
  /** Whether they fit or not. */
  readonly all: readonly TrainingPlan[];
}

/** Micro-batch and recomputation of these degrees. */
function bestBatch(costs: ModelCosts, asked: Asked): Tried {
  const micros = asked.micro === undefined ? powers(32) : [asked.micro];
  const again = asked.recompute === undefined ? recomputations : [asked.recompute];
  const all = micros.flatMap((micro) =>
    again.flatMap((recompute) => {
      const settings = settingsOf(costs, { ...asked, micro, recompute });
      return "together" in settings ? [] : [planTraining(costs, settings)];
    }),
  );
  const [best] = all
    .filter((plan) => plan.fits === "fits")
    .toSorted((a, b) => b.tokensPerSecond - a.tokensPerSecond);
  if (best) return { why: "", plan: best, all };
  const least = Math.min(...all.map(({ memory }) => memory.bytes / asked.card.memory.value));
  return all.length === 0
    ? { why: "the batch does not come out even on its ranks", all }
    : { why: `needs ${Math.round(100 * least)} % of a device's memory at least`, all };
}
