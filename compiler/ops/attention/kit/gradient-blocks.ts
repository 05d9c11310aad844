/**
 * The gradient of attention for one key/value head of one sequence, block by block: each block of queries
 * meets the blocks of keys that it sees. What is kept and what is computed again: attention_backward.ts.
 */
import type { Kernel } from "../../kit/op.ts";
import { copyRowsFunction, emitZeroPadding, zeroRowsFunction } from "../../kit/copy-rows.ts";
import { packRowsFunction, packTransposedFunction } from "../../kit/pack-panels.ts";
import { ceilTo, PANEL, PANEL_BYTES } from "../../kit/panels.ts";
import type { Writer } from "../../kit/writer.ts";
import { emitFromKeys, emitFromQueries, emitScores, contiguous } from "./block-products.ts";
import { areas, isBounded, windowLocal, type AttentionAttrs, type Sizes } from "./kernel-sizes.ts";
import { dotRowsFunction, fillMask, MASK_BYTES, rowGradFunction, sumOfRows } from "./score-rows.ts";
import { emitTouch, qkvColumns, queryColumns } from "./touch-heads.ts";
import { emitEndOfRow, emitHide, emitHideBefore, usedRow } from "./softmax.ts";

/**
 * Key blocks begin at multiples of panels and of both register tiles, as the blocks of queries do: whole
 * tiles of keys then meet the diagonal.
 */
const FIRST_KEYS = 48;

/** The kernel's tensors as generated code names them. */
export type Addresses = Readonly<
  Record<"qkv" | "window" | "documents" | "out" | "lse" | "d_out" | "d_qkv", string>
>;

export interface Gradient {
  readonly s: Sizes;
  /**
   * A head's gradients are summed in d_qkv itself. Where a head's columns are not whole vectors they are
   * summed in scratch and copied.
   */
  readonly direct: boolean;
  /** Bytes from row to row of those sums. */
  readonly sumRow: number;
  /** One block of queries and keys is all there is: products overwrite. Otherwise they add to zeros. */
  readonly mode: "set" | "add";
  /** Positions in whole panels. */
  readonly positions: number;
}

export function gradientOf(s: Sizes): Gradient {
  const direct = s.D % s.NR === 0;
  return {
    s,
    direct,
    sumRow: direct ? s.qkvRow : s.DP * 4,
    mode: s.T <= s.QB && s.T <= s.KB && s.group === 1 ? "set" : "add",
    positions: ceilTo(s.T, PANEL),
  };
}

/** Areas in scratch: their names are locals of the kernel. */
export function gradientAreas({ s, direct, positions }: Gradient) {
  const rows = ceilTo(s.QB, 4);
  const block = rows * s.KB * 4;
  return areas({
    mask: MASK_BYTES,
    k_across: positions * s.D * 4,
    v_across: positions * s.D * 4,
    k_panels: positions * s.DP * 4,
    q_panels: s.QB * s.DP * 4,
    d_panels: s.QB * s.DP * 4,
    scores: block,
    d_scores: block,
    partial: rows * 32,
    delta: rows * 4,
    d_q: direct ? 0 : s.QB * s.DP * 4,
    d_k: direct ? 0 : s.T * s.DP * 4,
    d_v: direct ? 0 : s.T * s.DP * 4,
  });
}

/** What all tasks of the kernel share: areas, the scale, the window, the mask. */
export function emitGradientLocals(
  w: Writer,
  at: Addresses,
  k: Kernel<string, AttentionAttrs>,
  p: Gradient,
): void {
  for (const [name, offset] of gradientAreas(p).offsets)
    if (!p.direct || !["d_q", "d_k", "d_v"].includes(name)) w.line(`const ${name} = scratch + ${offset};`);
  w.line(`const SCALE: f32 = ${p.s.scale};`);
  if (p.s.windowed) w.line(windowLocal(k.attrs, k.has("window") ? at.window : undefined));
  fillMask(w, "mask");
}

/** One task: key/value head g of one sequence. `columns`: those of qkv. */
export function emitGradientTask(w: Writer, at: Addresses, p: Gradient, columns: number): void {
  const { s, direct } = p;
  const { T, G } = s;
  emitHeadOperands(w, at, p);
  w.block(`for (let h = g * ${s.group}; h < (g + 1) * ${s.group}; h++)`, () =>
    w.block(`for (let q = 0; q < ${T}; q += ${s.QB})`, () => {
      emitQueryOperands(w, at, p);
      emitKeyBlocks(w, p);
      if (!direct)
        w.line(`${copySums(w, p)}(d_q, d_x + <usize>q * ${s.qkvRow} + <usize>h * ${s.D * 4}, rows);`);
    }),
  );
  if (!direct) {
    w.line(`${copySums(w, p)}(d_k, d_x + key, ${T});`);
    w.line(`${copySums(w, p)}(d_v, d_x + value, ${T});`);
  }
  if (s.qkvRow > columns * 4)
    w.block(`if (g == ${G - 1})`, () => emitZeroPadding(w, "d_x", columns, s.qkvRow, `${T}`));
}

const copySums = (w: Writer, { s }: Gradient): string => copyRowsFunction(w, s.D, s.DP * 4, s.qkvRow, false);
const zeroSums = (w: Writer, { s, direct, sumRow }: Gradient): string =>
  zeroRowsFunction(w, direct ? s.D : s.DP, sumRow);

/** The head's keys and values, packed; zeros where its gradients are summed. */
function emitHeadOperands(w: Writer, at: Addresses, p: Gradient): void {
  const { T, D, G, H, qkvRow, outRow } = p.s;
  w.line(`const sequence = task / ${G}, g = task % ${G};`);
  w.line(`const x = ${at.qkv} + <usize>sequence * ${T * qkvRow}; // qkv[T,Q] of the sequence`);
  w.line(`const d_x = ${at.d_qkv} + <usize>sequence * ${T * qkvRow}; // d_qkv[T,Q]`);
  const output = (name: string): string => `${name} + <usize>sequence * ${T * outRow}`;
  emitTouch(w, p.s, [
    { at: "x", rowBytes: qkvRow, columns: qkvColumns(p.s) },
    { at: "d_x", rowBytes: qkvRow, columns: qkvColumns(p.s) },
    { at: output(at.out), rowBytes: outRow, columns: [queryColumns(p.s)] },
    { at: output(at.d_out), rowBytes: outRow, columns: [queryColumns(p.s)] },
  ]);
  const columns = (head: number): string => `<usize>(${head} + g) * ${D * 4}`;
  w.line(`const key = ${columns(H)}, value = ${columns(H + G)}; // columns, in bytes`);
  w.line(`${packTransposedFunction(w, D, qkvRow)}(x + key, k_across, ${T});`);
  w.line(`${packTransposedFunction(w, D, qkvRow)}(x + value, v_across, ${T});`);
  w.line(`${packRowsFunction(w, D, qkvRow, p.positions)}(x + key, k_panels, ${T});`);
  if (p.direct) w.line(`const d_k = d_x + key, d_v = d_x + value;`);
  if (p.mode === "add") for (const sum of ["d_k", "d_v"]) w.line(`${zeroSums(w, p)}(${sum}, ${T});`);
}

/** A block of queries, packed, with delta[rows] = Σ dO ∘ O and zeros for dQ. */
function emitQueryOperands(w: Writer, at: Addresses, p: Gradient): void {
  const { T, D, QB, qkvRow, outRow, lseRow } = p.s;
  const head = `<usize>h * ${D * 4}`;
  w.line(`const rows = min(${QB}, ${T} - q);`);
  w.line(`const row = sequence * ${T} + q; // of the whole batch`);
  if (p.s.documents) w.line(`const first_q = ${at.documents} + (<usize>row << 2); // where documents begin`);
  w.line(`const query = x + <usize>q * ${qkvRow} + ${head}; // Q[rows,D]`);
  w.line(`const d_o = ${at.d_out} + <usize>row * ${outRow} + ${head}; // dO[rows,D]`);
  w.line(`const lse_q = ${at.lse} + <usize>h * ${lseRow} + (<usize>row << 2); // lse[rows]`);
  if (p.direct) w.line(`const d_q = d_x + <usize>q * ${qkvRow} + ${head}; // dQ[rows,D]`);
  if (p.mode === "add") w.line(`${zeroSums(w, p)}(d_q, rows);`);
  w.line(`${packRowsFunction(w, D, qkvRow, QB)}(query, q_panels, rows);`);
  w.line(`${packRowsFunction(w, D, outRow, QB)}(d_o, d_panels, rows);`);
  w.line(`// delta[rows] = Σ dO ∘ O, times the scale`);
  w.line(
    `${dotRowsFunction(w, D, outRow)}(d_o, ${at.out} + <usize>row * ${outRow} + ${head}, rows, partial);`,
  );
  w.line(
    `for (let r: usize = 0; r < <usize>rows; r += 4) v128.store(delta + (r << 2), ` +
      `f32x4.mul(${sumOfRows(w)}(partial + (r << 5)), f32x4.splat(SCALE)));`,
  );
}

/** What a block of queries gives and gets from the keys that it sees. */
function emitKeyBlocks(w: Writer, p: Gradient): void {
  const { T, KB, windowed, documents, causal } = p.s;
  if (T <= KB) return emitKeyBlock(w, p, { firstKey: "0", ahead: "q", keys: `${T}` });
  const least = windowed ? "max(q + 1 - WINDOW, 0)" : "0";
  const seen = documents ? `max(${least}, load<i32>(first_q))` : least;
  const first = isBounded(p.s) ? `${seen} / ${FIRST_KEYS} * ${FIRST_KEYS}` : "0";
  const end = causal ? "q + rows" : T;
  w.block(`for (let first_key = ${first}; first_key < ${end}; first_key += ${KB})`, () => {
    w.line(`const ahead = q - first_key, keys = min(${KB}, ${T} - first_key);`);
    emitKeyBlock(w, p, { firstKey: "first_key", ahead: "ahead", keys: "keys" });
  });
}

/** Names or numbers (i32): the first key, the first query's position minus the first key's, and keys. */
type KeyBlock = Readonly<Record<"firstKey" | "ahead" | "keys", string>>;

function emitKeyBlock(w: Writer, p: Gradient, { firstKey, ahead, keys }: KeyBlock): void {
  const { s, sumRow, mode, positions } = p;
  const block = { rows: "rows", keys, ahead, tail: s.T % s.MR };
  const scores = { ...block, bPanel: s.D * PANEL_BYTES, firstKey };
  emitScores(w, s, { ...scores, a: "query", aRow: s.qkvRow, b: "k_across", c: "scores" });
  emitScores(w, s, { ...scores, a: "d_o", aRow: s.outRow, b: "v_across", c: "d_scores" });
  emitScoreGradients(w, s, { keys, ahead });
  const sum = (name: string): string =>
    firstKey === "0" ? name : `${name} + <usize>${firstKey} * ${sumRow}`;
  const sums = { ...block, cRow: sumRow, mode };
  emitFromQueries(w, s, { ...sums, panelRows: s.QB, scores: "scores", b: "d_panels", c: sum("d_v") });
  emitFromQueries(w, s, { ...sums, panelRows: s.QB, scores: "d_scores", b: "q_panels", c: sum("d_k") });
  emitFromKeys(w, s, {
    ...sums,
    scores: "d_scores",
    b: "k_panels",
    panels: contiguous(positions),
    firstKey,
    c: "d_q",
  });
}

/** Row by row, in place: P of the scores, dS of their cotangents. */
function emitScoreGradients(w: Writer, s: Sizes, block: Pick<KeyBlock, "keys" | "ahead">): void {
  const { ahead } = block;
  w.line(`// scores = P = e^(scale · scores − lse); d_scores = P ∘ (d_scores − Δ) · scale`);
  w.block(`for (let r = 0; r < rows; r++)`, () => {
    w.line(`const at_row = <usize>r * ${s.KB * 4};`);
    emitEndOfRow(w, s, block);
    emitHide(w, s, block, "scores + at_row");
    // the products of a window have left out some of what lies before it: where P is 0, dP may be no number
    if (s.windowed && !s.documents) emitHideBefore(w, s, ahead, "d_scores + at_row");
    const row = `scores + at_row${isBounded(s) ? " + (begin << 2)" : ""}`;
    const statistic = (name: string): string => `load<f32>(${name} + (<usize>r << 2))`;
    w.line(
      `${rowGradFunction(w)}(${row}, ${usedRow(s, "d_scores + at_row")}, SCALE, ${statistic("lse_q")}, ` +
        `${statistic("delta")});`,
    );
  });
}
