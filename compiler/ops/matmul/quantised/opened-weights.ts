/**
 * Rows of q4_0 with their nibbles as bytes, for a task that has many rows of activations: each of them then
 * takes a vector of weights as it lies. Such a row is as long as one of q8_0, with the scales in the same
 * places (runtime/contract/weight-rows.ts); of each piece of q4_0
 *
 *   piece 2c      has the low nibbles
 *   piece 2c + 1  the high ones
 */
import {
  HALF_BYTES,
  HALF_BLOCK,
  SCALE_LINE,
  SUPERBLOCK_HALVES,
} from "../../../../runtime/contract/weight-rows.ts";
import { count, type Writer } from "../../kit/writer.ts";
import { rowSizes } from "./integer-dots.ts";

/** From so many rows of activations on, opening takes less time than it saves. */
export const OPENED_ROWS = 16;

/** A function (b, to, columns): so many rows of b, opened. */
export function openFunction(w: Writer, halves: number): string {
  const name = `open_nibbles_${halves * HALF_BLOCK}`;
  const { bRow } = rowSizes("q4_0", halves);
  const toRow = rowSizes("q8_0", halves).bRow;
  const odd = halves % 2 === 1;
  return w.helper(name, (h) => {
    h.line(`/** to[columns] = b[columns], rows of q4_0, ${bRow} bytes long, a nibble in a byte */`);
    h.block(`function ${name}(b: usize, to: usize, columns: usize): void`, () => {
      h.line("const low = i32x4.splat(0x0F0F0F0F);");
      h.block(`for (const last = b + columns * ${bRow}; b < last; b += ${bRow}, to += ${toRow})`, () => {
        h.line("let from = b, t = to;");
        h.block(`for (let left = ${halves}; left > 0; left -= ${SUPERBLOCK_HALVES})`, () => {
          h.line(`memory.copy(t, from, ${SCALE_LINE}); from += ${SCALE_LINE}; t += ${SCALE_LINE};`);
          const blocks = `<usize>(min(left, ${SUPERBLOCK_HALVES}) >> 1)`;
          piecesOf(h, `${blocks} * ${2 * HALF_BYTES.q4_0}`, 2);
          if (odd) h.block(`if (left < ${SUPERBLOCK_HALVES})`, () => piecesOf(h, `${HALF_BYTES.q4_0}`, 1));
        });
      });
    });
  });
}

/** Pieces that are so many vectors long. */
function piecesOf(h: Writer, bytes: string, vectors: 1 | 2): void {
  const piece = 16 * vectors;
  const all = count(vectors).map((i) => 16 * i);
  h.block(`for (const end = from + ${bytes}; from < end; from += ${piece}, t += ${2 * piece})`, () => {
    for (const at of all) h.line(`const w${at} = v128.load(from, ${at});`);
    h.line(all.map((at) => `v128.store(t, v128.and(w${at}, low), ${at});`).join(" "));
    const high = (at: number): string => `v128.and(i16x8.shr_u(w${at}, 4), low)`;
    h.line(all.map((at) => `v128.store(t, ${high(at)}, ${piece + at});`).join(" "));
  });
}
