/**
 * Attention of a single new row over the cache: bound by reading it. All heads of a worker go side by side through 16 positions after the other,
 * as memory has them (attention_cached.ts), first the keys of a block, then its values; the maximum and the sum of each head's row are
 * carried from block to block (online softmax: Milakov & Gimelshein 2018).
 */
import type { Attrs, Dims, Target } from "../../op.ts";
import type { Writer } from "../../writer.ts";
import { copyRowsFunction, zeroBytes } from "./copy.ts";
import { MASK_BYTES } from "./rows.ts";
import { ceilTo, PANEL, PANEL_BYTES, registerTile, type Sizes } from "./sizes.ts";
import { emitEnds, emitSoftmax, emitStart, statistics } from "./softmax.ts";
import { callTile, type Tile } from "./tile.ts";

/** Keys between two rescalings: the scores of all heads stay in the second cache. */
const KEYS = 512;

/** The query heads of all key/value heads are the rows. */
export function rowBlocks(target: Target, attrs: Attrs): Dims {
  const { MR, NR } = registerTile(target), heads = attrs["heads"] as number;
  return { MR: Math.min(MR, heads / (attrs["kv_heads"] as number)), NR, QB: heads, KB: KEYS };
}

/** Areas in scratch: their names are locals of the kernel. */
export const rowAreas = (s: Sizes) => ({ mask: MASK_BYTES, scores: ceilTo(s.QB, 4) * s.KB * 4, ...statistics(s), mixed: s.QB * s.DP * 4 });

export interface OneRow {
  /** Addresses of q and out, [heads, D], and of both caches. */
  readonly query: string;
  readonly out: string;
  readonly keys: string;
  readonly values: string;
  /** Bytes from head to head within 16 positions, and to the next 16. */
  readonly keyHead: number;
  readonly keyPanel: number;
  readonly valueHead: number;
  readonly valuePanel: number;
}

/** Of the key/value heads `first` … `last`; `start` is the row's position, `known` the number of keys. */
export function emitOneRow(w: Writer, s: Sizes, target: Target, p: OneRow): void {
  const { D, DP, KB, group, NR } = s, firstKey = s.windowed ? `max(start + 1 - WINDOW, 0) & ~${PANEL - 1}` : "0";
  w.line(`const rows = (last - first) * ${group}; // query heads`);
  w.line(`const mine = <usize>first * ${group * D * 4}; // their first byte in q and out`);
  emitStart(w, s);
  w.line(`${zeroBytes(w)}(mixed, <usize>rows * ${DP * 4});`);
  w.block(`for (let first_key = ${firstKey}; first_key < known; first_key += ${KB})`, () => {
    w.line(`const ahead = start - first_key, block_keys = min(${KB}, known - first_key), seen = ${s.windowed ? "max(ahead + 1 - WINDOW, 0)" : "0"};`);
    eachPanel(w, s, p.keys, p.keyHead, p.keyPanel, () => {
      for (const c of columns(PANEL, NR)) tiles(w, s, { nr: NR, aRow: D * 4, aStep: 4, bStep: PANEL_BYTES, cRow: KB * 4, mode: "set" }, {
        a: `${p.query} + mine`, b: `b + ${c * 4}`, c: `scores + <usize>((k + ${c}) << 2)`, steps: `${D}`,
      });
    });
    emitSoftmax(w, s, target, { scores: "scores", rows: "rows", keys: "block_keys", ahead: "ahead", wholePanels: true }, true);
    w.line(`${copyRowsFunction(w, DP, DP * 4, DP * 4, true)}(mixed, mixed, rows, alpha);`);
    eachPanel(w, s, p.values, p.valueHead, p.valuePanel, () => {
      w.line(`const from = max(k, seen), skipped = <usize>(from - k) * ${PANEL_BYTES}, steps = min(block_keys - k, ${PANEL}) - (from - k);`);
      for (const c of columns(D, NR)) tiles(w, s, { nr: NR, aRow: KB * 4, aStep: 4, bStep: PANEL_BYTES, cRow: DP * 4, mode: "add" }, {
        a: "scores + <usize>(from << 2)", b: `b + ${(c - (c % PANEL)) * PANEL_BYTES + (c % PANEL) * 4} + skipped`, c: `mixed + ${c * 4}`, steps: "steps",
      });
    });
  });
  emitEnds(w, "rows", false);
  w.line(`${copyRowsFunction(w, D, DP * 4, D * 4, true)}(mixed, ${p.out} + mine, rows, alpha);`);
}

const columns = (total: number, step: number): number[] => Array.from({ length: Math.ceil(total / step) }, (_, i) => i * step);

/** 16 positions after the other, from `seen` on, head after head: k = the first of them, b = the head's panels, r = its first row. */
function eachPanel(w: Writer, s: Sizes, cache: string, head: number, panel: number, body: () => void): void {
  w.block(`for (let k = seen & ~${PANEL - 1}; k < block_keys; k += ${PANEL})`, () => {
    w.line(`let b = ${cache} + <usize>((first_key + k) >> 4) * ${panel} + <usize>first * ${head};`);
    w.block(`for (let r: usize = 0; r < <usize>rows; r += ${s.group}, b += ${head})`, body);
  });
}

/** C[group,nr] = A[group,steps] · B for the rows from r on; `a` and `c` are the addresses of row 0. */
function tiles(w: Writer, s: Sizes, shape: Omit<Tile, "mr">, t: Readonly<Record<"a" | "b" | "c" | "steps", string>>): void {
  for (const row of columns(s.group, s.MR)) {
    const tile = { ...shape, mr: Math.min(s.MR, s.group - row) }, at = (address: string, bytes: number): string => `${address} + ${row ? `(r + ${row})` : "r"} * ${bytes}`;
    w.line(callTile(w, tile, at(t.a, shape.aRow), t.b, at(t.c, shape.cRow), t.steps));
  }
}
