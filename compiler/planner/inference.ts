/**
 * Serving by the roofline: a token of each of B texts reads the weights once and each text's keys and values,
 * a prompt multiplies all of its tokens with the weights.
 */
import type { ModelCosts } from "./costs.ts";
import { forwardFlops } from "./flops.ts";
import type { Accelerator, Precision } from "./tables/hardware.ts";
import { peakOf } from "./step-time.ts";
import { layerParts, parameterRows } from "../2-check/parameters.ts";

/** Shares of the data sheet's rates: of the memory's (gpt-fast, A100: 0.69), and of the peak in prompts. */
const BANDWIDTH_SHARE = 0.69;
const PROMPT_SHARE = 0.5;

export interface Serving {
  /** Bytes of keys and values of one token in all layers, and of a text of so many tokens. */
  readonly cacheBytes: number;
  readonly textBytes: number;
  readonly weightBytes: number;
  /** Of all texts together. */
  readonly decodeRate: number;
  readonly isBoundBy: "memory" | "arithmetic";
  readonly promptSeconds: number;
}

export interface ServingSettings {
  readonly texts: number;
  readonly context: number;
  readonly tensor: number;
  /** Bytes of a weight (2: bf16; 0.5625: q4_0), and of a number of the cache. */
  readonly weight: number;
  readonly cache: number;
}

/** Keys and values of one token over all layers; a window's rows stop growing, which `textBytes` knows. */
export const cacheBytesPerToken = (costs: ModelCosts, bytes: number): number =>
  costs.attentions.reduce((sum, a) => sum + a.layers * 2 * a.kvHeads * a.headDim * bytes, 0);

export const cacheBytesOfText = (costs: ModelCosts, context: number, bytes: number): number =>
  costs.attentions.reduce(
    (sum, a) => sum + a.layers * 2 * a.kvHeads * a.headDim * bytes * Math.min(context, a.window ?? context),
    0,
  );

/** Weights that a step of B texts reads: of experts, those that some text is sent to. */
function readParameters({ model, parameters }: ModelCosts, texts: number): number {
  const rows = parameterRows(model);
  return layerParts(model).reduce((read, part) => {
    if (part.part !== "experts") return read;
    const row = rows.find((r) => r.section === "layer" && r.name === part.name)!;
    const ofExperts = row.total - row.times * part.width * part.count;
    const untouched = (1 - part.top / part.count) ** texts;
    return read - ofExperts * untouched;
  }, parameters);
}

export function serving(
  costs: ModelCosts,
  s: ServingSettings,
  card: Accelerator,
  precision: Precision,
): Serving {
  const textBytes = cacheBytesOfText(costs, s.context, s.cache);
  const read = readParameters(costs, s.texts) * s.weight + s.texts * textBytes;
  const memory = read / (s.tensor * card.bandwidth.value * BANDWIDTH_SHARE);
  const peak = peakOf(card, precision) * s.tensor;
  const arithmetic = (s.texts * forwardFlops(costs, s.context, "full")) / peak;
  return {
    cacheBytes: cacheBytesPerToken(costs, s.cache),
    textBytes,
    weightBytes: costs.parameters * s.weight,
    decodeRate: s.texts / Math.max(memory, arithmetic),
    isBoundBy: memory >= arithmetic ? "memory" : "arithmetic",
    promptSeconds: (s.context * forwardFlops(costs, s.context, "causal")) / (peak * PROMPT_SHARE),
  };
}
