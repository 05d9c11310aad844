/**
 * Dot products of a few rows of activations with rows of weights in bf16, one row of weights after the other:
 * f32 multiply-adds of what one stream of memory brings.
 */
import { rowBytes, rowFloats } from "../../../../runtime/contract/tensor-layout.ts";
import { weightWords } from "../../../../runtime/contract/weight-rows.ts";
import { count, type Writer } from "../../kit/writer.ts";
import { TASK_COLUMNS } from "../gemm/few-rows.ts";

/** What `bf16Dots` gets after `spill`. */
export const bf16Constants = "<i32>0xFFFF0000";

/**
 * A function (a, b, sums, rows, spill, high) for a in f32 and b in bf16. A word of b holds elements i and i +
 * 16, so that both of its halves meet a in order.
 */
export function bf16Dots(w: Writer, M: number, K: number): string {
  const aRow = rowBytes(K);
  const bRow = rowBytes(weightWords("bf16", K));
  const name = `dots_bf16_${M}x${K}`;
  const whole = Math.floor(rowFloats(K) / 32);
  const tail = rowFloats(K) % 32 > 0;
  const part = (half: 0 | 1): string => (half === 0 ? "low" : "high");
  return w.helper(name, (h) => {
    /** 16 floats of a with one half of 16 words. */
    const multiply = (m: number, half: 0 | 1): void => {
      for (const c of count(2))
        h.line(
          [0, 16]
            .map((o) => {
              const word = `w${32 * c + o}`;
              const value = half === 0 ? `i32x4.shl(${word}, 16)` : `v128.and(${word}, high)`;
              const sum = `${o ? "t" : "s"}${m}_${part(half)}`;
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
              .flatMap((m) => ["s", "t"].flatMap((v) => [`${v}${m}_low = ZERO`, `${v}${m}_high = ZERO`]))
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
              `store<f32>(sums, sum8(f32x4.add(s${m}_low, s${m}_high), f32x4.add(t${m}_low, ` +
                `t${m}_high), spill + ${32 * m}), ${m * TASK_COLUMNS * 4});`,
            );
          h.line(`b += ${bRow};`);
        });
      },
    );
  });
}
