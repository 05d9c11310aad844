/**
 * Kernels alone, for the two harnesses that run them: where the tensors of a kernel lie in memory, how dense
 * numbers get into padded rows and back, and the AssemblyScript source of a module of kernels.
 */
import { scratchOf, type KernelSpec } from "../../compiler/6-tile/kernel-spec.ts";
import { emitKernel, kernelArguments } from "../../compiler/8-emit/kernel.ts";
import { prelude, taskCounter } from "../../compiler/8-emit/prelude.ts";
import { workerPiece } from "../../compiler/7-place/worker-memory.ts";
import { shapeOf, type TensorSlot } from "../../compiler/ops/kit/signature.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { rowFloats, tensorBytes } from "../../runtime/contract/tensor-layout.ts";
import { elements } from "./kernel-numbers.ts";

export interface KernelLayout {
  readonly spec: KernelSpec;
  readonly slots: readonly TensorSlot[];
  /** Byte address of each tensor. A tensor that is changed in place has its input's. */
  readonly at: Readonly<Record<string, number>>;
  /** The first byte after all tensors. */
  readonly end: number;
}

/** Lays the tensors out from byte `from` on, with `band` bytes left free before and after each of them. */
export function layOut(spec: KernelSpec, from: number, band = 0): KernelLayout {
  const slots = spec.op.tensors.filter((t) => spec.tensors.includes(t.name));
  const at: Record<string, number> = {};
  let end = from;
  for (const slot of slots) {
    const shared = spec.op.mutates?.[slot.name];
    at[slot.name] = shared === undefined ? end + band : at[shared]!;
    if (shared === undefined) end += 2 * band + tensorBytes(shapeOf(slot, spec.d));
  }
  return { spec, slots, at, end };
}

/** Bytes that one worker has to itself for any of these kernels. */
export const workerBytesFor = (specs: readonly KernelSpec[]): number =>
  workerPiece(Math.max(...specs.map(scratchOf))).bytes;

/** Outputs that have memory of their own. */
export const isFreshOutput = ({ spec }: KernelLayout, slot: TensorSlot): boolean =>
  slot.output === true && spec.op.mutates?.[slot.name] === undefined;

/** A memory's 32-bit words, as numbers of either kind. */
export interface Words {
  readonly f32: Float32Array;
  readonly i32: Int32Array;
}
export const wordsOf = ({ buffer }: WebAssembly.Memory): Words => ({
  f32: new Float32Array(buffer),
  i32: new Int32Array(buffer),
});
/** The words as the tensor's kind of numbers. */
export const numbersOf = ({ f32, i32 }: Words, { dtype }: TensorSlot): Float32Array | Int32Array =>
  dtype === "i32" ? i32 : f32;

/** The words that a tensor takes, padding included. */
export function wordRange({ spec, at }: KernelLayout, slot: TensorSlot): readonly [from: number, to: number] {
  const from = at[slot.name]! / 4;
  return [from, from + tensorBytes(shapeOf(slot, spec.d)) / 4];
}

interface Row {
  /** Where the row begins in memory, in words, and what it takes there with its padding. */
  readonly word: number;
  readonly words: number;
  /** Its elements in the dense array. */
  readonly from: number;
  readonly to: number;
}

export function* rowsOf({ spec, at }: KernelLayout, slot: TensorSlot): Generator<Row> {
  const shape = shapeOf(slot, spec.d);
  const columns = shape.at(-1)!;
  const words = rowFloats(columns);
  const start = at[slot.name]! / 4;
  for (let r = 0, rows = elements(shape) / columns; r < rows; r++)
    yield { word: start + r * words, words, from: r * columns, to: (r + 1) * columns };
}

export function writeDense(layout: KernelLayout, slot: TensorSlot, values: Float64Array, words: Words): void {
  const numbers = numbersOf(words, slot);
  for (const { word, from, to } of rowsOf(layout, slot)) numbers.set(values.subarray(from, to), word);
}

export function readDense(layout: KernelLayout, slot: TensorSlot, words: Words): Float64Array {
  const numbers = numbersOf(words, slot);
  const out = new Float64Array(elements(shapeOf(slot, layout.spec.d)));
  for (const { word, from, to } of rowsOf(layout, slot))
    out.set(numbers.subarray(word, word + to - from), from);
  return out;
}

/** Source of a call of a kernel; both are expressions of its caller. */
export type KernelCall = (accumulate: string, worker: string) => string;

export interface KernelsPlan {
  readonly layouts: readonly KernelLayout[];
  readonly target: Target;
  /** Size of one worker's own piece of memory (compiler/7-place/worker-memory.ts). */
  readonly workerBytes: number;
  /** Byte address of the first worker's piece. */
  pieces(layout: KernelLayout): number;
  nameOf(index: number): string;
  /** The exported functions that call the kernel. */
  entries(index: number, call: KernelCall): string;
}

/** AssemblyScript of a module with all these kernels, and entries that call them. */
export function kernelsSource(plan: KernelsPlan): string {
  const helpers = new Map<string, string>();
  const kernels = plan.layouts.map((layout, i) => {
    const { spec, slots, at } = layout;
    const text = emitKernel(plan.nameOf(i), spec, helpers);
    const where = {
      tensors: slots.map((slot) => `${at[slot.name]}`),
      counter: taskCounter(0),
    };
    const ownOf = (worker: string): string => `${plan.pieces(layout)} + <usize>${worker} * WORKER_BYTES`;
    const call: KernelCall = (accumulate, worker) =>
      `${plan.nameOf(i)}(${kernelArguments(spec, { ...where, accumulate, spill: ownOf(worker), worker })})`;
    return `${text}${plan.entries(i, call)}`;
  });
  return [
    prelude(plan.target),
    `const WORKER_BYTES: usize = ${plan.workerBytes};\n`,
    ...helpers.values(),
    ...kernels,
  ].join("\n");
}
