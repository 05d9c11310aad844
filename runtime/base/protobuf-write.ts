/**
 * Writes the wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding), as far as our files
 * need it. A message is a list of fields; field numbers are those of the .proto file.
 */
import { concat } from "./bytes.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

/** Base 128, low groups first; negative numbers as 64-bit two's complement. */
export function varint(value: number | bigint): Bytes {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 128n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
  return Uint8Array.from([...out, Number(rest)]);
}

export const int = (field: number, value: number | bigint): Bytes =>
  concat([varint((field << 3) | VARINT), varint(value)]);
export const bytes = (field: number, value: Bytes): Bytes =>
  concat([varint((field << 3) | LENGTH), varint(value.length), value]);
export const string = (field: number, value: string): Bytes =>
  bytes(field, new TextEncoder().encode(value) as Bytes);
export const message = (field: number, fields: readonly Bytes[]): Bytes => bytes(field, concat(fields));

export function float(field: number, value: number): Bytes {
  const four = new Uint8Array(4);
  new DataView(four.buffer).setFloat32(0, value, true);
  return concat([varint((field << 3) | FIXED32), four]);
}

export function double(field: number, value: number): Bytes {
  const eight = new Uint8Array(8);
  new DataView(eight.buffer).setFloat64(0, value, true);
  return concat([varint((field << 3) | FIXED64), eight]);
}
