/**
 * One kernel alone: emitted, assembled, run on given numbers. Tests compare it with its reference, benches time it.
 * Canary bands stand around every tensor; `run` fails when a kernel writes into one.
 */
import v8 from "node:v8";
import { kernelSpec, needsAccumulate, needsScratch, scratchOf, type KernelSpec } from "../compiler/6-tile/kernel-spec.ts";
import { emitKernel } from "../compiler/8-emit/kernel.ts";
import { control, CONTROL_BYTES, MAX_WORKERS } from "../compiler/control.ts";
import { prelude } from "../compiler/8-emit/prelude.ts";
import { assemble, withSharedMemory } from "../compiler/9-bundle/assemble.ts";
import { rowFloats, shapeOf, tensorBytes, type Case, type Op, type Target, type TensorSlot } from "../compiler/op.ts";

const BAND = 256; // bytes of canary before and after each tensor
const CANARY = 0x7fa5a5a5 | 0;

export interface Bench {
  readonly spec: KernelSpec;
  readonly source: string;
  readonly wasmBytes: number;
  /** Feeds dense tensors (padding is added), runs once as `workers` workers one after the other, returns dense outputs. */
  run(inputs: Record<string, Float64Array>, options?: { accumulate?: boolean; workers?: number }): Record<string, Float64Array>;
  /** Runs again on what is in memory, `times` times, as one worker. For timing. */
  repeat(times: number): void;
}

/** Deterministic noise in −1…1, rounded to f32 so that reference and kernel see the same numbers. */
export function noise(seed: number): () => number {
  let state = seed;
  return () => Math.fround((state = (state * 48271) % 2147483647) / 1073741823.5 - 1);
}

export const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

export function inputsFor(op: Op, c: Case, seed = 99): Record<string, Float64Array> {
  const slots = op.tensors.filter((t) => !t.output && (!t.optional || c.with?.includes(t.name)));
  return Object.fromEntries(slots.map((t, i) => {
    const next = noise(seed + i * 7919);
    for (let warm = 0; warm < 8; warm++) next();
    return [t.name, Float64Array.from({ length: elements(shapeOf(t, c.d)) }, (_, i) => Math.fround(op.sample?.(t.name, c.d, next, i) ?? next()))];
  }));
}

/** Runs the op's reference: dense f64 outputs. `initial` holds outputs' contents before (for accumulate and mutated tensors). */
export function referenceOutputs(op: Op, c: Case, inputs: Record<string, Float64Array>, accumulate = false, initial: Record<string, Float64Array> = {}): Record<string, Float64Array> {
  const outs = op.tensors.filter((t) => t.output && (!t.optional || c.with?.includes(t.name)));
  const outputs = Object.fromEntries(outs.map((t) => [t.name, initial[t.name]?.slice() ?? new Float64Array(elements(shapeOf(t, c.d)))]));
  op.reference({ ...inputs, ...outputs }, c.d, { ...op.attrs, ...c.attrs }, accumulate);
  return outputs;
}

export const kernelBench = async (opName: string, op: Op, c: Case, target: Target): Promise<Bench> => (await kernelBenches(opName, op, [c], target))[0]!;

/** One module with a kernel for each case: one run of asc instead of many. Every bench has its own memory. */
export async function kernelBenches(opName: string, op: Op, cases: readonly Case[], target: Target, compile = (wasm: Uint8Array<ArrayBuffer>) => new WebAssembly.Module(wasm)): Promise<Bench[]> {
  const placed = cases.map((c) => layOut(opName, op, c, target));
  const scratchBytes = Math.max(...placed.map((p) => p.scratchBytes)), pages = Math.max(...placed.map((p) => Math.ceil((p.scratches + scratchBytes * MAX_WORKERS) / 65536)));
  const helpers = new Map<string, string>();
  const kernels = placed.map(({ spec, slots, at, scratches }, i) => {
    const name = `${opName}_${i}`, text = emitKernel(name, spec, helpers);
    const call = (accumulate: string, worker: string): string =>
      `${name}(${[...slots.map((t) => `${at[t.name]}`), ...(needsScratch(spec) ? [`${scratches}`] : []), ...(needsAccumulate(spec) ? [accumulate] : []), worker].join(", ")})`;
    return `${text}export function run${i}(worker: i32, accumulate: bool): void { ${call("accumulate", "worker")}; }
export function repeat${i}(times: i32): void { for (let i = 0; i < times; i++) ${call("false", "0")}; }`;
  });
  const source = [prelude(target), `const SCRATCH_BYTES: usize = ${scratchBytes};\n`, ...helpers.values(), ...kernels].join("\n");
  const { wasm, memoryFlagOffset } = await assemble(source, target, pages);
  const module = compile(withSharedMemory(wasm, memoryFlagOffset, false));
  return placed.map((p, i) => {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const instance = new WebAssembly.Instance(module, { env: { memory, abort() {} } });
    const exports = instance.exports as unknown as Record<string, (a: number, b: number) => void>;
    return bench(opName, op, p, memory, { run: exports[`run${i}`]!, repeat: exports[`repeat${i}`]!, source, wasmBytes: wasm.length });
  });
}

interface Placed {
  readonly c: Case;
  readonly spec: KernelSpec;
  readonly slots: readonly TensorSlot[];
  /** Byte addresses. */
  readonly at: Readonly<Record<string, number>>;
  readonly scratches: number;
  readonly scratchBytes: number;
}

function layOut(opName: string, op: Op, c: Case, target: Target): Placed {
  const spec = kernelSpec(opName, op, c.d, c.attrs ?? {}, c.with ?? [], target);
  const slots = op.tensors.filter((t) => spec.tensors.includes(t.name));
  let top = CONTROL_BYTES;
  const at: Record<string, number> = {};
  for (const t of slots) {
    const shared = op.mutates?.[t.name];
    if (shared !== undefined) { at[t.name] = at[shared]!; continue; }
    at[t.name] = top + BAND;
    top += BAND * 2 + tensorBytes(shapeOf(t, c.d));
  }
  return { c, spec, slots, at, scratches: top, scratchBytes: Math.ceil(scratchOf(spec) / 64) * 64 };
}

interface Compiled {
  readonly source: string;
  readonly wasmBytes: number;
  run(worker: number, accumulate: number): void;
  repeat(times: number, unused: number): void;
}

function bench(opName: string, op: Op, { c, spec, slots, at }: Placed, memory: WebAssembly.Memory, compiled: Compiled): Bench {
  const f32 = new Float32Array(memory.buffer), i32 = new Int32Array(memory.buffer);
  const view = (name: string) => {
    const t = slots.find((s) => s.name === name)!, shape = shapeOf(t, c.d), columns = shape.at(-1)!, ld = rowFloats(columns);
    const from = at[name]! / 4, count = elements(shape);
    return { count, columns, ld, from, floats: tensorBytes(shape) / 4, numbers: t.dtype === "i32" ? i32 : f32, index: (i: number) => from + Math.floor(i / columns) * ld + (i % columns) };
  };
  const place = (name: string, values: Float64Array | undefined, accumulate: boolean): void => {
    const { from, floats, numbers, index } = view(name);
    i32.fill(CANARY, from - BAND / 4, from);
    i32.fill(CANARY, from + floats, from + floats + BAND / 4);
    // A fresh output holds what was there before, also in its padding: the kernel has to write all of it.
    i32.fill(values || accumulate ? 0 : CANARY, from, from + floats);
    if (values) for (let i = 0; i < values.length; i++) numbers[index(i)] = values[i]!;
  };
  const read = (name: string): Float64Array => {
    const { from, floats, columns, ld, numbers, count, index } = view(name);
    for (let i = 1; i <= BAND / 4; i++)
      if (i32[from - i] !== CANARY || i32[from + floats + i - 1] !== CANARY) throw new Error(`${opName} wrote outside ${name}`);
    for (let i = 0; i < floats; i++) if (i % ld >= columns && numbers[from + i] !== 0) throw new Error(`${opName} left ${numbers[from + i]} in the padding of ${name}, column ${i % ld} of ${columns}`);
    return Float64Array.from({ length: count }, (_, i) => numbers[index(i)]!);
  };
  return {
    spec, source: compiled.source, wasmBytes: compiled.wasmBytes,
    run(inputs, { accumulate = false, workers = 1 } = {}) {
      for (const t of slots) if (op.mutates?.[t.name] === undefined) place(t.name, inputs[t.name], accumulate);
      i32[control.workers / 4] = workers;
      joinPairs(spec.target);
      for (let w = 0; w < workers; w++) compiled.run(w, accumulate ? 1 : 0);
      return Object.fromEntries(slots.filter((t) => t.output).map((t) => [t.name, read(t.name)]));
    },
    repeat(times) {
      joinPairs(spec.target);
      compiled.repeat(times, 0);
    },
  };
}

/** V8 joins 128-bit pairs for \`wide\` only, so that a timing of the other targets is one of 128 bits. Holds for what is compiled from now on. */
export function joinPairs(target: Target): void {
  v8.setFlagsFromString(target === "wide" ? "--experimental-wasm-revectorize" : "--no-experimental-wasm-revectorize");
}

export interface Difference {
  /** Largest |d| / (1e-5 + 1e-4 · |ref|): RELIABILITY.md wants ≤ 1. NaN counts as infinite. */
  readonly worst: number;
  /** Σ d² / Σ ref²: ≤ 1e-7. */
  readonly nmse: number;
}

export function difference(actual: Float64Array, reference: Float64Array): Difference {
  let worst = 0, error = 0, power = 0;
  for (const [i, want] of reference.entries()) {
    const d = Math.abs(actual[i]! - want), share = d / (1e-5 + 1e-4 * Math.abs(want));
    if (!(share <= worst)) worst = Number.isNaN(share) ? Infinity : share;
    error += d * d;
    power += want * want;
  }
  return { worst, nmse: error === 0 ? 0 : error / power };
}
