/**
 * Reads the wire format of protocol buffers (protobuf.dev/programming-guides/encoding), as far as
 * sentencepiece's model files use it.
 */
import { SinterError } from "../../base/errors.ts";

export type WireValue = number | Uint8Array;

export interface WireField {
  readonly field: number;
  /** An integer, the four bytes of a float, or a part of the file (a string or a message). */
  readonly value: WireValue;
  readonly offset: number;
}

const VARINT = 0;
const BYTES8 = 1;
const LENGTH = 2;
const BYTES4 = 5;

/**
 * The fields of one message, with checked bounds. `start` is where the message begins in the file, for
 * errors. Groups are refused, since proto3 has none.
 */
export function* wireFields(bytes: Uint8Array, from: string, start = 0): Generator<WireField> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const bad = (why: string, where = at): SinterError =>
    new SinterError(
      "corrupt",
      `${from}: byte ${start + where}: ${why}`,
      "It should be a sentencepiece model (tokenizer.model), as it was published.",
    );
  const varint = (): number => {
    let value = 0;
    for (let i = 0, factor = 1; i < 10; i++, factor *= 128) {
      if (at >= bytes.length) throw bad("the file ends within a number");
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw bad("a number of more than ten bytes");
  };
  const need = (length: number): void => {
    if (!(length <= bytes.length - at))
      throw bad(`a field of ${length} bytes, but ${bytes.length - at} are left`);
  };
  while (at < bytes.length) {
    const offset = start + at;
    const tag = varint();
    const field = Math.floor(tag / 8);
    const kind = tag % 8;
    if (field === 0) throw bad("a field with number 0");
    if (kind === VARINT) yield { field, value: varint(), offset };
    else if (kind === LENGTH) {
      const length = varint();
      need(length);
      at += length;
      yield { field, value: bytes.subarray(at - length, at), offset: start + at - length };
    } else if (kind === BYTES4) {
      need(4);
      at += 4;
      yield { field, value: view.getFloat32(at - 4, true), offset };
    } else if (kind === BYTES8) {
      need(8);
      at += 8;
    } else throw bad(`wire type ${kind}`);
  }
}
