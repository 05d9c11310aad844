/**
 * Texts from files: UTF-8, or a message that says what the bytes are instead and what to do. All that reads a
 * text reads it here.
 */
import { SinterError } from "./errors.ts";
import { kindOfBytes, olderEncoding, type TextKind } from "./text-kinds.ts";

/** V8's longest string, if every byte is a character. */
export const MAX_TEXT_BYTES = 2 ** 29 - 24;

export interface TextOptions {
  /** A byte order mark before a text is no part of it. `true`: it stays, for who needs the very bytes. */
  readonly keepMark?: boolean;
}

/** Throws SinterError "input" that names `from`. */
export function textOf(bytes: Uint8Array, from: string, { keepMark = false }: TextOptions = {}): string {
  // UTF-16 of Latin letters is right UTF-8, too
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

/** Of a JSON file, say: that it is none is damage. */
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

/** Where the first sequence begins that is no character. */
function firstBadByte(bytes: Uint8Array): number {
  const whole = (end: number): boolean => {
    try {
      // as a stream: the last character may be incomplete
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, end), { stream: true });
      return true;
    } catch {
      return false;
    }
  };
  let good = 0; // a beginning of this length is right, and one of `bad` bytes is not
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
