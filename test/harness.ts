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
import { rowFloats, shapeOf, tensorBytes, type Case, type Op, type Target } from "../compiler/op.ts";

v8.setFlagsFromString("--experimental-wasm-revectorize"); // for `wide`; harmless for the others

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

export async function kernelBench(opName: string, op: Op, c: Case, target: Target): Promise<Bench> {
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
  const scratchBytes = Math.ceil(scratchOf(spec) / 64) * 64, scratches = top;
  top += scratchBytes * MAX_WORKERS;
  const helpers = new Map<string, string>();
  const kernel = emitKernel(opName, spec, helpers);
  const call = [...slots.map((t) => `${at[t.name]}`), ...(needsScratch(spec) ? [`${scratches}`] : []), ...(needsAccumulate(spec) ? ["accumulate"] : []), "worker"].join(", ");
  const source = [prelude(target), ...(needsScratch(spec) ? [`const SCRATCH_BYTES: usize = ${scratchBytes};\n`] : []), ...helpers.values(), kernel,
    `export function run(worker: i32, accumulate: bool): void { ${opName}(${call}); }`,
    `export function repeat(times: i32): void { for (let i = 0; i < times; i++) ${opName}(${call.replace("accumulate", "false").replace("worker", "0")}); }`].join("\n");
  const { wasm, memoryFlagOffset } = await assemble(source, target, Math.ceil(top / 65536));
  const memory = new WebAssembly.Memory({ initial: Math.ceil(top / 65536), maximum: Math.ceil(top / 65536) });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(withSharedMemory(wasm, memoryFlagOffset, false)), { env: { memory, abort() {} } });
  const exports = instance.exports as unknown as { run(worker: number, accumulate: number): void; repeat(times: number): void };
  const f32 = new Float32Array(memory.buffer), i32 = new Int32Array(memory.buffer);

  const place = (name: string, values: Float64Array | undefined): void => {
    const t = slots.find((s) => s.name === name)!, shape = shapeOf(t, c.d), columns = shape.at(-1)!, ld = rowFloats(columns), view = t.dtype === "i32" ? i32 : f32;
    const from = at[name]! / 4, floats = tensorBytes(shape) / 4;
    i32.fill(CANARY, from - BAND / 4, from);
    i32.fill(CANARY, from + floats, from + floats + BAND / 4);
    view.fill(0, from, from + floats);
    if (values) for (let i = 0; i < values.length; i++) view[from + Math.floor(i / columns) * ld + (i % columns)] = values[i]!;
  };
  const read = (name: string): Float64Array => {
    const t = slots.find((s) => s.name === name)!, shape = shapeOf(t, c.d), columns = shape.at(-1)!, ld = rowFloats(columns), view = t.dtype === "i32" ? i32 : f32;
    const from = at[name]! / 4, floats = tensorBytes(shape) / 4;
    for (let i = 1; i <= BAND / 4; i++)
      if (i32[from - i] !== CANARY || i32[from + floats + i - 1] !== CANARY) throw new Error(`${opName} wrote outside ${name}`);
    for (let i = 0; i < floats; i++) if (i % ld >= columns && view[from + i] !== 0) throw new Error(`${opName} left ${view[from + i]} in the padding of ${name}, column ${i % ld} of ${columns}`);
    return Float64Array.from({ length: elements(shape) }, (_, i) => view[from + Math.floor(i / columns) * ld + (i % columns)]!);
  };
  return {
    spec, source, wasmBytes: wasm.length,
    run(inputs, { accumulate = false, workers = 1 } = {}) {
      for (const t of slots) if (op.mutates?.[t.name] === undefined) place(t.name, inputs[t.name]);
      i32[control.workers / 4] = workers;
      for (let w = 0; w < workers; w++) exports.run(w, accumulate ? 1 : 0);
      return Object.fromEntries(slots.filter((t) => t.output).map((t) => [t.name, read(t.name)]));
    },
    repeat: (times) => exports.repeat(times),
  };
}
