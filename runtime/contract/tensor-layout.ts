/**
 * How every f32 and i32 tensor lies in memory: row-major, the last dimension padded with zeros to a multiple
 * of 16 floats.
 */
const LANE_FLOATS = 16; // 64 bytes: one cache line, the widest register tile

/** Floats from one row to the next of a tensor whose last dimension is `columns`. Padding is zero, always. */
export const rowFloats = (columns: number): number => Math.ceil(columns / LANE_FLOATS) * LANE_FLOATS;

/** Bytes from one row to the next of a tensor whose last dimension is `columns`. */
export const rowBytes = (columns: number): number => rowFloats(columns) * 4;

/** Bytes of a tensor in memory, padding included. */
export function tensorBytes(shape: readonly number[]): number {
  const rows = shape.slice(0, -1).reduce((a, b) => a * b, 1);
  return rows * rowBytes(shape.at(-1) ?? 1);
}
