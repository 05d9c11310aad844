/**
 * What a measurement is held against: the limits beside it, of the bytes and numbers that it has; measured
 * again, then marked, where they cannot be relied on.
 */
import { expect, test } from "vitest";
import { judged, type Judged, type Work } from "../../bench/measure/judged.ts";
import type { Arithmetic, LimitMeter } from "../../bench/measure/limits.ts";
import { doubtLines, limitNote, ofLimitText, titleLines } from "../../bench/suite/bench-table.ts";
import { benchSample } from "../support/bench-sample.ts";

/** Reads these rates one after the other, and keeps what was asked for. */
function meterOf(rates: readonly number[]) {
  const asked: (Arithmetic | number)[] = [];
  const next = (what: Arithmetic | number): Promise<number> => {
    asked.push(what);
    return Promise.resolve(rates[asked.length - 1]!);
  };
  const meter: LimitMeter = {
    arithmetic: (what) => next(what),
    elements: () => Promise.reject(new Error("no row is held against functions")),
    read: (bytes) => next(bytes),
    close: () => Promise.resolve(),
  };
  return { meter, asked };
}

/** A product of 1 GFLOP. `times`: milliseconds of each measurement. */
async function product(
  rates: readonly number[],
  times: readonly number[],
  work: Work = { flops: 1e9, bytes: 0 },
): Promise<{ readonly found: Judged; readonly measured: number; readonly asked: unknown[] }> {
  const { meter, asked } = meterOf(rates);
  let measured = 0;
  const place = { meter, target: "wide", workers: 2 } as const;
  const [found] = await judged(place, [work], () => {
    const ms = times[measured++]!;
    return Promise.resolve([[ms, ms + 1, ms - 1]]);
  });
  return { found: found!, measured, asked };
}

test("a row is held against the larger of two readings beside it, and measured once", async () => {
  const { found, measured } = await product([100, 104], [12.5]);
  expect(measured).toBe(1);
  expect(found).toMatchObject({
    ms: 12.5,
    bestMs: 11.5,
    samples: [12.5, 13.5, 11.5],
    gflops: 80,
    limit: { of: "f32", rate: 104 },
  });
  expect(found.limit.moved).toBeCloseTo(0.04);
  expect(found.ofLimit).toBeCloseTo(80 / 104);
  expect(found.doubt).toBeUndefined();
});

test("a row above its limit is measured again, and marked if it stays there", async () => {
  const again = await product([50, 50, 100, 100], [12.5, 12.5]);
  expect([again.measured, again.found.doubt]).toEqual([2, undefined]);
  const stays = await product([50, 50, 70, 70], [12.5, 12.5]);
  expect([stays.measured, stays.found.doubt, ofLimitText(stays.found)]).toEqual([2, "above", "114 %!"]);
  expect((await product([77, 77], [12.5])).found.doubt).toBeUndefined(); // 104 %
});

test("a limit that moves while a row is measured is no limit", async () => {
  const again = await product([100, 89, 100, 98], [12.5, 12.5]);
  expect([again.measured, again.found.doubt]).toEqual([2, undefined]);
  const stays = await product([100, 89, 90, 100], [12.5, 12.5]);
  expect([stays.measured, stays.found.doubt, ofLimitText(stays.found)]).toEqual([2, "moved", "80 %~"]);
  expect(doubtLines([again.found, stays.found])).toEqual([expect.stringMatching(/^~ {2}its limit moved/)]);
});

test("what moves is the limit that binds: of these bytes, or of these integers", async () => {
  const bytes = 6_750 * 1024;
  const reads = { flops: 1e6, bytes };
  const { found, measured, asked } = await product([100, 80, 50, 80], [0.1], reads);
  expect(asked).toEqual(["f32", bytes, "f32", bytes]);
  expect(measured).toBe(1);
  expect(found.limit).toEqual({ of: { bytes }, rate: 80, moved: 0 });
  const integers = await product([200, 200], [8], { flops: 1e9, bytes: 0, arithmetic: "q4_0" });
  expect(integers.asked).toEqual(["q4_0", "q4_0"]);
  const row = { ...benchSample.ops[0]!, ...found };
  expect(limitNote([row, { ...row, limit: { ...row.limit, rate: 180 } }])).toBe(
    "limit: reading 6.59 MiB, 80.0 and 180 GB/s",
  );
  expect(limitNote([{ ...row, ...integers.found }])).toBe("limit: dot products for q4_0, 200 GOP/s");
  expect(limitNote([benchSample.ops[0]!])).toBe("");
  for (const line of titleLines("matmul_quantised_dx 1024×2304×768×112 q4_0", limitNote([row, row])))
    expect(line.length).toBeLessThanOrEqual(100);
});
