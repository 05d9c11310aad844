/** Rows of keys and values are quantised into the panels of a cache in q8_0 (cache-layout.ts). */
import { count, type Writer } from "../../kit/writer.ts";
import { LEAST_SCALED, ROUNDER } from "../../matmul/quantised/activation-rows.ts";
import { columnGroups, SCALES, type ColumnGroup } from "./cache-layout.ts";
import { ceilTo, PANEL } from "../../kit/panels.ts";

/** Bytes of a row of D floats in whole pairs of vectors. The floats behind D have to be zero. */
export const paddedRow = (D: number): number => ceilTo(D, 8) * 4;

/**
 * The address of D floats with zeros behind them: `x` itself, or their copy in the area `row`, of which the
 * kernel has zeroed the end.
 */
export function wholeRow(w: Writer, D: number, x: string): string {
  if (D % 8 === 0) return x;
  w.line(`memory.copy(row, ${x}, ${D * 4});`);
  return "row";
}

/** A function (x, panel, lane, spill): a padded row of D floats → position `lane` of a panel. */
export function storeRowFunction(w: Writer, kind: "keys" | "values", D: number): string {
  const name = `attention_store_${kind}_q8_${D}`;
  return w.helper(name, (f) => {
    f.line(`/** ${kind}: x[${D}] -> position \`lane\` of a panel, int8 with a scale for each 32 columns */`);
    f.block(`function ${name}(x: usize, panel: usize, lane: i32, spill: usize): void`, () => {
      if (kind === "values")
        f.line("const shift = (lane & 1) << 3, mask = i16x8.shl(i16x8.splat(255), shift);");
      for (const group of columnGroups(D))
        f.block("", () => {
          const vectors = count(group.padded / 4);
          const at = (v: number): string => `v128.load(x, ${(group.from + 4 * v) * 4})`;
          for (const half of [0, 1]) f.line(`let m${half} = f32x4.abs(${at(half)});`);
          for (const v of vectors.slice(2))
            f.line(`m${v % 2} = i32x4.max_u(m${v % 2}, f32x4.abs(${at(v)}));`);
          f.line(
            "const most = max8(m0, m1, spill), inverse = f32x4.splat(most > <f32>" +
              LEAST_SCALED +
              " ? <f32>127 / most : 0);",
          );
          f.line(`store<f32>(panel + (<usize>lane << 2), most / 127, ${group.at});`);
          for (const v of vectors)
            f.line(
              `const q${v} = v128.and(f32x4.add(f32x4.mul(${at(v)}, inverse), f32x4.splat(${ROUNDER})), ` +
                "i32x4.splat(255));",
            );
          if (kind === "keys") storePairs(f, group, vectors);
          else storeColumns(f, group, vectors);
        });
    });
  });
}

/** Keys: columns 2t and 2t + 1 of a position are neighbours. */
function storePairs(f: Writer, { at }: ColumnGroup, vectors: readonly number[]): void {
  f.line("const pairs = panel + (<usize>lane << 1);");
  for (const v of vectors) {
    f.line(`const p${v} = v128.or(q${v}, i64x2.shr_u(q${v}, 24));`);
    for (const half of [0, 1])
      f.line(`v128.store16_lane(pairs, p${v}, ${4 * half}, ${at + SCALES + (2 * v + half) * 2 * PANEL});`);
  }
}

/** Values: positions 2t and 2t + 1 of a column are neighbours; the bytes of the other position stay. */
function storeColumns(f: Writer, { at, padded }: ColumnGroup, vectors: readonly number[]): void {
  f.line(`const columns = panel + <usize>(lane >> 1) * ${2 * padded};`);
  for (const v of vectors.filter((v) => v % 2 === 0)) {
    const offset = at + SCALES + 8 * v;
    f.line(
      `v128.store(columns, v128.bitselect(i16x8.shl(i16x8.narrow_i32x4_u(q${v}, q${v + 1}), shift), ` +
        `v128.load(columns, ${offset}), mask), ${offset});`,
    );
  }
}
