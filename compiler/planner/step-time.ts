/**
 * How long a step takes: the sum of what limits its pieces. Products run at a share of the peak, attention at
 * a smaller one, what is done element by element at the memory's rate; each layer of a micro-batch costs a
 * fixed time; then what devices say to each other, as far as it does not hide behind the rest.
 *
 * The constants of a card are fitted on every second row of MosaicML's table (app/studies/planner), and hold
 * on the others; cards without rows have those of the one that is most alike.
 */
import { savedBytes, stageParameters, type MemorySettings } from "./device-memory.ts";
import type { ModelCosts } from "./costs.ts";
import { attentionFlops, trainingFlops } from "./flops.ts";
import type { Convention } from "./tables/choices.ts";
import type { Accelerator, Precision } from "./tables/hardware.ts";
import { dataRanks } from "./degrees.ts";
import { paddedVocab } from "./padded-vocab.ts";
import { fitted, type StepConstants } from "./step-constants.ts";

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
  constants: StepConstants = fitted[card.name] ?? fitted["h100"]!,
): StepTime {
  const peak = peakOf(card, precision);
  const { tensor: t, pipeline: p, context: c, accumulation } = s;
  const tokens = (s.micro * s.sequence) / c;
  const local = stageParameters(costs, s).all;
  const compute = computeParts(costs, s, card, peak, constants).map(({ name, seconds }) => ({
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
  peak: number,
  k: StepConstants,
): { name: string; seconds: number }[] {
  const { layers, vocab } = costs.model.sizes;
  const times = passes(s);
  return [
    { name: "products", seconds: (k.products * times * 2 * costs.multiplying) / peak },
    {
      name: "attention",
      seconds: (k.attention * times * attentionFlops(costs, s.sequence, "causal")) / peak,
    },
    {
      name: "element by element",
      seconds: (k.elements * (times / 3) * layers * savedBytes(costs, "none")) / card.bandwidth.value,
    },
    { name: "loss", seconds: (k.loss * 18 * paddedVocab(vocab)) / card.bandwidth.value },
  ];
}

/**
 * AdamW reads weights, gradients and moments, and writes all but the gradients: 28 bytes of each parameter.
 */
const OPTIMIZER_BYTES = 28;
/** `local`: parameters of the fullest stage on one of its devices. */
const optimizerSeconds = (local: number, s: MemorySettings, card: Accelerator, k: StepConstants): number =>
  (k.optimizer * OPTIMIZER_BYTES * local) / (s.states === "replicated" ? 1 : s.shard) / card.bandwidth.value;

/**
 * Time of tensor parallelism's exchanges over that of their bytes at the link's rate: they wait for products,
 * and products that are divided are less efficient (torchtitan's row of 8B, FSDP 8 × tensor 8).
 */
const TENSOR_EXCHANGE = 2;

/** What devices say to each other in one step, and how much of it shows. */
function exchanges(
  costs: ModelCosts,
  s: MemorySettings,
  card: Accelerator,
  { tokens, local }: { readonly tokens: number; readonly local: number },
  k: StepConstants,
): { name: string; seconds: number }[] {
  const { tensor: t, pipeline: p, context: c, shard, accumulation } = s;
  const { width, layers } = costs.model.sizes;
  const sharded = shard * t <= card.node ? card.link.value : card.network.value;
  const gathers = s.states === "sharded" || s.states === "half" ? 2 : 0;
  const perStep = gathers > 0 ? accumulation : 1;
  const fsdp = ((shard - 1) / shard) * (gathers * 2 + 4) * local * perStep;
  const tensor = ((t - 1) / t) * 8 * (layers / p) * tokens * width * 2 * accumulation;
  const ring = costs.attentions.reduce((sum, a) => sum + a.layers * 2 * a.kvHeads * a.headDim * 2, 0);
  const context = c === 1 ? 0 : ((3 * ring * tokens * (c - 1)) / p / t) * accumulation;
  const ranks = dataRanks(s) / (shard / c);
  const among = ranks > 1 ? (2 * (ranks - 1) * 4 * local) / ranks / shard : 0;
  return [
    { name: "weights among devices (FSDP)", seconds: (k.exchange * fsdp) / sharded },
    { name: "rows among devices (tensor)", seconds: (TENSOR_EXCHANGE * tensor) / card.link.value },
    {
      name: "keys and values among devices (context)",
      seconds: (k.exchange * context) / (t * c <= card.node ? card.link.value : card.network.value),
    },
    { name: "gradients among replicas", seconds: (k.exchange * among) / card.network.value },
  ].filter(({ seconds }) => seconds > 0);
}

/** Model FLOPs utilisation: the operations of the convention, none that are done twice, over the peak. */
export const utilisation = (
  costs: ModelCosts,
  sequence: number,
  convention: Convention,
  tokensPerSecondPerDevice: number,
  peak: number,
): number => (trainingFlops(costs, sequence, convention) * tokensPerSecondPerDevice) / peak;
