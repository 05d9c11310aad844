/**
 * Where a module is in memory. A small module is one partition: one memory, one instance of the kernels. A
 * model that does not fit into one memory is cut by layers into several, and these act as one: a tensor's
 * slices are spread over the partitions, and an entry of the module is a chain of the partitions' entries
 * (entries.ts).
 *
 * In manifest.json the partitions are called `parts`.
 */
import type { ModuleManifest, TensorPlace } from "../contract/manifest.ts";
import { sizeText } from "../contract/amounts.ts";
import { PAGE_BYTES } from "../contract/memory-import.ts";
import { memoryBytesFor } from "../contract/worker-memory.ts";
import { SinterError } from "../base/errors.ts";
import { tensorIn, type Tensor } from "./tensors.ts";

/** One memory of a module, and what is where in it. */
export interface Partition {
  readonly manifest: ModuleManifest;
  readonly memory: WebAssembly.Memory;
}

/** Bytes `from` … `to` − 1 of a memory. */
export interface MemoryRange {
  readonly buffer: ArrayBufferLike;
  readonly from: number;
  readonly to: number;
}

/** What the manifest says of each partition. A module that is not cut is its own only partition. */
export const partitionManifests = (module: ModuleManifest): readonly ModuleManifest[] =>
  module.parts ?? [module];

/**
 * Gives every partition of a module its memory, for so many workers. Throws `memory` when the engine has too
 * little.
 */
export const allocatePartitions = (module: ModuleManifest, workers: number): readonly Partition[] =>
  partitionManifests(module).map((manifest) => ({ manifest, memory: createMemory(manifest, workers) }));

/** One worker needs no memory that is shared. */
export function createMemory(manifest: ModuleManifest, workers: number): WebAssembly.Memory {
  const bytes = memoryBytesFor(manifest, workers);
  const pages = Math.ceil(bytes / PAGE_BYTES);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: workers > 1 });
  } catch (cause) {
    throw new SinterError(
      "memory",
      `cannot get ${sizeText(bytes)} in one piece: ${(cause as Error).message}`,
      "Use a smaller batch, context or model: sinter check SPEC prints what each needs.",
    );
  }
}

/** Where a partition's parameters are, which lie together. */
export function parametersOf({ manifest, memory: { buffer } }: Partition): MemoryRange {
  const places = manifest.tensors.filter(({ storage }) => storage === "parameter");
  const from = Math.min(...places.map(({ offset }) => offset));
  const to = Math.max(...places.map(({ offset, stride, slices }) => offset + stride * slices));
  return { buffer, from, to };
}

/** Every tensor of the module by name, wherever its slices are. */
export function tensorsOf(
  module: ModuleManifest,
  partitions: readonly Partition[],
): ReadonlyMap<string, Tensor> {
  return new Map(
    module.tensors.map((place) => {
      const pieces = partitions.flatMap((partition) => tensorOf(partition, place.name) ?? []);
      return [place.name, module.parts ? joined(place, pieces) : pieces[0]!] as const;
    }),
  );
}

/** A partition's tensor. Undefined: it has none of that name. */
export function tensorOf({ manifest, memory }: Partition, name: string): Tensor | undefined {
  const place = manifest.tensors.find((tensor) => tensor.name === name);
  return place && tensorIn(memory.buffer, place);
}

/**
 * One tensor whose slices are in several memories. A tensor that belongs to no layer is in one of them; an
 * input may be in several, which are all written.
 */
function joined(place: TensorPlace, pieces: readonly Tensor[]): Tensor {
  const [first] = pieces;
  /** The piece that holds a slice, and which slice of the piece it is. */
  const locate = (slice: number): readonly [Tensor, number] => {
    if (!place.layered) return [first!, slice];
    const piece = pieces.find(
      ({ place: { firstLayer = 0, slices } }) => slice >= firstLayer && slice < firstLayer + slices,
    );
    if (!piece) throw new Error(`${place.name} has no slice ${slice}`);
    return [piece, slice - (piece.place.firstLayer ?? 0)];
  };
  const on = <T>(slice: number, act: (piece: Tensor, slice: number) => T): T => act(...locate(slice));
  return {
    ...first!,
    place,
    padded: (slice = 0) => on(slice, (t, s) => t.padded(s)),
    dense: (slice = 0) => on(slice, (t, s) => t.dense(s)),
    write: (values, slice = 0) => {
      if (first!.place.storage === "input") for (const piece of pieces) piece.write(values);
      else on(slice, (t, s) => t.write(values, s));
    },
    fill: (slice, next) => on(slice, (t, s) => t.fill(s, next)),
  };
}
