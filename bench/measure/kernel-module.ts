/**
 * Kernels in a module of their own, as the real runtime runs them: optimised code, a shared memory, a pool of
 * workers with the module's own barriers. For measuring; only one kernel's tensors are in memory at a time.
 *
 *   memory: control block | how often to repeat | tensors of the kernel at hand | scratch, one piece per
 *   worker
 */
import { kernelSpec, scratchOf, type KernelSpec } from "../../compiler/6-tile/kernel-spec.ts";
import { emitKernel, kernelArguments } from "../../compiler/8-emit/kernel.ts";
import { prelude, taskCounter } from "../../compiler/8-emit/prelude.ts";
import { assemble } from "../../compiler/9-bundle/assemble.ts";
import type { EntryPlace, ModuleManifest } from "../../runtime/contract/manifest.ts";
import { control, CONTROL_BYTES } from "../../runtime/contract/control.ts";
import { shapeOf, type TensorSlot } from "../../compiler/ops/kit/signature.ts";
import { rowFloats, tensorBytes } from "../../runtime/contract/tensor-layout.ts";
import { withSharedMemory } from "../../runtime/contract/memory-import.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { callingThread, type Pool } from "../../runtime/engine/host.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { elements, joinPairs, type Tensors } from "./kernel-numbers.ts";

export { kernelSpec };

export interface KernelModule {
  /**
   * Writes a kernel's inputs (dense; padding is added) into memory, zeros into its outputs. Before its `run`
   * and `repeat`.
   */
  load(kernel: number, inputs: Tensors): void;
  /**
   * Zeros in its outputs; what it reads stays. For other kernels of the same operation and sizes, after one
   * `load`.
   */
  clear(kernel: number): void;
  /** One call; dense outputs. */
  run(kernel: number, workers: number): Promise<Record<string, Float64Array>>;
  /** Milliseconds of `times` calls, with a barrier after each. */
  repeat(kernel: number, workers: number, times: number): Promise<number>;
  close(): Promise<void>;
}

const TIMES = CONTROL_BYTES;
const TENSORS = CONTROL_BYTES + 64;
const PAGE = 65536;

interface Placed {
  readonly spec: KernelSpec;
  readonly slots: readonly TensorSlot[];
  /** Byte addresses. */
  readonly at: Readonly<Record<string, number>>;
  readonly top: number;
}

/** `specs` are all for `target`. Throws when the memory cannot be had. */
export async function kernelModule(
  specs: readonly KernelSpec[],
  target: Target,
  mostWorkers: number,
): Promise<KernelModule> {
  const placed = specs.map(layOut);
  const scratches = Math.max(...placed.map((p) => p.top));
  const scratchBytes = Math.ceil(Math.max(...specs.map(scratchOf)) / 64) * 64;
  const bytes = scratches + scratchBytes * mostWorkers;
  return measuredModule(
    {
      source: kernelsSource(placed, target, scratches, scratchBytes),
      target,
      bytes,
      mostWorkers,
      entries: placed.flatMap((_, i) => [`run${i}`, `repeat${i}`]),
    },
    (memory, call) => {
      const i32 = new Int32Array(memory.buffer);
      const f32 = new Float32Array(memory.buffer);
      return {
        load: (kernel, inputs) => write(placed[kernel]!, inputs, f32, i32),
        clear: (kernel) => clearOutputs(placed[kernel]!, i32),
        async run(kernel, workers) {
          await call(`run${kernel}`, workers);
          return read(placed[kernel]!, f32, i32);
        },
        repeat(kernel, workers, times) {
          i32[TIMES / 4] = times;
          return call(`repeat${kernel}`, workers);
        },
      };
    },
  );
}

function layOut(spec: KernelSpec): Placed {
  const slots = spec.op.tensors.filter((t) => spec.tensors.includes(t.name));
  const at: Record<string, number> = {};
  let top = TENSORS;
  for (const t of slots) {
    const shared = spec.op.mutates?.[t.name];
    at[t.name] = shared === undefined ? top : at[shared]!;
    if (shared === undefined) top += tensorBytes(shapeOf(t, spec.d));
  }
  return { spec, slots, at, top };
}

function kernelsSource(
  placed: readonly Placed[],
  target: Target,
  scratches: number,
  scratchBytes: number,
): string {
  const functions = new Map<string, string>();
  const kernels = placed.map(({ spec, slots, at }, i) => {
    const text = emitKernel(`kernel${i}`, spec, functions);
    const tensors = slots.map((t) => `${at[t.name]}`);
    const call = `kernel${i}(${kernelArguments(spec, { tensors, scratches: `${scratches}`, accumulate: "false", counter: taskCounter(0), worker: "worker" })});`;
    return `${text}export function run${i}(worker: i32): void { ${call} barrier(); }
export function repeat${i}(worker: i32): void { for (let left = load<i32>(${TIMES}); left > 0; left--) { ${call} barrier(); } }`;
  });
  return [
    prelude(target),
    `const SCRATCH_BYTES: usize = ${scratchBytes};\n`,
    ...functions.values(),
    ...kernels,
  ].join("\n");
}

/** Rows of a tensor: where each begins in 32-bit words of memory, and in the dense array. */
function* rowsOf(
  { spec, at }: Placed,
  slot: TensorSlot,
): Generator<{ readonly word: number; readonly from: number; readonly to: number }> {
  const shape = shapeOf(slot, spec.d);
  const columns = shape.at(-1)!;
  const start = at[slot.name]! / 4;
  for (let r = 0, rows = elements(shape) / columns; r < rows; r++)
    yield { word: start + r * rowFloats(columns), from: r * columns, to: (r + 1) * columns };
}

function write(placed: Placed, inputs: Tensors, f32: Float32Array, i32: Int32Array): void {
  i32.fill(0, TENSORS / 4, placed.top / 4);
  for (const slot of placed.slots) {
    const values = inputs[slot.name];
    const numbers = slot.dtype === "i32" ? i32 : f32;
    if (values)
      for (const { word, from, to } of rowsOf(placed, slot)) numbers.set(values.subarray(from, to), word);
  }
}

/** Zeros in all outputs but those that share an input's place. */
function clearOutputs({ spec, slots, at }: Placed, i32: Int32Array): void {
  for (const t of slots)
    if (t.output && spec.op.mutates?.[t.name] === undefined)
      i32.fill(0, at[t.name]! / 4, (at[t.name]! + tensorBytes(shapeOf(t, spec.d))) / 4);
}

function read(placed: Placed, f32: Float32Array, i32: Int32Array): Record<string, Float64Array> {
  return Object.fromEntries(
    placed.slots
      .filter((t) => t.output)
      .map((slot) => {
        const numbers = slot.dtype === "i32" ? i32 : f32;
        const out = new Float64Array(elements(shapeOf(slot, placed.spec.d)));
        for (const { word, from, to } of rowsOf(placed, slot))
          out.set(numbers.subarray(word, word + to - from), from);
        return [slot.name, out];
      }),
  );
}

interface Plan {
  /** AssemblyScript; every entry is `export function NAME(worker: i32): void`. */
  readonly source: string;
  readonly target: Target;
  readonly bytes: number;
  readonly mostWorkers: number;
  readonly entries: readonly string[];
}
/** Runs an entry on so many workers; milliseconds. */
type Call = (entry: string, workers: number) => Promise<number>;

/** A module of any source on real workers. `use` says what its owner makes of memory and calls. */
export async function measuredModule<T>(
  plan: Plan,
  use: (memory: WebAssembly.Memory, call: Call) => T,
): Promise<T & { close(): Promise<void> }> {
  const pages = Math.ceil(plan.bytes / PAGE);
  const { wasm, memoryFlagOffset } = await assemble(plan.source, plan.target, pages);
  const shared = plan.mostWorkers > 1;
  const named = withSharedMemory(withName(wasm, plan.target), memoryFlagOffset, shared);
  joinPairs(plan.target);
  const module = nodeHost.compile(named);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
  const entries = plan.entries.map((name, index): EntryPlace => ({
    name,
    index,
    inputs: [],
    outputs: [],
    batch: 1,
    context: 1,
    flops: 0,
  }));
  const manifest: ModuleManifest = {
    memoryBytes: plan.bytes,
    memoryPages: pages,
    maxWorkers: plan.mostWorkers,
    tensors: [],
    entries,
    wasm: {},
  };
  const i32 = new Int32Array(memory.buffer);
  const alone = callingThread([{ module, memory }]);
  let pool: Pool | undefined; // one at a time: all threads on this memory would hear the call
  const poolOf = async (workers: number): Promise<Pool> => {
    if (workers > 1 && pool?.workers !== workers) {
      await pool?.close();
      Atomics.store(i32, control.abort / 4, 0);
      pool = await nodeHost.startPool({ partitions: [{ module, memory, manifest }], control, workers });
    }
    i32[control.workers / 4] = workers;
    return workers > 1 ? pool! : alone;
  };
  const call: Call = async (name, workers) => {
    const chosen = await poolOf(workers);
    const entry = entries.find((e) => e.name === name)!;
    const began = performance.now();
    await chosen.run(entry);
    return performance.now() - began;
  };
  return { ...use(memory, call), close: async () => pool?.close() };
}

/**
 * A custom section with the target's name: equal bytes of two targets would share the code that the engine
 * made of the first.
 */
function withName(wasm: Uint8Array<ArrayBuffer>, target: Target): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(target);
  const out = new Uint8Array(wasm.length + 3 + name.length);
  out.set(wasm);
  out.set([0, name.length + 1, name.length, ...name], wasm.length);
  return out;
}
