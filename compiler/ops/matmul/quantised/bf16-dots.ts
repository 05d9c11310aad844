/**
 * Dot products of rows of activations with rows of weights in bf16, in the order of f32's
 * (gemm/dot-products.ts): a lane sums up every sixteenth element.
 *
 *   up to 4 rows   one row of weights after the other: f32 multiply-adds of what one stream of memory brings
 *   more           four rows of weights at a time are decoded once, and all rows of activations meet them
 */
import type { Target } from "../../../../runtime/contract/targets.ts";
import { rowBytes, rowFloats } from "../../../../runtime/contract/tensor-layout.ts";
import { weightWords } from "../../../../runtime/contract/weight-rows.ts";
import { count, type Writer } from "../../kit/writer.ts";
import { APART, COLUMNS, dotTile, ONE_STREAM, overRows, TILE } from "../gemm/dot-products.ts";

/** What `bf16Dots` gets after `spill`. */
export const bf16Constants = "<i32>0xFFFF0000";

/**
 * A function (a, b, sums, rows, spill, high) for a in f32 and b in bf16. A word of b holds elements i and i +
 * 16, so that both of its halves meet a in order.
 */
function bf16Dots(w: Writer, M: number, K: number, sums: number): string {
  const aRow = rowBytes(K);
  const bRow = rowBytes(weightWords("bf16", K));
  const name = `dots_bf16_${M}x${K}_s${sums}`;
  const whole = Math.floor(rowFloats(K) / 32);
  const tail = rowFloats(K) % 32 > 0;
  return w.helper(name, (h) => {
    /** 16 floats of a with one half of 16 words. */
    const multiply = (m: number, half: 0 | 1): void => {
      for (const c of count(2))
        h.line(
          [0, 16]
            .map((o) => {
              const word = `w${32 * c + o}`;
              const value = half === 0 ? `i32x4.shl(${word}, 16)` : `v128.and(${word}, high)`;
              const sum = `${o ? "t" : "s"}${m}_${c}`;
              return `${sum} = madd(v128.load(x, ${m * aRow + 64 * half + 32 * c + o}), ${value}, ${sum});`;
            })
            .join(" "),
        );
    };
    const words = (): void =>
      h.line(`const ${[0, 16, 32, 48].map((o) => `w${o} = v128.load(w, ${o})`).join(", ")};`);
    h.line(`/** sums[${M},rows] = a[${M},${K}] · b[rows]ᵀ, rows of bf16, ${bRow} bytes long */`);
    h.block(
      `function ${name}(a: usize, b: usize, sums: usize, rows: i32, spill: usize, highBits: i32): void`,
      () => {
        h.line("const high = i32x4.splat(highBits);");
        h.block("for (const last = sums + <usize>rows * 4; sums < last; sums += 4)", () => {
          h.line(
            `let w = b, x = a, ${count(M)
              .flatMap((m) => ["s", "t"].flatMap((v) => [`${v}${m}_0 = ZERO`, `${v}${m}_1 = ZERO`]))
              .join(", ")};`,
          );
          if (whole > 0)
            h.block(`for (const end = w + ${64 * whole}; w < end; w += 64)`, () => {
              words();
              for (const m of count(M)) for (const half of [0, 1] as const) multiply(m, half);
              h.line("x += 128;");
            });
          if (tail)
            h.block("", () => {
              words();
              for (const m of count(M)) multiply(m, 0);
            });
          for (const m of count(M))
            h.line(
              `store<f32>(sums, sum8(f32x4.add(s${m}_0, s${m}_1), f32x4.add(t${m}_0, t${m}_1), spill + ` +
                `${32 * m}), ${m * sums});`,
            );
          h.line(`b += ${bRow};`);
        });
      },
    );
  });
}

/** Bytes of scratch: the four rows of weights that are decoded at a time. */
export const bf16Scratch = (K: number): number => TILE.b * rowBytes(K);

/**
 * A function (a, b, sums, columns, rows, decoded, spill, high): sums[rows, 16] = a[rows] · b[columns]ᵀ, where
 * the sums' rows are `sums` bytes apart; `decoded` is the address of `bf16Scratch` bytes.
 */
export function bf16Products(w: Writer, target: Target, K: number, sums: number): string {
  const row = rowBytes(K);
  const bRow = rowBytes(weightWords("bf16", K));
  const name = `products_bf16_${K}_s${sums}`;
  const parameters = [
    ...["a", "b", "sums"].map((p) => `${p}: usize`),
    "columns: i32, rows: i32, decoded: usize, spill: usize, high: i32",
  ].join(", ");
  return w.helper(name, (h) => {
    h.line(`/** sums[rows, ${COLUMNS}] = a[rows, ${K}] · b[columns]ᵀ, rows of bf16, ${bRow} bytes long */`);
    h.block(`function ${name}(${parameters}): void`, () => {
      h.block(`if (rows > ${ONE_STREAM} && columns == ${COLUMNS})`, () => {
        const strides = { row, apart: row, sums };
        h.block(`for (const end = b + ${APART * bRow}; b < end; b += ${bRow}, sums += 4)`, () => {
          h.line(`${decodeRows(h, K, APART * bRow)}(b, decoded, high);`);
          overRows(h, (mr) => `${dotTile(h, mr, target, strides)}(a_r, decoded, sums_r, spill)`, strides);
        });
        h.line("return;");
      });
      const dots = (m: number): string => `${bf16Dots(h, m, K, sums)}(a, b, sums, columns, spill, high);`;
      h.block(`for (; rows >= ${ONE_STREAM}; rows -= ${ONE_STREAM})`, () => {
        h.line(dots(ONE_STREAM));
        h.line(`a += ${ONE_STREAM * row}; sums += ${ONE_STREAM * sums};`);
      });
      for (const m of count(ONE_STREAM).slice(1))
        h.line(`${m > 1 ? "else " : ""}if (rows == ${m}) ${dots(m)}`);
    });
  });
}

/** A function (b, to, high): four rows of b, `apart` bytes from each other, as four rows of f32. */
function decodeRows(w: Writer, K: number, apart: number): string {
  const name = `decode_bf16_${K}_b${apart}`;
  const row = rowBytes(K);
  const whole = Math.floor(rowFloats(K) / 32);
  return w.helper(name, (h) => {
    const chunk = (halves: readonly (0 | 1)[]): void => {
      for (const r of count(TILE.b)) {
        const words = [0, 16, 32, 48];
        h.line(`const ${words.map((o) => `w${r}_${o} = v128.load(b, ${r * apart + o})`).join(", ")};`);
        for (const half of halves)
          h.line(
            words
              .map((o) => {
                const word = `w${r}_${o}`;
                const value = half === 0 ? `i32x4.shl(${word}, 16)` : `v128.and(${word}, mask)`;
                return `v128.store(to, ${value}, ${r * row + 64 * half + o});`;
              })
              .join(" "),
          );
      }
    };
    h.line(`/** to[${TILE.b},${K}] = ${TILE.b} rows of b, ${apart} bytes apart, in f32 */`);
    h.block(`function ${name}(b: usize, to: usize, high: i32): void`, () => {
      h.line("const mask = i32x4.splat(high);");
      if (whole > 0)
        h.block(`for (const end = b + ${64 * whole}; b < end; b += 64, to += 128)`, () => chunk([0, 1]));
      if (rowFloats(K) % 32 > 0) h.block("", () => chunk([0]));
    });
  });
}
