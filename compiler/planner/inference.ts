/**
 * Serving by the roofline: a token of each of B texts reads the weights once and each text's keys and values,
 * a prompt multiplies all of its tokens with the weights. Devices that share a model add up what they have
 * twice in each layer.
 */
import type { ModelCosts } from "./costs.ts";
import { forwardFlops } from "./flops.ts";
import type { Accelerator, Precision } from "./tables/hardware.ts";
import { peakOf } from "./step-time.ts";
import { layerParts, parameterRows } from "../2-check/parameters.ts";

/** Shares of the data sheet's rates: of the memory's (gpt-fast, A100: 0.69), and of the peak in prompts. */
const BANDWIDTH_SHARE = 0.69;
const PROMPT_SHARE = 0.5;
/** Seconds of such a sum among two devices; among 2ⁿ it takes n times as long (gpt-fast: 2, 4, 8 A100). */
const SUM_SECONDS = 10e-6;

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
  const sums = 2 * costs.model.sizes.layers * SUM_SECONDS * Math.log2(s.tensor);
  return {
    cacheBytes: cacheBytesPerToken(costs, s.cache),
    textBytes,
    weightBytes: costs.parameters * s.weight,
    decodeRate: s.texts / (Math.max(memory, arithmetic) + sums),
    isBoundBy: memory >= arithmetic ? "memory" : "arithmetic",
    promptSeconds: (s.context * forwardFlops(costs, s.context, "causal")) / (peak * PROMPT_SHARE),
  };
}

export interface ServingPlan {
  /** Devices that share the model; 0: it does not fit on a node of them. */
  readonly devices: number;
  /** Of each text's context. */
  readonly context: number;
  readonly one: Serving;
  /** As many texts as `texts` says, or as have room beside the weights. */
  readonly many: Serving;
  readonly texts: number;
}

/** Texts that are served together where nobody says how many. */
const TEXTS = 32;
const BYTES = 2; // of a weight, and of a number of the cache: 16 bits
/** What of a device's memory weights and texts may fill. */
const FILLED = 0.9;

/** The fastest way to share a model in 16 bits within a node, and what texts get there. */
export function servingPlan(
  costs: ModelCosts,
  card: Accelerator,
  precision: Precision,
  context: number,
): ServingPlan {
  const at = (tensor: number, texts: number): Serving =>
    serving(costs, { texts, context, tensor, weight: BYTES, cache: BYTES }, card, precision);
  const room = (tensor: number): number =>
    (FILLED * tensor * card.memory.value - costs.parameters * BYTES) / at(tensor, 1).textBytes;
  const ways = [1, 2, 4, 8].filter(
    (tensor) =>
      tensor <= card.node &&
      costs.attentions.every(({ kvHeads }) => kvHeads % tensor === 0) &&
      room(tensor) >= 1,
  );
  const devices = ways.reduce((a, b) => (a > 0 && at(a, 1).decodeRate >= at(b, 1).decodeRate ? a : b), 0);
  const shared = Math.max(1, devices);
  const texts = Math.max(1, Math.min(TEXTS, Math.floor(room(shared))));
  return { devices, context, one: at(shared, 1), many: at(shared, texts), texts };
}
