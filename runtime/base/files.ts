/**
 * Everything that the runtime needs of a file system. `node/files.ts` is the real one; tests use one whose
 * calls fail on demand. Paths are joined with "/". Every method rejects with a SinterError that names the
 * path and the cause, and says what to do.
 */
import { SinterError } from "./errors.ts";
import type { Digester } from "./piece-hash.ts";

export interface Files {
  exists(path: string): Promise<boolean>;
  /**
   * All of a file, which has at most `most` bytes. Rejects for a longer file, a folder, a pipe or a device.
   */
  read(path: string, most?: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Opens a file that can be read at any offset. Rejects for a folder, a pipe or a device. */
  open(path: string): Promise<ReadableFile>;
  /** The names in a folder, sorted. */
  list(folder: string): Promise<readonly string[]>;
  makeFolder(folder: string): Promise<void>;
  create(path: string): Promise<WritableFile>;
  append(path: string, text: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes sure that renames and removals in the folder survive a crash. */
  syncFolder(folder: string): Promise<void>;
  /** How many bytes can still be written there; undefined where the system cannot say it. */
  freeBytes?(folder: string): Promise<number | undefined>;
  /** An incremental SHA-256, if the host has one. */
  readonly digester?: () => Digester;
}

export interface ReadableFile {
  readonly bytes: number;
  /** Exactly `length` bytes, otherwise it rejects. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Fills `into` with the bytes from `offset` on, otherwise it rejects. */
  fill(offset: number, into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export interface WritableFile {
  /** Writes all of `bytes` behind what was written before. */
  write(bytes: Uint8Array<ArrayBufferLike>): Promise<void>;
  /** Writes over bytes that are there already. */
  overwrite(offset: number, bytes: Uint8Array<ArrayBufferLike>): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The name of a file, without the folders that its path names. */
export const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

/** The folder of a file; "." where its path names none. */
export const folderOf = (path: string): string =>
  path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ".";

export const TEMPORARY = ".tmp";

/**
 * Writes a file so that it is either complete or absent: it gets its name only when every byte is on the
 * disk. `fill` writes the contents. After a failure the temporary file is removed, if that is possible, and a
 * file that already had the name is untouched.
 */
export async function writeAtomically(
  files: Files,
  folder: string,
  name: string,
  fill: (file: WritableFile) => Promise<void>,
): Promise<void> {
  const path = `${folder}/${name}`;
  const temporary = path + TEMPORARY;
  const file = await files.create(temporary);
  let open = true;
  try {
    await fill(file);
    await file.sync();
    open = false;
    await file.close();
    await files.rename(temporary, path);
  } catch (error) {
    if (open) await file.close().catch(() => {});
    await files.remove(temporary).catch(() => {});
    throw error;
  }
  await files.syncFolder(folder);
}

/** What files refuse that are only read. `why`: "files behind an address are only read". */
export function onlyRead(
  why: string,
): Pick<Files, "list" | "makeFolder" | "create" | "append" | "rename" | "remove" | "syncFolder"> {
  const refused =
    (action: string) =>
    (path: string): Promise<never> =>
      Promise.reject(new SinterError("input", `cannot ${action} ${path}: ${why}`));
  return {
    list: refused("list"),
    makeFolder: refused("create folder"),
    create: refused("create"),
    append: refused("write"),
    rename: refused("rename"),
    remove: refused("remove"),
    syncFolder: refused("write"),
  };
}

export const writeText = (files: Files, folder: string, name: string, text: string): Promise<void> =>
  writeAtomically(files, folder, name, (file) => file.write(new TextEncoder().encode(text)));

/**
 * Writes several files, each complete or absent. A name may begin with a folder ("templates/one.jinja"),
 * which is made.
 */
export async function writeAll(
  files: Files,
  folder: string,
  contents: ReadonlyMap<string, Uint8Array>,
): Promise<void> {
  for (const [name, bytes] of contents) {
    const at = name.lastIndexOf("/");
    const within = at < 0 ? folder : `${folder}/${name.slice(0, at)}`;
    if (at >= 0) await files.makeFolder(within);
    await writeAtomically(files, within, name.slice(at + 1), (file) => file.write(bytes));
  }
}

/** Removes the temporary files that interrupted writes left behind. */
export async function sweepTemporaries(files: Files, folder: string): Promise<void> {
  for (const name of await files.list(folder))
    if (name.endsWith(TEMPORARY)) await files.remove(`${folder}/${name}`);
}
