/**
 * Rows of q8_0 for dot products of four int8 × uint8, packed anew for a task that has many rows of
 * activations. A packed row is as long as the row, with the same scales in the same places; in each block,
 *
 *   piece c = 0 … 7: lane l has elements 4c … 4c+3 of group l, each + 128
 *
 * which two pieces of pairs become when their 16-bit lanes take turns.
 */
import {
  HALF_BYTES,
  HALF_BLOCK,
  SCALE_LINE,
  SUPERBLOCK_HALVES,
} from "../../../../runtime/contract/weight-rows.ts";
import type { Writer } from "../../kit/writer.ts";
import { rowSizes } from "./integer-dots.ts";

/** From so many rows of activations on, packing takes less time than it saves. */
export const PACKED_ROWS = 8;

/** A function (b, to, columns): so many rows of b, packed. */
export function packFunction(w: Writer, halves: number): string {
  const name = `pack_fours_${halves * HALF_BLOCK}`;
  const { bRow } = rowSizes("q8_0", halves);
  return w.helper(name, (h) => {
    h.line(
      `/** to[columns] = b[columns], rows of q8_0, ${bRow} bytes long, by fours of bytes without a sign */`,
    );
    h.block(`function ${name}(b: usize, to: usize, columns: usize): void`, () => {
      h.line("const flip = i8x16.splat(-128);");
      h.block(`for (const last = b + columns * ${bRow}; b < last; b += ${bRow}, to += ${bRow})`, () => {
        h.line("let from = b, t = to;");
        h.block(`for (let left = ${halves}; left > 0; left -= ${SUPERBLOCK_HALVES})`, () => {
          h.line(`memory.copy(t, from, ${SCALE_LINE}); from += ${SCALE_LINE}; t += ${SCALE_LINE};`);
          const blocks = `<usize>(min(left, ${SUPERBLOCK_HALVES}) >> 1)`;
          const end = `from + ${blocks} * ${2 * HALF_BYTES.q8_0}`;
          h.block(`for (const end = ${end}; from < end; from += 32, t += 32)`, () => {
            h.line("const p = v128.load(from), q = v128.load(from, 16);");
            h.line("v128.store(t, v128.xor(i16x8.shuffle(p, q, 0, 8, 1, 9, 2, 10, 3, 11), flip));");
            h.line("v128.store(t, v128.xor(i16x8.shuffle(p, q, 4, 12, 5, 13, 6, 14, 7, 15), flip), 16);");
          });
          if (halves % 2 === 1) h.block(`if (left < ${SUPERBLOCK_HALVES})`, () => half(h));
        });
      });
    });
  });
}

/** The half block that stands alone: its pieces have four lanes. */
function half(h: Writer): void {
  h.block(`for (const end = from + ${HALF_BYTES.q8_0}; from < end; from += 16, t += 16)`, () => {
    h.line("const p = v128.load(from);");
    h.line("v128.store(t, v128.xor(i16x8.shuffle(p, p, 0, 4, 1, 5, 2, 6, 3, 7), flip));");
  });
}
