/**
 * One file of tensors with a state. It is a safetensors file, whose metadata hold everything else.
 *
 *   layers.3.attention.qkv.weight            a parameter: one tensor per layer (stored-format.ts says how)
 *   moment1.layers.3.attention.qkv.weight    the optimizer's moments of that parameter (moment1, moment2),
 *                                            in f32, or in 8 bits as the module keeps them
 *   __metadata__ { sinter: the state as JSON, sinter_sha256: its hash }
 *
 * The state holds a hash of every tensor (piece-hash.ts; before version 2 a plain SHA-256), and the format of
 * those that are not plain f32. Files are written and read in pieces, so the memory that this takes does not
 * depend on the size of a tensor.
 */
import { SinterError } from "../base/errors.ts";
import {
  sweepTemporaries,
  writeAtomically,
  type Files,
  type ReadableFile,
  type WritableFile,
} from "../base/files.ts";
import {
  allFinite,
  formatRecord,
  inHeader,
  isPlain,
  parseFormat,
  plainFormat,
  storedBytes,
  storedRows,
  type FormatRecord,
  type StoredFormat,
} from "./stored-format.ts";
import { HASH_PIECE, pieceHash } from "../base/piece-hash.ts";
import { nameIn } from "./renamed.ts";
import { headerBytes, readHeader, writeHeader, type SafeFile, type SafeTensor } from "./safetensors.ts";
import { sha256 } from "../contract/sha256.ts";
import { denseTaker, type TakeRows } from "./take-rows.ts";
import { STATE_VERSION, wrongState, type StoredState, type TrainState } from "./train-state.ts";

const RESTORE = "Restore the file from a copy.";

export interface TensorToSave {
  readonly name: string;
  /** The model's. */
  readonly shape: readonly number[];
  /** Absent: plain f32. */
  readonly format?: StoredFormat;
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

/** By the tensor's name. */
type Hashes = Record<string, string>;

/** Has the place of a hash in the header until the tensor is written. */
const UNKNOWN_HASH = "0".repeat(64);

/**
 * Writes a checkpoint that is complete or absent. Throws `input` when a value is not a number, or when the
 * disk has no room for it. At step 0 there are no moments in it: they are zero.
 */
export async function writeCheckpoint(
  files: Files,
  folder: string,
  name: string,
  items: readonly TensorToSave[],
  state: TrainState,
  { written }: WriteOptions = {},
): Promise<void> {
  const hashes: Hashes = Object.fromEntries(items.map((item) => [item.name, UNKNOWN_HASH]));
  const before = await checkpointHeader(items, state, hashes);
  await sweepTemporaries(files, folder);
  const dataBytes = items.reduce((sum, item) => sum + storedBytes(item.shape, formatOf(item)), 0);
  await checkRoom(files, folder, before.length + dataBytes);
  await writeAtomically(files, folder, name, async (file) => {
    await file.write(before);
    for (const item of items) hashes[item.name] = await writeTensor(files, file, item, state.step, written);
    const after = await checkpointHeader(items, state, hashes);
    if (after.length !== before.length) throw new Error("a header whose length depends on hashes");
    await file.overwrite(0, after);
  });
}

const formatOf = (item: TensorToSave): StoredFormat => item.format ?? plainFormat;

async function checkpointHeader(
  items: readonly TensorToSave[],
  state: TrainState,
  hashes: Hashes,
): Promise<Uint8Array> {
  const formats: Record<string, FormatRecord> = Object.fromEntries(
    items
      .filter((item) => !isPlain(formatOf(item)))
      .map((item) => [item.name, formatRecord(formatOf(item))] as const),
  );
  const stored: StoredState = {
    version: STATE_VERSION,
    ...state,
    sha256: hashes,
    ...(Object.keys(formats).length > 0 && { kept: formats }),
  };
  const json = JSON.stringify(stored);
  return writeHeader(
    items.map((item) => ({ name: item.name, ...inHeader(item.shape, formatOf(item)) })),
    { sinter: json, sinter_sha256: await sha256(json) },
  );
}

/** Writes the bytes of a tensor and returns their hash. */
async function writeTensor(
  files: Files,
  file: WritableFile,
  item: TensorToSave,
  step: number,
  written: WriteOptions["written"],
): Promise<string> {
  const hash = pieceHash(files.digester);
  for await (const bytes of item.bytes()) {
    if (!allFinite(formatOf(item), bytes)) throw notANumber(item.name, step);
    await hash.update(bytes);
    await file.write(bytes);
    await written?.(bytes.length);
  }
  return hash.hex();
}

const notANumber = (name: string, step: number): SinterError =>
  new SinterError(
    "input",
    `step ${step}: ${name} has a value that is not a number; no checkpoint was written`,
    step === 0
      ? "The weights are damaged; use another copy."
      : "Train with a smaller learning rate: --set lr=…",
  );

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
  /** The format in which a tensor is stored. */
  formatOf(name: string): StoredFormat;
  /**
   * All rows of a tensor, in order. `shape`: the model's. Throws `corrupt` when it is missing, has another
   * shape, or, after the last row, its hash differs.
   */
  rows(name: string, shape: readonly number[], take: TakeRows): Promise<void>;
  /** Dense, f32, in the model's shape. Throws as `rows`. */
  read(name: string, shape: readonly number[]): Promise<Float32Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/** Opens a checkpoint to read from; no running model is needed. */
export async function openCheckpoint(files: Files, path: string): Promise<OpenCheckpoint> {
  const file = await files.open(path);
  try {
    const length = headerBytes(await file.read(0, Math.min(8, file.bytes)), file.bytes, path);
    const header = readHeader(await file.read(8, length), file.bytes, path);
    const stored = await stateOf(header, path);
    const source: Source = { path, file, header, stored, digester: files.digester };
    const { step, tokens, batches, best, sourceState, identity } = stored;
    return {
      path,
      state: { step, tokens, batches, ...(best && { best }), ...(sourceState && { sourceState }), identity },
      tensors: header.tensors,
      formatOf: (name) => storedFormat(source, name),
      rows: (name, shape, take) => readRows(source, name, shape, take),
      read: (name, shape) => readDense(source, name, shape),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** An open file whose header and state have been checked. */
interface Source {
  readonly path: string;
  readonly file: ReadableFile;
  readonly header: SafeFile;
  readonly stored: StoredState;
  readonly digester: Files["digester"];
}

function storedFormat({ path, header, stored: { kept = {} } }: Source, wanted: string): StoredFormat {
  const name = nameIn(header.tensors, wanted);
  if (!Object.hasOwn(kept, name)) return plainFormat;
  return (
    parseFormat(kept[name]) ??
    fail(
      path,
      `its state says that tensor ${name} is kept as ${JSON.stringify(kept[name])}, which is not known`,
    )
  );
}

async function readRows(
  source: Source,
  wanted: string,
  shape: readonly number[],
  take: TakeRows,
): Promise<void> {
  const { path, file, header, stored, digester } = source;
  const name = nameIn(header.tensors, wanted);
  const format = storedFormat(source, name);
  const { begin } = matching(header, name, shape, format, path);
  const hash = pieceHash(digester, stored.version === 1 ? Infinity : HASH_PIECE);
  await eachRows(file, begin, shape, format, async (bytes, first, count) => {
    await hash.update(bytes);
    take(bytes, first, count);
  });
  if ((await hash.hex()) !== stored.sha256[name])
    fail(path, `tensor ${name}, at offset ${begin}, is damaged: its hash differs`, RESTORE);
}

async function readDense(
  source: Source,
  wanted: string,
  shape: readonly number[],
): Promise<Float32Array<ArrayBuffer>> {
  const { path, header } = source;
  const format = storedFormat(source, wanted);
  matching(header, nameIn(header.tensors, wanted), shape, format, path); // before anything is allocated
  const out = new Float32Array(shape.reduce((a, b) => a * b, 1));
  await readRows(source, wanted, shape, denseTaker(shape, format, out));
  return out;
}

/** So many bytes are read at a time: they stay in a core's cache until they are where they belong. */
const READ_BYTES = 1 << 20;

async function eachRows(
  file: ReadableFile,
  begin: number,
  shape: readonly number[],
  format: StoredFormat,
  take: (bytes: Uint8Array, first: number, count: number) => Promise<void>,
): Promise<void> {
  const { rows, rowBytes } = storedRows(shape, format);
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
  format: StoredFormat,
  path: string,
): SafeTensor {
  const found = safe.tensors.get(name) ?? fail(path, `tensor ${name} is missing`);
  const wanted = inHeader(shape, format);
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
