/**
 * The file that a person's choices go into: each is on the disk before the next pair is shown, and the last
 * ones can be taken back. What a file held before is checked, and never changed.
 */
import fs from "node:fs";
import { SinterError } from "../../../runtime/base/errors.ts";
import { readFeedback, type Feedback } from "../../../runtime/train/examples/feedback.ts";
import { causeOf } from "../terminal/files.ts";

const LINE_END = 10;

export class FeedbackFile {
  /** What it held when it was opened. */
  readonly before: Feedback;
  /** A line whose end is missing was cut off, as an interrupted write leaves one. */
  readonly wasCut: boolean;
  readonly #path: string;
  readonly #file: number;
  /** The length of the file before each line that was added. */
  readonly #lengths: number[] = [];
  #length: number;

  /** Throws SinterError "input" where the file holds something else, or can not be written. */
  constructor(path: string, shown: string) {
    this.#path = shown;
    const bytes = this.#orRefuse(() => readWhole(path));
    const whole = bytes.subarray(0, bytes.lastIndexOf(LINE_END) + 1);
    this.wasCut = whole.length < bytes.length && !isJson(bytes.subarray(whole.length));
    const held = this.wasCut ? whole : bytes;
    this.before = readFeedback(held, shown);
    this.#file = this.#orRefuse(() => fs.openSync(path, "a"));
    this.#length = held.length;
    if (this.wasCut) fs.ftruncateSync(this.#file, held.length);
    if (held.length > 0 && held.at(-1) !== LINE_END) this.#write("\n");
  }

  /** Adds a line, with its line break. */
  add(line: string): void {
    const before = this.#length;
    this.#write(line);
    this.#lengths.push(before);
  }

  /** Removes the line that was added last. */
  takeBack(): void {
    const before = this.#lengths.at(-1);
    if (before === undefined) return;
    if (fs.fstatSync(this.#file).size !== this.#length)
      throw new SinterError(
        "input",
        `${this.#path} was written to by another program, so the last choice can not be taken back`,
        "Take its line out by hand.",
      );
    fs.ftruncateSync(this.#file, before);
    fs.fsyncSync(this.#file);
    this.#length = before;
    this.#lengths.pop();
  }

  close(): void {
    fs.closeSync(this.#file);
  }

  #write(text: string): void {
    const bytes = Buffer.from(text);
    this.#orRefuse(() => {
      fs.writeSync(this.#file, bytes);
      fs.fsyncSync(this.#file);
    });
    this.#length += bytes.length;
  }

  #orRefuse<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof SinterError) throw error;
      throw new SinterError("input", `cannot write ${this.#path}: ${causeOf(error)}`);
    }
  }
}

/** The bytes of a file, none where there is no file. */
function readWhole(path: string): Buffer {
  const there = fs.statSync(path, { throwIfNoEntry: false });
  if (!there) return Buffer.alloc(0);
  if (!there.isFile()) throw new Error("it is no file");
  return fs.readFileSync(path);
}

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder().decode(bytes));
    return true;
  } catch {
    return false;
  }
}
