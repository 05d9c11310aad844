/**
 * Reads a fixture. A second, minimal reader: the parity test must not depend on the runtime that it tests.
 */
import { readFileSync } from "node:fs";

export interface FixtureTensor {
  readonly dtype: "F32" | "I32";
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
}

export function readFixture(path: string): Map<string, FixtureTensor> {
  const file = readFileSync(path);
  const headerBytes = Number(file.readBigUInt64LE(0));
  const data = 8 + headerBytes;
  const header = JSON.parse(file.toString("utf8", 8, data)) as Record<
    string,
    { dtype: "F32" | "I32"; shape: number[]; data_offsets: [number, number] }
  >;
  return new Map(
    Object.entries(header).map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [first, last],
        },
      ]) => {
        const bytes = Uint8Array.from(file.subarray(data + first, data + last)).buffer;
        return [
          name,
          { dtype, shape, values: dtype === "F32" ? new Float32Array(bytes) : new Int32Array(bytes) },
        ];
      },
    ),
  );
}
