/**
 * Plans backwards: the largest model of a family for what there is, and the fastest way to spread a model
 * over a cluster. Both try all that is possible, a few thousand at most, by the same closed forms, and say
 * which limit binds.
 */
import type { Model } from "../../runtime/contract/model.ts";
import type { ModelCosts } from "./costs.ts";
import { misfitsOf } from "./degrees.ts";
import { recomputations } from "./tables/choices.ts";
import { planOf, planTraining, servingOf, settingsOf, type Asked, type TrainingPlan } from "./plan.ts";
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

export interface Solution {
  readonly plan: TrainingPlan;
  /** The limit that the next larger model breaks. Undefined: none that was tried does. */
  readonly binding: LimitName | undefined;
}

/** The first limit that a plan breaks. */
export function brokenLimit(plan: TrainingPlan, limits: Limits): LimitName | undefined {
  const { run, fits, tokensPerSecond } = plan;
  const { dollars, hours, days, tokensPerSecond: least, decode } = limits;
  if (fits === "does not fit") return "memory";
  if (dollars !== undefined && (run.dollars?.[1] ?? 0) > dollars) return "dollars";
  if (hours !== undefined && run.hours > hours) return "hours";
  if (days !== undefined && run.days > days) return "days";
  if (least !== undefined && tokensPerSecond < least) return "tokensPerSecond";
  if (decode !== undefined && decodeRate(plan) < decode) return "decode";
  return undefined;
}

function decodeRate(plan: TrainingPlan): number {
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
  return plan && { plan, binding: high < sizes.length ? breaks(sizes[high]!) : undefined };
}

export interface Spread {
  readonly best: TrainingPlan | undefined;
  /** Every way that was tried, and why it is not the best: it does not divide, does not fit, is slower. */
  readonly tried: readonly { readonly title: string; readonly why: string }[];
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
  const tried: { title: string; why: string; plan?: TrainingPlan }[] = [];
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
    if (misfit) tried.push({ title, why: misfit.message });
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
  };
}

const percentSlower = (plan: TrainingPlan, best: TrainingPlan): number =>
  Math.round(100 * (1 - plan.tokensPerSecond / best.tokensPerSecond));

/** Micro-batch and recomputation of these degrees. */
function bestBatch(costs: ModelCosts, asked: Asked): { why: string; plan?: TrainingPlan } {
  const micros = asked.micro === undefined ? powers(32) : [asked.micro];
  const again = asked.recompute === undefined ? recomputations : [asked.recompute];
  let best: TrainingPlan | undefined;
  let least = Infinity;
  for (const micro of micros)
    for (const recompute of again) {
      const settings = settingsOf(costs, { ...asked, micro, recompute });
      if ("together" in settings) continue;
      const plan = planTraining(costs, settings);
      least = Math.min(least, plan.memory.bytes / asked.card.memory.value);
      if (plan.fits === "fits" && plan.tokensPerSecond > (best?.tokensPerSecond ?? 0)) best = plan;
    }
  if (best) return { why: "", plan: best };
  return least === Infinity
    ? { why: "the batch does not come out even on its ranks" }
    : { why: `needs ${Math.round(100 * least)} % of a device's memory at least` };
}
