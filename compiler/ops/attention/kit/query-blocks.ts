/**
 * One head's queries of a whole sequence against packed keys and values, block by block.
 */
import type { Target } from "../../../../runtime/contract/targets.ts";
import type { Writer } from "../../kit/writer.ts";
import { copyRowsFunction, zeroBytes } from "../../kit/copy-rows.ts";
import { contiguous, emitFromKeys, emitScores } from "./block-products.ts";
import { MASK_BYTES } from "./score-rows.ts";
import { isBounded, type Sizes } from "./kernel-sizes.ts";
import { ceilTo, PANEL, PANEL_BYTES } from "../../kit/panels.ts";
import { emitEnds, emitSoftmax, emitStart, statistics } from "./softmax.ts";

export interface Queries {
  /** Address of Q[T,D] and its row's bytes; the same of out[T,D]. */
  readonly query: string;
  readonly queryRow: number;
  readonly out: string;
  readonly outRow: number;
  /** Addresses of K across [T/16][D][16] and of V in panels [D/16][T][16], T in whole panels. */
  readonly across: string;
  readonly panels: string;
  /** Address of the rows [T] at which documents begin, where queries see their own only. */
  readonly documents?: string;
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

/** How a head's queries are computed. */
interface Plan {
  /** Maximum and sum are carried from one block of keys to the next. */
  readonly online: boolean;
  /** Sums go to out itself. Otherwise they go to the area `attended`, and are copied. */
  readonly direct: boolean;
}

/** All blocks of queries of one head. */
export function emitQueries(w: Writer, s: Sizes, target: Target, p: Queries): void {
  const online = s.T > s.KB;
  const plan = { online, direct: !online && s.D % s.NR === 0 };
  w.block(`for (let q = 0; q < ${s.T}; q += ${s.QB})`, () => {
    w.line(`const rows = min(${s.QB}, ${s.T} - q);`);
    if (p.documents) w.line(`const first_q = ${p.documents} + (<usize>q << 2); // of the block's rows`);
    w.line(`const q_rows = ${p.query} + <usize>q * ${p.queryRow}; // Q[rows,${s.D}]`);
    w.line(`const out_rows = ${p.out} + <usize>q * ${p.outRow}; // out[rows,${s.D}]`);
    const position = s.windowed && !s.causal ? "0" : "q";
    if (online) emitKeyBlocks(w, s, target, p, plan, position);
    else {
      w.line(`const ahead = ${position};`);
      emitKeyBlock(w, s, target, p, plan, "0", `${s.T}`);
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
  const least = s.windowed ? `max(${position} + 1 - WINDOW, 0)` : "0";
  const seen = s.documents ? `max(${least}, load<i32>(first_q))` : least;
  const first = isBounded(s) ? `${seen} & ~15` : "0";
  const end = s.causal ? `min(${s.T}, ${position} + rows)` : `${s.T}`;
  w.block(`for (let first_key = ${first}; first_key < ${end}; first_key += ${s.KB})`, () => {
    w.line(`const ahead = ${position} - first_key, keys = min(${s.KB}, ${s.T} - first_key);`);
    emitKeyBlock(w, s, target, p, plan, "first_key", "keys");
  });
  emitEnds(w, "rows", p.lse !== undefined);
}

/** Scores, softmax and sums of one block of queries and one of keys, from `firstKey` on. */
function emitKeyBlock(
  w: Writer,
  s: Sizes,
  target: Target,
  p: Queries,
  { online, direct }: Plan,
  firstKey: string,
  keys: string,
): void {
  const block = { rows: "rows", keys, ahead: "ahead", tail: s.T % s.MR };
  emitScores(w, s, {
    ...block,
    a: "q_rows",
    aRow: p.queryRow,
    b: p.across,
    bPanel: s.D * PANEL_BYTES,
    c: "scores",
    firstKey,
  });
  emitSoftmax(w, s, target, { ...block, scores: "scores" }, online ? "carried" : "one");
  if (!online) emitEnds(w, "rows", p.lse !== undefined);
  emitFromKeys(w, s, {
    ...block,
    ...(direct ? { c: "out_rows", cRow: p.outRow } : { c: "attended", cRow: s.DP * 4 }),
    scores: "scores",
    b: p.panels,
    panels: contiguous(ceilTo(s.T, PANEL)),
    firstKey,
    mode: online ? "fade" : "scaled",
    alpha: "alpha",
  });
}
