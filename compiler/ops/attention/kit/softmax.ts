/**
 * Softmax of a block of scores [rows, keys], in place. When there are several blocks of keys, each row's
 * maximum and sum are carried from block to block (online softmax: Milakov & Gimelshein 2018; in blocks: Dao
 * et al. 2022):
 *
 *   m' = max(m, scale · max_k S)
 *   α  = e^(m − m')
 *   P  = e^(scale · S − m')
 *   l' = α·l + Σ_k P
 *
 * After the last block out = Σ P·V / l, and lse = m + ln l. Over a cache each block has a maximum and a sum
 * of its own instead, and what blocks give is merged (block-merge.ts).
 */
import type { Target } from "../../../../runtime/contract/targets.ts";
import type { Writer } from "../../kit/writer.ts";
import { blockStart, positionOf, windowStart } from "./block-products.ts";
import {
  HIDDEN,
  LEAST_TOP,
  hideBeforeFunction,
  hideFunction,
  log4Function,
  maxOfRows,
  rowExpFunction,
  rowMaxFunction,
  sumOfRows,
} from "./score-rows.ts";
import { isBounded, type Sizes } from "./kernel-sizes.ts";
import { ceilTo, PANEL } from "../../kit/panels.ts";

/** Bytes of the areas that emitSoftmax and emitEnds use, for QB rows. */
export const statistics = (s: Sizes): { partial: number; shift: number; sum: number; alpha: number } => {
  const rows = ceilTo(s.QB, 4);
  return { partial: rows * 32, shift: rows * 4, sum: rows * 4, alpha: rows * 4 };
};

export interface Block {
  readonly scores: string;
  readonly rows: string;
  readonly keys: string;
  /** Position of the first query minus that of the first key. */
  readonly ahead: string;
  /** With a window: the products that follow begin at whole panels. */
  readonly wholePanels?: boolean;
}

/**
 * Declares `end`, up to which row r's scores are used, in whole groups of eight: as far as the products of
 * the row's tile read. With a window, or documents, it also declares `begin`.
 */
export function emitEndOfRow(
  w: Writer,
  s: Sizes,
  { keys, ahead, wholePanels = false }: Pick<Block, "keys" | "ahead" | "wholePanels">,
): void {
  const all = /^\d+$/.test(keys) ? `${ceilTo(Number(keys), 8)}` : `((${keys} + 7) & ~7)`;
  const last = s.each === 1 ? `r + ${s.MR}` : `(r + ${s.MR - 1}) / ${s.each} + 1`; // of the row's tile
  w.line(`const end = ${s.causal ? `min((max(${ahead} + ${last}, 0) + 7) & ~7, ${all})` : all};`);
  const first = s.documents
    ? blockStart(s, ahead)
    : `${windowStart(s, ahead, "r")}${s.causal ? ` - ${s.MR - 1}` : ""}`;
  if (isBounded(s)) w.line(`const begin = min(max(${first}, 0) & ~${wholePanels ? PANEL - 1 : 7}, end);`);
}

/** Where row r's used scores begin, and how many there are. */
export const usedRow = (s: Sizes, row: string): string =>
  isBounded(s) ? `${row} + (begin << 2), end - begin` : `${row}, end`;

/**
 * Makes the scores very low that row r may not see, but that lie before `end` (and with a window behind
 * `begin`).
 */
export function emitHide(
  w: Writer,
  s: Sizes,
  { keys, ahead }: Pick<Block, "keys" | "ahead">,
  row: string,
): void {
  if (s.causal)
    w.line(`${hideFunction(w)}(${row}, min(${ahead} + ${positionOf(s, "r")} + 1, ${keys}), end, mask);`);
  else if (!/^\d+$/.test(keys) || Number(keys) % 8 !== 0)
    w.line(`${hideFunction(w)}(${row}, ${keys}, end, mask);`);
  emitHideBefore(w, s, ahead, row);
}

/** Makes the numbers very low that lie before what row r sees, from `begin` on. */
export function emitHideBefore(w: Writer, s: Sizes, ahead: string, row: string): void {
  if (isBounded(s))
    w.line(`${hideBeforeFunction(w)}(${row}, begin, min(${windowStart(s, ahead, "r")}, end), mask);`);
}

/**
 * How blocks of one row hang together. "one": this block is all there is. "carried": the areas `shift` and
 * `sum` hold the results of earlier blocks, and then those of this one too. "own": `shift` and `sum` are this
 * block's alone, and rows may see nothing of it.
 */
export type BlockKind = "one" | "carried" | "own";

export function emitSoftmax(w: Writer, s: Sizes, target: Target, block: Block, kind: BlockKind): void {
  const rowBytes = s.KB * 4;
  const row = `${block.scores} + <usize>r * ${rowBytes}`;
  w.line(`// ${block.scores} = e^(scale · ${block.scores} − shift), row by row; sum = Σ of it`);
  w.block(`for (let r = 0; r < ${block.rows}; r++)`, () => {
    w.line(`const row = ${row};`);
    emitEndOfRow(w, s, block);
    emitHide(w, s, block, "row");
    w.line(`${rowMaxFunction(w, target)}(${usedRow(s, "row")}, partial + (<usize>r << 5), mask);`);
  });
  w.block(`for (let r: usize = 0; r < <usize>${block.rows}; r += 4)`, () => emitMaxima(w, target, kind));
  w.block(`for (let r = 0; r < ${block.rows}; r++)`, () => {
    emitEndOfRow(w, s, block);
    w.line(
      `${rowExpFunction(w)}(${usedRow(s, row)}, SCALE, load<f32>(shift + (<usize>r << 2)), partial + ` +
        "(<usize>r << 5));",
    );
  });
  w.block(`for (let r: usize = 0; r < <usize>${block.rows}; r += 4)`, () => {
    const own = `${sumOfRows(w)}(partial + (r << 5))`;
    const total = kind === "carried" ? `f32x4.add(v128.load(sum + (r << 2)), ${own})` : own;
    w.line(`v128.store(sum + (r << 2), ${total});`);
  });
}

/** `shift` of rows r … r + 3 from their partial maxima. */
function emitMaxima(w: Writer, target: Target, kind: BlockKind): void {
  const largest = target === "simd" ? "f32x4.pmax" : "f32x4.relaxed_max";
  w.line(`const top = f32x4.mul(${maxOfRows(w, target)}(partial + (r << 5)), f32x4.splat(SCALE));`);
  switch (kind) {
    case "one":
      return w.line(`v128.store(shift + (r << 2), top);`);
    case "own":
      return w.line(`v128.store(shift + (r << 2), ${largest}(top, f32x4.splat(${LEAST_TOP})));`);
    case "carried":
      w.line(
        `const old = v128.load(shift + (r << 2)), now = ${largest}(old, top), fade = ` +
          "exp4(f32x4.sub(old, now));",
      );
      w.line(`v128.store(alpha + (r << 2), fade);`);
      w.line(`v128.store(sum + (r << 2), f32x4.mul(v128.load(sum + (r << 2)), fade));`);
      w.line(`v128.store(shift + (r << 2), now);`);
  }
}

/** Written after the last block: alpha = 1 / l, and lse in place of shift if it is wanted. */
export function emitEnds(w: Writer, rows: string, lse: boolean): void {
  w.line(`// alpha = 1 / sum${lse ? "; lse = shift + ln sum, in place of shift" : ""}`);
  w.block(`for (let r: usize = 0; r < <usize>${rows}; r += 4)`, () => {
    w.line(`const l = v128.load(sum + (r << 2));`);
    w.line(`v128.store(alpha + (r << 2), f32x4.div(ONE, l));`);
    if (lse)
      w.line(`v128.store(shift + (r << 2), f32x4.add(v128.load(shift + (r << 2)), ${log4Function(w)}(l)));`);
  });
}

/** Written before the first block. */
export function emitStart(w: Writer, s: Sizes): void {
  w.block(`for (let r: usize = 0; r < ${ceilTo(s.QB, 4) * 4}; r += 16)`, () => {
    w.line(`v128.store(shift + r, f32x4.splat(${HIDDEN}));`);
    w.line(`v128.store(sum + r, ZERO);`);
  });
}
