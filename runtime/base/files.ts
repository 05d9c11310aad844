/**
 * All that the runtime asks of a file system. Tests hand in one whose calls fail on demand; `node/files.ts`
 * is the real one. Paths are joined with "/". Every method rejects with a SinterError that names the path,
 * the cause, and what to do.
 */
import type { Digester } from "./piece-hash.ts";

export interface Files {
  exists(path: string): Promise<boolean>;
  /** All of a file, at most `most` bytes. Rejects where a longer one is, or a folder, a pipe, a device. */
  read(path: string, most?: number): Promise<Uint8Array<ArrayBuffer>>;
  /** A file that is read from any place in it: no folder, pipe or device. */
  open(path: string): Promise<ReadableFile>;
  /** Names in a folder, sorted. */
  list(folder: string): Promise<readonly string[]>;
  makeFolder(folder: string): Promise<void>;
  create(path: string): Promise<WritableFile>;
  append(path: string, text: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes renames and removals in the folder last. */
  syncFolder(folder: string): Promise<void>;
  /** Bytes that may still be written there; undefined: it cannot be asked. */
  freeBytes?(folder: string): Promise<number | undefined>;
  /** SHA-256 as bytes come, where the host has it. */
  readonly digester?: () => Digester;
}

export interface ReadableFile {
  readonly bytes: number;
  /** Exactly `length` bytes, or a rejection. */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
  /** Fills `into` with the bytes from `offset` on, or rejects. */
  fill(offset: number, into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

export interface WritableFile {
  /** Writes all of it, behind what was written before. */
  write(bytes: Uint8Array<ArrayBufferLike>): Promise<void>;
  /** Writes over what is there already. */
  overwrite(offset: number, bytes: Uint8Array<ArrayBufferLike>): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

export const TEMPORARY = ".tmp";

/**
 * Complete or absent: the file gets its name only when every byte of it is on the disk. `fill` writes it.
 * After a failure the temporary file is removed, if that is possible, and what had the name before is
 * untouched.
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

export const writeText = (files: Files, folder: string, name: string, text: string): Promise<void> =>
  writeAtomically(files, folder, name, (file) => file.write(new TextEncoder().encode(text)));

/** Each complete or absent. A name may begin with that of a folder, which is made: "templates/one.jinja". */
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

/** Removes what an interrupted write left. */
export async function sweepTemporaries(files: Files, folder: string): Promise<void> {
  for (const name of await files.list(folder))
    if (name.endsWith(TEMPORARY)) await files.remove(`${folder}/${name}`);
}
