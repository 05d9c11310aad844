/**
 * The register tile: out[MR,NR] = a[MR,K] · b[K,NR], all of out in registers while k runs (Goto & van de Geijn 2008, "Anatomy of
 * high-performance matrix multiplication"). `a` is read by splats with immediate row offsets off one pointer; `b` is a packed panel:
 * NR floats per k, contiguous.
 *
 * Written for V8's joining of 128-bit pairs: adjacent stores start it, and both halves of every pair have the same form.
 */
import type { Writer } from "../../writer.ts";

/** What happens to a finished tile before it is stored. */
export type Finish =
  /** out = tile */
  | "store"
  /** out = tile + (out & keep): keep is all ones or all zeros. Gradients add up, and blocks of K do. */
  | "keep"
  | "bias"
  | "add"
  | "bias_add";

export interface Tile {
  readonly MR: number;
  readonly NR: number;
  /** Bytes from one row of a to the next, and from one k to the next. */
  readonly rowBytes: number;
  readonly stepBytes: number;
  readonly finish: Finish;
}

/** The arguments that a tile takes after (a, b, steps, out, outBytes). */
export const finishArguments: Record<Finish, readonly string[]> = {
  store: [],
  keep: ["keep: i32"],
  bias: ["bias: usize"],
  add: ["add: usize"],
  bias_add: ["bias: usize", "add: usize"],
};

const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** A function `(a, b, steps, out, outBytes, …)`; `steps` = K, `outBytes` = bytes from one row of out (and add) to the next. */
export function tileFunction(w: Writer, { MR, NR, rowBytes, stepBytes, finish }: Tile): string {
  const vectors = count(NR / 4), rows = count(MR);
  return w.helper(`tile_${MR}x${NR}_row${rowBytes}_step${stepBytes}_${finish}`, (h) => {
    h.line(`/** a[${MR},K] · b[K,${NR}] in ${(MR * NR) / 4} registers; a's rows ${rowBytes} bytes apart, its steps ${stepBytes}. */`);
    const parameters = ["a: usize", "b: usize", "steps: usize", "out: usize", "outBytes: usize", ...finishArguments[finish]];
    h.block(`function tile_${MR}x${NR}_row${rowBytes}_step${stepBytes}_${finish}(${parameters.join(", ")}): void`, () => {
      for (const i of rows) h.line(`let ${vectors.map((j) => `c${i}_${j} = ZERO`).join(", ")};`);
      h.block(`for (const end = a + steps * ${stepBytes}; a < end; a += ${stepBytes})`, () => {
        h.line(`const ${vectors.map((j) => `b${j} = v128.load(b, ${16 * j})`).join(", ")};`);
        for (const i of rows) {
          h.line(`const a${i} = v128.load32_splat(a, ${i * rowBytes});`);
          h.line(vectors.map((j) => `c${i}_${j} = madd(a${i}, b${j}, c${i}_${j});`).join(" "));
        }
        h.line(`b += ${NR * 4};`);
      });
      if (finish === "keep") h.line("const mask = i32x4.splat(keep);");
      if (finish.startsWith("bias")) h.line(`const ${vectors.map((j) => `bias${j} = v128.load(bias, ${16 * j})`).join(", ")};`);
      const finished = (i: number, j: number): string => {
        const biased = finish.startsWith("bias") ? `f32x4.add(c${i}_${j}, bias${j})` : `c${i}_${j}`;
        if (finish === "keep") return `f32x4.add(${biased}, v128.and(v128.load(out, ${16 * j}), mask))`;
        return finish.endsWith("add") ? `f32x4.add(${biased}, v128.load(add, ${16 * j}))` : biased;
      };
      for (const i of rows) {
        // All loads of a row before its stores: V8 joins no pair across a store that might alias.
        if (finish !== "store") h.line(vectors.map((j) => `c${i}_${j} = ${finished(i, j)};`).join(" "));
        h.line(vectors.map((j) => `v128.store(out, c${i}_${j}, ${16 * j});`).join(" "));
        if (i < MR - 1) h.line(finish.endsWith("add") ? "out += outBytes; add += outBytes;" : "out += outBytes;");
      }
    });
  });
}
