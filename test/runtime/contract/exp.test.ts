/** e^x and ln x as tokens are drawn by: against the engine's own. */
import { expect, test } from "vitest";
import { randomStream } from "../../../runtime/base/random.ts";
import { exp, ln } from "../../../runtime/contract/exp.ts";

const view = new DataView(new ArrayBuffer(8));
const bitsOf = (x: number): bigint => {
  view.setFloat64(0, x);
  return view.getBigInt64(0);
};
/** How many f64 lie between two positive numbers. */
const apart = (a: number, b: number): number => Math.abs(Number(bitsOf(a) - bitsOf(b)));

test("e^x is within one unit in the last place, over its whole range", () => {
  const random = randomStream(1, "exp");
  let worst = 0;
  for (const [from, to] of [
    [-708, 709],
    [-40, 0],
    [-1, 1],
    [-1e-8, 1e-8],
  ] as const)
    for (let i = 0; i < 200_000; i++) {
      const x = from + (to - from) * random.unit();
      worst = Math.max(worst, apart(exp(x), Math.exp(x)));
    }
  expect(worst).toBeLessThanOrEqual(1);
});

test("e^x at the ends", () => {
  expect([exp(0), exp(-0), exp(-709), exp(-Infinity)]).toEqual([1, 1, 0, 0]);
  expect(apart(exp(-708), Math.exp(-708))).toBeLessThanOrEqual(1);
  expect(exp(NaN)).toBeNaN();
});

test("ln x", () => {
  const random = randomStream(2, "ln");
  let worst = 0;
  for (let i = 0; i < 100_000; i++) {
    const x = Math.exp(-700 + 1400 * random.unit());
    worst = Math.max(worst, Math.abs(ln(x) / Math.log(x) - 1));
  }
  expect(worst).toBeLessThan(1e-12);
  expect([ln(1), ln(0), ln(Infinity)]).toEqual([0, -Infinity, Infinity]);
  expect(ln(-1)).toBeNaN();
});
