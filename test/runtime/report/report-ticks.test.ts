/** Ticks of very small ranges: a run of one step, a loss that does not change. */
import { expect, test } from "vitest";
import { ticks } from "../../../runtime/report/chart.ts";

test.each([
  [3.7806, 3.7806],
  [3.7806, 3.7806 * (1 + Number.EPSILON)],
  [1, 1 + Number.EPSILON],
  [1e300, 1e300 * (1 + Number.EPSILON)],
  [0, 0],
  [-5, -5 + 1e-15],
  [NaN, NaN],
])("%d … %d: one tick", (low, high) => {
  expect(ticks(low, high, 5)).toEqual([low]);
});
test.each([
  [0, 1],
  [0, 5e-324],
  [1e-9, 2e-9],
  [3, 3.0001],
  [-1e6, 1e6],
])("%d … %d: several, and an end", (low, high) => {
  expect(ticks(low, high, 5).length).toBeLessThan(12);
});
