/**
 * Decodes texts from files: as UTF-8, or with a message that says what the bytes are instead and what to do.
 * Everything that reads text reads it here.
 */
import { SinterError } from "./errors.ts";
import { kindOfBytes, olderEncoding, type TextKind } from "./text-kinds.ts";

/** The longest string of V8, if every byte is a character. */
export const MAX_TEXT_BYTES = 2 ** 29 - 24;

export interface TextOptions {
  /** Keeps a byte order mark at the beginning, for callers that need all bytes. By default it is dropped. */
  readonly keepMark?: boolean;
}

/** Decodes a text. Throws SinterError "input" that names `from`. */
export function textOf(bytes: Uint8Array, from: string, { keepMark = false }: TextOptions = {}): string {
  // UTF-16 of Latin letters is valid UTF-8 too, but it has zero bytes.
  const kind = bytes.includes(0) ? kindOfBytes(bytes) : undefined;
  if (kind) throw notText(from, kind);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: keepMark }).decode(bytes);
  } catch {
    const known = kindOfBytes(bytes);
    if (known) throw notText(from, known);
    const bad = firstBadByte(bytes);
    const { what, advice } = olderEncoding(bytes, bad);
    throw new SinterError(
      "input",
      `${from} is not UTF-8 text: byte ${bad} does not belong there; it is ${what}`,
      advice,
    );
  }
}

/**
 * The same for a text that is part of something else, such as a JSON file: here bytes that are no text mean
 * damage ("corrupt").
 */
export function textOfPart(bytes: Uint8Array, from: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    try {
      return textOf(bytes, from);
    } catch (error) {
      throw error instanceof SinterError ? new SinterError("corrupt", error.message, error.hint) : error;
    }
  }
}

const notText = (from: string, { what, advice }: TextKind): SinterError =>
  new SinterError("input", `${from} is not UTF-8 text: it is ${what}`, advice);

/** Where the first byte sequence begins that is no character. */
function firstBadByte(bytes: Uint8Array): number {
  const whole = (end: number): boolean => {
    try {
      // as a stream, since the last character may be incomplete
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, end), { stream: true });
      return true;
    } catch {
      return false;
    }
  };
  let good = 0; // the first `good` bytes are correct, the first `bad` are not
  let bad = bytes.length + 1;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (whole(middle)) good = middle;
    else bad = middle;
  }
  const at = Math.min(good, bytes.length - 1);
  const continues = (byte: number): boolean => byte >= 0x80 && byte < 0xc0;
  for (let back = 1; back <= 3 && at - back >= 0; back++) {
    if (bytes[at - back]! >= 0xc2) return at - back;
    if (!continues(bytes[at - back]!)) break;
  }
  return at;
}
