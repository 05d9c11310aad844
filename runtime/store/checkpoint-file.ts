/**
 * One file of tensors with a state: safetensors, whose metadata hold everything else.
 *
 *   layers.3.attention.qkv.weight            a parameter: one tensor per layer, kept as kept.ts says
 *   moment1.layers.3.attention.qkv.weight    its moments (moment1, moment2)
 *   __metadata__ { sinter: the state as JSON, sinter_sha256: its hash }
 *
 * The state holds a hash of every tensor (piece-hash.ts; before version 2 the plain one), and how those are
 * kept that are not plain f32. Written and read in pieces: memory does not depend on the size of a tensor.
 */
import { SinterError } from "../base/errors.ts";
import { sweepTemporaries, writeAtomically, type Files, type ReadableFile } from "../base/files.ts";
import { allFinite, isPlain, keptIn, plainly, storedAs, storedBytes, storedRows, type Kept } from "./kept.ts";
import { HASH_PIECE, pieceHash } from "../base/piece-hash.ts";
import { nameIn } from "./renamed.ts";
import { headerBytes, readHeader, writeHeader, type SafeFile, type SafeTensor } from "./safetensors.ts";
import { sha256 } from "../base/sha256.ts";
import { rowTaker, type TakeRows } from "./take-rows.ts";
import { STATE_VERSION, wrongState, type StoredState, type TrainState } from "./train-state.ts";
import { tensorIn } from "../engine/tensors.ts";

const RESTORE = "Restore the file from a copy.";

export interface TensorToSave {
  readonly name: string;
  /** The model's. */
  readonly shape: readonly number[];
  /** Absent: plain f32. */
  readonly kept?: Kept;
  /**
   * Its bytes as they will stand in the file, in pieces of whole rows, which may be overwritten when the next
   * is asked for.
   */
  bytes(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

export interface WriteOptions {
  /** Called with the bytes of each piece, when it is written. May throw or reject: then nothing is left. */
  readonly written?: (bytes: number) => Promise<void> | void;
}

/**
 * Complete or absent. Throws `input` when a value is not a number, or the disk has no room for it. At step 0
 * there are no moments in it: they are zero.
 */
export async function writeCheckpoint(
  files: Files,
  folder: string,
  name: string,
  items: readonly TensorToSave[],
  state: TrainState,
  { written }: WriteOptions = {},
): Promise<void> {
  const hashes: Record<string, string> = Object.fromEntries(items.map((item) => [item.name, "0".repeat(64)]));
  const kept = Object.fromEntries(
    items.flatMap((item) => (item.kept && !isPlain(item.kept) ? [[item.name, item.kept] as const] : [])),
  );
  const headerNow = async (): Promise<Uint8Array> => {
    const stored: StoredState = {
      version: STATE_VERSION,
      ...state,
      sha256: hashes,
      ...(Object.keys(kept).length > 0 && { kept }),
    };
    const json = JSON.stringify(stored);
    return writeHeader(
      items.map((item) => ({ name: item.name, ...storedAs(item.shape, item.kept ?? plainly) })),
      { sinter: json, sinter_sha256: await sha256(json) },
    );
  };
  const before = await headerNow();
  await sweepTemporaries(files, folder);
  await checkRoom(
    files,
    folder,
    items.reduce((sum, item) => sum + storedBytes(item.shape, item.kept ?? plainly), before.length),
  );
  await writeAtomically(files, folder, name, async (file) => {
    await file.write(before);
    for (const item of items) {
      const hash = pieceHash(files.digester);
      for await (const bytes of item.bytes()) {
        if (!allFinite(item.kept?.type ?? "F32", bytes))
          throw new SinterError(
            "input",
            `step ${state.step}: ${item.name} has a value that is not a number; no checkpoint was written`,
            state.step === 0
              ? "The weights are damaged; use another copy."
              : "Train with a smaller learning rate: --set lr=…",
          );
        await hash.update(bytes);
        await file.write(bytes);
        await written?.(bytes.length);
      }
      hashes[item.name] = await hash.hex();
    }
    const after = await headerNow();
    if (after.length !== before.length) throw new Error("a header whose length depends on hashes");
    await file.overwrite(0, after);
  });
}

async function checkRoom(files: Files, folder: string, bytes: number): Promise<void> {
  const free = await files.freeBytes?.(folder);
  if (free !== undefined && free < bytes)
    throw new SinterError(
      "input",
      `${folder}: ${bytes} bytes are needed, and the disk has ${free} left (ENOSPC)`,
      "Free some space, or use another place; what was saved before is unharmed.",
    );
}

export interface OpenCheckpoint {
  readonly path: string;
  readonly state: TrainState;
  /** Every tensor in it, moments too. */
  readonly tensors: ReadonlyMap<string, SafeTensor>;
  /** How a tensor is kept. */
  keptAs(name: string): Kept;
  /**
   * All rows of a tensor, in order. `shape`: the model's. Throws `corrupt` when it is missing, has another
   * shape, or, after the last row, its hash differs.
   */
  rows(name: string, shape: readonly number[], take: TakeRows): Promise<void>;
  /** Dense, f32, in the model's shape. Throws as `rows`. */
  read(name: string, shape: readonly number[]): Promise<Float32Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/** A checkpoint to read from, without a model that runs. */
export async function openCheckpoint(files: Files, path: string): Promise<OpenCheckpoint> {
  const file = await files.open(path);
  try {
    const length = headerBytes(await file.read(0, Math.min(8, file.bytes)), file.bytes, path);
    const safe = readHeader(await file.read(8, length), file.bytes, path);
    const { version, step, tokens, batches, identity, sha256: hashes, kept = {} } = await stateOf(safe, path);
    const named = (wanted: string): string => nameIn(safe.tensors, wanted);
    const keptAs = (wanted: string): Kept => {
      const name = named(wanted);
      if (!Object.hasOwn(kept, name)) return plainly;
      return (
        keptIn(kept[name]) ??
        fail(
          path,
          `its state says that tensor ${name} is kept as ${JSON.stringify(kept[name])}, which is not known`,
        )
      );
    };
    const rows: OpenCheckpoint["rows"] = async (wanted, shape, take) => {
      const name = named(wanted);
      const as = keptAs(name);
      const { begin } = matching(safe, name, shape, as, path);
      const hash = pieceHash(files.digester, version === 1 ? Infinity : HASH_PIECE);
      await eachRows(file, begin, shape, as, async (bytes, first, count) => {
        await hash.update(bytes);
        take(bytes, first, count);
      });
      if ((await hash.hex()) !== hashes[name])
        fail(path, `tensor ${name}, at offset ${begin}, is damaged: its hash differs`, RESTORE);
    };
    return {
      path,
      state: { step, tokens, batches, identity },
      tensors: safe.tensors,
      keptAs,
      rows,
      close: () => file.close(),
      async read(name, shape) {
        const as = keptAs(name);
        const elements = shape.reduce((a, b) => a * b, 1);
        matching(safe, named(name), shape, as, path); // before anything is allocated
        const out = new Float32Array(elements);
        await rows(
          name,
          shape,
          rowTaker(
            tensorIn(out.buffer, {
              name,
              storage: "parameter",
              dtype: "f32",
              shape,
              slices: 1,
              layered: false,
              rowFloats: shape.at(-1) ?? 1,
              offset: 0,
              stride: 4 * elements,
            }),
            0,
            as,
          ),
        );
        return out;
      },
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Bytes that are read at a time: they stay in a core's cache until they are where they belong. */
const READ_BYTES = 1 << 20;

async function eachRows(
  file: ReadableFile,
  begin: number,
  shape: readonly number[],
  kept: Kept,
  take: (bytes: Uint8Array, first: number, count: number) => Promise<void>,
): Promise<void> {
  const { rows, rowBytes } = storedRows(shape, kept);
  const together = Math.min(rows, Math.max(1, Math.floor(READ_BYTES / rowBytes)));
  const buffer = new Uint8Array(together * rowBytes);
  for (let first = 0; first < rows; first += together) {
    const count = Math.min(together, rows - first);
    const bytes = count === together ? buffer : buffer.subarray(0, count * rowBytes);
    await file.fill(begin + first * rowBytes, bytes);
    await take(bytes, first, count);
  }
}

function fail(path: string, why: string, hint = "Is it a checkpoint of this model?"): never {
  throw new SinterError("corrupt", `${path}: ${why}`, hint);
}

async function stateOf(safe: SafeFile, path: string): Promise<StoredState> {
  const json =
    safe.metadata.get("sinter") ?? fail(path, "it has no training state: not a checkpoint of Sinter");
  if ((await sha256(json)) !== safe.metadata.get("sinter_sha256"))
    fail(path, "its training state is damaged: the hash differs", RESTORE);
  const wrong = wrongState(json, path);
  if (wrong) fail(path, wrong.why, wrong.hint);
  return JSON.parse(json) as StoredState;
}

function matching(
  safe: SafeFile,
  name: string,
  shape: readonly number[],
  kept: Kept,
  path: string,
): SafeTensor {
  const found = safe.tensors.get(name) ?? fail(path, `tensor ${name} is missing`);
  const wanted = storedAs(shape, kept);
  if (
    found.dtype !== wanted.dtype ||
    found.shape.length !== wanted.shape.length ||
    found.shape.some((n, i) => n !== wanted.shape[i])
  )
    fail(
      path,
      `tensor ${name} is ${found.dtype} [${found.shape}]; the model has ${wanted.dtype} [${wanted.shape}]`,
    );
  return found;
}
