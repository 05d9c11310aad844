/** Makes GGUF files byte by byte, including wrong ones that the real writer would refuse. */
import { concat } from "../../../runtime/base/bytes.ts";

const utf8 = new TextEncoder();

export const le = (bytes: 1 | 2 | 4 | 8, value: number | bigint): Uint8Array => {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
  return out.slice(0, bytes);
};
export const u8 = (v: number): Uint8Array => le(1, v);
export const u32 = (v: number): Uint8Array => le(4, v);
export const u64 = (v: number | bigint): Uint8Array => le(8, v);
export const raw = (text: string): Uint8Array => utf8.encode(text);
export const text = (value: string, length?: number | bigint): Uint8Array =>
  join(u64(length ?? utf8.encode(value).length), utf8.encode(value));

export const join = (...parts: readonly Uint8Array[]): Uint8Array => concat(parts);

/** A metadata pair: a key, the number of a type, and the bytes of the value. */
export const pair = (key: string, type: number, ...value: readonly Uint8Array[]): Uint8Array =>
  join(text(key), u32(type), ...value);

export interface TensorBytes {
  readonly name?: Uint8Array;
  readonly dims?: readonly (number | bigint)[];
  readonly dimensions?: number;
  readonly type?: number;
  readonly offset?: number | bigint;
}

/** By default "a", F32 [8], at the start of the data, with 32 bytes. */
export const tensor = ({
  name = text("a"),
  dims = [8],
  dimensions = dims.length,
  type = 0,
  offset = 0,
}: TensorBytes = {}): Uint8Array =>
  join(name, u32(dimensions), ...dims.map((d) => u64(d)), u32(type), u64(offset));

export interface FileBytes {
  readonly magic?: string;
  readonly version?: number;
  readonly tensors?: readonly Uint8Array[];
  readonly pairs?: readonly Uint8Array[];
  readonly tensorCount?: number | bigint;
  readonly pairCount?: number | bigint;
  readonly alignment?: number;
  /** The number of bytes of data. */
  readonly data?: number;
}

export function gguf({
  magic = "GGUF",
  version = 3,
  tensors = [],
  pairs = [],
  tensorCount = tensors.length,
  pairCount = pairs.length,
  alignment = 32,
  data = 0,
}: FileBytes): Uint8Array {
  const head = join(raw(magic), u32(version), u64(tensorCount), u64(pairCount), ...pairs, ...tensors);
  return join(
    head,
    new Uint8Array(data > 0 ? (alignment - (head.length % alignment)) % alignment : 0),
    new Uint8Array(data),
  );
}
