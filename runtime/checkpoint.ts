/**
 * Checkpoints: step-000250.safetensors holds the weights, the optimizer's moments, and in its metadata everything else that the
 * next step depends on. A resumed run computes the same bits as one that was never interrupted.
 *
 *   layers.3.attention.qkv.weight            a parameter: dense, one tensor per layer
 *   moment1.layers.3.attention.qkv.weight    its moments (moment1, moment2)
 *   __metadata__ { sinter: the state as JSON, sinter_sha256: its hash }
 *
 * The state holds a hash of every tensor. A file counts when all of it verifies; no pointer to the "latest" is kept or trusted.
 */
import { SinterError } from "./errors.ts";
import { sweepTemporaries, writeAtomically, type Files } from "./files.ts";
import type { RunningModel } from "./model.ts";
import type { RandomState } from "./random.ts";
import { headerBytes, readHeader, writeHeader, type SafeFile, type SafeTensor } from "./safetensors.ts";
import { sha256 } from "./sha256.ts";
import { checkpointName, type Tensor } from "./tensors.ts";

export const STATE_VERSION = 1;

export interface TrainState {
  /** Updates made. */
  readonly step: number;
  /** Tokens that the updates have seen. */
  readonly tokens: number;
  /** The stream that draws batches, as it stands before the next one. */
  readonly batches: RandomState;
  /** What must be the same for the next step to be the same. */
  readonly identity: Readonly<Record<string, string>>;
}

interface StoredState extends TrainState {
  readonly version: typeof STATE_VERSION;
  readonly sha256: Readonly<Record<string, string>>;
}

interface Item {
  readonly name: string;
  readonly tensor: Tensor;
  readonly slice: number;
}

const checkpointFile = (step: number): string => `step-${String(step).padStart(6, "0")}.safetensors`;
const CHECKPOINT = /^step-(\d{6,})\.safetensors$/;

/** Everything in a model that a checkpoint holds, in the manifest's order. */
function itemsOf(model: RunningModel, withMoments: boolean): Item[] {
  const storages = withMoments ? (["parameter", "moment1", "moment2"] as const) : (["parameter"] as const);
  return storages.flatMap((storage) => model.of(storage).flatMap((tensor) => {
    const named = storage === "parameter" ? tensor.place : { ...tensor.place, name: tensor.place.of ?? tensor.place.name };
    const prefix = storage === "parameter" ? "" : `${storage}.`;
    return Array.from({ length: tensor.place.slices }, (_, slice) => ({ name: prefix + checkpointName(named, slice), tensor, slice }));
  }));
}

/** Writes a checkpoint, then removes all but the newest `keep`. Returns the file's name. Refuses a model that has a NaN or Inf. */
export async function saveCheckpoint(files: Files, folder: string, model: RunningModel, state: TrainState, keep: number): Promise<string> {
  const items = itemsOf(model, true).map(({ name, tensor, slice }) => ({ name, shape: tensor.place.shape, values: () => tensor.dense(slice) }));
  const name = await writeCheckpoint(files, folder, items, state);
  for (const { file } of (await listCheckpoints(files, folder)).slice(keep)) await files.remove(`${folder}/${file}`);
  return name;
}

export interface TensorToSave {
  readonly name: string;
  readonly shape: readonly number[];
  /** Dense. Asked for twice: for its hash, and to be written. */
  values(): ArrayBufferView & ArrayLike<number> | Promise<ArrayBufferView & ArrayLike<number>>;
}

/** Complete or absent. Returns the file's name. At step 0 there are no moments in it: they are zero. */
export async function writeCheckpoint(files: Files, folder: string, items: readonly TensorToSave[], state: TrainState, written?: (bytes: number) => void): Promise<string> {
  const hashes: Record<string, string> = {};
  for (const { name, values } of items) {
    const found = await values();
    if (!allFinite(found))
      throw new SinterError("input", `step ${state.step}: ${name} has a value that is not a number; no checkpoint was written`,
        state.step === 0 ? "The weights are damaged; use another copy." : "Train with a smaller learning rate: --set lr=…");
    hashes[name] = await sha256(bytesOf(found));
    written?.(found.byteLength / 2);
  }
  const stored: StoredState = { version: STATE_VERSION, ...state, sha256: hashes };
  const json = JSON.stringify(stored);
  const header = writeHeader(items.map(({ name, shape }) => ({ name, dtype: "F32", shape })), { sinter: json, sinter_sha256: await sha256(json) });
  const name = checkpointFile(state.step);
  await sweepTemporaries(files, folder);
  await writeAtomically(files, folder, name, async (file) => {
    await file.write(header);
    for (const { values } of items) {
      const found = await values();
      await file.write(bytesOf(found));
      written?.(found.byteLength / 2);
    }
  });
  return name;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array<ArrayBufferLike> => new Uint8Array(buffer, byteOffset, byteLength);

function allFinite(values: ArrayLike<number>): boolean {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]! - values[i]!; // NaN when one is NaN or infinite
  return sum === 0;
}

/** Newest first. */
export async function listCheckpoints(files: Files, folder: string): Promise<readonly { readonly file: string; readonly step: number }[]> {
  const found = (await files.list(folder)).flatMap((file) => {
    const match = CHECKPOINT.exec(file);
    return match ? [{ file, step: Number(match[1]) }] : [];
  });
  return found.sort((a, b) => b.step - a.step);
}

export interface Loaded {
  readonly file: string;
  readonly state: TrainState;
  /** Newer files that did not verify, and why. */
  readonly skipped: readonly string[];
}

/**
 * Loads the newest checkpoint that verifies. Undefined: there is none. Throws `corrupt` when there are some and none verifies.
 * `weights`: without the moments, for models that will not be trained.
 */
export async function loadNewest(files: Files, folder: string, model: RunningModel, what: "all" | "weights"): Promise<Loaded | undefined> {
  const skipped: string[] = [];
  for (const { file } of await listCheckpoints(files, folder)) {
    try {
      return { file, state: await loadCheckpoint(files, `${folder}/${file}`, model, what), skipped };
    } catch (error) {
      if (!(error instanceof SinterError)) throw error;
      skipped.push(error.message);
    }
  }
  if (skipped.length === 0) return undefined;
  throw new SinterError("corrupt", `no checkpoint in ${folder} can be used: ${skipped.join("; ")}`, "Restore one from a copy, or train again into another folder.");
}

/** Reads one file into the model, tensor by tensor, each checked against its hash. */
export async function loadCheckpoint(files: Files, path: string, model: RunningModel, what: "all" | "weights"): Promise<TrainState> {
  const opened = await openCheckpoint(files, path);
  try {
    for (const { name, tensor, slice } of itemsOf(model, what === "all" && opened.state.step > 0))
      tensor.write(await opened.read(name, tensor.place.shape), slice);
    return opened.state;
  } finally {
    await opened.close();
  }
}

export interface OpenCheckpoint {
  readonly path: string;
  readonly state: TrainState;
  /** Every tensor in it, moments too. */
  readonly tensors: ReadonlyMap<string, SafeTensor>;
  /** Dense. Throws `corrupt` when it is missing, has another shape, or its hash differs. */
  read(name: string, shape: readonly number[]): Promise<Float32Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/** A checkpoint to read from, without a model that runs. */
export async function openCheckpoint(files: Files, path: string): Promise<OpenCheckpoint> {
  const file = await files.open(path);
  try {
    const length = headerBytes(await file.read(0, Math.min(8, file.bytes)), file.bytes, path);
    const safe = readHeader(await file.read(8, length), file.bytes, path);
    const { step, tokens, batches, identity, sha256: hashes } = await stateOf(safe, path);
    return {
      path, state: { step, tokens, batches, identity }, tensors: safe.tensors, close: () => file.close(),
      async read(name, shape) {
        const place = matching(safe, name, shape, path);
        const bytes = await file.read(place.begin, place.end - place.begin);
        if ((await sha256(bytes)) !== hashes[name]) throw new SinterError("corrupt", `${path}: tensor ${name} is damaged: its hash differs`);
        return new Float32Array(bytes.buffer);
      },
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function stateOf(safe: SafeFile, path: string): Promise<StoredState> {
  const json = safe.metadata.get("sinter");
  if (json === undefined) throw new SinterError("corrupt", `${path}: it has no training state: not a checkpoint of Sinter`);
  if ((await sha256(json)) !== safe.metadata.get("sinter_sha256")) throw new SinterError("corrupt", `${path}: its training state is damaged: the hash differs`);
  const state = JSON.parse(json) as StoredState;
  if (state.version !== STATE_VERSION) throw new SinterError("corrupt", `${path}: version ${state.version}; this release reads version ${STATE_VERSION}`);
  return state;
}

function matching(safe: SafeFile, name: string, wanted: readonly number[], path: string): SafeTensor {
  const found = safe.tensors.get(name);
  if (!found) throw new SinterError("corrupt", `${path}: tensor ${name} is missing`, "Is it a checkpoint of this model?");
  if (found.dtype !== "F32" || found.shape.length !== wanted.length || found.shape.some((n, i) => n !== wanted[i]))
    throw new SinterError("corrupt", `${path}: tensor ${name} is ${found.dtype} [${found.shape}]; the model has F32 [${wanted}]`, "Is it a checkpoint of this model?");
  return found;
}
