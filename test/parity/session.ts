/**
 * A compiled module, run by hand: memory, instance, tensors by their places in the manifest, entries called
 * directly. The smallest loader that can train; it knows nothing of the runtime.
 */
import { nameInLayer } from "../../runtime/contract/parameter-names.ts";
import { controlWord } from "../../runtime/contract/control.ts";
import v8 from "node:v8";
import { Worker } from "node:worker_threads";
import { withSharedMemory } from "../../runtime/contract/memory-import.ts";
import type { Manifest, ModuleManifest, TensorPlace, ModuleName } from "../../runtime/contract/manifest.ts";
import type { Target } from "../../runtime/contract/targets.ts";

v8.setFlagsFromString("--experimental-wasm-revectorize"); // for `wide`; harmless for the others

type Numbers = Float32Array | Int32Array;

export interface Session {
  readonly module: ModuleManifest;
  /** Copies a dense tensor in, row by row; the padding stays zero. */
  write(name: string, values: ArrayLike<number>, slice?: number): void;
  /** A dense copy. */
  read(name: string, slice?: number): Numbers;
  /** One i32 of the control block. */
  set(field: "accumulate" | "update" | "rows" | "spanCount", value: number): void;
  call(entry: string): void;
  close(): Promise<void>;
}

/** "layers.attention.qkv.weight", slice 3 → "layers.3.attention.qkv.weight". */
export const checkpointName = (place: TensorPlace, slice: number): string =>
  place.layered ? nameInLayer(place.name, slice) : place.name;

const elementsOf = ({ shape }: TensorPlace): number => shape.reduce((a, b) => a * b, 1);

export async function openSession(
  manifest: Manifest,
  which: ModuleName,
  target: Target,
  wasm: Uint8Array<ArrayBuffer>,
  workers: number,
): Promise<Session> {
  const module = manifest.modules[which];
  const file = module?.wasm[target];
  if (!module || !file) throw new Error(`${manifest.model.name} was not compiled for ${which}, ${target}`);
  const shared = workers > 1;
  const memory = new WebAssembly.Memory({ initial: module.memoryPages, maximum: module.memoryPages, shared });
  const compiled = new WebAssembly.Module(withSharedMemory(wasm, file.memoryFlagOffset, shared));
  const instance = new WebAssembly.Instance(compiled, { env: { memory, abort() {} } });
  const i32 = new Int32Array(memory.buffer);
  i32[controlWord(manifest.control.workers)] = workers;
  // workers that have left the entry: some may still be in its last kernel
  const finished = new Int32Array(new SharedArrayBuffer(4));
  const others = await Promise.all(
    Array.from({ length: workers - 1 }, (_, i) =>
      startWorker({ module: compiled, memory, finished, index: i + 1 }),
    ),
  );
  return {
    module,
    ...tensorAccess(module, memory),
    set(field, value) {
      i32[controlWord(manifest.control[field])] = value;
    },
    call(entry) {
      Atomics.store(finished, 0, 0);
      for (const worker of others) worker.postMessage(entry);
      (instance.exports[entry] as (worker: number) => void)(0);
      for (let left = Atomics.load(finished, 0); left < others.length; left = Atomics.load(finished, 0))
        Atomics.wait(finished, 0, left, 1000);
    },
    async close() {
      await Promise.all(others.map((worker) => worker.terminate()));
    },
  };
}

/** Writes and reads dense tensors, which lie in memory with padded rows. */
function tensorAccess(
  { tensors }: ModuleManifest,
  { buffer }: WebAssembly.Memory,
): Pick<Session, "write" | "read"> {
  const f32 = new Float32Array(buffer);
  const i32 = new Int32Array(buffer);
  const placeOf = (name: string): TensorPlace => {
    const place = tensors.find((t) => t.name === name);
    if (!place) throw new Error(`no tensor ${name}; there are ${tensors.map((t) => t.name).join(" ")}`);
    return place;
  };
  return {
    write(name, values, slice = 0) {
      const place = placeOf(name);
      const view = place.dtype === "i32" ? i32 : f32;
      if (values.length > elementsOf(place))
        throw new Error(`${name}[${place.shape}] does not hold ${values.length} numbers`);
      walk(place, slice, (dense, at) => {
        view[at] = values[dense] ?? 0;
      });
    },
    read(name, slice = 0) {
      const place = placeOf(name);
      const view = place.dtype === "i32" ? i32 : f32;
      const elements = elementsOf(place);
      const dense = place.dtype === "i32" ? new Int32Array(elements) : new Float32Array(elements);
      walk(place, slice, (i, at) => {
        dense[i] = view[at]!;
      });
      return dense;
    },
  };
}

/** Calls `visit` with the index of each element in the dense tensor and in memory. */
function walk(place: TensorPlace, slice: number, visit: (dense: number, at: number) => void): void {
  const columns = place.shape.at(-1)!;
  const elements = elementsOf(place);
  const base = (place.offset + slice * place.stride) / 4;
  for (let i = 0; i < elements; i++)
    visit(i, base + Math.floor(i / columns) * place.rowFloats + (i % columns));
}

interface Start {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly finished: Int32Array;
  readonly index: number;
}

/**
 * Worker `index`: instantiates the same module on the same memory, then runs each entry whose name arrives.
 */
function startWorker(workerData: Start): Promise<Worker> {
  const code = `const { workerData, parentPort } = require("node:worker_threads");
    const { module, memory, finished, index } = workerData;
    const { exports } = new WebAssembly.Instance(module, { env: { memory, abort() {} } });
    parentPort.on("message", (entry) => {
      exports[entry](index);
      Atomics.add(finished, 0, 1);
      Atomics.notify(finished, 0);
    });
    parentPort.postMessage("ready");`;
  const worker = new Worker(code, { eval: true, workerData });
  return new Promise((resolve, reject) => {
    worker.once("message", () => resolve(worker));
    worker.once("error", reject);
  });
}
