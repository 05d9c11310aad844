/**
 * The file system of Node, behind the runtime's interface. The raw calls are a table, so that a test can make
 * each of them fail.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import { concat } from "../base/bytes.ts";
import { SinterError, type ExitKind } from "../base/errors.ts";
import type { Files } from "../base/files.ts";

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
  readonly kind: Exclude<ExitKind, "ok">;
  readonly means: string;
  readonly hint: string;
}

const advice: Readonly<Record<string, Advice>> = {
  ENOENT: { kind: "input", means: "there is no such file or folder", hint: "Check the path." },
  EISDIR: { kind: "input", means: "it is a folder", hint: "Name a file in it." },
  ENOTDIR: { kind: "input", means: "a part of the path is a file, not a folder", hint: "Check the path." },
  EEXIST: { kind: "input", means: "it is there already, and not a folder", hint: "Choose another name." },
  EACCES: {
    kind: "input",
    means: "permission denied",
    hint: "Change its permissions, or use another place.",
  },
  EPERM: { kind: "input", means: "not permitted", hint: "Change its permissions, or use another place." },
  EROFS: { kind: "input", means: "the file system is read-only", hint: "Use another place." },
  ENOSPC: {
    kind: "input",
    means: "no space is left on the disk",
    hint: "Free some space, then go on with --resume; what was saved before is unharmed.",
  },
  EDQUOT: {
    kind: "input",
    means: "the disk quota is used up",
    hint: "Free some space, then go on with --resume; what was saved before is unharmed.",
  },
  EMFILE: { kind: "input", means: "too many files are open", hint: "Raise the limit: ulimit -n 4096" },
  ENFILE: { kind: "input", means: "too many files are open on this machine", hint: "Close other programs." },
  EIO: {
    kind: "input",
    means: "the disk reports an error",
    hint: "Check the disk; what was saved before is unharmed.",
  },
};

export function fileError(action: string, path: string, cause: unknown): SinterError {
  if (cause instanceof SinterError) return cause;
  const code = (cause as NodeJS.ErrnoException).code ?? "";
  const known = advice[code];
  return new SinterError(
    known?.kind ?? "input",
    `cannot ${action} ${path}: ${known ? `${known.means} (${code})` : (cause as Error).message}`,
    known?.hint,
  );
}

const PIECE = 65536;

/** Longest file that is read as a whole, where nobody says less. */
const MOST_BYTES = 2 ** 29;

/** A pipe without a writer must not be waited for; of what is no file nothing can be read from any place. */
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

/** `bytes`: its size, which some files of the system give as 0. */
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
  for (let n = 1; n > 0 && at < bytes; at += n) n = raw.readSync(fd, out, at, bytes - at, at);
  if (bytes > 0) return at === bytes ? out : out.slice(0, at);
  const pieces: Uint8Array[] = [];
  for (let piece = new Uint8Array(PIECE), n = 1; n > 0; at += n, piece = new Uint8Array(PIECE)) {
    n = raw.readSync(fd, piece, 0, PIECE, at);
    if (at + n > most) refuse(`more than ${most}`);
    pieces.push(piece.subarray(0, n));
  }
  return concat(pieces);
}

export function nodeFiles(raw: RawFs = fs): Files {
  const attempt = async <T>(action: string, path: string, work: () => T): Promise<T> => {
    try {
      return work();
    } catch (cause) {
      throw fileError(action, path, cause);
    }
  };
  return {
    exists: async (path) => raw.existsSync(path),
    read: (path, most = MOST_BYTES) =>
      attempt("read", path, () => {
        const { fd, bytes } = openFile(raw, path);
        try {
          return readWhole(raw, fd, path, bytes, most);
        } finally {
          raw.closeSync(fd);
        }
      }),
    list: (folder) => attempt("list", folder, () => raw.readdirSync(folder).sort()),
    makeFolder: (folder) =>
      attempt("create folder", folder, () => void raw.mkdirSync(folder, { recursive: true })),
    append: (path, text) => attempt("write", path, () => raw.appendFileSync(path, text)),
    rename: (from, to) => attempt(`rename ${from} to`, to, () => raw.renameSync(from, to)),
    remove: (path) => attempt("remove", path, () => raw.rmSync(path, { force: true })),
    freeBytes: async (folder) => {
      try {
        const { bavail, bsize } = raw.statfsSync(folder);
        return bavail * bsize;
      } catch {
        return undefined;
      }
    },
    digester: () => createHash("sha256"),
    syncFolder: (folder) =>
      attempt("sync folder", folder, () => {
        const fd = raw.openSync(folder, "r");
        try {
          raw.fsyncSync(fd);
        } finally {
          raw.closeSync(fd);
        }
      }),
    async open(path) {
      const { fd, bytes } = await attempt("open", path, () => openFile(raw, path));
      const fill = (offset: number, into: Uint8Array): Promise<void> =>
        attempt("read", path, () => {
          for (let at = 0; at < into.length;) {
            const n = raw.readSync(fd, into, at, into.length - at, offset + at);
            if (n === 0)
              throw new SinterError(
                "corrupt",
                `${path} ends at byte ${offset + at}; ${offset + into.length} were expected`,
              );
            at += n;
          }
        });
      return {
        bytes,
        async read(offset, length) {
          const out = new Uint8Array(length);
          await fill(offset, out);
          return out;
        },
        fill,
        close: () => attempt("close", path, () => raw.closeSync(fd)),
      };
    },
    async create(path) {
      const fd = await attempt("create", path, () => raw.openSync(path, "w"));
      const put = (bytes: Uint8Array, offset?: number): Promise<void> =>
        attempt("write", path, () => {
          for (let at = 0; at < bytes.length;) {
            const n = raw.writeSync(
              fd,
              bytes,
              at,
              bytes.length - at,
              offset === undefined ? null : offset + at,
            ); // may write less than asked
            if (n === 0)
              throw new SinterError(
                "input",
                `cannot write ${path}: the disk takes no more bytes`,
                "Free some space.",
              );
            at += n;
          }
        });
      return {
        write: (bytes) => put(bytes),
        overwrite: (offset, bytes) => put(bytes, offset),
        sync: () => attempt("sync", path, () => raw.fsyncSync(fd)),
        close: () => attempt("close", path, () => raw.closeSync(fd)),
      };
    },
  };
}
