/**
 * x^y with the same bits in every engine: e^{y · ln x} in pairs of f64, the sum of which has some 100 bits
 * (Dekker, "A floating-point technique for extending the available precision", 1971). It takes a microsecond;
 * what it is there for (frequencies, corrections of moments) is computed rarely.
 */
import { log, parts } from "./exact-math.ts";

/** A number high + low, where high is the f64 nearest to it. */
type Pair = readonly [high: number, low: number];

/** a + b, exactly. */
function sum(a: number, b: number): Pair {
  const high = a + b;
  const ofB = high - a;
  return [high, a - (high - ofB) + (b - ofB)];
}

/** a · b, exactly: each in two halves, whose products are exact. */
function product(a: number, b: number): Pair {
  const high = a * b;
  const [a1, b1] = [upperHalf(a), upperHalf(b)];
  const [a2, b2] = [a - a1, b - b1];
  return [high, a2 * b2 - (high - a1 * b1 - a2 * b1 - a1 * b2)];
}
const SPLIT = 2 ** 27 + 1;
const upperHalf = (x: number): number => SPLIT * x - (SPLIT * x - x);

function add(a: Pair, b: Pair): Pair {
  const [high, low] = sum(a[0], b[0]);
  return sum(high, low + (a[1] + b[1]));
}

function times(a: Pair, b: Pair): Pair {
  const [high, low] = product(a[0], b[0]);
  return sum(high, low + (a[0] * b[1] + a[1] * b[0]));
}

function over(a: Pair, b: Pair): Pair {
  const first = a[0] / b[0];
  const [high, low] = product(first, b[0]);
  return sum(first, (a[0] - high - low + a[1] - first * b[1]) / b[0]);
}

/** ln 2 in a part of 41 bits, of which a multiple by an exponent is exact, and the rest. */
const LN2_UPPER = 0.693147180559663;
const LN2_REST: Pair = [2.8235290563031577e-13, 1.94704509238075e-31];
const timesLn2 = (n: number): Pair => add([n * LN2_UPPER, 0], times([n, 0], LN2_REST));

/** Terms after which a series has reached the 100 bits, for the largest argument that it gets. */
const LOG_TERMS = 22;
const EXP_TERMS = 26;

/** ln x: x = 2^n · m, s = (m − 1) / (m + 1), ln m = 2 artanh s = 2 (s + s³/3 + s⁵/5 + …). */
function logOf(x: number): Pair {
  const { m, n } = parts(x);
  const s = over([m - 1, 0], sum(m, 1));
  const z = times(s, s);
  let series: Pair = [0, 0];
  for (let k = LOG_TERMS; k >= 0; k--) series = add(over([1, 0], [2 * k + 1, 0]), times(z, series));
  const log = times(s, series);
  return add(timesLn2(n), [2 * log[0], 2 * log[1]]);
}

/** e^x, x = k · ln 2 + r, by the series of e^r. */
function expOf(x: Pair): number {
  const k = Math.round(x[0] / Math.LN2);
  const [high, low] = timesLn2(k);
  const r = add(x, [-high, -low]);
  let series: Pair = [1, 0];
  for (let i = EXP_TERMS; i >= 1; i--) series = add([1, 0], over(times(r, series), [i, 0]));
  const half = Math.trunc(k / 2); // in two steps: 2^k alone may be no number where the result is one
  return series[0] * twoTo(half) * twoTo(k - half);
}

/** 2^k, exactly. */
function twoTo(k: number): number {
  let power = 1;
  for (let i = Math.abs(k); i > 0; i--) power *= 2;
  return k < 0 ? 1 / power : power;
}

/** x^y for x ≥ 0, both finite: the nearest f64, unless 100 bits do not tell which of two is nearer. */
export function pow(x: number, y: number): number {
  if (y === 0 || x === 1) return 1;
  if (!(x > 0 && x < Infinity && Math.abs(y) < Infinity)) return x === 0 ? (y > 0 ? 0 : Infinity) : NaN;
  const size = y * log(x);
  if (size > 710) return Infinity;
  if (size < -746) return 0;
  return expOf(times(logOf(x), [y, 0]));
}
