/**
 * The nonlinearities of an mlp: value and slope in f64, for references and gradient checks, and the same as
 * expressions on one v128, so that the epilogue of a matmul applies them while the tile is still in
 * registers. The functions that these expressions call are those of 8-emit/vector-math.ts.
 *
 * Training computes both in the forward pass, where most of the work is common to them. What is kept for the
 * backward pass is the *bend*, slope(x) − slope(0): kernels make of the zeros behind a row's last column what
 * they make of all columns, and it has to be zero there too.
 */
import type { Activation } from "../../../runtime/contract/model.ts";

export interface ActivationRow {
  /** The equation, with its paper. */
  readonly doc: string;
  /**
   * value(0) has to be 0. The columns behind a row's last are zeros, and kernels apply the activation to them
   * as well: whatever it makes of 0 is what later sums find there.
   */
  value(x: number): number;
  /** d value / d x. */
  slope(x: number): number;
  /** slope(0). */
  readonly slopeAtZero: number;
  /**
   * AssemblyScript, for each lane of the v128 expression `v`: what value and bend have in common, then either
   * of them, given the name of that.
   */
  emitCommon(v: string): string;
  emitValue(v: string, common: string): string;
  emitBend(v: string, common: string): string;
}

/** Slope − slope(0): what is kept for the backward pass. */
export const bendOf = ({ slope, slopeAtZero }: ActivationRow, x: number): number => slope(x) - slopeAtZero;

/** AssemblyScript: the cotangent `d` times the slope, given the bend. */
export const emitTimesSlope = ({ slopeAtZero }: ActivationRow, d: string, bend: string): string =>
  `f32x4.mul(${d}, ${slopeAtZero === 0 ? bend : `f32x4.add(${bend}, f32x4.splat(${slopeAtZero}))`})`;

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** u(x) of the tanh form, and du/dx. */
const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;
const tanhArgument = (x: number): number => SQRT_2_OVER_PI * (x + CUBIC * x ** 3);
const tanhArgumentSlope = (x: number): number => SQRT_2_OVER_PI * (1 + 3 * CUBIC * x ** 2);

export const activations: Readonly<Record<Activation, ActivationRow>> = {
  relu: {
    doc: "out = max(x, 0)   (Nair & Hinton 2010)",
    value: (x) => Math.max(x, 0),
    slope: (x) => (x > 0 ? 1 : 0),
    slopeAtZero: 0,
    emitCommon: (v) => `${v}`,
    emitValue: (v) => `relu4(${v})`,
    emitBend: (v) => `relu_bend4(${v})`,
  },
  relu2: {
    doc: "out = max(x, 0)²   (So et al. 2021)",
    value: (x) => Math.max(x, 0) ** 2,
    slope: (x) => 2 * Math.max(x, 0),
    slopeAtZero: 0,
    emitCommon: (v) => `${v}`,
    emitValue: (v) => `relu2_4(${v})`,
    emitBend: (v) => `relu2_bend4(${v})`,
  },
  gelu: {
    doc: "out = x · Φ(x),  Φ(x) = ½(1 + erf(x/√2))   (Hendrycks & Gimpel 2016)",
    value: (x) => x * normalCdf(x),
    slope: (x) => normalCdf(x) + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI),
    slopeAtZero: 0.5,
    emitCommon: (v) => `gelu_common4(${v})`,
    emitValue: (v, common) => `gelu_value4(${v}, ${common})`,
    emitBend: (v) => `gelu_bend4(${v})`,
  },
  gelu_tanh: {
    doc: "out = ½x · (1 + tanh(√(2/π)(x + 0.044715x³)))   (Hendrycks & Gimpel 2016)",
    value: (x) => x * sigmoid(2 * tanhArgument(x)),
    slope: (x) => {
      const s = sigmoid(2 * tanhArgument(x));
      return s + x * s * sigmoid(-2 * tanhArgument(x)) * 2 * tanhArgumentSlope(x);
    },
    slopeAtZero: 0.5,
    emitCommon: (v) => `gelu_tanh_common4(${v})`,
    emitValue: (v, common) => `gelu_tanh_value4(${v}, ${common})`,
    emitBend: (v) => `gelu_tanh_bend4(${v})`,
  },
  silu: {
    doc: "out = x · σ(x),  σ(x) = 1/(1 + e^−x)   (Elfwing et al. 2017)",
    value: (x) => x * sigmoid(x),
    slope: (x) => sigmoid(x) * (1 + x * sigmoid(-x)),
    slopeAtZero: 0.5,
    emitCommon: (v) => `exp4(f32x4.neg(${v}))`,
    emitValue: (v, common) => `silu_value4(${v}, ${common})`,
    emitBend: (v, common) => `silu_bend4(${v}, ${common})`,
  },
};

/**
 * A case of the sizes `d` for every activation. The newest one comes first, because the test checks an
 * operation's first two cases on all targets.
 */
export const activationCases = <D>(d: D): { d: D; attrs: { activation: Activation } }[] =>
  (Object.keys(activations) as Activation[]).toReversed().map((activation) => ({ d, attrs: { activation } }));

/** Φ(x), the normal distribution, in f64 and without cancellation in the lower tail. */
export const normalCdf = (x: number): number => 0.5 * erfc(-x / Math.SQRT2);
export const erf = (x: number): number =>
  Math.abs(x) < SERIES_END ? erfSeries(x) : x > 0 ? 1 - erfc(x) : erfc(-x) - 1;

/** Below this |x| the series converges fast, above it the continued fraction does. */
const SERIES_END = 2.5;
/** A term's share of the sum that f64 does not notice. */
const NEGLIGIBLE = 1e-18;
/** Levels of the continued fraction: more do not change a bit of f64 from SERIES_END on. */
const LEVELS = 120;

/**
 * erf(x) = 2/√π · e^−x² · Σ 2ⁿ x^(2n+1) / (2n+1)!! (Abramowitz & Stegun 7.1.6): no term cancels another.
 */
function erfSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > NEGLIGIBLE * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/**
 * erfc(x): for large x the continued fraction x + (1/2)/(x + 1/(x + (3/2)/(x + …))), A&S 7.1.14, from its far
 * end.
 */
function erfc(x: number): number {
  if (x < SERIES_END) return 1 - erf(x);
  let fraction = x;
  for (let n = LEVELS; n >= 1; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}
