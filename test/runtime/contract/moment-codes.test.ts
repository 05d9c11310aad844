/** The optimizer's moments in 8 bits: what codes stand for, and what becomes of what lies between them. */
import { describe, expect, test } from "vitest";
import {
  blocksIn,
  codeByte,
  codeValue,
  decodeBlock,
  encodeBlock,
  MOMENT_BLOCK,
  momentBytes,
  momentRows,
  thresholdOf,
  type Moment,
} from "../../../runtime/contract/moment-codes.ts";

const aBlock = (moment: Moment) => momentBytes(moment, new Uint8Array(2 * MOMENT_BLOCK), 2);
const block = (of: (i: number) => number): Float32Array =>
  Float32Array.from({ length: MOMENT_BLOCK }, (_, i) => of(i));

describe("rows", () => {
  test.each([1, 63, 64, 65, 128, 9423])("%i blocks are found again from their rows", (blocks) => {
    expect(blocksIn(momentRows(blocks))).toBe(blocks);
  });
});

describe("codes", () => {
  const counted = (moment: Moment): number[] =>
    Array.from({ length: 256 }, (_, code) => codeValue(moment, code));

  test("of m are sign and size; of √v sizes alone, and none of them is zero", () => {
    const m = counted("moment1");
    expect(m.slice(0, 3)).toEqual([0, 2 ** -11, 2 ** -10]);
    expect(m.slice(129)).toEqual(m.slice(1, 128).map((v) => -v));
    const root = counted("moment2");
    expect(root.slice(0, 2)).toEqual([2 ** -12, 2 ** -11]);
  });

  test("grow with their numbers, by a sixteenth (m) or a thirty-second (√v) at most", () => {
    for (const [moment, sizes, share] of [
      ["moment1", counted("moment1").slice(0, 128), 1 / 16],
      ["moment2", counted("moment2"), 1 / 32],
    ] as const)
      for (const [i, size] of sizes.entries()) {
        if (i === 0) continue;
        const step = size - sizes[i - 1]!;
        expect(step, `${moment} ${i}`).toBeGreaterThan(0);
        expect(step, `${moment} ${i}`).toBeLessThanOrEqual(Math.max(share / 128, share * (size + 1 / 128)));
      }
  });

  test("bytes that are all zero are moments that are all zero", () => {
    for (const moment of ["moment1", "moment2"] as const)
      expect(decodeBlock(aBlock(moment), 0).every((v) => v === 0)).toBe(true);
  });

  test("decode and encode again to themselves", () => {
    for (const moment of ["moment1", "moment2"] as const) {
      const from = aBlock(moment);
      from.scales[0] = 0.003;
      from.codes.set(block((i) => i));
      const again = aBlock(moment);
      encodeBlock(again, 0, decodeBlock(from, 0));
      expect([...again.codes]).toEqual([...from.codes]);
    }
  });

  test("of a second moment are never zero beside one that is not", () => {
    const to = aBlock("moment2");
    encodeBlock(
      to,
      0,
      block((i) => (i === 7 ? 1 : 0)),
    );
    expect(decodeBlock(to, 0).every((v) => v > 0)).toBe(true);
  });
});

describe("rounding by turns", () => {
  test("keeps the mean: 0.3 of the way between two codes is the upper one in 0.3 of the steps", () => {
    const [low, high] = [codeValue("moment1", 60), codeValue("moment1", 61)];
    const value = low + 0.3 * (high - low);
    const steps = 400;
    let sum = 0;
    for (let step = 1; step <= steps; step++) {
      const to = aBlock("moment1");
      const values = block((i) => (i === 0 ? codeValue("moment1", 127) : value));
      encodeBlock(to, 0, values, (i) => thresholdOf(i, step));
      sum += to.codes[codeByte(200)]!;
    }
    expect(Math.abs(sum / steps - 60.3)).toBeLessThan(0.02);
  });

  test("what falls by less than half a code in each step comes down all the same", () => {
    const fall = (threshold?: (step: number) => (i: number) => number): number => {
      const to = aBlock("moment2");
      encodeBlock(
        to,
        0,
        block((i) => (i === 0 ? 1 : 0.1)),
      );
      for (let step = 1; step <= 300; step++) {
        const next = decodeBlock(to, 0).map((v, i) => (i === 0 ? 1 : 0.995 * v));
        encodeBlock(to, 0, next, threshold?.(step));
      }
      return decodeBlock(to, 0)[9]! / (0.1 * 0.995 ** 300);
    };
    expect(fall()).toBeGreaterThan(3);
    const byTurns = fall((step) => (i) => thresholdOf(i, step));
    expect(byTurns).toBeGreaterThan(0.7);
    expect(byTurns).toBeLessThan(1.4);
  });
});
