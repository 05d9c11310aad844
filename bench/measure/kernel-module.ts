/**
 * Runs kernels as the runtime runs them: optimised code in a module of their own, with a shared memory, a
 * pool of workers and the module's phases. For measuring; only one kernel's tensors are in memory at a
 * time.
 *
 *   memory: control block | how often to repeat | tensors of the kernel at hand | each worker's own
 */
import type { KernelSpec } from "../../compiler/6-tile/kernel-spec.ts";
import { PHASE_HEAD } from "../../compiler/8-emit/barrier.ts";
import { assemble } from "../../compiler/9-bundle/assemble.ts";
import { control, CONTROL_BYTES, controlWord } from "../../runtime/contract/control.ts";
import type { EntryPlace, ModuleManifest } from "../../runtime/contract/manifest.ts";
import { withSharedMemory, PAGE_BYTES } from "../../runtime/contract/memory-import.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { callingThread, type Pool } from "../../runtime/engine/host.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import {
  isFreshOutput,
  kernelsSource,
  layOut,
  readDense,
  workerBytesFor,
  wordRange,
  wordsOf,
  writeDense,
  type KernelLayout,
  type Words,
} from "./kernel-layout.ts";
import { joinPairs, type Tensors } from "./kernel-numbers.ts";

export interface KernelModule {
  /**
   * Writes a kernel's inputs (dense; padding is added) into memory, and zeros into its outputs. To be called
   * before `run` and `repeat`.
   */
  load(kernel: number, inputs: Tensors): void;
  /**
   * Writes zeros into its outputs; its inputs stay. After one `load`, for other kernels of the same operation
   * and sizes.
   */
  clear(kernel: number): void;
  /** Calls the kernel once; returns dense outputs. */
  run(kernel: number, workers: number): Promise<Record<string, Float64Array>>;
  /** Milliseconds of `times` calls, each a phase of its own. */
  repeat(kernel: number, workers: number, times: number): Promise<number>;
  close(): Promise<void>;
}

const TIMES = CONTROL_BYTES;
const TENSORS = CONTROL_BYTES + 64;

/** `specs` are all for `target`. Throws when the memory cannot be had. */
export async function kernelModule(
  specs: readonly KernelSpec[],
  target: Target,
  mostWorkers: number,
): Promise<KernelModule> {
  const layouts = specs.map((spec) => layOut(spec, TENSORS));
  const pieces = Math.max(...layouts.map((layout) => layout.end));
  const workerBytes = workerBytesFor(specs);
  const source = kernelsSource({
    layouts,
    target,
    workerBytes,
    pieces: () => pieces,
    nameOf: (i) => `kernel${i}`,
    entries(i, call) {
      const once = `${PHASE_HEAD} { ${call("false", "part")}; }`;
      const left = `let left = load<i32>(${TIMES}); left > 0; left--`;
      return [
        `export function run${i}(worker: i32): void { ${once} leave(); }`,
        `export function repeat${i}(worker: i32): void { for (${left}) { ${once} } leave(); }`,
      ].join("\n");
    },
  });
  return measuredModule(
    {
      source,
      target,
      bytes: pieces + workerBytes * mostWorkers,
      mostWorkers,
      entries: layouts.flatMap((_, i) => [`run${i}`, `repeat${i}`]),
    },
    (memory, call) => {
      const words = wordsOf(memory);
      return {
        load: (kernel, inputs) => load(layouts[kernel]!, inputs, words),
        clear: (kernel) => clearOutputs(layouts[kernel]!, words),
        async run(kernel, workers) {
          await call(`run${kernel}`, workers);
          return read(layouts[kernel]!, words);
        },
        repeat(kernel, workers, times) {
          words.i32[TIMES / 4] = times;
          return call(`repeat${kernel}`, workers);
        },
      };
    },
  );
}

function load(layout: KernelLayout, inputs: Tensors, words: Words): void {
  words.i32.fill(0, TENSORS / 4, layout.end / 4);
  for (const slot of layout.slots) {
    const values = inputs[slot.name];
    if (values) writeDense(layout, slot, values, words);
  }
}

/** Zeros in all outputs but those that share an input's place. */
function clearOutputs(layout: KernelLayout, { i32 }: Words): void {
  for (const slot of layout.slots) if (isFreshOutput(layout, slot)) i32.fill(0, ...wordRange(layout, slot));
}

const read = (layout: KernelLayout, words: Words): Record<string, Float64Array> =>
  Object.fromEntries(
    layout.slots.filter((slot) => slot.output).map((slot) => [slot.name, readDense(layout, slot, words)]),
  );

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

/**
 * Compiles a module and starts real workers for it. `use` makes of its memory and calls what the owner needs.
 */
export async function measuredModule<T>(
  plan: Plan,
  use: (memory: WebAssembly.Memory, call: Call) => T,
): Promise<T & { close(): Promise<void> }> {
  const pages = Math.ceil(plan.bytes / PAGE_BYTES);
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
  let pool: Pool | undefined; // one pool at a time: all threads on this memory would hear the call
  const poolOf = async (workers: number): Promise<Pool> => {
    if (workers > 1 && pool?.workers !== workers) {
      await pool?.close();
      Atomics.store(i32, controlWord(control.abort), 0);
      const partitions = [{ module, memory, manifest }];
      pool = await nodeHost.startPool({ partitions, control, workers, cores: nodeHost.cores });
    }
    i32[controlWord(control.workers)] = workers;
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
 * Adds a custom section with the target's name. Without it, two targets with equal bytes would share the code
 * that the engine made for the first.
 */
function withName(wasm: Uint8Array<ArrayBuffer>, target: Target): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(target);
  const out = new Uint8Array(wasm.length + 3 + name.length);
  out.set(wasm);
  out.set([0, name.length + 1, name.length, ...name], wasm.length);
  return out;
}
