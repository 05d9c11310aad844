/**
 * Products of the slots of a few tokens with experts' matrices in fewer bits. A task is a panel of sixteen
 * columns, slot by slot: two workers and two experts per token then read one long piece of memory each.
 */
import type { DynamicTasks } from "../kit/op.ts";
import { PANEL } from "../kit/panels.ts";
import type { Writer } from "../kit/writer.ts";
import { fewRowsDynamic } from "../matmul/gemm/few-rows.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";
import { FEW_SLOTS, matricesRead, panels } from "./grouped-panels.ts";

type Sizes = Readonly<Record<"S" | "E" | "N", number>>;

/** Are these the slots of a few tokens? */
export const isFew = ({ S }: Pick<Sizes, "S">): boolean => S <= FEW_SLOTS;
export const fewTasks = ({ S, N }: Pick<Sizes, "S" | "N">): number => S * panels(N);
export const fewDynamic = (d: Pick<Sizes, "S" | "N">): DynamicTasks =>
  fewRowsDynamic({ N: fewTasks(d) * PANEL });

/** Writes, for each slot, the worker's columns of out; `dots` is the call that computes them. */
export function emitFew(
  w: Writer,
  at: Readonly<Record<"a" | "b" | "starts" | "out", string>>,
  { E, N }: Sizes,
  aRow: number,
  bRow: number,
  dots: (a: string, b: string, out: string) => string,
): void {
  const each = panels(N);
  const outRow = rowBytes(N);
  w.block(`for (let e: usize = 0; e < ${E}; e++)`, () => {
    w.block(
      `for (let s = load<i32>(${at.starts} + (e << 2)); s < load<i32>(${at.starts} + (e << 2), 4); s++)`,
      () => {
        w.line(
          `const begin = max(first - s * ${each}, 0) * ${PANEL}, end = min((last - s * ${each}) * ` +
            `${PANEL}, ${N}), rows = end - begin;`,
        );
        w.line("if (rows <= 0) continue;");
        w.line(`const out_s = ${at.out} + <usize>s * ${outRow};`);
        const a = `${at.a} + <usize>s * ${aRow}`;
        const b = `${at.b} + e * ${N * bRow} + <usize>begin * ${bRow}`;
        w.line(`${dots(a, b, "out_s + <usize>begin * 4")};`);
        if (outRow > 4 * N) w.line(`if (end == ${N}) memory.fill(out_s + ${4 * N}, 0, ${outRow - 4 * N});`);
      },
    );
  });
}

/** Bytes that move at least: the matrices that are read, rows of a with so many words, and rows of out. */
export const wordBytes = (d: Sizes & { readonly W: number }, aWords: number): number =>
  4 * (d.S * (aWords + d.N) + matricesRead(d) * d.N * d.W);
