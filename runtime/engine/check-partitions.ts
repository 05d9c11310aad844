/**
 * The check of a module that is cut into partitions: together these have to make the module. Manifests come
 * from files, so nothing is believed before its numbers are used.
 */
import { MAX_WORKERS } from "../contract/control.ts";
import { MOST_PAGES, PAGE_BYTES } from "../contract/memory-import.ts";
import { memoryBytesFor } from "../contract/worker-memory.ts";
import { carried, type TensorName } from "../contract/entries.ts";
import type { EntryPlace, EntryRun, Manifest, ModuleManifest, TensorPlace } from "../contract/manifest.ts";
import { SinterError } from "../base/errors.ts";

/** Where rows of x, or their cotangents, come into a partition and leave it. */
const partitionEnds: readonly string[] = Object.values(carried).flatMap(({ in: into, out }) => [into, out]);
/** No count or address of a tensor is larger. */
const MOST_COUNT = 2 ** 40;

/** A whole number from 0 to `most`. */
const isCount = (value: unknown, most: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;

/**
 * Every slice of every tensor has to be in one partition, entries have to be chains of entries that exist,
 * and the rows that go from one partition to the next have to have the model's width. Throws `corrupt`.
 */
export function checkPartitions(manifest: Manifest, from: string): void {
  for (const [name, module] of Object.entries(manifest.modules)) {
    if (!module || module.parts === undefined) continue;
    const wrong = wrongModule(module, manifest.model?.sizes?.width);
    if (wrong !== undefined)
      throw new SinterError(
        "corrupt",
        `${from}: module "${name}": ${wrong}`,
        "Compile the spec again: sinter compile SPEC -o DIR",
      );
  }
}

/** What is wrong with a module; undefined when nothing is. The manifest calls its partitions `parts`. */
function wrongModule(
  { parts: partitions, tensors, entries }: ModuleManifest,
  width: unknown,
): string | undefined {
  if (
    !Array.isArray(partitions) ||
    partitions.length === 0 ||
    !Array.isArray(tensors) ||
    !Array.isArray(entries)
  )
    return "its parts, tensors or entries are no lists";
  for (const [p, partition] of (partitions as readonly ModuleManifest[]).entries()) {
    const wrong = wrongPartition(partition, p, partitions[0]!, width);
    if (wrong !== undefined) return wrong;
  }
  return (
    tensors.map((t) => wrongSlices(t, partitions)).find((w) => w !== undefined) ??
    entries.map((e) => wrongChain(e, partitions)).find((w) => w !== undefined)
  );
}

function wrongPartition(
  partition: ModuleManifest,
  p: number,
  first: ModuleManifest,
  width: unknown,
): string | undefined {
  if (
    !Array.isArray(partition?.tensors) ||
    !Array.isArray(partition.entries) ||
    typeof partition.wasm !== "object" ||
    partition.wasm === null
  )
    return `part ${p} lacks tensors, entries or wasm`;
  const { memoryPages, memoryBytes, maxWorkers, workerBytes, tensors } = partition;
  if (
    !isCount(memoryPages, MOST_PAGES) ||
    memoryPages === 0 ||
    !isCount(memoryBytes, memoryPages * PAGE_BYTES)
  )
    return `part ${p} has ${memoryPages} pages`;
  if (!isCount(maxWorkers, MAX_WORKERS) || !isCount(workerBytes ?? 0, memoryBytes))
    return `part ${p} has ${workerBytes} bytes for each of ${maxWorkers} workers`;
  const base = memoryBytesFor(partition, 0);
  if (Object.keys(partition.wasm).join() !== Object.keys(first.wasm).join())
    return `part ${p} has other targets than part 0`;
  for (const t of tensors) if (!fitsMemory(t, base)) return `part ${p}: ${t?.name} is not within its memory`;
  for (const end of tensors.filter((t) => partitionEnds.includes(t.name)))
    if (end.shape[1] !== width || end.dtype !== "f32") return `part ${p}: ${end.name} is [${end.shape}]`;
  return undefined;
}

function fitsMemory(t: TensorPlace, bytes: number): boolean {
  if (typeof t?.name !== "string" || !Array.isArray(t.shape)) return false;
  const counts = [...t.shape, t.slices, t.rowFloats, t.offset, t.stride, t.firstLayer ?? 0];
  if (!counts.every((n) => isCount(n, MOST_COUNT))) return false;
  if (t.quantised && t.shape.length < 2) return false;
  const rows = (t.quantised?.transposed ? t.shape.toSpliced(-2, 1) : t.shape.slice(0, -1)).reduce(
    (a, b) => a * b,
    1,
  );
  return (
    t.offset % 4 === 0 &&
    t.slices > 0 &&
    t.offset + (t.slices - 1) * t.stride + rows * t.rowFloats * 4 <= bytes
  );
}

function wrongSlices(place: TensorPlace, partitions: readonly ModuleManifest[]): string | undefined {
  const pieces = partitions.flatMap((p) => p.tensors.filter((t) => t.name === place.name));
  if (pieces.length === 0) return `no part holds ${place.name}`;
  if (
    pieces.some(
      (t) => `${t.shape}` !== `${place.shape}` || t.dtype !== place.dtype || t.layered !== place.layered,
    )
  )
    return `${place.name} has other shapes in its parts`;
  if (!place.layered)
    return pieces.length === 1 || pieces.every((piece) => piece.storage === "input")
      ? undefined
      : `${place.name} is in ${pieces.length} parts`;
  let next = 0;
  for (const { firstLayer = 0, slices } of pieces) {
    if (firstLayer !== next) return `layer ${next} of ${place.name} is missing`;
    next += slices;
  }
  return next === place.slices ? undefined : `${place.name} has ${next} of ${place.slices} layers`;
}

function wrongChain(
  { name, runs, batch, context }: EntryPlace,
  partitions: readonly ModuleManifest[],
): string | undefined {
  if (!Array.isArray(runs) || runs.length === 0) return `entry "${name}" runs nothing`;
  for (const [i, { part, entry, takes = "x" }] of runs.entries()) {
    const found = partitions[part]?.entries.find((e) => e.name === entry);
    if (!found) return `entry "${name}" runs "${entry}" of part ${part}, which does not exist`;
    if (found.batch * found.context !== batch * context)
      return `entry "${name}" has other rows than "${entry}" of part ${part}`;
    if (takes !== "norm" && !Object.hasOwn(carried, takes))
      return `entry "${name}" takes "${takes}", which nothing makes`;
    if (i === 0) continue;
    for (const [p, end] of neededEnds(runs[i - 1]!, runs[i]!))
      if (rowsOf(partitions[p]!, end) < (end === "norm" ? 1 : batch * context))
        return `part ${p} has no ${end} for entry "${name}"`;
  }
  return undefined;
}

/** The tensors between a run and the next one, and in which partition they have to be. */
function neededEnds(before: EntryRun, run: EntryRun): readonly (readonly [number, TensorName])[] {
  const { takes = "x" } = run;
  if (takes === "norm") return [[run.part, "norm"]];
  const { out, in: into } = carried[takes];
  return [
    [before.part, out],
    [run.part, into],
  ];
}

const rowsOf = ({ tensors }: ModuleManifest, name: string): number =>
  tensors.find((t) => t.name === name)?.shape[0] ?? 0;
