/**
 * One head's queries against packed keys and values, block by block: what `attention` and `attention_cached`
 * share. How many queries and keys there are, and where the first query stands among the keys, may be numbers
 * or names of i32 locals.
 */
import type { Target } from "../../../../runtime/contract/targets.ts";
import type { Writer } from "../../kit/writer.ts";
import { copyRowsFunction, zeroBytes } from "../../kit/copy-rows.ts";
import { emitFromKeys, emitScores, inOneStretch, type Panels } from "./block-products.ts";
import { MASK_BYTES } from "./score-rows.ts";
import { type Sizes } from "./kernel-sizes.ts";
import { ceilTo } from "../../kit/panels.ts";
import { emitEnds, emitSoftmax, emitStart, statistics } from "./softmax.ts";

export interface Queries {
  /** Address of Q[queries,D] and its row's bytes; the same of out[queries,D]. */
  readonly query: string;
  readonly queryRow: number;
  readonly out: string;
  readonly outRow: number;
  /** Queries: how many (i32), a multiple of MR or `most`; and how many at the most. */
  readonly count: string;
  readonly most: number;
  /** Position of the first query, and how many keys there are. */
  readonly start: string;
  readonly keys: string;
  /**
   * Addresses of K across [keys/16][D][16], with bytes from one to the next 16 keys, and of V in panels of 16
   * columns.
   */
  readonly across: string;
  readonly acrossPanel: number;
  readonly panels: string;
  readonly panelBytes: Panels;
  /** The keys' rows are a ring: how many rows (i32, a multiple of 16) it has. */
  readonly ring: string | undefined;
  /**
   * Before the products of a block: makes `across` and `panels` hold keys `slot` … slot + keys − 1 of the
   * cache (i32) from their first row on.
   */
  readonly unpack?: (w: Writer, slot: string, keys: string) => void;
  /** Called after each block of queries: `shift` then holds lse of queries q … q + rows − 1. */
  readonly lse?: (w: Writer) => void;
}

/** Areas in scratch: their names are locals of the kernel. */
export const queryAreas = (s: Sizes) => ({
  mask: MASK_BYTES,
  scores: ceilTo(s.QB, 4) * s.KB * 4,
  ...statistics(s),
  mixed: s.QB * s.DP * 4,
});

/**
 * Blocks of at most KB keys, `first` … `end` − 1 (i32): `first_key` is a block's first, a block ends where
 * the ring does. `body` is told where in the cache it stands, and how many keys it has at the most.
 */
export function eachKeyBlock(
  w: Writer,
  KB: number,
  first: string,
  end: string,
  ring: string | undefined,
  body: (slot: string, most: string) => void,
): void {
  if (ring) w.line("let step = 0; // a block ends where the ring does");
  w.block(`for (let first_key = ${first}; first_key < ${end}; first_key += ${ring ? "step" : KB})`, () => {
    if (ring) w.line(`const slot = first_key % ${ring};`);
    if (ring) w.line(`step = min(${KB}, ${ring} - slot);`);
    body(ring ? "slot" : "first_key", ring ? "step" : `${KB}`);
  });
}

/**
 * `positions`: the largest number of keys. With more than KB of them, maximum and sum are carried from block
 * to block.
 */
export function emitQueries(w: Writer, s: Sizes, target: Target, positions: number, p: Queries): void {
  const online = positions > s.KB || p.ring !== undefined;
  const direct = !online && s.D % s.NR === 0;
  const tail = p.most % s.MR;
  const keyBlock = (slot: string, ahead: string, keys: string): void => {
    p.unpack?.(w, slot, keys);
    const firstKey = p.unpack ? "0" : slot;
    const block = { rows: "rows", keys, ahead, tail, wholePanels: !inOneStretch(p.panelBytes) };
    emitScores(w, s, {
      ...block,
      a: "q_rows",
      aRow: p.queryRow,
      b: p.across,
      bPanel: p.acrossPanel,
      c: "scores",
      firstKey,
    });
    emitSoftmax(w, s, target, { ...block, scores: "scores" }, online);
    if (!online) emitEnds(w, "rows", p.lse !== undefined);
    const to = direct ? { c: "out_rows", cRow: p.outRow } : { c: "mixed", cRow: s.DP * 4 };
    emitFromKeys(w, s, {
      ...block,
      ...to,
      scores: "scores",
      b: p.panels,
      panels: p.panelBytes,
      firstKey,
      mode: online ? "fade" : "scaled",
      alpha: "alpha",
    });
  };
  w.block(`for (let q = 0; q < ${p.count}; q += ${s.QB})`, () => {
    w.line(`const rows = min(${s.QB}, ${p.count} - q);`);
    w.line(`const q_rows = ${p.query} + <usize>q * ${p.queryRow}; // Q[rows,${s.D}]`);
    w.line(`const out_rows = ${p.out} + <usize>q * ${p.outRow}; // out[rows,${s.D}]`);
    const position = s.windowed && !s.causal ? p.start : p.start === "0" ? "q" : `${p.start} + q`;
    const firstBlock = s.windowed ? `max(${position} + 1 - WINDOW, 0) & ~15` : "0";
    if (online) {
      emitStart(w, s);
      w.line(`${zeroBytes(w)}(mixed, ${s.QB * s.DP * 4});`);
      eachKeyBlock(
        w,
        s.KB,
        firstBlock,
        s.causal ? `min(${p.keys}, ${position} + rows)` : p.keys,
        p.ring,
        (slot, most) => {
          w.line(`const ahead = ${position} - first_key, keys = min(${most}, ${p.keys} - first_key);`);
          keyBlock(slot, "ahead", "keys");
        },
      );
      emitEnds(w, "rows", p.lse !== undefined);
    } else {
      w.line(`const ahead = ${position};`);
      keyBlock("0", "ahead", p.keys);
    }
    if (!direct)
      w.line(
        `${copyRowsFunction(w, s.D, s.DP * 4, p.outRow, online)}(mixed, out_rows, ` +
          `rows${online ? ", alpha" : ""});`,
      );
    p.lse?.(w);
  });
}
