/**
 * Attention of a single new row over a cache in q8_0, for one key/value head: the steps of q8-products.ts,
 * block by block of keys. Maximum and sum are carried from block to block as in query-blocks.ts.
 */
import type { Target } from "../../../../runtime/contract/targets.ts";
import type { Writer } from "../../kit/writer.ts";
import { columnGroups, panelBytes } from "./cache-layout.ts";
import { copyRowsFunction, zeroBytes } from "../../kit/copy-rows.ts";
import {
  mixFunction,
  queryBytes,
  quantiseQueryFunction,
  scoresFunction,
  weightBytes,
  weightsFunction,
} from "./q8-products.ts";
import { eachKeyBlock } from "./query-blocks.ts";
import type { Sizes } from "./kernel-sizes.ts";
import { emitEnds, emitSoftmax, emitStart } from "./softmax.ts";
import { windowStart } from "./block-products.ts";

/** Areas in scratch, beside those of query-blocks.ts: their names are locals of the kernel. */
export const oneRowAreas = (s: Sizes) => {
  const groups = columnGroups(s.D).length;
  return {
    queries: s.group * queryBytes(s.D),
    query_scales: s.group * 4,
    products: s.KB * 4,
    weights: s.group * weightBytes(s.D, s.KB),
    weight_scales: s.group * groups * 4,
  };
};

interface OneRow {
  /** Addresses of the group's queries and outputs, [group, D] dense; of the head's panels. */
  readonly query: string;
  readonly out: string;
  readonly keys: string;
  readonly values: string;
  readonly ring: string | undefined;
}

/** So many heads at once use what was loaded: of the keys, and of a group of columns of the values. */
const SCORE_HEADS = 2;
const MIX_TILES = 2;

function* stretches(
  total: number,
  most: number,
): Generator<{ readonly from: number; readonly number: number }> {
  for (let from = 0; from < total; from += most) yield { from, number: Math.min(most, total - from) };
}

export function emitOneRow(w: Writer, s: Sizes, target: Target, p: OneRow): void {
  const { D, group, KB } = s;
  const ROW = panelBytes(D);
  const groups = columnGroups(D).length;
  const attendedRow = s.DP * 4;
  const scoreRow = KB * 4;
  w.block(`for (let h: usize = 0; h < ${group}; h++)`, () => {
    w.line(`memory.copy(row, ${p.query} + h * ${D * 4}, ${D * 4});`);
    w.line(
      `store<f32>(query_scales + (h << 2), ${quantiseQueryFunction(w, D)}(row, queries + h * ` +
        `${queryBytes(D)}, spill));`,
    );
  });
  emitStart(w, s);
  w.line(`${zeroBytes(w)}(attended, ${group * attendedRow});`);
  const firstBlock = s.windowed ? "max(known - WINDOW, 0) & ~15" : "0";
  eachKeyBlock(w, KB, firstBlock, "known", p.ring, (slot, most) => {
    w.line(
      `const ahead = start - first_key, keys = min(${most}, known - first_key), blocks = (keys + 15) >> ` +
        `4, from = <usize>(${slot} >> 4) * ${ROW};`,
    );
    for (const { from, number } of stretches(group, SCORE_HEADS))
      w.line(
        `${scoresFunction(w, D, number, scoreRow)}(${p.keys} + from, queries + ${from * queryBytes(D)}, ` +
          `query_scales + ${4 * from}, scores + ${from * scoreRow}, blocks);`,
      );
    emitSoftmax(w, s, target, { scores: "scores", rows: `${group}`, keys: "keys", ahead: "ahead" }, true);
    w.line(
      "const begin = " +
        (s.windowed ? `max(${windowStart(s, "ahead", "0")}, 0) & ~7` : "0") +
        ", end = (keys + 7) & ~7; // what softmax has not seen counts as 0",
    );
    w.block(`for (let h: usize = 0; h < ${group}; h++)`, () => {
      w.line(`const p = scores + h * ${scoreRow};`);
      if (s.windowed) w.line(`if (begin > 0) memory.fill(p, 0, begin << 2);`);
      w.line("if ((end & 15) != 0) memory.fill(p + (end << 2), 0, 32);");
      w.block(`for (let n: usize = 0; n < ${groups}; n++)`, () => {
        const at = columnGroups(D).at(1)?.at ?? 0;
        w.line(
          `store<f32>(weight_scales + (h * ${groups} + n) * 4, ${weightsFunction(w, D)}(p, ${p.values} ` +
            `+ from + n * ${at}, weights + (h * ${groups} + n) * ${KB * 2}, products, blocks, spill));`,
        );
      });
    });
    const heads = group === 1 ? 1 : MIX_TILES;
    const columns = group === 1 ? MIX_TILES : 1;
    for (const m of stretches(group, heads))
      for (const n of stretches(groups, columns)) {
        const mix = mixFunction(w, D, m.number, n.from, n.number, KB, attendedRow);
        const row = m.from * groups;
        w.line(
          `${mix}(${p.values} + from, weights + ${row * KB * 2}, weight_scales + ${row * 4}, attended + ` +
            `${m.from * attendedRow}, alpha + ${4 * m.from}, blocks);`,
        );
      }
  });
  emitEnds(w, `${group}`, false);
  w.line(`${copyRowsFunction(w, D, attendedRow, D * 4, true)}(attended, ${p.out}, ${group}, alpha);`);
}
