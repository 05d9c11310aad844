/**
 * Rotary position embedding (Su et al. 2021, arXiv:2104.09864), in interleaved pairs: columns 2i and 2i+1 of
 * a head are one point of the plane, which is rotated by position · frequency[i]. Sources that pair column i
 * with i + D/2 ("rotate-half") have their weights permuted when they are imported.
 *
 *   frequency[i] = theta^(−2i/D)
 *   out[2i]      = x[2i] cos − x[2i+1] sin
 *   out[2i+1]    = x[2i] sin + x[2i+1] cos
 *
 * The table of a call's positions is computed once, in f64, and kept in f32; all layers and heads read it. It
 * has W = 2D columns, so that out = x ∘ cos + swapped(x) ∘ sin:
 *
 *   table[t,:] = | cos₀ cos₀ cos₁ cos₁ … | −sin₀ sin₀ −sin₁ sin₁ … |
 */
import { defineOp, type AttrTypes } from "../kit/op.ts";
import type { Writer } from "../kit/writer.ts";
import { cos, sin } from "../../../runtime/contract/exact-math.ts";
import { pow } from "../../../runtime/contract/power.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

/** theta; `linear`, by which positions are divided; and Llama 3's scaling, of which factor 1 means none. */
export const ropeAttrs = { theta: 10000, linear: 1, factor: 1, low: 1, high: 4, original: 1 };
export type RopeAttrs = AttrTypes<typeof ropeAttrs>;

/**
 * Radians per position of each pair. Linear scaling divides all of them (Chen et al. 2023, arXiv:2306.15595).
 * Scaled as Llama 3.1 does (Grattafiori et al. 2024, and the model's published code): wavelengths shorter
 * than original/high stay, those longer than original/low are stretched by `factor`, those between are
 * interpolated.
 */
export function ropeFrequencies(
  D: number,
  { theta, linear, factor, low, high, original }: RopeAttrs,
): number[] {
  return Array.from({ length: D / 2 }, (_, i) => {
    const plain = pow(theta, (-2 * i) / D) / linear;
    const turns = (original * plain) / (2 * Math.PI); // within the original context
    if (factor === 1 || turns > high) return plain;
    if (turns < low) return plain / factor;
    const share = (turns - low) / (high - low);
    return ((1 - share) * plain) / factor + share * plain;
  });
}

export const rope_table = defineOp("positions[T]?:i32 live[1]?:i32 -> table[T,W]", {
  doc:
    "table[t,:] = cos and sin of p(t) · frequency,  p(t) = positions[t], else t   (Su et al. 2021; scaled " +
    "linearly, or as in Llama 3.1)",
  attrs: ropeAttrs,
  flops: ({ T, W }) => 20 * T * W,
  reference({ positions, table }, { T, W }, attrs) {
    const D = W / 2;
    const frequencies = ropeFrequencies(D, attrs);
    for (let t = 0; t < T; t++)
      for (const [i, f] of frequencies.entries()) {
        const angle = (positions?.[t] ?? t) * f;
        const at = t * W + 2 * i;
        table[at] = table[at + 1] = cos(angle);
        table[at + D] = -sin(angle);
        table[at + D + 1] = sin(angle);
      }
  },
  rows: "T",
  rowTasks: true,
  tasks: ({ T }) => T,
  emit(w, at, { W }, { attrs, has }) {
    const D = W / 2;
    const pair = anglePair(w, D);
    const bytes = rowBytes(W);
    const position = has("positions") ? `load<i32>(${at.positions} + (<usize>t << 2))` : "t";
    w.block("for (let t = first; t < last; t++)", () => {
      w.line(`const row = ${at.table} + <usize>t * ${bytes}, position = <f64>${position};`);
      for (const [i, f] of ropeFrequencies(D, attrs).entries())
        w.line(`${pair}(row + ${8 * i}, position * ${f});`);
      if (bytes > 4 * W) w.line(`memory.fill(row + ${4 * W}, 0, ${bytes - 4 * W});`);
    });
  },
  /** Far into a context, in no order. */
  sample: (_tensor, _d, _noise, i) => 130_000 + ((77 * i) % 100),
  cases: [
    { d: { T: 7, W: 12 }, attrs: { theta: 10000 } },
    {
      d: { T: 5, W: 32 },
      attrs: { theta: 500000, factor: 8, low: 1, high: 4, original: 64 },
      with: ["positions"],
    },
    { d: { T: 3, W: 4 }, with: ["positions"] },
    { d: { T: 6, W: 32 }, attrs: { theta: 10000, linear: 4 }, with: ["positions"] },
    {
      d: { T: 128, W: 128 },
      attrs: { theta: 500000, factor: 32, low: 1, high: 4, original: 8192 },
      with: ["positions"],
    },
  ],
});

/**
 * A function (row, angle): cos cos at row, −sin sin D floats behind it. The angle is brought into −π/4 … π/4
 * in f64 (π/2 in two parts: Cody & Waite 1980; the first has 33 bits, so its product with the quadrant is
 * exact up to 2²⁰), then Taylor's series: errors far below f32's.
 */
function anglePair(w: Writer, D: number): string {
  const high = Math.round((Math.PI / 2) * 2 ** 32) / 2 ** 32;
  const low = Math.PI / 2 - high;
  const name = `rope_pair_${D}`;
  return w.helper(name, (h) => {
    h.line(`/** cos cos at row, −sin sin ${D} floats behind it */`);
    h.block(`function ${name}(row: usize, angle: f64): void`, () => {
      h.line(`const quadrant = nearest<f64>(angle * ${2 / Math.PI});`);
      h.line(`const r = angle - quadrant * ${high} - quadrant * ${low}, z = r * r;`);
      h.line(`const s = r * (1.0 + ${series("z", 1)}), c = 1.0 + ${series("z", 0)};`);
      h.line(
        "const q = <i32>quadrant, odd = (q & 1) != 0; // a quarter turn swaps sin and cos, a half turn " +
          "their signs",
      );
      h.line(
        "const cos = <f32>((q + 1) & 2 ? -(odd ? s : c) : (odd ? s : c)), sin = <f32>(q & 2 ? -(odd ? c " +
          ": s) : (odd ? c : s));",
      );
      h.line(`store<f32>(row, cos); store<f32>(row, cos, 4);`);
      h.line(`store<f32>(row, -sin, ${4 * D}); store<f32>(row, sin, ${4 * D + 4});`);
    });
  });
}

/** Σ_{n ≥ 1} (−z)ⁿ / (2n + odd)!  as nested products: cos − 1 for odd 0, sin/r − 1 for odd 1. */
function series(z: string, odd: 0 | 1): string {
  let text = "0.0";
  for (let n = 8; n >= 1; n--)
    text = `${z} * (${-1 / ((2 * n + odd) * (2 * n + odd - 1))}) * (1.0 + ${text})`;
  return text;
}

/**
 * R rows of sequences of T positions. The first heads · head_dim columns are rotated, the others are what
 * they were.
 */
export const rope = defineOp("x[R,Q] table[T,W] live[1]?:i32 -> out[R,Q]", {
  doc:
    "out[r,2i] = x[r,2i] cos − x[r,2i+1] sin,  out[r,2i+1] = x[r,2i] sin + x[r,2i+1] cos   of row r mod T " +
    "of the table; inverse: −sin",
  attrs: { heads: 1, head_dim: 2, inverse: false },
  flops: ({ R }, a) => 3 * R * a.heads * a.head_dim,
  inPlace: { out: "x" },
  constants: ["table"],
  reference({ x, table, out }, { R, Q, T, W }, a) {
    const D = a.head_dim;
    const rotated = a.heads * D;
    const sign = a.inverse ? -1 : 1;
    for (let r = 0; r < R; r++)
      for (let c = 0; c < Q; c += c < rotated ? 2 : 1) {
        const i = r * Q + c;
        const t = (r % T) * W + (c % D);
        const cos = table[t]!;
        const sin = sign * table[t + D + 1]!;
        const [a, b] = [x[i]!, x[i + 1]!];
        out[i] = c < rotated ? a * cos - b * sin : a;
        if (c < rotated) out[i + 1] = a * sin + b * cos;
      }
  },
  backward: (_has, attrs) => [
    {
      op: "rope",
      ins: { x: "d_out", table: "table" },
      outs: { out: "d_x" },
      attrs: { ...attrs, inverse: !attrs.inverse },
    },
  ],
  rows: "R",
  rowTasks: true,
  tasks: ({ R }) => R,
  emit(w, at, { R, Q, T, W }, { attrs }) {
    const D = attrs.head_dim;
    const rotated = attrs.heads * D;
    const bytes = rowBytes(Q);
    w.block("for (let r = first; r < last; r++)", () => {
      const position = R > T ? `(r % ${T})` : "r";
      w.line(
        `const x_r = ${at.x} + <usize>r * ${bytes}, out_r = ${at.out} + <usize>r * ${bytes}, ` +
          `cos = ${at.table} + <usize>${position} * ${rowBytes(W)}, sin = cos + ${4 * D};`,
      );
      w.block(`for (let h: usize = 0; h < ${4 * rotated}; h += ${4 * D})`, () =>
        emitHead(w, D, attrs.inverse),
      );
      const rest = 4 * rotated; // where the columns begin that stay
      if (bytes > rest)
        w.line(`if (x_r != out_r) memory.copy(out_r + ${rest}, x_r + ${rest}, ${bytes - rest});`);
    });
  },
  /** A table like a real one: pairs of equal cosines, and of sines with opposite signs. */
  sample(tensor, { W }, noise, i) {
    if (tensor === "x") return noise();
    const c = i % W;
    const angle = Math.floor(i / W) + 0.7 * Math.floor((c % (W / 2)) / 2);
    return c < W / 2 ? cos(angle) : c % 2 === 0 ? -sin(angle) : sin(angle);
  },
  cases: [
    { d: { R: 6, Q: 32, T: 3, W: 16 }, attrs: { heads: 3, head_dim: 8 } },
    { d: { R: 5, Q: 40, T: 5, W: 12 }, attrs: { heads: 4, head_dim: 6, inverse: true } },
    { d: { R: 4, Q: 61, T: 2, W: 24 }, attrs: { heads: 2, head_dim: 12 } },
    { d: { R: 768, Q: 384, T: 64, W: 64 }, attrs: { heads: 8, head_dim: 32 } },
    { d: { R: 2048, Q: 1152, T: 256, W: 128 }, attrs: { heads: 12, head_dim: 64, inverse: true } },
  ],
});

/** The D columns at x_r + h, with rows `cos` and `sin` of the table. */
function emitHead(w: Writer, D: number, inverse: boolean): void {
  const add = inverse ? "nmadd" : "madd";
  if (D % 8 !== 0) {
    // a head ends within a vector, or within a pair of vectors
    w.block(`for (let c: usize = 0; c < ${4 * D}; c += 8)`, () => {
      w.line(
        "const a = load<f32>(x_r + h + c), b = load<f32>(x_r + h + c, 4), cosine = load<f32>(cos + c), " +
          "sine = load<f32>(sin + c, 4);",
      );
      w.line(`store<f32>(out_r + h + c, a * cosine ${inverse ? "+" : "-"} b * sine);`);
      w.line(`store<f32>(out_r + h + c, ${inverse ? "b * cosine - a * sine" : "a * sine + b * cosine"}, 4);`);
    });
    return;
  }
  w.block(`for (let c: usize = 0; c < ${4 * D}; c += 32)`, () => {
    w.line("const x_i = x_r + h + c, out_i = out_r + h + c, cos_i = cos + c, sin_i = sin + c;");
    w.line("const lo = v128.load(x_i), hi = v128.load(x_i, 16);");
    for (const [half, offset] of [
      ["lo", ""],
      ["hi", ", 16"],
    ] as const)
      w.line(
        `const ${half}_out = ${add}(v128.shuffle<i32>(${half}, ${half}, 1, 0, 3, 2), ` +
          `v128.load(sin_i${offset}), f32x4.mul(${half}, v128.load(cos_i${offset})));`,
      );
    w.line("v128.store(out_i, lo_out);");
    w.line("v128.store(out_i, hi_out, 16);");
  });
}
