/**
 * Numbers to feed a kernel, what its reference makes of them, and how far a kernel's outputs are from that.
 * Shared by tests, benches and `tune`.
 */
import v8 from "node:v8";
import { type Case, type Op } from "../../compiler/ops/kit/op.ts";
import { shapeOf } from "../../compiler/ops/kit/signature.ts";
import type { Target } from "../../runtime/contract/targets.ts";

export type Tensors = Readonly<Record<string, Float64Array>>;

/**
 * Deterministic noise in −1…1, rounded to f32 so that reference and kernel see the same numbers: the linear
 * congruential generator of Park & Miller 1988, with the multiplier of Park, Miller & Stockmeyer 1993.
 */
export function noise(seed: number): () => number {
  const modulus = 2 ** 31 - 1;
  let state = seed;
  return () => {
    state = (state * 48271) % modulus;
    return Math.fround(state / (modulus / 2) - 1);
  };
}

/** Noise is from −1 to 1, both included; this half keeps the largest below `vocab`. */
const HALF = 0.49999;
/** Token ids that nothing depends on, all below `vocab`. `next`: noise. */
export const randomTokens = (next: () => number, count: number, vocab: number): Int32Array =>
  Int32Array.from({ length: count }, () => Math.floor((next() + 1) * HALF * vocab));

export const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Dense inputs of a case: noise, or what the op's `sample` says. */
export function inputsFor(op: Op, c: Case, seed = 99): Record<string, Float64Array> {
  const slots = op.tensors.filter((t) => !t.output && (!t.optional || c.with?.includes(t.name)));
  const attrs = { ...op.attrs, ...c.attrs };
  return Object.fromEntries(
    slots.map((t, i) => {
      const next = noise(seed + i * 7919);
      for (let warm = 0; warm < 8; warm++) next();
      return [
        t.name,
        Float64Array.from({ length: elements(shapeOf(t, c.d)) }, (_, i) => {
          if (t.name === "live") return liveRows(op, c);
          const value = op.sample?.(t.name, c.d, next, i, attrs) ?? next();
          if (Number.isNaN(value)) throw new Error(`${op.signature}: the sample of ${t.name} is no number`);
          return t.dtype === "i32" ? value : Math.fround(value);
        }),
      ];
    }),
  );
}

/** What a test feeds as `live`: more than half of the rows. */
const liveRows = (op: Op, c: Case): number => Math.floor(c.d[op.rows!]! / 2) + 1;

/**
 * Runs the op's reference: dense f64 outputs. `initial` holds outputs' contents before (for accumulate and
 * mutated tensors).
 */
export function referenceOutputs(
  op: Op,
  c: Case,
  inputs: Tensors,
  accumulate = false,
  initial: Tensors = {},
): Record<string, Float64Array> {
  const outs = op.tensors.filter((t) => t.output && (!t.optional || c.with?.includes(t.name)));
  const outputs = Object.fromEntries(
    outs.map((t) => [t.name, initial[t.name]?.slice() ?? new Float64Array(elements(shapeOf(t, c.d)))]),
  );
  op.reference({ ...inputs, ...outputs }, c.d, { ...op.attrs, ...c.attrs }, accumulate);
  return outputs;
}

/**
 * The outputs without the rows that are not live: what stands in these is unspecified (`rows` of
 * ops/kit/op.ts).
 */
export function liveOutputs(
  op: Op,
  c: Case,
  inputs: Tensors,
  outputs: Tensors,
): Record<string, Float64Array> {
  const live = inputs["live"]?.[0];
  if (live === undefined) return outputs;
  const isRows = (name: string): boolean => op.tensors.find((t) => t.name === name)!.letters[0] === op.rows;
  return Object.fromEntries(
    Object.entries(outputs).map(([name, values]) => [
      name,
      isRows(name) ? values.subarray(0, (live * values.length) / c.d[op.rows!]!) : values,
    ]),
  );
}

export interface Difference {
  /** Largest |d| / (1e-5 + 1e-4 · |ref|): at most 1 is asked for. NaN counts as infinite. */
  readonly worst: number;
  /** Σ d² / Σ ref²: ≤ 1e-7. */
  readonly nmse: number;
}

export function difference(actual: Float64Array, reference: Float64Array): Difference {
  let worst = 0;
  let error = 0;
  let power = 0;
  for (const [i, want] of reference.entries()) {
    const d = Math.abs(actual[i]! - want);
    const share = d / (1e-5 + 1e-4 * Math.abs(want));
    if (!(share <= worst)) worst = Number.isNaN(share) ? Infinity : share;
    error += d * d;
    power += want * want;
  }
  return { worst, nmse: error === 0 ? 0 : error / power };
}

/**
 * Lets V8 join pairs of 128-bit operations for `wide` only, so that the other targets are timed with 128
 * bits. Holds for what is compiled from now on.
 */
export function joinPairs(target: Target): void {
  v8.setFlagsFromString(
    target === "wide" ? "--experimental-wasm-revectorize" : "--no-experimental-wasm-revectorize",
  );
}
