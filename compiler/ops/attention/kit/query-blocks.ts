/**
 * One head's queries against packed keys and values, block by block: what `attention`, `attention_cached` and
 * `attention_cached_q8` share. How many queries and keys there are, and where the first query stands among
 * the keys, may be numbers or names of i32 locals.
 */
import type { Target } from "../../../../runtime/contract/targets.ts";
import type { Writer } from "../../kit/writer.ts";
import { copyRowsFunction, zeroBytes } from "../../kit/copy-rows.ts";
import { emitFromKeys, emitScores, isContiguous, type Panels } from "./block-products.ts";
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
  /** Any number of queries may be left behind the last whole tile. Absent: `most` says how many. */
  readonly anyTail?: boolean;
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
  attended: s.QB * s.DP * 4,
});

/**
 * Blocks of at most KB of the keys `first` … `end` − 1 (i32). `first_key` is the first of a block, and a
 * block ends where the ring does. `body` is told in which row of the cache the block begins, and how many
 * keys it has at the most.
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

/** How a head's queries are computed. */
interface Plan {
  /** Maximum and sum are carried from one block of keys to the next. */
  readonly online: boolean;
  /** Sums go to out itself. Otherwise they go to the area `attended`, and are copied. */
  readonly direct: boolean;
}

/**
 * All blocks of queries of one head. `positions`: the largest number of keys; when there may be more than KB
 * of them, or a ring, they are several blocks.
 */
export function emitQueries(w: Writer, s: Sizes, target: Target, positions: number, p: Queries): void {
  const online = positions > s.KB || p.ring !== undefined;
  const plan = { online, direct: !online && s.D % s.NR === 0 };
  w.block(`for (let q = 0; q < ${p.count}; q += ${s.QB})`, () => {
    w.line(`const rows = min(${s.QB}, ${p.count} - q);`);
    w.line(`const q_rows = ${p.query} + <usize>q * ${p.queryRow}; // Q[rows,${s.D}]`);
    w.line(`const out_rows = ${p.out} + <usize>q * ${p.outRow}; // out[rows,${s.D}]`);
    const position = s.windowed && !s.causal ? p.start : p.start === "0" ? "q" : `${p.start} + q`;
    if (online) emitKeyBlocks(w, s, target, p, plan, position);
    else {
      w.line(`const ahead = ${position};`);
      emitKeyBlock(w, s, target, p, plan, "0", p.keys);
    }
    if (!plan.direct) {
      const copy = copyRowsFunction(w, s.D, s.DP * 4, p.outRow, online);
      w.line(`${copy}(attended, out_rows, rows${online ? ", alpha" : ""});`);
    }
    p.lse?.(w);
  });
}

/**
 * Block after block of keys, from the first that the window reaches. `position`: of the block's first query.
 */
function emitKeyBlocks(w: Writer, s: Sizes, target: Target, p: Queries, plan: Plan, position: string): void {
  emitStart(w, s);
  w.line(`${zeroBytes(w)}(attended, ${s.QB * s.DP * 4});`);
  const first = s.windowed ? `max(${position} + 1 - WINDOW, 0) & ~15` : "0";
  const end = s.causal ? `min(${p.keys}, ${position} + rows)` : p.keys;
  eachKeyBlock(w, s.KB, first, end, p.ring, (slot, most) => {
    w.line(`const ahead = ${position} - first_key, keys = min(${most}, ${p.keys} - first_key);`);
    emitKeyBlock(w, s, target, p, plan, slot, "keys");
  });
  emitEnds(w, "rows", p.lse !== undefined);
}

/**
 * Scores, softmax and sums of one block of queries and one of keys, whose first is row `slot` of the cache.
 */
function emitKeyBlock(
  w: Writer,
  s: Sizes,
  target: Target,
  p: Queries,
  { online, direct }: Plan,
  slot: string,
  keys: string,
): void {
  p.unpack?.(w, slot, keys);
  const firstKey = p.unpack ? "0" : slot;
  const block = {
    rows: "rows",
    keys,
    ahead: "ahead",
    tail: p.anyTail ? ("any" as const) : p.most % s.MR,
    wholePanels: !isContiguous(p.panelBytes),
  };
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
  emitFromKeys(w, s, {
    ...block,
    ...(direct ? { c: "out_rows", cRow: p.outRow } : { c: "attended", cRow: s.DP * 4 }),
    scores: "scores",
    b: p.panels,
    panels: p.panelBytes,
    firstKey,
    mode: online ? "fade" : "scaled",
    alpha: "alpha",
  });
}
