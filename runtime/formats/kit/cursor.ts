/**
 * Reads a little-endian file from front to back, through a buffer. Every length is checked against the file
 * before it is used.
 */
import type { ReadableFile } from "../../base/files.ts";
import { corruptFile } from "./weights.ts";

const WINDOW = 1 << 16;

export class Cursor {
  readonly #file: ReadableFile;
  readonly #path: string;
  #window = new Uint8Array();
  #view = new DataView(this.#window.buffer);
  #start = 0;
  /** The byte of the file that is read next. */
  at: number;

  constructor(file: ReadableFile, path: string, at = 0) {
    this.#file = file;
    this.#path = path;
    this.at = at;
  }

  get left(): number {
    return this.#file.bytes - this.at;
  }

  fail(why: string, at = this.at): never {
    throw corruptFile(this.#path, `offset ${at}: ${why}`);
  }

  /**
   * Makes the next `bytes` available, moves behind them, and returns where they begin in the buffer. `what`
   * is for the message.
   */
  async #need(bytes: number, what: string): Promise<number> {
    if (bytes > this.left)
      this.fail(`the file ends in ${what}: ${bytes} bytes are needed, ${this.left} are left`);
    if (this.at < this.#start || this.at + bytes > this.#start + this.#window.length) {
      this.#start = this.at;
      this.#window = await this.#file.read(this.at, Math.min(Math.max(WINDOW, bytes), this.left));
      this.#view = new DataView(this.#window.buffer);
    }
    const from = this.at - this.#start;
    this.at += bytes;
    return from;
  }

  async u8(what: string): Promise<number> {
    const from = await this.#need(1, what);
    return this.#view.getUint8(from);
  }
  async u16(what: string): Promise<number> {
    const from = await this.#need(2, what);
    return this.#view.getUint16(from, true);
  }
  async i32(what: string): Promise<number> {
    const from = await this.#need(4, what);
    return this.#view.getInt32(from, true);
  }
  async u32(what: string): Promise<number> {
    const from = await this.#need(4, what);
    return this.#view.getUint32(from, true);
  }
  async f32(what: string): Promise<number> {
    const from = await this.#need(4, what);
    return this.#view.getFloat32(from, true);
  }
  async f64(what: string): Promise<number> {
    const from = await this.#need(8, what);
    return this.#view.getFloat64(from, true);
  }
  async u64(what: string): Promise<bigint> {
    const from = await this.#need(8, what);
    return this.#view.getBigUint64(from, true);
  }
  async i64(what: string): Promise<bigint> {
    const from = await this.#need(8, what);
    return this.#view.getBigInt64(from, true);
  }

  /** A u64 that is at most `most`. */
  async count(what: string, most: number): Promise<number> {
    const at = this.at;
    const value = await this.u64(what);
    if (value > BigInt(Math.floor(most)))
      this.fail(`${what} is ${value}; at most ${Math.floor(most)} is possible here`, at);
    return Number(value);
  }

  /** `length` bytes, at most `most`. The result is a view of the buffer and valid until the next read. */
  async bytes(length: number, most: number, what: string): Promise<Uint8Array> {
    if (length > most) this.fail(`${what} of ${length} bytes; at most ${most} are allowed`);
    const from = await this.#need(length, what);
    return this.#window.subarray(from, from + length);
  }

  /** A text of `length` bytes of UTF-8. */
  async text(length: number, most: number, what: string): Promise<string> {
    const at = this.at;
    const bytes = await this.bytes(length, most, what);
    try {
      return utf8.decode(bytes);
    } catch {
      return this.fail(`${what} is not UTF-8`, at);
    }
  }

  skip(bytes: number, what: string): void {
    if (bytes > this.left)
      this.fail(`the file ends in ${what}: ${bytes} bytes are needed, ${this.left} are left`);
    this.at += bytes;
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
