/**
 * What the verbs read: files, standard input (`-`), named pipes. Nothing here waits or grows without a bound.
 * A file's size is known before it is read; a pipe or a device is read up to its limit. Where nothing comes,
 * a message says so after a few seconds, and the wait ends after some time.
 */
import fs from "node:fs";
import { isatty } from "node:tty";
import { resolve } from "node:path";
import { SinterError } from "../../../runtime/base/errors.ts";
import { textOf, type TextOptions } from "../../../runtime/base/text.ts";
import { causeOf } from "./files.ts";
import type { Io } from "./io.ts";

/** Milliseconds. */
export interface Patience {
  /** After this time a message says what the program waits for. */
  readonly say: number;
  /** How long to wait for somebody who opens a named pipe to write into it. */
  readonly writer: number;
  /** How long to wait for the next byte of a pipe that has a writer. For a terminal, there is no end. */
  readonly silence: number;
}
export const patience: Patience = { say: 3_000, writer: 20_000, silence: 600_000 };

const clock = new Int32Array(new SharedArrayBuffer(4)); // nobody wakes it: it serves for waiting alone
const LOOK_MS = 10;
const PIECE = 65536;
/** A device either ends within so many bytes (/dev/null), or never does (/dev/zero). */
const MOST_OF_A_DEVICE = PIECE;

export interface ReadOptions extends TextOptions {
  readonly hint?: string | undefined;
  readonly patience?: Patience;
}

export const isStandardInput = (path: string): boolean => path === "-";

/**
 * "-" is standard input. At most `limit` bytes are read. A failure is a SinterError that names path and
 * cause.
 */
export function readText(
  path: string,
  io: Pick<Io, "cwd" | "err">,
  limit: number,
  o: ReadOptions = {},
): string {
  return textOf(readBytes(path, io, limit, o), nameOf(path), o);
}

/** The text of a file that need not be there. Undefined: it cannot be read. */
export function textAt(path: string): string | undefined {
  try {
    return fs.readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** The same as readText, without a look at what the bytes are. */
export function readBytes(
  path: string,
  io: Pick<Io, "cwd" | "err">,
  limit: number,
  o: Pick<ReadOptions, "hint" | "patience"> = {},
): Buffer {
  try {
    return readInput(path, io.cwd, { limit, wait: o.patience ?? patience, say: io.err });
  } catch (error) {
    if (error instanceof SinterError) throw error;
    throw new SinterError("input", `cannot read ${nameOf(path)}: ${causeOf(error)}`, o.hint);
  }
}

export const nameOf = (path: string): string => (isStandardInput(path) ? "standard input" : path);

interface Bounds {
  readonly limit: number;
  readonly wait: Patience;
  readonly say: Io["err"];
}

function readInput(path: string, cwd: string, bounds: Bounds): Buffer {
  const input = isStandardInput(path) ? standardInput() : openInput(resolve(cwd, path));
  try {
    const stat = fs.fstatSync(input.descriptor);
    if (stat.isDirectory()) throw Object.assign(new Error("a folder"), { code: "EISDIR" });
    if (stat.isFile() && stat.size > bounds.limit) throw tooLong(path, bounds.limit, stat.size);
    const isDevice = stat.isCharacterDevice() && !isatty(input.descriptor);
    return readAtMost(input, path, isDevice, bounds);
  } finally {
    if (input.close) fs.closeSync(input.descriptor);
  }
}

function tooLong(path: string, limit: number, size?: number): SinterError {
  const has = size === undefined ? "goes on" : `has ${size} bytes,`;
  return new SinterError(
    "input",
    `${nameOf(path)} ${has} beyond the ${limit} bytes that are read`,
    "Is it the right one? Otherwise give a part of it: head -c.",
  );
}

interface Input {
  readonly descriptor: number;
  readonly close: boolean;
  /** A pipe that has a name: a writer may open it later. */
  readonly unmet: boolean;
}

const { O_RDONLY } = fs.constants;
const O_NONBLOCK = fs.constants.O_NONBLOCK ?? 0; // Windows has no such flag

function openInput(path: string): Input {
  const descriptor = fs.openSync(path, O_RDONLY | O_NONBLOCK); // does not wait for a pipe's writer
  // <(command): its writer opened it before this program did
  const ofShell = /^\/(dev|proc\/self)\/fd\/\d+$/.test(path);
  return { descriptor, close: true, unmet: fs.fstatSync(descriptor).isFIFO() && !ofShell };
}

/**
 * Standard input, opened so that reading does not block. A pipe or terminal is opened anew, since the flag of
 * the descriptor that was inherited is shared with other programs; a socket is made non-blocking by
 * process.stdin.
 */
function standardInput(): Input {
  const stat = fs.fstatSync(0);
  const given: Input = { descriptor: 0, close: false, unmet: false };
  if (stat.isSocket()) void process.stdin;
  if (!stat.isFIFO() && !isatty(0)) return given;
  try {
    return { descriptor: fs.openSync("/dev/stdin", O_RDONLY | O_NONBLOCK), close: true, unmet: false };
  } catch {
    return given; // it may be another user's terminal, or the system has no /dev/stdin
  }
}

function readAtMost(input: Input, path: string, isDevice: boolean, { limit, wait, say }: Bounds): Buffer {
  const most = isDevice ? Math.min(limit, MOST_OF_A_DEVICE) : limit;
  const waiting = waitFor(input, path, wait, say);
  const pieces: Buffer[] = [];
  let { unmet } = input;
  for (let length = 0; ;) {
    const piece = Buffer.allocUnsafe(PIECE);
    const read = readPiece(input.descriptor, piece);
    if (read === 0 && !unmet) return Buffer.concat(pieces);
    unmet &&= read === 0;
    if (!read) {
      waiting.look(unmet);
      continue;
    }
    waiting.came();
    pieces.push(piece.subarray(0, read));
    length += read;
    if (length > most) throw isDevice ? endlessDevice(path) : tooLong(path, limit);
  }
}

interface Waiting {
  /** Something came. */
  came(): void;
  /** Nothing has come: waits a little. `unmet`: nobody has opened the pipe yet. */
  look(unmet: boolean): void;
}

function waitFor({ descriptor }: Input, path: string, wait: Patience, say: Io["err"]): Waiting {
  const isTerminal = isatty(descriptor);
  let silent = 0;
  let said = false;
  return {
    came: () => void (silent = 0),
    look(unmet) {
      silent += LOOK_MS;
      if (silent >= wait.say && !said) {
        said = true;
        say(`waiting for input from ${isTerminal ? "the terminal (Ctrl-D ends it)" : nameOf(path)} …\n`);
      }
      const most = unmet ? wait.writer : wait.silence;
      if (silent >= most && !isTerminal) throw nothingComes(path, unmet, most);
      Atomics.wait(clock, 0, 0, LOOK_MS);
    },
  };
}

const endlessDevice = (path: string): SinterError =>
  new SinterError("input", `cannot read ${nameOf(path)}: it is a device that has no end`, "Name a file.");

function nothingComes(path: string, unmet: boolean, ms: number): SinterError {
  const why = unmet ? "no program writes into this pipe" : "its writer is silent";
  return new SinterError(
    "input",
    `nothing came from ${nameOf(path)} in ${ms / 1000} s: ${why}`,
    "Start the program that writes first, or name a file.",
  );
}

/** The number of bytes read, 0 at the end; undefined: nothing has come yet. */
function readPiece(descriptor: number, piece: Buffer): number | undefined {
  try {
    return fs.readSync(descriptor, piece);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EOF") return 0; // Windows: a pipe's end
    if (code !== "EAGAIN") throw error;
    return undefined;
  }
}
