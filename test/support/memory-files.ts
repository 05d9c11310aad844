/** Files in memory, behind the runtime's interface. Counts what is read. */
import { SinterError } from "../../runtime/base/errors.ts";
import type { Files, ReadableFile, WritableFile } from "../../runtime/base/files.ts";

export interface MemoryFiles extends Files {
  readonly contents: Map<string, Uint8Array<ArrayBuffer>>;
  /** Bytes of the largest single read. */
  largestRead: number;
  /** Number of open files. */
  open_: number;
}

export function memoryFiles(initial: Readonly<Record<string, Uint8Array | string>> = {}): MemoryFiles {
  const utf8 = new TextEncoder();
  const contents = new Map(
    Object.entries(initial).map(([path, value]) => [
      path,
      new Uint8Array(typeof value === "string" ? utf8.encode(value) : value),
    ]),
  );
  const found = (path: string): Uint8Array<ArrayBuffer> => {
    const bytes = contents.get(path);
    if (!bytes) throw new SinterError("input", `cannot read ${path}: there is no such file`);
    return bytes;
  };
  const files: MemoryFiles = {
    contents,
    largestRead: 0,
    open_: 0,
    exists: async (path) => contents.has(path) || [...contents.keys()].some((p) => p.startsWith(`${path}/`)),
    read: async (path) => found(path),
    list: async (folder) =>
      contents.has(folder)
        ? Promise.reject(new SinterError("input", `cannot list ${folder}: it is a file`))
        : [...contents.keys()]
            .filter((p) => p.startsWith(`${folder}/`))
            .map((p) => p.slice(folder.length + 1))
            .sort(),
    makeFolder: async () => {},
    append: async (path, text) =>
      void contents.set(
        path,
        utf8.encode(new TextDecoder().decode(contents.get(path) ?? new Uint8Array()) + text),
      ),
    rename: async (from, to) => {
      contents.set(to, found(from));
      contents.delete(from);
    },
    remove: async (path) => void contents.delete(path),
    syncFolder: async () => {},
    async open(path) {
      const bytes = found(path);
      files.open_++;
      return opened(path, bytes, files);
    },
    create: async (path) => created(path, contents),
  };
  return files;
}

/** An open file. Its reads are counted in `counts`. */
function opened(path: string, bytes: Uint8Array<ArrayBuffer>, counts: MemoryFiles): ReadableFile {
  const check = (offset: number, length: number): void => {
    if (offset < 0 || length < 0 || offset + length > bytes.length)
      throw new SinterError("corrupt", `${path} ends at byte ${bytes.length}`);
    counts.largestRead = Math.max(counts.largestRead, length);
  };
  return {
    bytes: bytes.length,
    async read(offset, length) {
      check(offset, length);
      return bytes.slice(offset, offset + length);
    },
    async fill(offset, into) {
      check(offset, into.length);
      into.set(bytes.subarray(offset, offset + into.length));
    },
    async close() {
      counts.open_--;
    },
  };
}

/** A file that is being written. It appears in the folder when it is closed. */
function created(path: string, contents: MemoryFiles["contents"]): WritableFile {
  const parts: Uint8Array[] = [];
  return {
    write: async (bytes) => void parts.push(new Uint8Array(bytes)),
    overwrite: async (offset, bytes) => {
      const all = new Uint8Array(Buffer.concat(parts));
      all.set(bytes, offset);
      parts.splice(0, parts.length, all);
    },
    sync: async () => {},
    close: async () => void contents.set(path, new Uint8Array(Buffer.concat(parts))),
  };
}
