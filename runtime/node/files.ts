/**
 * The file system of Node, behind the runtime's interface. The raw calls are a table, so that a test can make
 * each of them fail.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import { concat } from "../base/bytes.ts";
import { SinterError } from "../base/errors.ts";
import type { Files, ReadableFile, WritableFile } from "../base/files.ts";

/** What is used of node:fs. */
export type RawFs = Pick<
  typeof fs,
  | "existsSync"
  | "openSync"
  | "fstatSync"
  | "readSync"
  | "writeSync"
  | "fsyncSync"
  | "closeSync"
  | "readdirSync"
  | "statfsSync"
  | "mkdirSync"
  | "renameSync"
  | "rmSync"
  | "appendFileSync"
>;

interface Advice {
  readonly means: string;
  readonly hint: string;
}

const HARMLESS = "what was saved before is unharmed";
const NO_SPACE = `Free some space, then go on with --resume; ${HARMLESS}.`;
const NO_PERMISSION = "Change its permissions, or use another place.";

/** What the system's error codes mean, and what to do. */
const advice: Readonly<Record<string, Advice>> = {
  ENOENT: { means: "there is no such file or folder", hint: "Check the path." },
  EISDIR: { means: "it is a folder", hint: "Name a file in it." },
  ENOTDIR: { means: "a part of the path is a file, not a folder", hint: "Check the path." },
  EEXIST: { means: "it is there already, and not a folder", hint: "Choose another name." },
  EACCES: { means: "permission denied", hint: NO_PERMISSION },
  EPERM: { means: "not permitted", hint: NO_PERMISSION },
  EROFS: { means: "the file system is read-only", hint: "Use another place." },
  ENOSPC: { means: "no space is left on the disk", hint: NO_SPACE },
  EDQUOT: { means: "the disk quota is used up", hint: NO_SPACE },
  EMFILE: { means: "too many files are open", hint: "Raise the limit: ulimit -n 4096" },
  ENFILE: { means: "too many files are open on this machine", hint: "Close other programs." },
  EIO: { means: "the disk reports an error", hint: `Check the disk; ${HARMLESS}.` },
};

export function fileError(action: string, path: string, cause: unknown): SinterError {
  if (cause instanceof SinterError) return cause;
  const code = (cause as NodeJS.ErrnoException).code ?? "";
  const known = advice[code];
  return new SinterError(
    "input",
    `cannot ${action} ${path}: ${known ? `${known.means} (${code})` : (cause as Error).message}`,
    known?.hint,
  );
}

/** A file of unknown size is read in pieces of so many bytes. */
const PIECE_BYTES = 65536;

/** The longest file that is read as a whole, where nobody says less. */
const MOST_BYTES = 2 ** 29;

/**
 * Opens a file to read. What is no file is refused, since it cannot be read from any place; a pipe without a
 * writer is not waited for.
 */
function openFile(raw: RawFs, path: string): { readonly fd: number; readonly bytes: number } {
  const { O_RDONLY, O_NONBLOCK = 0 } = fs.constants; // Windows has no O_NONBLOCK
  const fd = raw.openSync(path, O_RDONLY | O_NONBLOCK);
  const stat = raw.fstatSync(fd);
  if (stat.isFile()) return { fd, bytes: stat.size };
  raw.closeSync(fd);
  const refuse = (what: string, hint = "Save what comes from it to a file first."): never => {
    throw new SinterError("input", `cannot read ${path}: it is ${what}, not a file`, hint);
  };
  if (stat.isDirectory()) return refuse("a folder", "Name a file in it.");
  return refuse(stat.isFIFO() ? "a pipe" : stat.isSocket() ? "a socket" : "a device");
}

/** Reads a whole file. `bytes` is its size, which is 0 for some files of the system that are not empty. */
function readWhole(
  raw: RawFs,
  fd: number,
  path: string,
  bytes: number,
  most: number,
): Uint8Array<ArrayBuffer> {
  const refuse = (has: string): never => {
    throw new SinterError(
      "input",
      `${path} has ${has} bytes; at most ${most} are read`,
      "Is it the right file?",
    );
  };
  if (bytes > most) refuse(`${bytes}`);
  const out = new Uint8Array(bytes);
  let at = 0;
  while (at < bytes) {
    const n = raw.readSync(fd, out, at, bytes - at, at);
    if (n === 0) break; // it has become shorter
    at += n;
  }
  if (bytes > 0) return at === bytes ? out : out.slice(0, at);
  const pieces: Uint8Array[] = [];
  for (;;) {
    const piece = new Uint8Array(PIECE_BYTES);
    const n = raw.readSync(fd, piece, 0, PIECE_BYTES, at);
    if (n === 0) break;
    at += n;
    if (at > most) refuse(`more than ${most}`);
    pieces.push(piece.subarray(0, n));
  }
  return concat(pieces);
}

/** Does the work; what the system refuses becomes a SinterError that says what was tried. */
async function attempt<T>(action: string, path: string, work: () => T): Promise<T> {
  try {
    return work();
  } catch (cause) {
    throw fileError(action, path, cause);
  }
}

/** Does some work on an open file, then closes it. */
function closing<T>(raw: RawFs, fd: number, work: () => T): T {
  try {
    return work();
  } finally {
    raw.closeSync(fd);
  }
}

export function nodeFiles(raw: RawFs = fs): Files {
  return {
    exists: async (path) => raw.existsSync(path),
    read: (path, most = MOST_BYTES) =>
      attempt("read", path, () => {
        const { fd, bytes } = openFile(raw, path);
        return closing(raw, fd, () => readWhole(raw, fd, path, bytes, most));
      }),
    list: (folder) => attempt("list", folder, () => raw.readdirSync(folder).sort()),
    makeFolder: (folder) =>
      attempt("create folder", folder, () => void raw.mkdirSync(folder, { recursive: true })),
    append: (path, text) => attempt("write", path, () => raw.appendFileSync(path, text)),
    rename: (from, to) => attempt(`rename ${from} to`, to, () => raw.renameSync(from, to)),
    remove: (path) => attempt("remove", path, () => raw.rmSync(path, { force: true })),
    freeBytes: async (folder) => freeBytes(raw, folder),
    digester: () => createHash("sha256"),
    syncFolder: (folder) =>
      attempt("sync folder", folder, () => {
        const fd = raw.openSync(folder, "r");
        closing(raw, fd, () => raw.fsyncSync(fd));
      }),
    async open(path) {
      const { fd, bytes } = await attempt("open", path, () => openFile(raw, path));
      return readableFile(raw, path, fd, bytes);
    },
    async create(path) {
      const fd = await attempt("create", path, () => raw.openSync(path, "w"));
      return writableFile(raw, path, fd);
    },
  };
}

/** What is left on the disk; undefined where the system does not say. */
function freeBytes(raw: RawFs, folder: string): number | undefined {
  try {
    const { bavail, bsize } = raw.statfsSync(folder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

function readableFile(raw: RawFs, path: string, fd: number, bytes: number): ReadableFile {
  const fill = (offset: number, into: Uint8Array): Promise<void> =>
    attempt("read", path, () => readFully(raw, fd, path, offset, into));
  return {
    bytes,
    fill,
    async read(offset, length) {
      const out = new Uint8Array(length);
      await fill(offset, out);
      return out;
    },
    close: () => attempt("close", path, () => raw.closeSync(fd)),
  };
}

/** Reads until `into` is full. Throws `corrupt` when the file ends before. */
function readFully(raw: RawFs, fd: number, path: string, offset: number, into: Uint8Array): void {
  for (let at = 0; at < into.length;) {
    const n = raw.readSync(fd, into, at, into.length - at, offset + at);
    if (n === 0)
      throw new SinterError(
        "corrupt",
        `${path} ends at byte ${offset + at}; ${offset + into.length} were expected`,
      );
    at += n;
  }
}

function writableFile(raw: RawFs, path: string, fd: number): WritableFile {
  const put = (bytes: Uint8Array, offset?: number): Promise<void> =>
    attempt("write", path, () => writeFully(raw, fd, path, bytes, offset));
  return {
    write: (bytes) => put(bytes),
    overwrite: (offset, bytes) => put(bytes, offset),
    sync: () => attempt("sync", path, () => raw.fsyncSync(fd)),
    close: () => attempt("close", path, () => raw.closeSync(fd)),
  };
}

/** Writes all of the bytes, though the system may write less than it is asked to. No `offset`: at the end. */
function writeFully(raw: RawFs, fd: number, path: string, bytes: Uint8Array, offset?: number): void {
  for (let at = 0; at < bytes.length;) {
    const place = offset === undefined ? null : offset + at;
    const n = raw.writeSync(fd, bytes, at, bytes.length - at, place);
    if (n === 0)
      throw new SinterError(
        "input",
        `cannot write ${path}: the disk takes no more bytes`,
        "Free some space.",
      );
    at += n;
  }
}
