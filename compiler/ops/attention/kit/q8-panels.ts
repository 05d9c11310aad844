/**
 * Moves into and out of a cache in q8_0 (cache-layout.ts): rows of keys and values are quantised into its
 * panels, and its panels are unpacked to the f32 panels that products of many rows read.
 */
import { count, type Writer } from "../../kit/writer.ts";
import { LEAST_SCALED, ROUNDER } from "../../matmul/quantised/activation-rows.ts";
import { columnGroups, panelBytes, SCALES, type ColumnGroup } from "./cache-layout.ts";
import { ceilTo, PANEL, PANEL_BYTES } from "../../kit/panels.ts";

/** Bytes of a row of D floats in whole pairs of vectors. The floats behind D have to be zero. */
export const paddedRow = (D: number): number => ceilTo(D, 8) * 4;

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

/** x · scale of both elements of each pair: `even` has the low bytes' numbers. */
const even = (pairs: string): string => `f32x4.convert_i32x4_s(i32x4.shr_s(i32x4.shl(${pairs}, 16), 16))`;
const odd = (pairs: string): string => `f32x4.convert_i32x4_s(i32x4.shr_s(${pairs}, 16))`;

/** A function (from, to, panels): panels of keys → f32 panels [panels][D][16]. */
export function unpackKeysFunction(w: Writer, D: number): string {
  const name = `attention_unpack_keys_q8_${D}`;
  return w.helper(name, (f) => {
    f.line(`/** keys: panels of int8 -> f32 [panels][${D}][16] */`);
    f.block(`function ${name}(from: usize, to: usize, panels: i32): void`, () => {
      f.block(
        `for (const end = from + <usize>panels * ${panelBytes(D)}; from < end; from += ` +
          `${panelBytes(D)}, to += ${D * PANEL_BYTES})`,
        () => {
          for (const { from: first, columns, at } of columnGroups(D))
            f.block("", () => {
              f.line(
                `const ${count(4)
                  .map((v) => `d${v} = v128.load(from, ${at + 16 * v})`)
                  .join(", ")};`,
              );
              const pair = (n: string, x: string, single: boolean): void => {
                for (const h of [0, 1]) f.line(`const b${h} = v128.load(${n}, ${at + SCALES + 16 * h});`);
                for (const v of count(4))
                  f.line(`const x${v} = i16x8.extend_${v % 2 === 0 ? "low" : "high"}_i8x16_s(b${v >> 1});`);
                for (const [i, half] of [even, ...(single ? [] : [odd])].entries()) {
                  for (const v of count(4)) f.line(`const f${i}${v} = f32x4.mul(${half(`x${v}`)}, d${v});`);
                  for (const v of count(4))
                    f.line(`v128.store(${x}, f${i}${v}, ${(first + i) * PANEL_BYTES + 16 * v});`);
                }
              };
              const pairs = Math.floor(columns / 2);
              if (pairs > 0)
                f.block(`for (let t: usize = 0; t < ${pairs}; t++)`, () =>
                  pair(`from + t * ${2 * PANEL}`, `to + t * ${2 * PANEL_BYTES}`, false),
                );
              if (columns % 2 === 1)
                f.block("", () =>
                  pair(`from + ${pairs * 2 * PANEL}`, `to + ${pairs * 2 * PANEL_BYTES}`, true),
                );
            });
        },
      );
    });
  });
}

/** A function (from, to, panels): panels of values → f32 panels [D/16][rows][16], `rows` apart. */
export function unpackValuesFunction(w: Writer, D: number, rows: number): string {
  const name = `attention_unpack_values_q8_${D}_p${rows}`;
  return w.helper(name, (f) => {
    f.line(`/** values: panels of int8 -> f32 [${ceilTo(D, PANEL) / PANEL}][${rows}][16] */`);
    f.block(`function ${name}(from: usize, to: usize, panels: i32): void`, () => {
      f.block(
        `for (const end = from + <usize>panels * ${panelBytes(D)}; from < end; from += ` +
          `${panelBytes(D)}, to += ${PANEL * PANEL_BYTES})`,
        () => {
          for (const { from: first, padded, at } of columnGroups(D))
            f.block(`for (let t: usize = 0; t < ${PANEL / 2}; t++)`, () => {
              f.line(`const pair = from + t * ${2 * padded}, row = to + t * ${2 * PANEL_BYTES};`);
              for (const half of [0, 1])
                f.line(`const d${half} = v128.load32_splat(from + (t << 3), ${at + 4 * half});`);
              for (let v = 0; v < padded / 4; v += 2) {
                const place =
                  Math.floor((first + 4 * v) / PANEL) * rows * PANEL_BYTES + ((first + 4 * v) % PANEL) * 4;
                f.line(
                  `const b${v} = v128.load(pair, ${at + SCALES + 8 * v}), x${v} = ` +
                    `i16x8.extend_low_i8x16_s(b${v}), x${v + 1} = i16x8.extend_high_i8x16_s(b${v});`,
                );
                for (const [n, part] of [even, odd].entries())
                  for (const i of [v, v + 1])
                    f.line(`const f${n}_${i} = f32x4.mul(${part(`x${i}`)}, d${n});`);
                for (const n of [0, 1])
                  for (const i of [v, v + 1])
                    f.line(`v128.store(row, f${n}_${i}, ${place + n * PANEL_BYTES + 16 * (i - v)});`);
              }
            });
        },
      );
    });
  });
}
