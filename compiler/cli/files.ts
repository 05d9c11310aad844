/** Writing files for the verbs. Every failure is a SinterError that names the path and the cause. */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, statSync, writeFileSync, writeSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { SinterError } from "../../runtime/errors.ts";

const causes: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file", EACCES: "permission denied", EPERM: "permission denied", EISDIR: "it is a folder", ENOTDIR: "a part of the path is not a folder",
  ENOSPC: "the disk is full", EROFS: "the file system is read-only", EMFILE: "too many open files", EEXIST: "it exists already", ENAMETOOLONG: "the name is too long", EIO: "the disk reports an error", ELOOP: "links in a circle",
  ENXIO: "it is a socket", EDQUOT: "the disk quota is used up",
};

/** The reason in words, for any error of the file system. */
export function causeOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code !== undefined && Object.hasOwn(causes, code) ? causes[code]! : error instanceof Error ? error.message : String(error);
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
