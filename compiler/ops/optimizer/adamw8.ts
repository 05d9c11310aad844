/**
 * AdamW whose moments are kept in 8 bits (runtime/contract/moment-codes.ts, where the papers are): a block of
 * 256 numbers is read, updated in f32 as adamw.ts does it, and written again. Per number, 16 bytes move
 * instead of 28. What is the same for a whole block is multiplied first: its scale by β1 or β2, and the
 * correction of the second moment into the rate and ε.
 *
 * Every multiplication and addition is rounded by itself (no fused multiply-add), so that codes are the same
 * on all targets, and those of the reference. A block goes through the update first, which leaves m and √v in
 * scratch and finds the largest of each; then these become codes. A word of codes has numbers that stand 64
 * apart, so that its bytes are lanes of four vectors, and nothing moves between lanes.
 *
 * A slice of a parameter has `blocks` blocks; its moments are as many rows of codes, then rows of scales.
 * Where slices are `layered`, the first of them is the layer that hyper.layer says.
 */
import { hyper as at_hyper } from "../../../runtime/contract/control.ts";
import {
  codeFormats,
  encodeBlock,
  HEADROOM,
  MOMENT_BLOCK,
  MOMENT_ROW_WORDS,
  momentBytes,
  momentRows,
  NEXT_NUMBER,
  NEXT_STEP,
  SIGN_CODE,
  START_BITS,
  thresholdOf,
  unitsOf,
  type Moment,
  type MomentBytes,
} from "../../../runtime/contract/moment-codes.ts";
import { loadHyper } from "../kit/hyper.ts";
import { defineOp } from "../kit/op.ts";
import { PAIR } from "../kit/row-loops.ts";
import { count, type Writer } from "../kit/writer.ts";
import { CLIP_EPS } from "./adamw.ts";

/** Bytes of a block's parameters, and of its codes. */
const BLOCK_BYTES = 4 * MOMENT_BLOCK;
const CODE_BYTES = MOMENT_BLOCK;

export const adamw8 = defineOp(
  "p[N,L] g[N,L] m[R,W]:i32 v[R,W]:i32 hyper[H] norm[O] -> p_out[N,L] m_out[R,W]:i32 v_out[R,W]:i32",
  {
    doc: "p ← p · (1 − lr · decay) − lr · m̂ / (√v̂ + ε), m and v in 8 bits   (Dettmers et al. 2022)",
    attrs: { blocks: 1, layered: false },
    flops: ({ N, L }) => 28 * N * L,
    bytes: ({ N, L }) => 16 * N * L + 16 * N,
    mutates: { p_out: "p", m_out: "m", v_out: "v" },
    reference(t, { N, L }, { blocks, layered }) {
      const words = { moment1: Int32Array.from(t.m), moment2: Int32Array.from(t.v) };
      t.p_out.set(t.p);
      const step = Number.isFinite(t.norm[0]) ? stepOf(t.hyper, t.norm[0]!) : undefined;
      const before = layered ? t.hyper[at_hyper.layer]! * blocks : 0;
      for (let n = 0; step && n < N; n++) {
        const rows = momentRows(blocks);
        const start = Math.floor(n / blocks) * rows * MOMENT_ROW_WORDS;
        const of = (moment: Moment): MomentBytes => momentBytes(moment, words[moment].subarray(start), rows);
        const [from, to] = [n * L, (n + 1) * L];
        updateBlock(step, t.p_out.subarray(from, to), t.g.subarray(from, to), before + n, {
          moment1: of("moment1"),
          moment2: of("moment2"),
          block: n % blocks,
        });
      }
      t.m_out.set(words.moment1);
      t.v_out.set(words.moment2);
    },
    tasks: ({ N }) => N,
    scratch: () => 2 * BLOCK_BYTES,
    emit(w, at, _d, { attrs: { blocks, layered } }) {
      const sliceBytes = momentRows(blocks) * CODE_BYTES;
      writeStep(w, (name) => loadHyper(at.hyper, name), at.norm);
      if (layered) w.line(`const before = <i32>${loadHyper(at.hyper, "layer")} * ${blocks}; // blocks`);
      w.block("for (let n = first; n < last; n++)", () => {
        w.line(`const slice = <usize>(n / ${blocks}) * ${sliceBytes}, k = <usize>(n % ${blocks});`);
        w.line(`const codes = slice + k * ${CODE_BYTES}, scales = slice + ${blocks * CODE_BYTES} + 4 * k;`);
        for (const t of ["p", "g"] as const) w.line(`const ${t}_n = ${at[t]} + <usize>n * ${BLOCK_BYTES};`);
        for (const t of ["m", "v"] as const)
          w.line(`const ${t}_n = ${at[t]} + codes, ${t}_scale = ${at[t]} + scales;`);
        writeUpdate(w);
        writeCodes(w, layered ? "(before + n)" : "n");
      });
    },
    sample: (tensor, { W }, noise, i, { blocks }) => {
      if (tensor === "norm") return 2.5;
      if (tensor === "hyper") return [1e-2, 0.9, 0.99, 1e-8, 0.1, 1, 10, 100, 1, 0, 7, 3][i] ?? 0;
      if (tensor !== "m" && tensor !== "v") return noise();
      const at = i % (W! * momentRows(blocks));
      if (at < W! * blocks) return Math.floor(noise() * 2 ** 31) | 0; // four codes
      return at - W! * blocks < blocks ? bitsOf(0.002 + 0.001 * noise()) : 0;
    },
    cases: [sizes(3, 3), sizes(1, 1), sizes(10, 5, true), sizes(140, 70), sizes(9216, 9216)],
  },
);

/** N blocks in slices of so many. */
function sizes(N: number, blocks: number, layered = false) {
  const R = (N / blocks) * momentRows(blocks);
  return { d: { N, L: MOMENT_BLOCK, R, W: MOMENT_ROW_WORDS, H: 16, O: 1 }, attrs: { blocks, layered } };
}

const bitsOf = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0]!;

// ---- the reference, rounded to f32 after every operation

const f = Math.fround;

/** A step's numbers, each in f32. */
const stepOf = (hyper: Float64Array, norm: number) => {
  const h = (name: keyof typeof at_hyper): number => f(hyper[at_hyper[name]]!);
  const root2 = f(Math.sqrt(h("correction2")));
  return {
    factor: h("clip") > 0 ? Math.min(1, f(h("clip") / f(f(norm) + f(CLIP_EPS)))) : 1,
    beta1: h("beta1"),
    beta2: h("beta2"),
    new1: f(1 - h("beta1")),
    new2: f(1 - h("beta2")),
    eps: f(h("eps") / root2),
    rate: f(f(h("lr") * h("correction1")) / root2),
    shrink: f(1 - f(h("lr") * h("decay"))),
    number: h("step"),
  };
};

/** Block `block` of a slice's moments, which is block n of the parameter in all layers. */
interface BlockMoments {
  readonly moment1: MomentBytes;
  readonly moment2: MomentBytes;
  readonly block: number;
}

function updateBlock(
  h: ReturnType<typeof stepOf>,
  p: Float64Array,
  gradients: Float64Array,
  n: number,
  { moment1, moment2, block }: BlockMoments,
): void {
  const old = f(moment1.scales[block]! * h.beta1);
  const old2 = f(f(moment2.scales[block]! * moment2.scales[block]!) * h.beta2);
  const m = unitsOf(moment1, block);
  const root = unitsOf(moment2, block);
  for (let i = 0; i < p.length; i++) {
    const g = f(f(gradients[i]!) * h.factor);
    m[i] = f(f(m[i]! * old) + f(g * h.new1));
    root[i] = f(Math.sqrt(f(f(f(root[i]! * root[i]!) * old2) + f(f(g * g) * h.new2))));
    p[i] = f(f(f(p[i]!) * h.shrink) - f(f(h.rate * m[i]!) / f(root[i]! + h.eps)));
  }
  const threshold = (i: number): number => thresholdOf(n * MOMENT_BLOCK + i, h.number);
  encodeBlock(moment1, block, m, threshold);
  encodeBlock(moment2, block, root, threshold);
}

// ---- the kernel

const { moment1: FIRST, moment2: SECOND } = codeFormats;
const FORMATS = [
  ["m", FIRST],
  ["v", SECOND],
] as const;
type Short = (typeof FORMATS)[number][0];

/** Codes in a word, and bytes from one of its numbers to the next. */
const IN_WORD = 4;
const APART = BLOCK_BYTES / IN_WORD;

/** The numbers of the step, and constants, in all lanes. */
function writeStep(w: Writer, h: (name: keyof typeof at_hyper) => string, norm: string): void {
  const floats = (name: string, value: string | number): void =>
    w.line(`const ${name} = f32x4.splat(${value});`);
  const integers = (name: string, value: number): void => w.line(`const ${name} = i32x4.splat(${value});`);
  w.line(`const total = load<f32>(${norm});`);
  w.line("if (!isFinite<f32>(total)) return;");
  w.line(`const lr = ${h("lr")}, clip = ${h("clip")}, beta1 = ${h("beta1")}, beta2 = ${h("beta2")};`);
  w.line(`const root2 = sqrt<f32>(${h("correction2")});`);
  floats("factor", `clip > 0 ? min<f32>(1, clip / (total + <f32>${CLIP_EPS})) : 1`);
  floats("new1", "1 - beta1");
  floats("new2", "1 - beta2");
  floats("eps", `${h("eps")} / root2`);
  floats("rate", `lr * ${h("correction1")} / root2`);
  floats("shrink", `1 - lr * ${h("decay")}`);
  floats("sign", "-0.0");
  integers("start", START_BITS);
  for (const [t, { shift, most, offset }] of FORMATS) {
    floats(`${t}_offset`, offset);
    integers(`${t}_bits`, most << shift);
    integers(`${t}_code`, most);
  }
  floats("v_first", SECOND.first);
  integers("m_sign", SIGN_CODE);
  w.line(`const moved = <i32>(<u32>${h("step")} * ${NEXT_STEP}); // the threshold, since the first step`);
}

/** p of a block; m and √v of it into scratch, and the largest of each. */
function writeUpdate(w: Writer): void {
  w.line("const m_old = f32x4.splat(load<f32>(m_scale) * beta1);");
  w.line("const v_unit = load<f32>(v_scale), v_old = f32x4.splat(v_unit * v_unit * beta2);");
  for (const [t] of FORMATS)
    w.line(`let ${t}_most_lo = v128.load(ZEROS), ${t}_most_hi = v128.load(ZEROS, 16);`);
  w.block(`for (let i: usize = 0; i < ${CODE_BYTES}; i += 32)`, () => {
    for (const t of ["p", "g", "m", "v"]) w.line(`const ${t}_i = ${t}_n + i;`);
    w.line("const s_i = scratch + i;");
    for (const [half, offset] of PAIR)
      for (const [t] of FORMATS) w.line(`const ${t}_word_${half} = v128.load(${t}_i${offset});`);
    for (const b of count(IN_WORD)) w.block("", () => writeUpdateOf(w, b));
  });
}

/** What number `b` of each word of codes stands for, without its sign, in units of the scale. */
function decoded(t: Short, half: string, b: number): string {
  const by = (t === "m" ? FIRST : SECOND).shift - 8 * b;
  const word = `${t}_word_${half}`;
  const moved = by < 0 ? `i32x4.shr_u(${word}, ${-by})` : `i32x4.shl(${word}, ${by})`;
  return `f32x4.sub(i32x4.add(v128.and(${moved}, ${t}_bits), start), ${t}_offset)`;
}

/** The update of number `b` of each word. */
function writeUpdateOf(w: Writer, b: number): void {
  const at = (half: string, from = 0): number => from + b * APART + (half === "hi" ? 16 : 0);
  for (const [half] of PAIR) {
    const set = (name: string, value: string): void => w.line(`const ${name}_${half} = ${value};`);
    const minus = `v128.and(i32x4.shl(m_word_${half}, ${24 - 8 * b}), sign)`;
    set("units", `v128.or(${decoded("m", half, b)}, ${minus})`);
    set("root_units", decoded("v", half, b));
    set("g", `f32x4.mul(v128.load(g_i, ${at(half)}), factor)`);
    set("m", `f32x4.add(f32x4.mul(units_${half}, m_old), f32x4.mul(g_${half}, new1))`);
    const squares = ["root_units", "g"].map((name) => `f32x4.mul(${name}_${half}, ${name}_${half})`);
    set("root", `f32x4.sqrt(f32x4.add(f32x4.mul(${squares[0]}, v_old), f32x4.mul(${squares[1]}, new2)))`);
    set("change", `f32x4.div(f32x4.mul(rate, m_${half}), f32x4.add(root_${half}, eps))`);
    set("p", `f32x4.sub(f32x4.mul(v128.load(p_i, ${at(half)}), shrink), change_${half})`);
  }
  for (const [half] of PAIR)
    w.line(`m_most_${half} = f32x4.pmax(m_most_${half}, v128.andnot(m_${half}, sign));`);
  for (const [half] of PAIR) w.line(`v_most_${half} = f32x4.pmax(v_most_${half}, root_${half});`);
  for (const [to, name, from] of [
    ["p_i", "p", 0],
    ["s_i", "m", 0],
    ["s_i", "root", BLOCK_BYTES],
  ] as const)
    for (const [half] of PAIR) w.line(`v128.store(${to}, ${name}_${half}, ${at(half, from)});`);
}

/** What is in scratch becomes codes and a scale; `block`: which one of the parameter it is. */
function writeCodes(w: Writer, block: string): void {
  const thresholds = w.helper("THRESHOLDS", (h) => {
    const numbers = count(MOMENT_ROW_WORDS).map((i) => Math.imul(i, NEXT_NUMBER));
    h.line("/** By how much the threshold of 8-bit moments moves until each of 64 numbers. */");
    h.line(`const THRESHOLDS = memory.data<i32>([${numbers.join(", ")}]);`);
  });
  for (const [t, { largest }] of FORMATS) {
    w.line(`const ${t}_new = max8(${t}_most_lo, ${t}_most_hi, spill) / <f32>${largest - HEADROOM};`);
    w.line(`store<f32>(${t}_scale, ${t}_new);`);
    w.line(`const ${t}_inverse = f32x4.splat(${t}_new > 0 ? 1 / ${t}_new : 0);`);
  }
  w.line(`const place = moved + ${block} * ${Math.imul(MOMENT_BLOCK, NEXT_NUMBER)};`);
  for (const b of count(IN_WORD))
    w.line(`const place${b} = i32x4.splat(place + ${Math.imul(b * MOMENT_ROW_WORDS, NEXT_NUMBER)});`);
  w.block(`for (let i: usize = 0; i < ${CODE_BYTES}; i += 32)`, () => {
    w.line(`const s_i = scratch + i, m_i = m_n + i, v_i = v_n + i, t_i = ${thresholds} + i;`);
    for (const [half, offset] of PAIR) w.line(`const t_${half} = v128.load(t_i${offset});`);
    for (const b of count(IN_WORD)) writeCodesOf(w, b);
    for (const [t] of FORMATS)
      for (const [half, offset] of PAIR) {
        const bytes = count(IN_WORD).map((b) => `${t}_at${b}_${half}`);
        const word = bytes.reduceRight((above, code) => `v128.or(i32x4.shl(${above}, 8), ${code})`);
        w.line(`v128.store(${t}_i, ${word}${offset});`);
      }
  });
}

/** Codes of number `b` of each word. */
function writeCodesOf(w: Writer, b: number): void {
  for (const [half] of PAIR) {
    const at = b * APART + (half === "hi" ? 16 : 0);
    const set = (name: string, value: string): void => w.line(`const ${name}${b}_${half} = ${value};`);
    const code = (t: Short, size: string, { shift }: { readonly shift: number }): string =>
      `v128.and(i32x4.shr_u(i32x4.add(f32x4.add(${size}, ${t}_offset), i32x4.shr_u(threshold${b}_${half}, ` +
      `${32 - shift})), ${shift}), ${t}_code)`;
    set("threshold", `i32x4.add(t_${half}, place${b})`);
    set("m", `v128.load(s_i, ${at})`);
    const m = code("m", `f32x4.mul(v128.andnot(m${b}_${half}, sign), m_inverse)`, FIRST);
    set("m_at", `v128.or(${m}, v128.and(i32x4.shr_u(m${b}_${half}, 24), m_sign))`);
    const root = `f32x4.mul(v128.load(s_i, ${BLOCK_BYTES + at}), v_inverse)`;
    set("v_at", code("v", `f32x4.pmax(${root}, v_first)`, SECOND));
  }
}
