/**
 * Number formats against their definitions: every F16 number, ties, and blocks whose bytes were computed by
 * hand.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  f16ToF32,
  f32ToF16,
  numberFormats,
  type FloatFormat,
} from "../../../runtime/contract/number-formats.ts";

const encode = (format: FloatFormat, values: Float32Array): Uint8Array => {
  const { block, bytes, encode } = numberFormats[format];
  const out = new Uint8Array((values.length / block) * bytes);
  encode(values, out);
  return out;
};
const decode = (format: FloatFormat, stored: Uint8Array): Float32Array => {
  const { block, bytes, decode } = numberFormats[format];
  const out = new Float32Array((stored.length / bytes) * block);
  decode(stored, out);
  return out;
};

describe("F16 and BF16", () => {
  it("every F16 goes to f32 and back", () => {
    for (let half = 0; half < 65536; half++) {
      const x = f16ToF32(half);
      if (Number.isNaN(x)) expect(f32ToF16(x) & 0x7fff).toBeGreaterThan(0x7c00);
      else expect(f32ToF16(x)).toBe(half);
    }
  });
  it("F16: known values", () => {
    const known: readonly (readonly [number, number])[] = [
      [1, 0x3c00],
      [-2, 0xc000],
      [65504, 0x7bff],
      [65520, 0x7c00],
      [65519.99, 0x7bff],
      [2 ** -24, 1],
      [2 ** -25, 0],
      [2 ** -25 * 1.0001, 1],
      [1 + 2 ** -11, 0x3c00],
      [1 + 3 * 2 ** -11, 0x3c02],
      [1 / 3, 0x3555],
      [-0, 0x8000],
      [1e30, 0x7c00],
      [2 ** -14, 0x0400],
      [6.097555160522461e-5, 0x03ff],
    ];
    for (const [x, half] of known) expect(f32ToF16(x), `${x}`).toBe(half);
  });
  it("rounded to the nearest, ties to even", () => {
    const nearest = (format: "F16" | "BF16", x: number): void => {
      const [y] = decode(format, encode(format, Float32Array.of(x)));
      const step = Math.abs(x) * (format === "F16" ? 2 ** -11 : 2 ** -8);
      expect(Math.abs(y! - x)).toBeLessThanOrEqual(Math.max(step, 2 ** -25));
    };
    fc.assert(
      fc.property(fc.float({ min: -60000, max: 60000, noNaN: true }), (x) => {
        nearest("F16", x);
        nearest("BF16", x);
      }),
      { numRuns: 3000 },
    );
    const bf16: readonly (readonly [number, number])[] = [
      [1, 0x3f80],
      [1 + 2 ** -8, 0x3f80],
      [1 + 3 * 2 ** -8, 0x3f82],
      [-1.5, 0xbfc0],
      [3.4e38, 0x7f80],
      [Infinity, 0x7f80],
    ];
    for (const [x, half] of bf16)
      expect([...encode("BF16", Float32Array.of(x))], `${x}`).toEqual([half & 255, half >>> 8]);
    expect(decode("BF16", encode("BF16", Float32Array.of(NaN)))[0]).toBeNaN();
  });
});

describe("blocks of 32", () => {
  it("Q8_0: scale and bytes by hand", () => {
    const values = new Float32Array(32);
    values.set([127, -127, 63.5, -63.5, 0.4, 0.6]);
    const stored = encode("Q8_0", values);
    // d = 1; ties are rounded away from zero
    expect(Array.from(stored.subarray(0, 8))).toEqual([0x00, 0x3c, 127, 256 - 127, 64, 256 - 64, 0, 1]);
    expect(stored.length).toBe(34);
  });
  it("Q4_0: scale and nibbles by hand", () => {
    const values = new Float32Array(32);
    values[0] = -8;
    values[1] = 7;
    values[16] = 3;
    values[31] = 8;
    const stored = encode("Q4_0", values);
    expect([...stored]).toEqual([
      0x00,
      0x3c,
      0 | (11 << 4),
      15 | (8 << 4),
      ...Array(13).fill(0x88),
      8 | (15 << 4),
    ]); // d = 1; 8 is clipped to 7
  });
  it.each(["Q8_0", "Q4_0"] as const)(
    "%s: within half a step, and the same bytes when quantised again",
    (format) => {
      const value = fc
        .float({ min: -100, max: 100, noNaN: true, noDefaultInfinity: true })
        .map((x) => (Math.abs(x) < 1e-3 ? 0 : x));
      fc.assert(
        fc.property(fc.array(value, { minLength: 64, maxLength: 64 }), (list) => {
          const values = Float32Array.from(list);
          const stored = encode(format, values);
          const back = decode(format, stored);
          for (let from = 0; from < 64; from += 32) {
            const most = Math.max(...values.slice(from, from + 32).map(Math.abs));
            const step = format === "Q8_0" ? most / 127 : most / 8;
            for (let i = from; i < from + 32; i++)
              expect(Math.abs(back[i]! - values[i]!)).toBeLessThanOrEqual(
                step * (format === "Q8_0" ? 0.57 : 1.01),
              );
          }
          expect(encode(format, back)).toEqual(stored);
        }),
        { numRuns: 1000 },
      );
    },
  );
});
