/**
 * Checks a kernel's outputs against the f64 reference, which is computed once for all targets, tiles and
 * numbers of workers; of large products for a few rows only.
 */
import type { Case, Op } from "../../compiler/ops/kit/op.ts";
import { shapeOf } from "../../compiler/ops/kit/signature.ts";
import { difference, elements, liveOutputs, referenceOutputs, type Tensors } from "./kernel-numbers.ts";

/** A longer reference is computed for a few rows only. */
const MOST_REFERENCE_FLOPS = 3e8;
const SAMPLED_ROWS = 12;
const LARGEST_NMSE = 1e-7;

/** Says what is wrong with outputs; undefined: nothing. */
export function checker(op: Op, c: Case, inputs: Tensors): (got: Tensors) => string | undefined {
  const state = Object.fromEntries(
    Object.entries(op.mutates ?? {}).map(([out, from]) => [out, inputs[from!]!]),
  );
  const isLong = op.flops(c.d, { ...op.attrs, ...c.attrs }) > MOST_REFERENCE_FLOPS;
  const checked =
    isLong && op.independent && !inputs["live"]
      ? fewIndices(op, c, op.independent)
      : { c, of: (tensors: Tensors): Tensors => tensors };
  const live = (outputs: Tensors): Tensors => liveOutputs(op, c, inputs, outputs);
  const reference = live(referenceOutputs(op, checked.c, checked.of(inputs), false, state));
  return (got) => {
    for (const [tensor, values] of Object.entries(live(checked.of(got)))) {
      const { worst, nmse } = difference(values, reference[tensor]!);
      // the error of a sum of 50,257 products grows with its terms, also where the sum itself is nearly 0
      const rms = Math.sqrt(reference[tensor]!.reduce((sum, v) => sum + v * v, 0) / values.length);
      if (!(worst <= Math.max(1, rms) && nmse <= LARGEST_NMSE)) return `${tensor} is wrong (NMSE ${nmse})`;
    }
    return undefined;
  };
}

/** The case and its tensors with a few indices along the letter, spread from the first to the last. */
export function fewIndices(
  op: Op,
  c: Case,
  letter: string,
): { readonly c: Case; readonly of: (tensors: Tensors) => Tensors } {
  const length = c.d[letter]!;
  const count = Math.min(SAMPLED_ROWS, length);
  const chosen = Array.from({ length: count }, (_, i) =>
    Math.round((i * (length - 1)) / Math.max(1, count - 1)),
  );
  const pick = (name: string, values: Float64Array): Float64Array => {
    const slot = op.tensors.find((t) => t.name === name)!;
    const axis = slot.letters.indexOf(letter);
    if (axis < 0) return values;
    const inner = elements(shapeOf(slot, c.d).slice(axis + 1));
    const outer = values.length / (inner * length);
    const picked = new Float64Array(outer * count * inner);
    for (let o = 0; o < outer; o++)
      for (const [k, index] of chosen.entries()) {
        const from = (o * length + index) * inner;
        picked.set(values.subarray(from, from + inner), (o * count + k) * inner);
      }
    return picked;
  };
  return {
    c: { ...c, d: { ...c.d, [letter]: count } },
    of: (tensors) => Object.fromEntries(Object.entries(tensors).map(([n, values]) => [n, pick(n, values)])),
  };
}
