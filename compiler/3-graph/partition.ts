/**
 * A module that is too large for one memory is divided into partitions. Each has its own memory and its own
 * instance of the kernels; between two of them only the rows x [R, width] cross.
 *
 *   untied   embed, layers 0…a-1 | layers a…b-1 | … | layers b…L-1, output
 *   tied     embed, layers 0…a-1, output | layers a…b-1 | … | layers b…L-1
 *
 * Both ends of a tied model read the same table of embeddings. The rows therefore come back to the first
 * partition at the end: that costs the copy of one more row, a second table would cost hundreds of megabytes.
 *
 * What trains goes the same way, and the cotangents of the rows come back; whatever belongs to a layer
 * (parameters, gradients, moments, what its backward reads) is where the layer is.
 *
 * Partitions with the same number of layers have the same code, whichever layers they are; where layers
 * alternate, they also have to begin at the same place of the pattern.
 */
import type { Segment } from "./segment.ts";
import { partsOf } from "../2-check/parameters.ts";
import type { Model } from "../../runtime/contract/model.ts";

/**
 * What one memory holds, in the order in which it is computed. Only the first partition of a tied model has
 * two segments.
 */
export type Partition = readonly Segment[];

/** Bytes of memory that a partition needs. */
export type Measure = (partition: Partition) => number;

/** The partitions of a model, or what it is that no memory holds. */
export type Cut =
  | { readonly partitions: readonly Partition[] }
  | { readonly tooLarge: "embedding" | "layer" | "output"; readonly partition: Partition };

/** What a partition's plan depends on: how many layers, which ends, where in the pattern it begins. */
export const structureOf = ({ pattern = ["dense"] }: Pick<Model, "pattern">, partition: Partition): string =>
  partition
    .map(({ embed, from, to, output }) => [embed, to - from, from % pattern.length, output].join(" "))
    .join(", ");

const isTied = (model: Model): boolean => partsOf(model.output).some((p) => p.part === "linear" && p.tied);

/** Makes as few partitions as fit, with bytes as even as whole layers allow. `limit` is in bytes. */
export function partitionModel(model: Model, limit: number, measure: Measure): Cut {
  const { layers } = model.sizes;
  const kinds = kindsOf(model);
  const layer = layerCosts(model, (from, to) => measure(kinds.middle(from, to)));
  const first = sizesOf(kinds.first, measure, layer);
  const middle = sizesOf((n) => kinds.middle(0, n), measure, layer);
  const last = sizesOf((n) => kinds.last(0, n), measure, layer);
  if (first.room(limit) < 0) return { tooLarge: "embedding", partition: kinds.first(0) };
  if (last.room(limit) < 0) return { tooLarge: "output", partition: kinds.last(layers) };
  if (middle.room(limit) < 1) return { tooLarge: "layer", partition: kinds.middle(0, 1) };
  const left = layers - first.room(limit) - last.room(limit);
  const between = Math.max(0, Math.ceil(left / middle.room(limit)));
  const counts = shareLayers(layers, [first, ...Array.from({ length: between }, () => middle), last]);
  let from = 0;
  const partitions = counts.map((count, i): Partition => {
    const begin = from;
    from += count;
    if (i === 0) return kinds.first(from);
    return i === counts.length - 1 ? kinds.last(begin) : kinds.middle(begin, from);
  });
  return { partitions: partitions.filter((p) => p.some((s) => s.embed || s.output || s.to > s.from)) };
}

/** The three kinds of partitions: with the embedding, with layers alone, with the end of the model. */
function kindsOf(model: Model) {
  const { layers } = model.sizes;
  const tied = isTied(model);
  const segment = (from: number, to: number): Segment => ({ embed: false, from, to, output: false });
  const end: Segment = { embed: false, from: layers, to: layers, output: true };
  return {
    first: (to: number): Partition => [{ ...segment(0, to), embed: true }, ...(tied ? [end] : [])],
    middle: (from: number, to: number): Partition => [segment(from, to)],
    last: (from: number, to = layers): Partition => [{ ...segment(from, to), output: !tied }],
  };
}

interface Sizes {
  /** Bytes of a partition with so many layers. */
  bytes(layers: number): number;
  /** The most layers that fit; -1 when it does not fit even without layers. */
  room(limit: number): number;
}

/**
 * What layers cost, whichever they are: where layers alternate, their caches have several sizes. All in
 * bytes.
 */
interface LayerCosts {
  /** How much more the largest layer needs than layer 0, when it is a partition's first. */
  readonly extra: number;
  /** What each further layer needs. */
  readonly more: number;
}

function layerCosts(
  { pattern = ["dense"], sizes: { layers } }: Pick<Model, "pattern" | "sizes">,
  middle: (from: number, to: number) => number,
): LayerCosts {
  const one = pattern.slice(0, layers).map((_, i) => middle(i, i + 1));
  const largest = Math.max(...one);
  const second = middle(0, 2) - one[0]!; // what the second layer itself adds
  return { extra: largest - one[0]!, more: second + largest - one[1 % one.length]! };
}

/**
 * Parameters and caches have one slice per layer, everything else is the same for one layer and for many.
 * From one layer on, a partition therefore never grows by more than `more` per layer.
 */
function sizesOf(
  partition: (layers: number) => Partition,
  measure: Measure,
  { extra, more }: LayerCosts,
): Sizes {
  const none = measure(partition(0));
  const one = measure(partition(1)) + extra;
  return {
    bytes: (layers) => (layers === 0 ? none : one + (layers - 1) * more),
    room: (limit) => (one <= limit ? 1 + Math.floor((limit - one) / more) : none <= limit ? 0 : -1),
  };
}

/** Gives layer by layer to the partition that is the smallest with it; returns how many each one gets. */
function shareLayers(layers: number, partitions: readonly Sizes[]): number[] {
  const counts = partitions.map(() => 0);
  for (let left = layers; left > 0; left--) {
    const after = partitions.map((p, i) => p.bytes(counts[i]! + 1));
    counts[after.indexOf(Math.min(...after))]!++;
  }
  return counts;
}

/**
 * The segments in the order in which they run, each by the number of its partition and its own number there.
 */
export function runOrder(
  partitions: readonly Partition[],
): { readonly partition: number; readonly segment: number }[] {
  const all = partitions.flatMap((p, partition) => p.map((_, segment) => ({ partition, segment })));
  return all.sort((a, b) => a.segment - b.segment); // a second segment is the end of the model
}
