/**
 * What a row has gathered of its blocks of positions, merged in ascending order (Milakov & Gimelshein 2018).
 * A block brings its maximum `top`, its sum Σ e^(s − top), and attended = Σ e^(s − top) V:
 *
 *   m' = max(m, top)
 *   l' = l · e^(m − m') + sum · e^(top − m')
 *   a' = a · e^(m − m') + attended · e^(top − m')
 *
 * and after the last block out = a / l. There is this one order of rounding, whoever merges. A block of which
 * a row sees nothing (top very low, sum 0, attended 0) changes no bit of it, but for the sign of a zero,
 * which the end makes positive.
 */
import type { Writer } from "../../kit/writer.ts";
import { ceilTo } from "../../kit/panels.ts";

/** Areas in scratch, for so many rows: their names are locals of the kernel. */
export const mergeAreas = (rows: number, DP: number) => {
  const bytes = ceilTo(rows, 4) * 4;
  return { most: bytes, total: bytes, fade: bytes, gain: bytes, merged: rows * DP * 4 };
};

/** Where the next block's attended[rows,DP] goes: the first one's to where all are merged. */
export const attendedArea = (isFirst: string): string => `${isFirst} ? merged : attended`;

/**
 * What the block has given is merged: maxima and sums at the addresses `top` and `sum`, and
 * attended[rows,DP], of the first block in the area `merged` itself. The factors of a first block are exactly
 * 0 and 1.
 */
export function emitMerge(
  w: Writer,
  {
    isFirst,
    rows,
    top,
    sum,
    attended,
    DP,
  }: Readonly<Record<"isFirst" | "rows" | "top" | "sum" | "attended", string>> & {
    readonly DP: number;
  },
): void {
  w.block(`if (${isFirst})`, () =>
    w.block(`for (let r: usize = 0; r < <usize>${rows}; r += 4)`, () => {
      w.line(`v128.store(most + (r << 2), v128.load(${top} + (r << 2)));`);
      w.line(`v128.store(total + (r << 2), v128.load(${sum} + (r << 2)));`);
    }),
  );
  w.block("else", () => {
    emitMergeStatistics(w, rows, top, sum);
    w.line(`${mergeRowsFunction(w, DP)}(merged, ${attended}, ${rows}, fade, gain);`);
  });
}

/** Maxima and sums of the next block; the areas `fade` and `gain` then hold the two factors of each row. */
function emitMergeStatistics(w: Writer, rows: string, top: string, sum: string): void {
  w.block(`for (let r: usize = 0; r < <usize>${rows}; r += 4)`, () => {
    w.line(`const old = v128.load(most + (r << 2)), top4 = v128.load(${top} + (r << 2));`);
    w.line(`const now = f32x4.pmax(old, top4);`);
    w.line(`const fade4 = exp4(f32x4.sub(old, now)), gain4 = exp4(f32x4.sub(top4, now));`);
    w.line(`v128.store(most + (r << 2), now);`);
    w.line(
      `v128.store(total + (r << 2), madd(v128.load(${sum} + (r << 2)), gain4, ` +
        `f32x4.mul(v128.load(total + (r << 2)), fade4)));`,
    );
    w.line(`v128.store(fade + (r << 2), fade4);`);
    w.line(`v128.store(gain + (r << 2), gain4);`);
  });
}

function mergeRowsFunction(w: Writer, DP: number): string {
  const name = `attention_merge_rows_${DP}`;
  return w.helper(name, (f) => {
    f.line(`/** merged[rows,${DP}] = merged · fade[rows] + attended · gain[rows] */`);
    f.block(
      `function ${name}(merged: usize, attended: usize, rows: i32, fade: usize, gain: usize): void`,
      () =>
        f.block(
          `for (const end = fade + (<usize>rows << 2); fade < end; fade += 4, gain += 4, merged += ` +
            `${DP * 4}, attended += ${DP * 4})`,
          () => {
            f.line("const fade4 = v128.load32_splat(fade), gain4 = v128.load32_splat(gain);");
            f.block(`for (let c: usize = 0; c < ${DP * 4}; c += 32)`, () => {
              for (const h of [0, 1])
                f.line(
                  `const x${h} = madd(v128.load(attended + c, ${16 * h}), gain4, ` +
                    `f32x4.mul(v128.load(merged + c, ${16 * h}), fade4));`,
                );
              for (const h of [0, 1]) f.line(`v128.store(merged + c, x${h}, ${16 * h});`);
            });
          },
        ),
    );
  });
}

/** After the last block: `fade` = 1 / sum of each row, 0 for a row that sees nothing. */
export function emitMergeEnd(w: Writer, rows: string): void {
  w.block(`for (let r: usize = 0; r < <usize>${rows}; r += 4)`, () => {
    w.line("const l = v128.load(total + (r << 2));");
    w.line("v128.store(fade + (r << 2), v128.and(f32x4.div(ONE, l), f32x4.gt(l, ZERO)));");
  });
}

/**
 * A function (merged, out, rows, share): out = merged · share of each row, dense rows of D floats from rows
 * of DP. A zero is positive.
 */
export function finishFunction(w: Writer, D: number, DP: number): string {
  const name = `attention_finish_${D}`;
  const whole = D - (D % 4);
  return w.helper(name, (f) => {
    f.line(`/** out[rows,${D}] = merged[rows,${DP}] · share[rows] + 0: no zero is negative */`);
    f.block(`function ${name}(merged: usize, out: usize, rows: i32, share: usize): void`, () =>
      f.block(
        `for (const end = share + (<usize>rows << 2); share < end; share += 4, merged += ${DP * 4}, out += ` +
          `${D * 4})`,
        () => {
          f.line("const times = load<f32>(share), times4 = f32x4.splat(times);");
          if (whole > 0)
            f.line(
              `for (let c: usize = 0; c < ${whole * 4}; c += 16) v128.store(out + c, ` +
                "f32x4.add(f32x4.mul(v128.load(merged + c), times4), ZERO));",
            );
          for (let c = whole; c < D; c++)
            f.line(`store<f32>(out, load<f32>(merged, ${c * 4}) * times + 0, ${c * 4});`);
        },
      ),
    );
  });
}
