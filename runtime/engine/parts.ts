/**
 * A module in parts, each with its own memory and its own instance of its kernels: how they act as one. A
 * tensor's slices are spread over the parts; an entry is a chain of the parts' entries, and the rows that
 * leave one (`x_out`) are copied to where the next expects them (`x_in`).
 */
import type { EntryPlace, Manifest, ModuleManifest, TensorPlace } from "../contract/manifest.ts";
import { SinterError } from "../base/errors.ts";
import type { Pool } from "./host.ts";
import { tensorIn, type Tensor } from "./tensors.ts";

/** A module, or a part of one, in its memory. */
export interface Placed {
  readonly manifest: ModuleManifest;
  readonly memory: WebAssembly.Memory;
}

/** Modules that have code, and a memory each. */
export const codeParts = (module: ModuleManifest): readonly ModuleManifest[] => module.parts ?? [module];

/** Every tensor of the module by name, wherever its slices are. */
export function tensorsOf(module: ModuleManifest, parts: readonly Placed[]): ReadonlyMap<string, Tensor> {
  return new Map(
    module.tensors.map((place) => {
      const pieces = parts.flatMap(({ manifest, memory }) =>
        manifest.tensors.filter((t) => t.name === place.name).map((t) => tensorIn(memory.buffer, t)),
      );
      return [place.name, module.parts ? joined(place, pieces) : pieces[0]!] as const;
    }),
  );
}

/**
 * One tensor whose slices are in several memories. What is not a layer's is in one of them; control fields
 * are in all, and written by the model.
 */
function joined(place: TensorPlace, pieces: readonly Tensor[]): Tensor {
  const [first] = pieces;
  const at = (slice: number): [Tensor, number] => {
    if (!place.layered) return [first!, slice];
    const piece = pieces.find(
      ({ place: { firstLayer = 0, slices } }) => slice >= firstLayer && slice < firstLayer + slices,
    );
    if (!piece) throw new Error(`${place.name} has no slice ${slice}`);
    return [piece, slice - (piece.place.firstLayer ?? 0)];
  };
  const on = <T>(slice: number, act: (piece: Tensor, slice: number) => T): T => act(...at(slice));
  return {
    ...first!,
    place,
    padded: (slice = 0) => on(slice, (t, s) => t.padded(s)),
    dense: (slice = 0) => on(slice, (t, s) => t.dense(s)),
    write: (values, slice = 0) => on(slice, (t, s) => t.write(values, s)),
    fill: (slice, next) => on(slice, (t, s) => t.fill(s, next)),
  };
}

/**
 * Runs an entry of the module: all of its parts' entries, one after the other. `rows`: how many of x's rows
 * there are.
 */
export function chain(
  parts: readonly Placed[],
  pool: Pool,
): (entry: EntryPlace, rows: number) => Promise<void> {
  const tensor = (part: number, name: string): Tensor =>
    tensorIn(
      parts[part]!.memory.buffer,
      parts[part]!.manifest.tensors.find((t) => t.name === name)!,
    );
  const ends = parts.map(({ manifest }, part) => {
    const end = (name: string): Tensor | undefined =>
      manifest.tensors.some((t) => t.name === name) ? tensor(part, name) : undefined;
    return { in: end("x_in"), out: end("x_out") };
  });
  return async ({ runs = [] }, rows) => {
    for (const [i, { part, entry }] of runs.entries()) {
      if (i > 0) {
        const from = ends[runs[i - 1]!.part]!.out!;
        const to = ends[part]!.in!;
        to.padded().set(from.padded().subarray(0, rows * from.place.rowFloats));
      }
      await pool.run(
        parts[part]!.manifest.entries.find((e) => e.name === entry)!,
        part,
      );
    }
  };
}

const PAGES = 65536; // wasm32: 4 GiB
const whole = (value: unknown, most: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;

/**
 * A module in parts has to be whole: every slice of every tensor once, chains of entries that exist, rows of
 * equal width. Throws `corrupt`.
 */
export function checkParts(manifest: Manifest, from: string): void {
  for (const [name, module] of Object.entries(manifest.modules)) {
    if (!module || module.parts === undefined) continue;
    const wrong = wrongParts(module, manifest.model?.sizes?.width);
    if (wrong !== undefined)
      throw new SinterError(
        "corrupt",
        `${from}: module "${name}": ${wrong}`,
        "Compile the spec again: sinter compile SPEC -o DIR",
      );
  }
}

function wrongParts({ parts, tensors, entries }: ModuleManifest, width: unknown): string | undefined {
  if (!Array.isArray(parts) || parts.length === 0 || !Array.isArray(tensors) || !Array.isArray(entries))
    return "its parts, tensors or entries are no lists";
  for (const [p, part] of (parts as readonly ModuleManifest[]).entries()) {
    if (
      !Array.isArray(part?.tensors) ||
      !Array.isArray(part.entries) ||
      typeof part.wasm !== "object" ||
      part.wasm === null
    )
      return `part ${p} lacks tensors, entries or wasm`;
    if (
      !whole(part.memoryPages, PAGES) ||
      part.memoryPages === 0 ||
      !whole(part.memoryBytes, part.memoryPages * 65536)
    )
      return `part ${p} has ${part.memoryPages} pages`;
    if (Object.keys(part.wasm).join() !== Object.keys(parts[0]!.wasm).join())
      return `part ${p} has other targets than part 0`;
    for (const t of part.tensors)
      if (!fitsMemory(t, part.memoryBytes)) return `part ${p}: ${t?.name} is not within its memory`;
    for (const end of part.tensors.filter((t) => t.name === "x_in" || t.name === "x_out"))
      if (end.shape[1] !== width || end.dtype !== "f32") return `part ${p}: ${end.name} is [${end.shape}]`;
  }
  return (
    tensors.map((t) => wrongSlices(t, parts)).find((w) => w !== undefined) ??
    entries.map((e) => wrongChain(e, parts)).find((w) => w !== undefined)
  );
}

function fitsMemory(t: TensorPlace, bytes: number): boolean {
  if (
    typeof t?.name !== "string" ||
    !Array.isArray(t.shape) ||
    ![...t.shape, t.slices, t.rowFloats, t.offset, t.stride, t.firstLayer ?? 0].every((n) =>
      whole(n, 2 ** 40),
    )
  )
    return false;
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

function wrongSlices(place: TensorPlace, parts: readonly ModuleManifest[]): string | undefined {
  const pieces = parts.flatMap((p) => p.tensors.filter((t) => t.name === place.name));
  if (pieces.length === 0) return `no part holds ${place.name}`;
  if (
    pieces.some(
      (t) => `${t.shape}` !== `${place.shape}` || t.dtype !== place.dtype || t.layered !== place.layered,
    )
  )
    return `${place.name} has other shapes in its parts`;
  if (!place.layered)
    return pieces.length === 1 || place.storage === "input"
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
  parts: readonly ModuleManifest[],
): string | undefined {
  if (!Array.isArray(runs) || runs.length === 0) return `entry "${name}" runs nothing`;
  for (const [i, { part, entry }] of runs.entries()) {
    const found = parts[part]?.entries.find((e) => e.name === entry);
    if (!found) return `entry "${name}" runs "${entry}" of part ${part}, which does not exist`;
    if (found.batch * found.context !== batch * context)
      return `entry "${name}" has other rows than "${entry}" of part ${part}`;
    const needed = [...(i > 0 ? ["x_in"] : []), ...(i < runs.length - 1 ? ["x_out"] : [])];
    for (const end of needed)
      if (rowsOf(parts[part]!, end) < batch * context)
        return `part ${part} has no ${end} for entry "${name}"`;
  }
  return undefined;
}

const rowsOf = ({ tensors }: ModuleManifest, name: string): number =>
  tensors.find((t) => t.name === name)?.shape[0] ?? 0;
