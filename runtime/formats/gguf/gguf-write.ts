/** Writes the header of a GGUF file, version 3. gguf-header.ts describes the format. */
import { DEFAULT_ALIGNMENT, tensorTypeNumber, valueTypes, type ValueType } from "./gguf-types.ts";
import type { Scalar } from "./gguf-header.ts";
import { readFormats, type ReadFormat } from "../kit/weights.ts";

export type PairToWrite =
  | { readonly key: string; readonly type: Exclude<ValueType, "array">; readonly value: Scalar }
  | {
      readonly key: string;
      readonly type: "array";
      readonly of: Exclude<ValueType, "array">;
      readonly values: readonly Scalar[];
    };

export interface GgufTensorToWrite {
  readonly name: string;
  readonly type: ReadFormat;
  /** Row-major. Each row (the last dimension) is a whole number of blocks. */
  readonly shape: readonly number[];
}

export const text = (key: string, value: string): PairToWrite => ({ key, type: "string", value });
export const u32 = (key: string, value: number): PairToWrite => ({ key, type: "u32", value });
export const f32 = (key: string, value: number): PairToWrite => ({ key, type: "f32", value });
export const bool = (key: string, value: boolean): PairToWrite => ({ key, type: "bool", value });
export const list = (
  key: string,
  of: "string" | "i32" | "f32" | "bool",
  values: readonly Scalar[],
): PairToWrite => ({ key, type: "array", of, values });

export function tensorBytes({ type, shape }: Pick<GgufTensorToWrite, "type" | "shape">): number {
  const { block, bytes } = readFormats[type];
  const rows = shape.slice(0, -1).reduce((a, b) => a * b, 1);
  const row = shape.at(-1) ?? 1;
  if (row % block !== 0) throw new Error(`rows of ${row} in blocks of ${block}`);
  return rows * (row / block) * bytes;
}

/** How many zero bytes follow `bytes` of data. */
export const paddingAfter = (bytes: number): number =>
  (DEFAULT_ALIGNMENT - (bytes % DEFAULT_ALIGNMENT)) % DEFAULT_ALIGNMENT;

/**
 * Everything before the first tensor. The bytes of the tensors follow in this order, each with its padding
 * (`paddingAfter`).
 */
export function ggufHeader(pairs: readonly PairToWrite[], tensors: readonly GgufTensorToWrite[]): Uint8Array {
  const out = new Writer();
  out.bytes(new TextEncoder().encode("GGUF"));
  out.u32(3);
  out.u64(tensors.length);
  out.u64(pairs.length);
  for (const pair of pairs) {
    out.text(pair.key);
    out.u32(numberOf(pair.type));
    if (pair.type !== "array") out.value(pair.type, pair.value);
    else {
      out.u32(numberOf(pair.of));
      out.u64(pair.values.length);
      for (const value of pair.values) out.value(pair.of, value);
    }
  }
  let at = 0;
  for (const tensor of tensors) {
    out.text(tensor.name);
    out.u32(tensor.shape.length);
    for (const size of tensor.shape.toReversed()) out.u64(size);
    out.u32(tensorTypeNumber(tensor.type));
    out.u64(at);
    const bytes = tensorBytes(tensor);
    at += bytes + paddingAfter(bytes);
  }
  out.bytes(new Uint8Array(paddingAfter(out.length)));
  return out.done();
}

const numberOf = (type: ValueType): number => valueTypes.findIndex((t) => t.name === type);

/** A buffer that grows as it is written to. */
class Writer {
  #bytes = new Uint8Array(1 << 16);
  #view = new DataView(this.#bytes.buffer);
  length = 0;

  #room(bytes: number): number {
    if (this.length + bytes > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.length + bytes));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.length += bytes;
    return this.length - bytes;
  }

  bytes(bytes: Uint8Array): void {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }
  u32(value: number): void {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
  }
  u64(value: number | bigint): void {
    const at = this.#room(8);
    this.#view.setBigUint64(at, BigInt(value), true);
  }
  text(value: string): void {
    const bytes = new TextEncoder().encode(value);
    this.u64(bytes.length);
    this.bytes(bytes);
  }

  value(type: Exclude<ValueType, "array">, value: Scalar): void {
    if (type === "string") return this.text(value as string);
    if (type === "u64" || type === "i64") return this.u64(BigInt.asUintN(64, BigInt(value)));
    const { bytes } = valueTypes.find((t) => t.name === type)!;
    const at = this.#room(bytes);
    const number = Number(value);
    switch (type) {
      case "f32":
        return this.#view.setFloat32(at, number, true);
      case "f64":
        return this.#view.setFloat64(at, number, true);
      case "u32":
      case "i32":
        return this.#view.setUint32(at, number, true);
      case "u16":
      case "i16":
        return this.#view.setUint16(at, number, true);
      case "u8":
      case "i8":
      case "bool":
        return this.#view.setUint8(at, number);
    }
  }

  done(): Uint8Array {
    return this.#bytes.slice(0, this.length);
  }
}
