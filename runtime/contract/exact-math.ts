/**
 * ln x, cos x and sin x whose bits are the same in every engine. Math.log and its like may round otherwise
 * from engine to engine and from release to release; a sum, a product, a quotient and a square root may not.
 * So whatever reaches weights or tokens uses these, `exp` of exp.ts and `pow` of power.ts
 * (test/runtime/contract/own-functions.test.ts holds it). Each is within one unit in the last place. Methods
 * and coefficients: fdlibm (Sun Microsystems 1993).
 */
const bits = new DataView(new ArrayBuffer(8));
const TWO_54 = 2 ** 54;

/** ln 2 in two parts: a multiple of the first by an exponent is exact. */
const LN2_HIGH = 6.9314718036912381649e-1;
const LN2_LOW = 1.90821492927058770002e-10;

/** x = m · 2^n with m in √½ … √2, for 0 < x < ∞. */
export function parts(x: number): { readonly m: number; readonly n: number } {
  const scaled = x < 2 ** -1022 ? x * TWO_54 : x;
  bits.setFloat64(0, scaled);
  const top = bits.getUint32(0);
  const fraction = top & 0xfffff;
  const isUpper = fraction > 0x6a09e; // beyond √2, as far as 20 bits tell
  bits.setUint32(0, fraction | (isUpper ? 0x3fe00000 : 0x3ff00000));
  return { m: bits.getFloat64(0), n: (top >>> 20) - 1023 + (isUpper ? 1 : 0) - (scaled === x ? 0 : 54) };
}

/**
 * ln x. x = 2^n · (1 + f), s = f / (2 + f); ln(1 + f) = f − f²/2 + s · (f²/2 + R(s²)). −∞ of 0, NaN of less.
 * More exact than `ln` of exp.ts, which kernels compute too.
 */
export function log(x: number): number {
  if (!(x > 0 && x < Infinity)) return x === 0 ? -Infinity : x > 0 ? x : NaN;
  const { m, n } = parts(x);
  const f = m - 1;
  const s = f / (2 + f);
  const z = s * s;
  const w = z * z;
  const odd =
    z *
    (0.666666666666673513 +
      w * (0.2857142874366239149 + w * (0.1818357216161805012 + w * 0.1479819860511658591)));
  const even = w * (0.3999999999940941908 + w * (0.2222219843214978396 + w * 0.1531383769920937332));
  const half = 0.5 * f * f;
  return n * LN2_HIGH - (half - (s * (half + (even + odd)) + n * LN2_LOW) - f);
}

/** π/2 in three parts: the first two have 33 bits, so their products with a quadrant are exact. */
const QUARTER_TURN = [1.57079632673412561417, 6.0771005063039659766e-11, 2.02226624879595063154e-21] as const;
/** Up to here a quadrant has 20 bits. */
const LARGEST_ANGLE = 1_000_000;

/** x = quadrant · π/2 + (high + low), |high| ≤ π/4. */
function quadrantOf(x: number): { readonly quadrant: number; readonly high: number; readonly low: number } {
  if (!(Math.abs(x) <= LARGEST_ANGLE)) return { quadrant: 0, high: NaN, low: NaN };
  const quadrant = Math.round(x / (Math.PI / 2));
  const a = x - quadrant * QUARTER_TURN[0]; // exact: the two are close to each other
  const b = quadrant * QUARTER_TURN[1];
  const difference = a - b;
  const lost = a - (difference + (a - difference)) + (a - difference - b); // what `difference` was rounded by
  const rest = lost - quadrant * QUARTER_TURN[2];
  const high = difference + rest;
  return { quadrant: quadrant & 3, high, low: difference - high + rest };
}

/** sin(x + low) for |x| ≤ π/4. */
function sineNear(x: number, low: number): number {
  const z = x * x;
  const cube = z * x;
  const r =
    8.33333333332248946124e-3 +
    z *
      (-1.98412698298579493134e-4 +
        z * (2.75573137070700676789e-6 + z * (-2.50507602534068634195e-8 + z * 1.58969099521155010221e-10)));
  return x - (z * (0.5 * low - cube * r) - low - cube * -1.66666666666666324348e-1);
}

/** cos(x + low) for |x| ≤ π/4. */
function cosineNear(x: number, low: number): number {
  const z = x * x;
  const r =
    z *
    (4.16666666666666019037e-2 +
      z *
        (-1.38888888888741095749e-3 +
          z *
            (2.48015872894767294178e-5 +
              z *
                (-2.75573143513906633035e-7 +
                  z * (2.0875723212981748279e-9 + z * -1.13596475577881948265e-11)))));
  const half = 0.5 * z;
  const w = 1 - half;
  return w + (1 - w - half + (z * r - x * low));
}

/** Of up to a million radians; NaN of more. */
export function cos(x: number): number {
  const { quadrant, high, low } = quadrantOf(x);
  const size = quadrant % 2 === 0 ? cosineNear(high, low) : sineNear(high, low);
  return quadrant === 1 || quadrant === 2 ? -size : size;
}

/** Of up to a million radians; NaN of more. */
export function sin(x: number): number {
  const { quadrant, high, low } = quadrantOf(x);
  const size = quadrant % 2 === 0 ? sineNear(high, low) : cosineNear(high, low);
  return quadrant >= 2 ? -size : size;
}
