/**
 * Is a kernel right? Its outputs against the f64 reference, which is computed once for all targets, tiles and
 * workers; of large products a few rows.
 */
import type { Case, Op } from "../../compiler/ops/kit/op.ts";
import { difference, referenceOutputs, type Tensors } from "./kernel-numbers.ts";

/** A longer reference is computed for a few rows only. */
const MOST_REFERENCE_FLOPS = 3e8;
const SAMPLED_ROWS = 12;
const LARGEST_NMSE = 1e-7;

/** Of outputs: what is wrong with them, or undefined. */
export function checker(op: Op, c: Case, inputs: Tensors): (got: Tensors) => string | undefined {
  const state = Object.fromEntries(
    Object.entries(op.mutates ?? {}).map(([out, from]) => [out, inputs[from!]!]),
  );
  const letter =
    op.flops(c.d, { ...op.attrs, ...c.attrs }) > MOST_REFERENCE_FLOPS ? independentLetter(op, c) : undefined;
  const few = letter === undefined ? (t: Tensors) => t : (t: Tensors) => rowsOf(op, c, t, letter);
  const sampled =
    letter === undefined ? c : { ...c, d: { ...c.d, [letter]: Math.min(SAMPLED_ROWS, c.d[letter]!) } };
  const reference = referenceOutputs(op, sampled, few(inputs), false, state);
  return (got) => {
    for (const [tensor, values] of Object.entries(few(got))) {
      const { worst, nmse } = difference(values, reference[tensor]!);
      // A sum of 50,257 products is rounded to its own size, also where it comes out as nearly nothing.
      const rms = Math.sqrt(reference[tensor]!.reduce((sum, v) => sum + v * v, 0) / values.length);
      if (!(worst <= Math.max(1, rms) && nmse <= LARGEST_NMSE)) return `${tensor} is wrong (NMSE ${nmse})`;
    }
    return undefined;
  };
}

/**
 * A dimension of the output along which nothing is summed and nothing depends on its neighbours: rows of a
 * product.
 */
function independentLetter(op: Op, c: Case): string | undefined {
  const [out] = op.tensors.filter((t) => t.output);
  const letter = out!.letters[0]!;
  const present = op.tensors.filter((t) => !t.output && (!t.optional || c.with?.includes(t.name)));
  return op.kind === "contract" && present.some((t) => t.letters.includes(letter)) ? letter : undefined;
}

/** Of every tensor with `letter`: the same few indices along it, spread from the first to the last. */
function rowsOf(op: Op, c: Case, tensors: Tensors, letter: string): Tensors {
  const length = c.d[letter]!;
  const count = Math.min(SAMPLED_ROWS, length);
  const chosen = Array.from({ length: count }, (_, i) =>
    Math.round((i * (length - 1)) / Math.max(1, count - 1)),
  );
  return Object.fromEntries(
    Object.entries(tensors).map(([name, values]) => {
      const { letters } = op.tensors.find((t) => t.name === name)!;
      const axis = letters.indexOf(letter);
      if (axis < 0) return [name, values];
      const inner = letters.slice(axis + 1).reduce((n, l) => n * c.d[l]!, 1);
      const outer = values.length / (inner * length);
      const picked = new Float64Array(outer * count * inner);
      for (let o = 0; o < outer; o++)
        for (const [k, index] of chosen.entries())
          picked.set(
            values.subarray((o * length + index) * inner, (o * length + index + 1) * inner),
            (o * count + k) * inner,
          );
      return [name, picked];
    }),
  );
}
