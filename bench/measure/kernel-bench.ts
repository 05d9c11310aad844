/**
 * One kernel alone: emitted, assembled, run on given numbers. Tests compare it with its reference, benches
 * time it. Canary bands stand around every tensor; `run` fails when a kernel writes into one.
 */
import { kernelSpec, scratchOf, type KernelSpec } from "../../compiler/6-tile/kernel-spec.ts";
import { elements, joinPairs } from "./kernel-numbers.ts";
import { emitKernel, kernelArguments } from "../../compiler/8-emit/kernel.ts";
import { control, CONTROL_BYTES, MAX_WORKERS } from "../../runtime/contract/control.ts";
import { prelude, taskCounter } from "../../compiler/8-emit/prelude.ts";
import { assemble } from "../../compiler/9-bundle/assemble.ts";
import { withSharedMemory } from "../../runtime/contract/memory-import.ts";
import { type Case, type Op } from "../../compiler/ops/kit/op.ts";
import { shapeOf, type TensorSlot } from "../../compiler/ops/kit/signature.ts";
import { rowFloats, tensorBytes } from "../../runtime/contract/tensor-layout.ts";
import type { Target } from "../../runtime/contract/targets.ts";

export {
  difference,
  elements,
  inputsFor,
  joinPairs,
  noise,
  referenceOutputs,
  type Difference,
} from "./kernel-numbers.ts";

const BAND = 256; // bytes of canary before and after each tensor
const CANARY = 0x7fa5a5a5 | 0;

export interface Bench {
  readonly spec: KernelSpec;
  readonly source: string;
  readonly wasmBytes: number;
  /**
   * Feeds dense tensors (padding is added), runs once as `workers` workers one after the other, returns dense
   * outputs.
   */
  run(
    inputs: Record<string, Float64Array>,
    options?: { accumulate?: boolean; workers?: number },
  ): Record<string, Float64Array>;
  /** Runs again on what is in memory, `times` times, as one worker. For timing. */
  repeat(times: number): void;
}

export const kernelBench = async (opName: string, op: Op, c: Case, target: Target): Promise<Bench> =>
  (await kernelBenches(opName, op, [c], target))[0]!;

/** One module with a kernel for each case: one run of asc instead of many. Every bench has its own memory. */
export async function kernelBenches(
  opName: string,
  op: Op,
  cases: readonly Case[],
  target: Target,
  compile = (wasm: Uint8Array<ArrayBuffer>) => new WebAssembly.Module(wasm),
): Promise<Bench[]> {
  const placed = cases.map((c) => layOut(opName, op, c, target));
  const scratchBytes = Math.max(...placed.map((p) => p.scratchBytes));
  const pages = Math.max(...placed.map((p) => Math.ceil((p.scratches + scratchBytes * MAX_WORKERS) / 65536)));
  const helpers = new Map<string, string>();
  const kernels = placed.map(({ spec, slots, at, scratches }, i) => {
    const name = `${opName}_${i}`;
    const text = emitKernel(name, spec, helpers);
    const call = (accumulate: string, worker: string): string =>
      `${name}(${kernelArguments(spec, { tensors: slots.map((t) => `${at[t.name]}`), scratches: `${scratches}`, accumulate, counter: taskCounter(0), worker })})`;
    return `${text}export function run${i}(worker: i32, accumulate: bool): void { ${call("accumulate", "worker")}; }
export function repeat${i}(times: i32): void { for (let i = 0; i < times; i++) ${call("false", "0")}; }`;
  });
  const source = [
    prelude(target),
    `const SCRATCH_BYTES: usize = ${scratchBytes};\n`,
    ...helpers.values(),
    ...kernels,
  ].join("\n");
  const { wasm, memoryFlagOffset } = await assemble(source, target, pages);
  const module = compile(withSharedMemory(wasm, memoryFlagOffset, false));
  return placed.map((p, i) => {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const instance = new WebAssembly.Instance(module, { env: { memory, abort() {} } });
    const exports = instance.exports as unknown as Record<string, (a: number, b: number) => void>;
    return bench(opName, op, p, memory, {
      run: exports[`run${i}`]!,
      repeat: exports[`repeat${i}`]!,
      source,
      wasmBytes: wasm.length,
    });
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
    if (shared !== undefined) {
      at[t.name] = at[shared]!;
      continue;
    }
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

function bench(
  opName: string,
  op: Op,
  { c, spec, slots, at }: Placed,
  memory: WebAssembly.Memory,
  compiled: Compiled,
): Bench {
  const f32 = new Float32Array(memory.buffer);
  const i32 = new Int32Array(memory.buffer);
  const view = (name: string) => {
    const t = slots.find((s) => s.name === name)!;
    const shape = shapeOf(t, c.d);
    const columns = shape.at(-1)!;
    const ld = rowFloats(columns);
    const from = at[name]! / 4;
    const count = elements(shape);
    return {
      count,
      columns,
      ld,
      from,
      floats: tensorBytes(shape) / 4,
      numbers: t.dtype === "i32" ? i32 : f32,
      index: (i: number) => from + Math.floor(i / columns) * ld + (i % columns),
    };
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
      if (i32[from - i] !== CANARY || i32[from + floats + i - 1] !== CANARY)
        throw new Error(`${opName} wrote outside ${name}`);
    for (let i = 0; i < floats; i++)
      if (i % ld >= columns && numbers[from + i] !== 0)
        throw new Error(
          `${opName} left ${numbers[from + i]} in the padding of ${name}, column ${i % ld} of ${columns}`,
        );
    return Float64Array.from({ length: count }, (_, i) => numbers[index(i)]!);
  };
  return {
    spec,
    source: compiled.source,
    wasmBytes: compiled.wasmBytes,
    run(inputs, { accumulate = false, workers = 1 } = {}) {
      for (const t of slots)
        if (op.mutates?.[t.name] === undefined) place(t.name, inputs[t.name], accumulate);
      i32[control.workers / 4] = workers;
      i32[control.turns / 4] = 0;
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
