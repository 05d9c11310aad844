/** Reading and writing text files for the verbs. Every failure is a SinterError that names the path and the cause. */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, readSync, renameSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { SinterError } from "../../runtime/errors.ts";

const causes: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file", EACCES: "permission denied", EPERM: "permission denied", EISDIR: "it is a folder", ENOTDIR: "a part of the path is not a folder",
  ENOSPC: "the disk is full", EROFS: "the file system is read-only", EMFILE: "too many open files", EEXIST: "it exists already", ENAMETOOLONG: "the name is too long", EIO: "the disk reports an error", ELOOP: "links in a circle",
};

/** The reason in words, for any error of the file system. */
export function causeOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code !== undefined && Object.hasOwn(causes, code) ? causes[code]! : error instanceof Error ? error.message : String(error);
}

/** "-" is standard input. At most `limit` bytes are read. */
export function readText(path: string, cwd: string, limit: number, hint?: string): string {
  let bytes: Buffer;
  try {
    bytes = readAtMost(path === "-" ? 0 : resolve(cwd, path), limit + 1);
  } catch (error) {
    throw new SinterError("input", `cannot read ${path}: ${causeOf(error)}`, hint);
  }
  if (bytes.length > limit) throw new SinterError("input", `${path} is longer than ${limit} bytes`);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new SinterError("input", `cannot read ${path}: it is not UTF-8 text`, "save it as UTF-8");
  }
}

/** Bytes of a file, a pipe or a device, which may be endless. Several pieces: a pipe gives what it has. */
function readAtMost(file: string | 0, limit: number): Buffer {
  const descriptor = file === 0 ? 0 : openSync(file, "r"), pieces: Buffer[] = [];
  try {
    for (let left = limit; left > 0; ) {
      const piece = Buffer.allocUnsafe(Math.min(left, 65536)), read = readPiece(descriptor, piece);
      if (read === 0) break;
      pieces.push(piece.subarray(0, read));
      left -= read;
    }
  } finally {
    if (file !== 0) closeSync(descriptor);
  }
  return Buffer.concat(pieces);
}

/** A pipe without data yet says EAGAIN: wait a little. */
function readPiece(descriptor: number, piece: Buffer): number {
  for (;;) {
    try {
      return readSync(descriptor, piece);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EOF") return 0;
      if (code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

/** A reader sees the old text or the new one, never a part: temporary file in the same folder, then rename. Keeps the file's mode. */
export function replaceText(path: string, cwd: string, text: string): void {
  const target = resolve(cwd, path), temporary = join(dirname(target), `.${randomBytes(6).toString("hex")}.tmp`);
  try {
    const { mode } = statSync(target);
    writeNew(temporary, text, mode & 0o777);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new SinterError("input", `cannot write ${path}: ${causeOf(error)}`, "the file is unchanged");
  }
}

/** Refuses to overwrite. */
export function createText(path: string, cwd: string, text: string): void {
  try {
    writeNew(resolve(cwd, path), text, 0o666);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException, exists = code === "EEXIST";
    throw new SinterError("input", `cannot write ${path}: ${code === "ENOENT" ? "there is no such folder" : causeOf(error)}`, exists ? "choose another name; nothing was overwritten" : undefined);
  }
}

function writeNew(path: string, text: string, mode: number): void {
  const file = openSync(path, "wx", mode), bytes = Buffer.from(text);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new SinterError("input", `cannot make the folder ${path}: ${causeOf(error)}`);
  }
}

/** Output that can be made again: written in place. */
export function writeOutput(path: string, contents: string | Uint8Array): void {
  try {
    writeFileSync(path, contents);
  } catch (error) {
    throw new SinterError("input", `cannot write ${path}: ${causeOf(error)}`);
  }
}
