/**
 * Writing files for the verbs. A file is complete or absent, whatever ends the program: all of it goes into a
 * temporary file in the same folder, is flushed to the disk, and only then gets its name. Every failure is a
 * SinterError that names the path and the cause.
 */
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { SinterError } from "../../../runtime/base/errors.ts";

const causes: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is not a folder",
  EEXIST: "it exists already",
  ENOSPC: "the disk is full",
  EFBIG: "files may not grow that large here",
  EROFS: "the file system is read-only",
  EMFILE: "too many open files",
  ENAMETOOLONG: "the name is too long",
  EIO: "the disk reports an error",
  ELOOP: "links in a circle",
  ENXIO: "it is a socket",
  EDQUOT: "the disk quota is used up",
};

/** The cause of an error of the file system, in words. */
export function causeOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code !== undefined && Object.hasOwn(causes, code)) return causes[code]!;
  return error instanceof Error ? error.message : String(error);
}

/** "new": refuses to write over anything. */
type Place = "new" | "replace";

/** Refuses to overwrite, unless `force`. */
export function createText(path: string, cwd: string, text: string, { force = false } = {}): void {
  const output = openOutput(path, cwd, { force });
  output.write(text);
  output.done();
}

/** The new file gets the mode of the file that it replaces. */
export function replaceText(path: string, cwd: string, text: string): void {
  try {
    writeWhole(resolve(cwd, path), text, "replace");
  } catch (error) {
    throw new SinterError("input", `cannot write ${path}: ${causeOf(error)}`, "the file is unchanged");
  }
}

/** Replaces what is there. */
export function writeOutput(path: string, contents: string | Uint8Array): void {
  try {
    writeWhole(path, contents, "replace");
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

export interface Output {
  write(text: string): void;
  /** Everything is written: the file gets its name. */
  done(): void;
  /** Gives up; no file is left behind. */
  abandon(): void;
  /** Keeps what has been written so far, under another name, which is returned. */
  keepPart(): string;
}

/**
 * Opens a file that is written piece by piece. A file that is there already is noticed before anything is
 * written.
 */
export function openOutput(path: string, cwd: string, { force = false } = {}): Output {
  const attempt = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw cannotWrite(path, error);
    }
  };
  const target = resolve(cwd, path);
  const writing = attempt(() => beginWhole(target, force ? "replace" : "new"));
  return {
    write: (text) => attempt(() => writing.write(Buffer.from(text))),
    done: () => attempt(() => writing.done()),
    abandon: () => writing.abandon(),
    keepPart: () => attempt(() => writing.done(`${target}.part`)),
  };
}

function cannotWrite(path: string, error: unknown): SinterError {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof SinterError) return error;
  const cause = code === "ENOENT" ? "there is no such folder" : causeOf(error);
  return new SinterError(
    "input",
    `cannot write ${path}: ${cause}`,
    code === "EEXIST" ? "choose another name, or replace it: --force; nothing was overwritten" : undefined,
  );
}

function writeWhole(target: string, contents: string | Uint8Array, place: Place): void {
  const writing = beginWhole(target, place);
  writing.write(typeof contents === "string" ? Buffer.from(contents) : contents);
  writing.done();
}

interface Writing {
  write(bytes: Uint8Array): void;
  /** Returns the name that the file has got. */
  done(name?: string): string;
  abandon(): void;
}

function openNew(path: string, mode: number, failed: () => void): number {
  try {
    return fs.openSync(path, "wx", mode);
  } catch (error) {
    failed();
    throw error;
  }
}

function beginWhole(path: string, place: Place): Writing {
  const there = fs.statSync(path, { throwIfNoEntry: false });
  if (there?.isDirectory()) throw withCode("EISDIR");
  if (there && !there.isFile()) return writeThrough(path); // /dev/stdout, a pipe: nothing to rename
  if (place === "new" && fs.lstatSync(path, { throwIfNoEntry: false })) throw withCode("EEXIST");
  const target = there ? fs.realpathSync(path) : path; // a link stays one
  const temporary = temporaryBeside(target);
  const release = removedOnSignal(temporary); // before it is there
  const file = openNew(temporary, there ? there.mode & 0o777 : 0o666, release);
  let open = true;
  const abandon = (): void => {
    if (open) fs.closeSync(file);
    open = false;
    fs.rmSync(temporary, { force: true });
    release();
  };
  const orAbandon = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      abandon();
      throw error;
    }
  };
  return {
    write: (bytes) => orAbandon(() => writeAll(file, bytes)),
    done: (name = target) =>
      orAbandon(() => {
        fs.fsyncSync(file);
        fs.closeSync(file);
        open = false;
        if (place === "new" && name === target) nameOnce(temporary, name);
        else fs.renameSync(temporary, name);
        syncFolder(dirname(name));
        release();
        return name;
      }),
    abandon,
  };
}

const withCode = (code: string): Error => Object.assign(new Error(code), { code });

export const temporaryBeside = (target: string): string =>
  join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.tmp`);

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    try {
      at += fs.writeSync(file, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10); // a pipe whose reader is slow
    }
  }
}

function writeThrough(path: string): Writing {
  const file = fs.openSync(path, fs.constants.O_WRONLY | (fs.constants.O_NONBLOCK ?? 0));
  const close = (): void => fs.closeSync(file);
  return { write: (bytes) => writeAll(file, bytes), done: () => (close(), path), abandon: close };
}

/**
 * Gives the file its name by a link, which never replaces a file: of two programs that write at once, one is
 * refused.
 */
function nameOnce(temporary: string, target: string): void {
  try {
    fs.linkSync(temporary, target);
    fs.rmSync(temporary);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST" || fs.existsSync(target)) throw withCode("EEXIST");
    fs.renameSync(temporary, target); // a file system without links
  }
}

/** Flushes a folder, so that a rename in it survives a crash. Not every system lets a folder be opened. */
export function syncFolder(folder: string): void {
  try {
    const descriptor = fs.openSync(folder, "r");
    try {
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
  } catch {
    // the file itself is on the disk
  }
}

const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Temporary files and folders that are in use. */
const temporaries = new Set<string>();

/**
 * When a signal ends the program, the temporary file is removed too. Verbs that handle the signal themselves
 * remove it in their own time. Returns a function that ends the watch.
 */
export function removedOnSignal(temporary: string): () => void {
  if (temporaries.size === 0)
    // first in the list of listeners, so that it sees who else listens
    for (const signal of signals) process.prependListener(signal, endedBy);
  temporaries.add(temporary);
  return () => {
    if (temporaries.delete(temporary) && temporaries.size === 0)
      for (const signal of signals) process.off(signal, endedBy);
  };
}

/** Whether a running verb handles this signal, and stops by itself. */
export const isHeard = (signal: NodeJS.Signals): boolean =>
  process.listeners(signal).some((listener) => listener !== endedBy);

function endedBy(signal: NodeJS.Signals): void {
  if (isHeard(signal)) return; // the verb stops by itself, and then removes what it was writing
  for (const temporary of temporaries) fs.rmSync(temporary, { recursive: true, force: true });
  process.off(signal, endedBy);
  process.kill(process.pid, signal);
}
