/**
 * exp, tanh, erf and the activations on four lanes: the part of every module's prelude that kernels inline.
 * All of it is lanewise and built from operations that V8 joins, so that a pair of calls on a pair of
 * registers is one call on 256 bits. The functions stand inside matmul epilogues, so they look nothing up in
 * tables, use few constants, and have short chains of dependent operations.
 *
 * Constants are loads from a table in memory. V8 would build a v128.const anew from two 64-bit immediates
 * wherever it is used, which made these functions three times slower than their arithmetic (8.7 instead of
 * 2.6 ns for gelu of 8 floats).
 *
 * The error bounds are what test/compiler/8-emit/vector-math.test.ts measures on all targets. NaN gives NaN.
 */

/**
 * An odd function f(x) ≈ x · P(x²) / Q(x²) on |x| ≤ limit, Q(0) = 1. Minimax coefficients (Lawson's algorithm
 * on a linearised fit).
 */
interface OddRational {
  readonly name: string;
  readonly doc: string;
  /** Beyond it f is constant to f32's last bit: callers clamp. */
  readonly limit: number;
  readonly p: readonly number[];
  readonly q: readonly number[];
}

/**
 * Every constant once. As an immediate offset of a constant address: V8 then knows two loads of it to be one,
 * and joins their users.
 */
const constants: number[] = [];
function k(value: number): string {
  const known = constants.indexOf(value);
  const index = known >= 0 ? known : constants.push(value) - 1;
  return `v128.load32_splat(CONSTANTS, ${4 * index} /* ${value} */)`;
}

const rationals: readonly OddRational[] = [
  {
    name: "tanh_core4",
    doc: "tanh x",
    limit: 9,
    p: [1, 0.133810237, 3.49558634e-3, 2.06090535e-5, 1.33546223e-8],
    q: [0.467143387, 2.58769747e-2, 3.28563183e-4, 7.77654179e-7],
  },
  {
    name: "half_cdf4",
    doc: "Φ(x) − ½",
    limit: 5.5,
    p: [0.398942262, 3.34588774e-2, 4.65148129e-3, 1.64573605e-4, 6.3015882e-6, 2.29311574e-8],
    q: [0.250535369, 2.84161214e-2, 1.86064513e-3, 7.21669785e-5, 1.19902813e-6],
  },
  {
    name: "half_gelu_slope4",
    doc: "Φ(x) + xφ(x) − ½",
    limit: 6,
    p: [0.797884524, -3.07434499e-2, 1.42091746e-2, 2.41841608e-5, 3.58505822e-5, 1.90885174e-7],
    q: [0.294805676, 4.10646982e-2, 3.52876284e-3, 1.93519882e-4, 8.88748036e-6],
  },
  {
    name: "half_gate4",
    doc: "½ tanh u,  u = √(2/π)(x + 0.044715x³)",
    limit: 5,
    p: [0.398942024, 3.68174389e-2, 3.68904741e-3, 1.64921788e-4, 4.51135566e-6],
    q: [0.259775519, 2.71921027e-2, 1.43586122e-3, 7.2806266e-5, 4.37977121e-7],
  },
  {
    name: "half_gelu_tanh_slope4",
    doc: "½ tanh u + ½xu′ / cosh² u,  u = √(2/π)(x + 0.044715x³)",
    limit: 5.4,
    p: [
      0.79788518, -4.75497991e-2, 1.32994847e-2, -2.67330441e-4, 2.88742576e-5, -5.10481506e-8, 1.05333942e-9,
    ],
    q: [0.275394678, 3.21916007e-2, 1.80132338e-3, 1.15915936e-4, 4.75022216e-6],
  },
];

/** p = coefficients[0] + coefficients[1]·s + …, highest first (Horner). */
const horner = (name: string, coefficients: readonly number[]): string =>
  coefficients
    .toReversed()
    .map((c, i) => (i === 0 ? `  let ${name} = ${k(c)};` : `  ${name} = madd(${name}, s, ${k(c)});`))
    .join("\n");

const rational = ({ name, doc, limit, p, q }: OddRational): string => `/** ${doc},  |x| ≤ ${limit} */
// @ts-ignore: decorator
@inline function ${name}(x: v128): v128 {
  const s = f32x4.mul(x, x);
${horner("p", p)}
${horner("q", [1, ...q])}
  return f32x4.div(f32x4.mul(x, p), q);
}
`;

const limitOf = (name: string): number => rationals.find((r) => r.name === name)!.limit;

/** One-line lanewise function. */
function fn(doc: string, head: string, ...body: readonly string[]): string {
  const lines = body.length === 1 ? ` ${body[0]} ` : `\n${body.map((b) => `  ${b}\n`).join("")}`;
  return `/** ${doc} */\n// @ts-ignore: decorator\n@inline function ${head} {${lines}}\n`;
}

/** n comes as the low bits of t = x / ln2 + 1.5·2²³ + 127: 2^n is t's bits shifted to the exponent. */
const TO_EXPONENT = 1.5 * 2 ** 23 + 127;

const exp = [
  fn(
    "e^x for x < 88. Relative error ≤ 3e-7 from −87.3 on; 0 from −88 down. 2^n · e^r, |r| ≤ ln2/2, e^r ≈ " +
      "1 + r + r²·q(r) (Cody & Waite 1980).",
    "exp_low4(x: v128): v128",
    `const c = f32x4.pmax(x, ${k(-88.03)});`,
    `const t = madd(c, ${k(1.44269504)}, ${k(TO_EXPONENT)}), n = f32x4.sub(t, ${k(TO_EXPONENT)});`,
    `const r = nmadd(n, ${k(-2.1219444e-4)}, nmadd(n, ${k(0.693359375)}, c));`,
    `let q = ${k(8.31252e-3)};`,
    `q = madd(q, r, ${k(4.189016e-2)});`,
    `q = madd(q, r, ${k(0.16667115)});`,
    `q = madd(q, r, ${k(0.49999231)});`,
    `return f32x4.mul(madd(madd(q, r, ${k(1)}), r, ${k(1)}), i32x4.shl(t, 23));`,
  ),
  fn(
    "The same for every x: about 2.4e38 from 88.4 on.",
    "exp4(x: v128): v128",
    `return exp_low4(f32x4.pmin(x, ${k(88.376)}));`,
  ),
].join("");

/** f(x), x within f's limits. */
const clamped = (name: string): string =>
  `${name}(f32x4.pmin(f32x4.pmax(x, ${k(-limitOf(name))}), ${k(limitOf(name))}))`;

/** gelu's two forms, x · (½ + f(x)), and the bend of each. */
const gelus = [
  { name: "gelu", f: "half_cdf4", bend: "half_gelu_slope4" },
  { name: "gelu_tanh", f: "half_gate4", bend: "half_gelu_tanh_slope4" },
].map(({ name, f, bend }) =>
  [
    fn("f(x) of gelu = x · (½ + f(x))", `${name}_common4(x: v128): v128`, `return ${clamped(f)};`),
    fn(
      "x · (½ + f). Far to the left x is clamped as well, so that no large x multiplies an error in f. " +
        "Error ≤ 4e-7 · max(|x|, 1).",
      `${name}_value4(x: v128, f: v128): v128`,
      `return f32x4.mul(f32x4.pmax(x, ${k(-limitOf(f))}), f32x4.add(f, ${k(0.5)}));`,
    ),
    fn("Its slope less ½. Error ≤ 5e-7.", `${name}_bend4(x: v128): v128`, `return ${clamped(bend)};`),
  ].join(""),
);

const functions = [
  exp,
  ...rationals.map(rational),
  fn("tanh x. Relative error ≤ 5e-7.", "tanh4(x: v128): v128", `return ${clamped("tanh_core4")};`),
  fn(
    "erf x = 2Φ(x√2) − 1. Relative error ≤ 5e-7.",
    "erf4(z: v128): v128",
    `const x = f32x4.mul(z, ${k(1.41421356)});`,
    `const h = ${clamped("half_cdf4")};`,
    "return f32x4.add(h, h);",
  ),
  fn(
    "σ(x) = 1 / (1 + e^−x). Relative error ≤ 5e-7 on −87…∞.",
    "sigmoid4(x: v128): v128",
    `return f32x4.div(${k(1)}, f32x4.add(exp4(f32x4.neg(x)), ${k(1)}));`,
  ),
  fn("max(x, 0)", "relu4(x: v128): v128", "return f32x4.pmax(x, ZERO);"),
  fn("1 where x > 0", "relu_bend4(x: v128): v128", `return v128.and(${k(1)}, f32x4.gt(x, ZERO));`),
  fn("max(x, 0)²", "relu2_4(x: v128): v128", "const y = f32x4.pmax(x, ZERO);", "return f32x4.mul(y, y);"),
  fn(
    "2 max(x, 0)",
    "relu2_bend4(x: v128): v128",
    "const y = f32x4.pmax(x, ZERO);",
    "return f32x4.add(y, y);",
  ),
  fn(
    "x · σ(x), given e = e^−x. Relative error ≤ 5e-7 on −87…∞.",
    "silu_value4(x: v128, e: v128): v128",
    `return f32x4.div(x, f32x4.add(e, ${k(1)}));`,
  ),
  fn(
    "d silu / dx = σ(x) · (1 + x·σ(−x)), less ½, given e = e^−x. Error ≤ 5e-7.",
    "silu_bend4(x: v128, e: v128): v128",
    `const s = f32x4.div(${k(1)}, f32x4.add(e, ${k(1)})); // σ(−x) = e·s without cancellation`,
    `return f32x4.sub(f32x4.mul(s, madd(x, f32x4.mul(e, s), ${k(1)})), ${k(0.5)});`,
  ),
  ...gelus,
].join("");

/** Scalar and in f64: one per row, at the end of a softmax. No library's table in static memory. */
const ln = `/**
 * ln x, x > 0 and normal: x = 2^n · m, m in √½…√2, ln m = 2 artanh s = 2(s + s³/3 + …), s = (m − 1)/(m + 1).
 * Relative error ≤ 1e-12.
 */
function ln(x: f64): f64 {
  if (!(x > 0 && x < Infinity)) return x == 0 ? -Infinity : x > 0 ? x : NaN;
  let n = <i32>(reinterpret<u64>(x) >> 52) - 1023;
  let m = reinterpret<f64>((reinterpret<u64>(x) & 0x000fffffffffffff) | 0x3ff0000000000000);
  if (m > 1.4142135623730951) { m *= 0.5; n++; }
  const s = (m - 1) / (m + 1), z = s * s;
  const series = 1 + z * (1.0 / 3 + z * (1.0 / 5 + z * (1.0 / 7 + z * (1.0 / 9
    + z * (1.0 / 11 + z * (1.0 / 13 + z * (1.0 / 15)))))));
  return <f64>n * 0.6931471805599453 + 2 * s * series;
}
`;

/**
 * Where sums and maxima start: eight lanes each. Loads of a pair are joined wherever they stand, constants
 * only within one block of code.
 */
const starts = `const ZEROS = memory.data<f32>([${Array(8).fill(0).join(", ")}]);
const LOWEST = memory.data<f32>([${Array(8).fill("-f32.MAX_VALUE").join(", ")}]);
`;

export const vectorMath = `${starts}const CONSTANTS = memory.data<f32>([${constants.join(", ")}]);
${functions}${ln}`;
