/**
 * A module that one memory does not hold, over several: which stretch of the model goes where. Each part has
 * its own memory and its own instance of the kernels; between two of them only rows x [R, width] cross.
 *
 *   untied   embed, layers 0…a-1 | layers a…b-1 | … | layers b…L-1, output
 *   tied     embed, layers 0…a-1, output | layers a…b-1 | … | layers b…L-1        the rows come back to the first part at the end
 *
 * A tied table is read by both ends of the model; the way back costs one more row to copy, a second table
 * hundreds of megabytes. Parts with as many layers as each other have the same code: it does not depend on
 * which layers they are (of a pattern: that begin at the same place of it).
 */
import { wholeModel, type Stretch } from "./stretch.ts";
import { partsOf } from "../2-check/parameters.ts";
import type { Model } from "../../runtime/contract/model.ts";

/**
 * What one memory holds, in the order in which it is computed; the first part of a tied model has two
 * stretches.
 */
export type Part = readonly Stretch[];

/** Bytes of memory that a part needs. */
export type Measure = (part: Part) => number;

/** Which parts, or what it is that no memory holds. */
export type Cut =
  | { readonly parts: readonly Part[] }
  | { readonly tooLarge: "embedding" | "layer" | "output"; readonly part: Part };

const isTied = (model: Model): boolean => partsOf(model.output).some((p) => p.part === "linear" && p.tied);

/** As few parts as fit, their bytes as even as whole layers allow. */
export function cutModel(model: Model, limit: number, measure: Measure): Cut {
  const { layers } = model.sizes;
  const tied = isTied(model);
  const stretch = (from: number, to: number): Stretch => ({ embed: false, from, to, output: false });
  const end: Stretch = { embed: false, from: layers, to: layers, output: true };
  const kinds = {
    first: (to: number): Part => [{ ...stretch(0, to), embed: true }, ...(tied ? [end] : [])],
    middle: (from: number, to: number): Part => [stretch(from, to)],
    last: (from: number, to = layers): Part => [{ ...stretch(from, to), output: !tied }],
  };
  const layer = layerCosts(model, (from, to) => measure(kinds.middle(from, to)));
  const first = sizesOf(kinds.first, measure, layer);
  const middle = sizesOf((n) => kinds.middle(0, n), measure, layer);
  const last = sizesOf((n) => kinds.last(0, n), measure, layer);
  if (first.room(limit) < 0) return { tooLarge: "embedding", part: kinds.first(0) };
  if (last.room(limit) < 0) return { tooLarge: "output", part: kinds.last(layers) };
  if (middle.room(limit) < 1) return { tooLarge: "layer", part: kinds.middle(0, 1) };
  const between = Math.max(
    0,
    Math.ceil((layers - first.room(limit) - last.room(limit)) / middle.room(limit)),
  );
  const counts = share(layers, [first, ...Array.from({ length: between }, () => middle), last]);
  let from = 0;
  const parts = counts.map((count, i): Part => {
    const to = from + count;
    const part =
      i === 0 ? kinds.first(to) : i === counts.length - 1 ? kinds.last(from) : kinds.middle(from, to);
    from = to;
    return part;
  });
  return { parts: parts.filter((part) => part.some((s) => s.embed || s.output || s.to > s.from)) };
}

interface Sizes {
  bytes(layers: number): number;
  /** Most layers that fit; -1: not even none. */
  room(limit: number): number;
}

/**
 * Bytes that a first layer needs more than layer 0, and that each further one needs, whichever layers they
 * are: those of a pattern have caches of several sizes.
 */
interface LayerCosts {
  readonly extra: number;
  readonly more: number;
}

function layerCosts(
  { pattern = ["dense"], sizes: { layers } }: Pick<Model, "pattern" | "sizes">,
  middle: (from: number, to: number) => number,
): LayerCosts {
  const one = pattern.slice(0, layers).map((_, i) => middle(i, i + 1));
  const largest = Math.max(...one);
  const second = middle(0, 2) - one[0]!; // the second's own bytes
  return { extra: largest - one[0]!, more: second + largest - one[1 % one.length]! };
}

/**
 * Parameters and caches have one slice per layer, all else is the same for one and for many: a part grows no
 * more than evenly from one layer on.
 */
function sizesOf(part: (layers: number) => Part, measure: Measure, { extra, more }: LayerCosts): Sizes {
  const none = measure(part(0));
  const one = measure(part(1)) + extra;
  return {
    bytes: (layers) => (layers === 0 ? none : one + (layers - 1) * more),
    room: (limit) => (one <= limit ? 1 + Math.floor((limit - one) / more) : none <= limit ? 0 : -1),
  };
}

/** Layer by layer to whichever part is smallest with it. */
function share(layers: number, parts: readonly Sizes[]): number[] {
  const counts = parts.map(() => 0);
  for (let left = layers; left > 0; left--) {
    const after = parts.map((p, i) => p.bytes(counts[i]! + 1));
    counts[after.indexOf(Math.min(...after))]!++;
  }
  return counts;
}

/** The stretches in the order in which they run: number of the part, number of the stretch in it. */
export function runOrder(parts: readonly Part[]): { readonly part: number; readonly stretch: number }[] {
  const all = parts.flatMap((part, p) => part.map((_, stretch) => ({ part: p, stretch })));
  return all.sort((a, b) => a.stretch - b.stretch); // a second stretch is the end of the model
}

/** Name of a stretch's entry: that of the job, unless the part has several. */
export const entryName = (job: string, stretch: number): string => (stretch === 0 ? job : `${job}_output`);

/** "embedding, layers 0…22, output" */
export function partText(model: Pick<Model, "sizes">, part: Part): string {
  const layers = part
    .filter((s) => s.to > s.from)
    .map(({ from, to }) => (to - from === 1 ? `layer ${from}` : `layers ${from}…${to - 1}`));
  if (part.length === 1 && JSON.stringify(part[0]) === JSON.stringify(wholeModel(model))) return "all of it";
  return [
    ...(part.some((s) => s.embed) ? ["embedding"] : []),
    ...layers,
    ...(part.some((s) => s.output) ? ["output"] : []),
  ].join(", ");
}
