/**
 * How long a step takes: the sum of what limits its pieces. Products run at a share of the peak, attention at
 * a smaller one, what is done element by element at the memory's rate; each layer of a micro-batch costs a
 * fixed time; then what devices say to each other, as far as it does not hide behind the rest.
 *
 * The constants of a card are fitted on half of the published rows (app/studies/planner), and hold on the
 * others; cards without rows have those of the one that is most alike.
 */
import { layerParts } from "../2-check/parameters.ts";
import {
  dividedParameters,
  expertShard,
  stageParameters,
  type MemorySettings,
  type StageParameters,
} from "./device-memory.ts";
import type { ModelCosts } from "./costs.ts";
import { attentionFlops, trainingFlops } from "./flops.ts";
import type { Convention } from "./tables/choices.ts";
import type { Accelerator, Precision } from "./tables/hardware.ts";
import { dataRanks } from "./degrees.ts";
import { paddedVocab } from "./padded-vocab.ts";
import { constantsOf, type StepConstants } from "./step-constants.ts";

export interface StepTime {
  /** Seconds of one step, and its parts. */
  readonly seconds: number;
  readonly parts: readonly { readonly name: string; readonly seconds: number }[];
  readonly tokensPerSecond: number;
}

/** What a step of these settings takes on these devices. */
export function stepTime(
  costs: ModelCosts,
  s: MemorySettings,
  card: Accelerator,
  precision: Precision,
  constants: StepConstants = constantsOf(card.own?.like ?? card.name),
): StepTime {
  const { tensor: t, pipeline: p, context: c, accumulation } = s;
  const tokens = (s.micro * s.sequence) / c;
  const local = stageParameters(costs, s);
  const compute = computeParts(costs, s, card, precision, constants).map(({ name, seconds }) => ({
    name,
    seconds: (seconds * tokens * accumulation) / (t * p),
  }));
  const parts = [
    ...compute,
    {
      name: "starting kernels",
      seconds: (constants.layer * (costs.model.sizes.layers / p) * accumulation * passes(s)) / 3,
    },
    ...exchanges(costs, s, card, { tokens, local }, constants),
  ];
  const busy = parts.reduce((sum, { seconds }) => sum + seconds, 0);
  const bubble = p === 1 ? 0 : (busy * (p - 1)) / (s.interleaved * accumulation);
  const all = bubble > 0 ? [...parts, { name: "pipeline's bubble", seconds: bubble }] : parts;
  const optimizer = optimizerSeconds(local, s, card, constants);
  const seconds = busy + bubble + optimizer;
  return {
    seconds,
    parts: [...all, { name: "optimizer", seconds: optimizer }],
    tokensPerSecond: (dataRanks(s) * s.micro * s.sequence * accumulation) / seconds,
  };
}

export const peakOf = ({ peak }: Accelerator, precision: Precision): number =>
  (peak[precision] ?? peak.fp16 ?? peak.bf16 ?? peak.fp32)!.value;

/** Forward passes that a step's operations amount to: the backward is two, and one more computes again. */
const passes = ({ recompute }: MemorySettings): number =>
  recompute === "full" ? 4 : recompute === "selective" ? 3.3 : 3;

/** Seconds of one token on one device that has all of the model. */
function computeParts(
  costs: ModelCosts,
  s: MemorySettings,
  card: Accelerator,
  precision: Precision,
  k: StepConstants,
): { name: string; seconds: number }[] {
  const { layers, vocab } = costs.model.sizes;
  const times = passes(s);
  const isFp8 = precision === "fp8";
  const products = (times * 2 * costs.multiplying) / peakOf(card, precision);
  const attention =
    (times * attentionFlops(costs, s.sequence, "causal")) / peakOf(card, isFp8 ? "bf16" : precision);
  const kept = costs.saved.reduce((sum, { bytes }) => sum + bytes, 0);
  return [
    { name: "products", seconds: (isFp8 ? k.fp8 : 1) * k.products * products },
    { name: "attention", seconds: k.attention * attention },
    {
      name: "element by element",
      seconds: (k.elements * (times / 3) * layers * kept) / card.bandwidth.value,
    },
    { name: "loss", seconds: (k.loss * 18 * paddedVocab(vocab)) / card.bandwidth.value },
  ];
}

/**
 * AdamW reads weights, gradients and moments, and writes all but the gradients: 28 bytes of each parameter.
 */
const OPTIMIZER_BYTES = 28;
function optimizerSeconds(
  local: StageParameters,
  s: MemorySettings,
  card: Accelerator,
  k: StepConstants,
): number {
  const own = s.states === "replicated" ? local.all : dividedParameters(local, s);
  return (k.optimizer * OPTIMIZER_BYTES * own) / card.bandwidth.value;
}

/** What devices say to each other in one step, and how much of it shows. */
function exchanges(
  costs: ModelCosts,
  s: MemorySettings,
  card: Accelerator,
  { tokens, local }: { readonly tokens: number; readonly local: StageParameters },
  k: StepConstants,
): { name: string; seconds: number }[] {
  const { tensor: t, pipeline: p, context: c, expert: x, shard, accumulation } = s;
  const { width, layers } = costs.model.sizes;
  const { all, experts } = local;
  const rate = (devices: number): number => (devices <= card.node ? card.link.value : card.network.value);
  const rest = (among: number): number => (among - 1) / among; // of a sum's bytes, those of other devices
  const gathers = s.states === "sharded" || s.states === "half" ? 2 : 0;
  // a stage of a pipeline stays gathered for all micro-batches
  const perStep = gathers > 0 && p === 1 ? accumulation : 1;
  const divided = rest(shard) * (all - experts) + rest(expertShard(s)) * experts;
  const fsdp = (gathers * 2 + 4) * divided * perStep;
  const tensor = rest(t) * 8 * (layers / p) * tokens * width * 2 * accumulation;
  const ring = costs.attentions.reduce((sum, a) => sum + a.layers * 2 * a.kvHeads * a.headDim * 2, 0);
  const context = c === 1 ? 0 : ((3 * ring * tokens * (c - 1)) / p / t) * accumulation;
  const ranks = dataRanks(s) / (shard / c);
  const among = ranks > 1 ? (2 * rest(ranks) * 4 * all) / shard : 0;
  const sent = (4 * rest(x) * choices(costs) * tokens * width * 2 * accumulation) / p / t;
  return [
    { name: "weights among devices (FSDP)", seconds: (k.exchange * fsdp) / rate(shard * t) },
    { name: "rows among devices (tensor)", seconds: (k.tensor * tensor) / card.link.value },
    { name: "rows among experts", seconds: sent / rate(t * x) },
    { name: "keys and values among devices (context)", seconds: (k.exchange * context) / rate(t * c) },
    { name: "gradients among replicas", seconds: (k.exchange * among) / card.network.value },
  ].filter(({ seconds }) => seconds > 0);
}

/** To how many experts a token is sent, over all layers. */
const choices = ({ model }: ModelCosts): number =>
  model.sizes.layers * layerParts(model).reduce((sum, p) => sum + (p.part === "experts" ? p.top : 0), 0);

/** Model FLOPs utilisation: the operations of the convention, none that are done twice, over the peak. */
export const utilisation = (
  costs: ModelCosts,
  sequence: number,
  convention: Convention,
  tokensPerSecondPerDevice: number,
  peak: number,
): number => (trainingFlops(costs, sequence, convention) * tokensPerSecondPerDevice) / peak;
