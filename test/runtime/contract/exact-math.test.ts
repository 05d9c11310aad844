/** ln, cos, sin and x^y of our own, against integers of 320 bits behind the point. */
import { expect, test } from "vitest";
import { randomStream } from "../../../runtime/base/random.ts";
import { cos, log, sin } from "../../../runtime/contract/exact-math.ts";
import { pow } from "../../../runtime/contract/power.ts";

const POINT = 320n;
const ONE = 1n << POINT;

/** A finite f64 as such an integer; its last bits are lost where it is below 2^-267. */
function exactly(x: number): bigint {
  let [whole, at] = [x, 0];
  while (!Number.isInteger(whole)) [whole, at] = [whole * 2, at + 1];
  return (BigInt(whole) << POINT) >> BigInt(at);
}
const times = (a: bigint, b: bigint): bigint => (a * b) >> POINT;

/** Σ of terms, each of which `next` makes from the one before. */
function series(first: bigint, next: (term: bigint, n: bigint) => bigint): bigint {
  let sum = 0n;
  for (let [term, n] = [first, 1n]; term !== 0n && term !== -1n; n++)
    [sum, term] = [sum + term, next(term, n)];
  return sum;
}
/** 2 artanh(a / b). */
function logOfQuotient(a: bigint, b: bigint): bigint {
  const s = ((a - b) * ONE) / (a + b);
  const z = times(s, s);
  let sum = 0n;
  for (let [power, n] = [s, 1n]; power !== 0n && power !== -1n; n += 2n)
    [sum, power] = [sum + power / n, times(power, z)];
  return 2n * sum;
}
const LN2 = logOfQuotient(2n, 1n);

function logExactly(x: number): bigint {
  let [m, n] = [x, 0n];
  for (; m >= 2; m /= 2) n++;
  for (; m < 1; m *= 2) n--;
  return n * LN2 + logOfQuotient(exactly(m), ONE);
}
/** e^x · 2^-k, and k. */
function expExactly(x: bigint): readonly [bigint, number] {
  const k = x / LN2;
  const r = x - k * LN2;
  return [series(ONE, (term, n) => times(term, r) / n), Number(k)];
}
const sinExactly = (x: bigint): bigint =>
  series(x, (term, n) => -times(times(term, x), x) / (2n * n * (2n * n + 1n)));
const cosExactly = (x: bigint): bigint =>
  series(ONE, (term, n) => -times(times(term, x), x) / (2n * n * (2n * n - 1n)));

const view = new DataView(new ArrayBuffer(8));
/** The distance from x to the next f64 of its size. */
function unitOf(x: number): number {
  view.setFloat64(0, Math.abs(x));
  view.setBigInt64(0, view.getBigInt64(0) + 1n);
  return view.getFloat64(0) - Math.abs(x);
}
/** By how many units in its last place a result is wrong. */
const wrongBy = (found: number, exact: bigint): number =>
  Math.abs(Number(((exactly(found) - exact) * 1_000_000n) / exactly(unitOf(found)))) / 1e6;

const numbers = (name: string, count: number, from: number, to: number): number[] => {
  const { unit } = randomStream(1, name);
  return Array.from({ length: count }, () => from + (to - from) * unit());
};
const worstOf = (values: readonly number[], f: (x: number) => number, exact: (x: bigint) => bigint): number =>
  Math.max(...values.map((x) => wrongBy(f(x), exact(exactly(x)))));

test("ln x is within one unit in the last place", () => {
  const values = [
    ...numbers("all", 500, -600, 120).map((x) => pow(2, x)),
    ...numbers("one", 500, 0.99, 1.01),
  ];
  const tails = numbers("tails", 500, 0, 0.075); // what initial values ask for
  const worst = Math.max(...[...values, ...tails].map((x) => wrongBy(log(x), logExactly(x))));
  expect(worst).toBeLessThan(1);
  expect([log(1), log(0), log(Infinity), log(-1), log(5e-324)]).toEqual([
    0,
    -Infinity,
    Infinity,
    NaN,
    -744.4400719213812,
  ]);
});

test("cos x and sin x are within one unit in the last place, where they nearly vanish too", () => {
  const angles = [...numbers("angles", 500, -10, 10), ...numbers("small", 300, -1e-3, 1e-3)];
  const multiples = Array.from({ length: 64 }, (_, i) => ((i - 32) * Math.PI) / 2);
  expect(worstOf([...angles, ...multiples], cos, cosExactly)).toBeLessThan(1);
  expect(worstOf([...angles, ...multiples.filter((x) => x !== 0)], sin, sinExactly)).toBeLessThan(1);
  expect(Math.abs(sin(999_999.5) - Math.sin(999_999.5))).toBeLessThan(2e-16);
  expect([cos(0), cos(Math.PI), sin(0), cos(1e7), sin(NaN)]).toEqual([1, -1, 0, NaN, NaN]);
});

test("x^y is the nearest f64", () => {
  const { unit } = randomStream(1, "powers");
  const pairs = Array.from({ length: 1000 }, () => [unit() * 20, (unit() - 0.5) * 60] as const);
  const frequencies = Array.from({ length: 64 }, (_, i) => [500_000, (-2 * i) / 128] as const);
  const corrections = [1, 2, 3, 10, 100, 9999].flatMap((step) =>
    [0.9, 0.95, 0.999].map((beta) => [beta, step] as const),
  );
  for (const [x, y] of [...pairs, ...frequencies, ...corrections]) {
    const [fraction, k] = expExactly(times(exactly(y), logExactly(x)));
    const found = pow(x, y);
    const scaled = k < 0 ? fraction >> BigInt(-k) : fraction << BigInt(k);
    if (found > 1e-60) expect(wrongBy(found, scaled), `${x}^${y}`).toBeLessThan(0.5000001);
  }
});

test("x^y at the ends", () => {
  expect([pow(2, 1023), pow(2, -1074), pow(10, 400), pow(10, -400)]).toEqual([
    2 ** 1023,
    5e-324,
    Infinity,
    0,
  ]);
  expect([pow(0, 2), pow(0, -1), pow(7, 0), pow(1, 1e300), pow(-2, 2), pow(NaN, 1)]).toEqual([
    0,
    Infinity,
    1,
    1,
    NaN,
    NaN,
  ]);
  expect([pow(3, 4), pow(10_000, -0.5), pow(2, 0.5)]).toEqual([81, 0.01, Math.SQRT2]);
});
