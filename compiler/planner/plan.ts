/**
 * A plan of training: what it takes on given devices. It joins the closed forms of this room, and says which
 * of its numbers were asked for and which are defaults. Pure, so that the command line and a page share it.
 */
import { costsOf, type ModelCosts } from "./costs.ts";
import { dataRanks, misfitsOf, type Degrees, type Misfit } from "./degrees.ts";
import { deviceMemory, type DeviceMemory, type MemorySettings } from "./device-memory.ts";
import { trainingFlops } from "./flops.ts";
import type { Convention } from "./tables/choices.ts";
import type { Accelerator, Precision, Price } from "./tables/hardware.ts";
import { servingPlan, type ServingPlan } from "./inference.ts";
import { runCost, type RunCost } from "./run-cost.ts";
import { peakOf, stepTime, utilisation, type StepTime } from "./step-time.ts";
import type { Model } from "../../runtime/contract/model.ts";

export interface PlanSettings extends MemorySettings {
  readonly card: Accelerator;
  readonly precision: Precision;
  /** Tokens of the whole run. */
  readonly tokens: number;
  /** A step's utilisation, where it is known better than predicted, and how it was counted. */
  readonly mfu?: { readonly value: number; readonly convention: Convention } | undefined;
  readonly goodput: number;
  readonly price?: Price | undefined;
  readonly pue: number;
}

/** "tight": above 80 % of a device's memory, where runs begin to fail; above 95 % they do. */
export type Fits = "fits" | "tight" | "does not fit";

export interface TrainingPlan {
  readonly costs: ModelCosts;
  readonly settings: PlanSettings;
  /** Operations of a token's forward and backward, by convention. */
  readonly flops: Readonly<Record<Convention, number>>;
  readonly memory: DeviceMemory;
  readonly fits: Fits;
  readonly step: StepTime;
  /** Of the step, by convention. */
  readonly mfu: Readonly<Record<Convention, number>>;
  readonly tokensPerSecond: number;
  readonly run: RunCost;
  readonly misfits: readonly Misfit[];
}

/** What may be asked of a plan; all else has a default. */
type Optional<T> = { readonly [Key in keyof T]?: T[Key] | undefined };
export interface Asked extends Optional<Omit<PlanSettings, "card" | "accumulation" | "devices">> {
  readonly card: Accelerator;
  readonly devices: number;
  /** Tokens of one step over all devices. Default: a micro-batch on each rank, or what fills a pipeline. */
  readonly batchTokens?: number | undefined;
}

/** Tokens for each parameter where nobody says how many: Chinchilla's rule of thumb. */
export const TOKENS_PER_PARAMETER = 20;
const GOODPUT = 0.87;
const PUE = 1.1;

/** By how much a batch may differ from a whole number of micro-batches: 4M is 4.19 M in powers of two. */
const EVEN = 0.05;

/** Shares of a device's memory: above the one a run may fail, above the other it does. */
export const TIGHT = 0.8;
export const FULL = 0.95;

/** A batch that does not come out even on these ranks. */
export interface UnevenBatch {
  readonly batchTokens: number;
  /** Tokens of one micro-batch over all ranks. */
  readonly together: number;
}

/** Micro-batches for each stage of a pipeline, so that its bubble is a fifth of a step at most. */
const FILLED = 4;

/** The most sequences of a micro-batch that are tried where nobody says how many. */
const MOST_MICRO = 64;

/**
 * All settings: what was asked, and a default for what was not. A micro-batch has as many sequences as fit
 * well and fill a pipeline, a power of two.
 */
export function settingsOf(costs: ModelCosts, asked: Asked): PlanSettings | UnevenBatch {
  if (asked.micro !== undefined) return settingsWith(costs, asked, asked.micro);
  let best = settingsWith(costs, asked, 1);
  for (let micro = 2; micro <= MOST_MICRO; micro *= 2) {
    const settings = settingsWith(costs, asked, micro);
    if ("together" in settings || "together" in best) break;
    const isFilled = settings.pipeline === 1 || settings.accumulation >= FILLED * settings.pipeline;
    if (!isFilled || fitsIn(deviceMemory(costs, settings).bytes, asked.card) !== "fits") break;
    best = settings;
  }
  return best;
}

function settingsWith(costs: ModelCosts, asked: Asked, micro: number): PlanSettings | UnevenBatch {
  const { tensor = 1, pipeline = 1, context = 1, expert = 1 } = asked;
  const sequence = asked.sequence ?? costs.model.sizes.context;
  const shard = asked.shard ?? Math.max(1, Math.floor(asked.devices / (tensor * pipeline)));
  const degrees: Degrees = { devices: asked.devices, tensor, pipeline, context, expert, shard };
  const together = dataRanks(degrees) * micro * sequence;
  const batchTokens = asked.batchTokens ?? together * (pipeline === 1 ? 1 : FILLED * pipeline);
  const accumulation = Math.round(batchTokens / together);
  if (accumulation < 1 || Math.abs(accumulation * together - batchTokens) > EVEN * batchTokens)
    return { batchTokens, together };
  return {
    ...degrees,
    card: asked.card,
    precision: asked.precision ?? (asked.card.peak.bf16 ? "bf16" : "fp16"),
    states: asked.states ?? (asked.devices === 1 ? "replicated" : "sharded"),
    optimizer: asked.optimizer ?? costs.model.train.optimizer ?? "adamw",
    recompute: asked.recompute ?? (costs.model.train.recompute ? "full" : "selective"),
    sequence,
    micro,
    accumulation,
    interleaved: asked.interleaved ?? 1,
    lossChunks: asked.lossChunks ?? 1,
    tokens: asked.tokens ?? TOKENS_PER_PARAMETER * costs.activeParameters,
    mfu: asked.mfu,
    goodput: asked.goodput ?? GOODPUT,
    price: asked.price,
    pue: asked.pue ?? PUE,
  };
}

/** Tokens of one step over all devices. */
export const stepTokens = (s: PlanSettings): number => dataRanks(s) * s.accumulation * s.micro * s.sequence;

export function planTraining(costs: ModelCosts, settings: PlanSettings): TrainingPlan {
  const { card, precision, sequence, devices, mfu: known } = settings;
  const memory = deviceMemory(costs, settings);
  const step = stepTime(costs, settings, card, precision);
  const peak = peakOf(card, precision);
  const each = known
    ? (known.value * peak) / trainingFlops(costs, sequence, known.convention)
    : step.tokensPerSecond / devices;
  const share = (convention: Convention): number => utilisation(costs, sequence, convention, each, peak);
  const flops = {
    causal: trainingFlops(costs, sequence, "causal"),
    full: trainingFlops(costs, sequence, "full"),
  };
  return {
    costs,
    settings,
    flops,
    memory,
    fits: fitsIn(memory.bytes, card),
    step,
    mfu: { causal: share("causal"), full: share("full") },
    tokensPerSecond: each * devices,
    run: runCost(
      { activeParameters: costs.activeParameters, flopsPerToken: flops.causal },
      { ...settings, tokensPerSecond: each * devices },
      card,
    ),
    misfits: misfitsOf(costs.model, settings, card),
  };
}

/** What the model takes where it is served on the plan's devices, with texts as long as those it learns. */
export const servingOf = ({ costs, settings: { card, precision, sequence } }: TrainingPlan): ServingPlan =>
  servingPlan(costs, card, precision, sequence);

export function fitsIn(bytes: number, { memory }: Accelerator): Fits {
  if (bytes <= TIGHT * memory.value) return "fits";
  return bytes <= FULL * memory.value ? "tight" : "does not fit";
}

/** A model's plan from what was asked of it. */
export function planOf(model: Model, asked: Asked): TrainingPlan | UnevenBatch {
  const costs = costsOf(model);
  const settings = settingsOf(costs, asked);
  return "together" in settings ? settings : planTraining(costs, settings);
}
