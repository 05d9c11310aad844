/**
 * Files that a page keeps between visits: the browser's private file system of the page's origin (OPFS), in
 * which a run folder looks as it does on a disk. It works in a page and in its workers, and nobody else sees
 * it; the browser may clear it when space runs out.
 */
import { SinterError } from "../base/errors.ts";
import { baseName, folderOf, type Files, type ReadableFile, type WritableFile } from "../base/files.ts";
import { openBlob } from "./blob-files.ts";

/** What the browser's errors mean, and what to do. */
const advice: Readonly<Record<string, { readonly means: string; readonly hint: string }>> = {
  NotFoundError: { means: "there is no such file or folder", hint: "Check the name." },
  TypeMismatchError: {
    means: "it is a folder where a file was expected, or a file",
    hint: "Check the name.",
  },
  QuotaExceededError: {
    means: "the browser gives this page no more space",
    hint: "Remove runs that are not needed any more; what was saved before is unharmed.",
  },
  NoModificationAllowedError: { means: "another tab uses it", hint: "Close that tab." },
  SecurityError: { means: "the browser keeps nothing here", hint: "Private windows keep no files." },
};

function fileError(action: string, path: string, cause: unknown): SinterError {
  if (cause instanceof SinterError) return cause;
  const { name, message } = cause as DOMException;
  const known = advice[name];
  return new SinterError("input", `cannot ${action} ${path}: ${known?.means ?? message}`, known?.hint);
}

/** A file's handle can be renamed in every engine; TypeScript's library does not know it yet. */
interface Movable extends FileSystemFileHandle {
  move?(name: string): Promise<void>;
}

/** Paths are relative to the root of the origin's file system. Throws `input` where the page has none. */
export async function opfsFiles(): Promise<Files> {
  if (!navigator.storage?.getDirectory)
    throw new SinterError(
      "input",
      "this browser keeps no files for pages",
      "Use a browser of 2023 or later, over https or from localhost.",
    );
  const root = await saying("open", "the page's files", () => navigator.storage.getDirectory());
  return filesIn(handlesIn(root));
}

async function saying<T>(action: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw fileError(action, path, cause);
  }
}

interface Handles {
  folder(path: string, create?: boolean): Promise<FileSystemDirectoryHandle>;
  file(path: string, create?: boolean): Promise<FileSystemFileHandle>;
}

function handlesIn(root: FileSystemDirectoryHandle): Handles {
  const folder = async (path: string, create = false): Promise<FileSystemDirectoryHandle> => {
    let at = root;
    for (const name of namesIn(path)) at = await at.getDirectoryHandle(name, { create });
    return at;
  };
  return {
    folder,
    file: async (path, create = false) =>
      (await folder(folderOf(path))).getFileHandle(baseName(path), { create }),
  };
}

const namesIn = (path: string): readonly string[] =>
  path.split("/").filter((name) => name !== "" && name !== ".");

function filesIn({ folder, file }: Handles): Files {
  return {
    async exists(path) {
      return (await found(() => file(path))) || found(() => folder(path));
    },
    read: (path, most = Infinity) =>
      saying("read", path, async () => {
        const blob = await (await file(path)).getFile();
        if (blob.size > most)
          throw new SinterError("corrupt", `${path} has ${blob.size} bytes; at most ${most} were expected`);
        return new Uint8Array(await blob.arrayBuffer());
      }),
    open: (path): Promise<ReadableFile> =>
      saying("open", path, async () => openBlob(await (await file(path)).getFile(), path)),
    list: (path) =>
      saying("list", path, async () => {
        const names: string[] = [];
        for await (const name of (await folder(path)).keys()) names.push(name);
        return names.sort();
      }),
    makeFolder: (path) => saying("create folder", path, async () => void (await folder(path, true))),
    create: (path) =>
      saying("create", path, async () => writing(await (await file(path, true)).createWritable(), path)),
    append: (path, text) =>
      saying("write", path, async () => {
        const handle = await file(path, true);
        const stream = await handle.createWritable({ keepExistingData: true });
        await stream.seek((await handle.getFile()).size);
        await stream.write(text);
        await stream.close();
      }),
    rename: (from, to) =>
      saying("rename", from, async () => move(await file(from), await folder(folderOf(to)), baseName(to))),
    remove: (path) =>
      saying("remove", path, async () =>
        (await folder(folderOf(path))).removeEntry(baseName(path), { recursive: true }),
      ),
    syncFolder: async () => {},
    async freeBytes() {
      const { quota, usage } = await navigator.storage.estimate();
      return quota === undefined || usage === undefined ? undefined : quota - usage;
    },
  };
}

async function found(look: () => Promise<unknown>): Promise<boolean> {
  try {
    await look();
    return true;
  } catch {
    return false;
  }
}

/** What is written becomes the file's contents when it is closed. */
function writing(stream: FileSystemWritableFileStream, path: string): WritableFile {
  let at = 0;
  const put = (position: number, bytes: Uint8Array<ArrayBufferLike>): Promise<void> =>
    saying("write", path, () => {
      const data = new Uint8Array(bytes); // a copy: the browser takes no shared memory
      return stream.write({ type: "write", position, data });
    });
  return {
    async write(bytes) {
      await put(at, bytes);
      at += bytes.length;
    },
    overwrite: put,
    sync: async () => {},
    close: () => saying("write", path, () => stream.close()),
  };
}

/** Within its folder. */
async function move(file: Movable, folder: FileSystemDirectoryHandle, to: string): Promise<void> {
  if (file.move) return file.move(to);
  const copy = await (await folder.getFileHandle(to, { create: true })).createWritable();
  await (await file.getFile()).stream().pipeTo(copy);
  await folder.removeEntry(file.name);
}
