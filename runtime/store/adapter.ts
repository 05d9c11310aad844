/**
 * The adapters (LoRA) of a model outside of any module: two thin matrices for each linear map that has some,
 * and matrices that were trained whole beside them. A checkpoint is read with them as if it were that of a
 * model without adapters (`withMerged`), or together with them (`withBeside`).
 */
import type { Manifest, ModuleManifest, TensorPlace } from "../contract/manifest.ts";
import type { Lora } from "../contract/model.ts";
import { adapterOf, isAdapter } from "../contract/parameter-names.ts";
import { sha256 } from "../contract/sha256.ts";
import { checkpointName } from "../engine/tensors.ts";
import type { OpenCheckpoint } from "./checkpoint-file.ts";
import { plainFormat } from "./stored-format.ts";

export interface MapAdapter {
  /** Of the map's own matrix: [in, out]. */
  readonly shape: readonly [number, number];
  readonly rank: number;
  /** [in, rank] */
  readonly a: Float32Array;
  /** [rank, out] */
  readonly b: Float32Array;
}

export interface Adapter {
  /** What x A B is multiplied by before it is added. */
  readonly scale: number;
  /** By the name that the map's matrix has in checkpoints: "layers.0.attention.qkv.weight". */
  readonly maps: ReadonlyMap<string, MapAdapter>;
  /** Tensors that stand in the place of the base's: those of tokens that are new. */
  readonly whole: ReadonlyMap<string, WholeTensor>;
}

export interface WholeTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array<ArrayBuffer>;
}

/** A tensor as a checkpoint names it. */
interface Named {
  readonly name: string;
  readonly shape: readonly number[];
}

const slicesOf = (place: TensorPlace): Named[] =>
  Array.from({ length: place.slices }, (_, slice) => ({
    name: checkpointName(place, slice),
    shape: place.shape,
  }));

/** The adapters that a checkpoint of this module holds, which was compiled with `lora`. */
export async function adapterIn(
  checkpoint: OpenCheckpoint,
  { lora, tensors }: ModuleManifest,
): Promise<Adapter> {
  const { rank, alpha } = lora!;
  const parameters = tensors.filter((t) => t.storage === "parameter").flatMap(trainedSlices);
  const read = ({ name, shape }: Named): Promise<Float32Array<ArrayBuffer>> => checkpoint.read(name, shape);
  const byName = new Map(parameters.map((tensor) => [tensor.name, tensor]));
  const maps = new Map<string, MapAdapter>();
  const whole = new Map<string, WholeTensor>();
  for (const tensor of parameters) {
    const { name } = tensor;
    if (!isAdapter(name)) whole.set(name, { shape: tensor.shape, values: await read(tensor) });
    if (!name.endsWith(A)) continue;
    const weight = `${name.slice(0, -A.length)}.weight`;
    const other = byName.get(adapterOf(weight, "b"))!;
    const shape = [tensor.shape[0]!, other.shape[1]!] as const;
    maps.set(weight, { shape, rank, a: await read(tensor), b: await read(other) });
  }
  return { scale: alpha / rank, maps, whole };
}

const A = ".lora_a";

const trainedSlices = (place: TensorPlace): Named[] => (place.trained === false ? [] : slicesOf(place));

/**
 * The checkpoint of a model without adapters that computes what the model with them does: W + scale · A B,
 * summed in f64 and rounded once. These matrices are then f32, whatever the base keeps.
 */
export function withMerged(base: OpenCheckpoint, { scale, maps, whole }: Adapter): OpenCheckpoint {
  return replacing(base, (name) => {
    const adapter = maps.get(name);
    const replaced = whole.get(name);
    if (replaced) return async () => replaced.values;
    return adapter && (async (shape) => addTo(await base.read(name, shape), adapter, scale));
  });
}

/** A run's checkpoint as that of its model without adapters: those that it has are merged. */
export async function withoutAdapters(
  checkpoint: OpenCheckpoint,
  { modules }: Pick<Manifest, "modules">,
): Promise<OpenCheckpoint> {
  const module = (modules.train ?? modules.infer)!;
  return module.lora ? withMerged(checkpoint, await adapterIn(checkpoint, module)) : checkpoint;
}

/**
 * The checkpoint of a model that was compiled with `lora`: the base as it is, and the adapters, filled up
 * with zeros to the module's rank.
 */
export function withBeside(base: OpenCheckpoint, { maps, whole }: Adapter, { rank }: Lora): OpenCheckpoint {
  return replacing(base, (name) => {
    const replaced = whole.get(name);
    if (replaced) return async () => replaced.values;
    if (!isAdapter(name)) return undefined;
    const adapter = maps.get(name.replace(/\.lora_[ab]$/, ".weight"));
    return async (shape) => (adapter ? filledUp(adapter, name.endsWith(A), rank) : zeros(shape));
  });
}

/** A checkpoint some of whose tensors are made when they are read. */
function replacing(
  base: OpenCheckpoint,
  madeOf: (name: string) => ((shape: readonly number[]) => Promise<Float32Array<ArrayBuffer>>) | undefined,
): OpenCheckpoint {
  return {
    ...base,
    formatOf: (name) => (madeOf(name) ? plainFormat : base.formatOf(name)),
    read: (name, shape) => madeOf(name)?.(shape) ?? base.read(name, shape),
    async rows(name, shape, take) {
      const make = madeOf(name);
      if (!make) return base.rows(name, shape, take);
      const values = await make(shape);
      take(new Uint8Array(values.buffer), 0, values.length / (shape.at(-1) ?? 1));
    },
  };
}

/** Adds scale · A B to a matrix [in, out], in its place. */
export function addTo<T extends Float32Array>(matrix: T, adapter: MapAdapter, scale: number): T {
  const { shape, rank, a, b } = adapter;
  const [K, N] = shape;
  const row = new Float64Array(N);
  for (let k = 0; k < K; k++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = scale * a[k * rank + r]!;
      for (let n = 0; n < N; n++) row[n]! += factor * b[r * N + n]!;
    }
    for (let n = 0; n < N; n++) matrix[k * N + n]! += row[n]!;
  }
  return matrix;
}

const zeros = (shape: readonly number[]): Float32Array<ArrayBuffer> =>
  new Float32Array(shape.reduce((a, b) => a * b, 1));

/** A [in, rank] or B [rank, out], with zeros where the module's rank is larger than the adapter's. */
function filledUp({ shape, rank, a, b }: MapAdapter, isA: boolean, to: number): Float32Array<ArrayBuffer> {
  const [K, N] = shape;
  const out = new Float32Array(isA ? K * to : to * N);
  if (!isA) out.set(b);
  else for (let k = 0; k < K; k++) out.set(a.subarray(k * rank, (k + 1) * rank), k * to);
  return out;
}

/**
 * By what an adapter knows its base: a hash of the matrices that it stands beside, as f32, whatever they are
 * kept in.
 */
export async function baseHash(base: OpenCheckpoint, { maps }: Pick<Adapter, "maps">): Promise<string> {
  const hashes: string[] = [];
  for (const [name, { shape }] of [...maps].sort(([a], [b]) => (a < b ? -1 : 1)))
    hashes.push(`${name} ${await sha256(new Uint8Array((await base.read(name, shape)).buffer))}`);
  return sha256(hashes.join("\n"));
}

/** How a module is compiled that has room for this adapter beside its maps. */
export function loraOf({ scale, maps }: Adapter): Lora {
  const rank = Math.max(...[...maps.values()].map((adapter) => adapter.rank));
  return { rank, alpha: scale * rank, on: ["all"] };
}
