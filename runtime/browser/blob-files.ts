/** Files that a visitor has dropped on a page, or chosen: by name, to read. Nothing of them is copied. */
import { SinterError } from "../base/errors.ts";
import { onlyRead, type Files, type ReadableFile } from "../base/files.ts";

export function blobFiles(blobs: ReadonlyMap<string, Blob>): Files {
  const nameOf = (path: string): string => path.replace(/^(?:\.\/)+/, "");
  const named = (path: string): Blob => {
    const blob = blobs.get(nameOf(path));
    if (blob) return blob;
    throw new SinterError("input", `cannot read ${path}: it is not among the files that were given`);
  };
  return {
    ...onlyRead("files that were given to the page are only read"),
    exists: async (path) => blobs.has(nameOf(path)),
    async read(path, most = Infinity) {
      const blob = named(path);
      if (blob.size > most)
        throw new SinterError("input", `${path} has ${blob.size} bytes; at most ${most} are read`);
      return new Uint8Array(await blob.arrayBuffer());
    },
    open: async (path) => openBlob(named(path), path),
  };
}

/** A blob as a file that is read at any offset. `path`: for messages. */
export function openBlob(blob: Blob, path: string): ReadableFile {
  const read = async (offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> => {
    if (offset + length > blob.size)
      throw new SinterError("corrupt", `${path} ends at byte ${blob.size}; ${offset + length} were expected`);
    return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
  };
  return {
    bytes: blob.size,
    read,
    fill: async (offset, into) => into.set(await read(offset, into.length)),
    close: async () => {},
  };
}
