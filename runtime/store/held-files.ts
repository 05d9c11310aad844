/** A file system of files whose bytes are in memory already, so that what was checked is what is read. */
import { SinterError } from "../base/errors.ts";
import type { Files, ReadableFile } from "../base/files.ts";

/** `contents` has the bytes of each path. Nothing can be written. */
export function heldFiles(contents: ReadonlyMap<string, Uint8Array<ArrayBuffer>>): Files {
  const bytesOf = async (path: string): Promise<Uint8Array<ArrayBuffer>> => {
    const bytes = contents.get(path);
    if (!bytes)
      throw new SinterError("input", `cannot read ${path}: there is no such file`, "Check the path.");
    return bytes;
  };
  const never = (path: string): Promise<never> =>
    Promise.reject(new SinterError("bug", `${path} is held to be read, not written`));
  return {
    exists: async (path) => contents.has(path),
    read: bytesOf,
    open: async (path) => readable(await bytesOf(path)),
    list: async (folder) =>
      [...contents.keys()]
        .flatMap((path) => (path.startsWith(`${folder}/`) ? [path.slice(folder.length + 1)] : []))
        .sort(),
    makeFolder: never,
    create: never,
    append: never,
    rename: never,
    remove: never,
    syncFolder: never,
  };
}

const readable = (bytes: Uint8Array<ArrayBuffer>): ReadableFile => ({
  bytes: bytes.length,
  read: async (offset, length) => bytes.slice(offset, offset + length),
  fill: async (offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
  close: async () => {},
});
