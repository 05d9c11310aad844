/**
 * The register tile: out[MR,NR] = a[MR,K] · b[K,NR], all of out in registers while k runs (Goto & van de
 * Geijn 2008, "Anatomy of high-performance matrix multiplication"). `a` is read by splats with immediate row
 * offsets off one pointer; `b` is a packed panel: NR floats per k, contiguous.
 *
 * Written for V8's joining of 128-bit pairs: adjacent stores start it, and both halves of every pair have the
 * same form.
 */
import { count, type Writer } from "../../kit/writer.ts";

/**
 * What is added to a finished tile before it is stored, in this order; nothing: out = tile.
 *
 *   keep   out & keep, where keep is all ones or all zeros: gradients add up, and blocks of K do
 *   sums   [MR,NR], contiguous: the tile of the blocks of K before this one
 *   bias   [NR]
 *   add    [MR,NR], rows as far apart as out's
 */
export type Addend = "keep" | "sums" | "bias" | "add";

export interface Tile {
  readonly MR: number;
  readonly NR: number;
  /** Bytes from one row of a to the next, and from one k to the next. */
  readonly rowBytes: number;
  readonly stepBytes: number;
  readonly finish: readonly Addend[];
}

/**
 * A function `(a, b, steps, out, outBytes, …finish)`; `steps` = K, `outBytes` = bytes from one row of out
 * (and add) to the next.
 */
export function tileFunction(w: Writer, { MR, NR, rowBytes, stepBytes, finish }: Tile): string {
  const vectors = count(NR / 4);
  const rows = count(MR);
  const name = [`tile_${MR}x${NR}_row${rowBytes}_step${stepBytes}`, ...finish].join("_");
  return w.helper(name, (h) => {
    h.line(
      `/** a[${MR},K] · b[K,${NR}] in ${(MR * NR) / 4} registers; a's rows ${rowBytes} bytes apart, its ` +
        `steps ${stepBytes}. */`,
    );
    const parameters = [
      "a: usize",
      "b: usize",
      "steps: usize",
      "out: usize",
      "outBytes: usize",
      ...finish.map((t) => `${t}: ${t === "keep" ? "i32" : "usize"}`),
    ];
    h.block(`function ${name}(${parameters.join(", ")}): void`, () => {
      for (const i of rows) h.line(`let ${vectors.map((j) => `c${i}_${j} = ZERO`).join(", ")};`);
      h.block(`for (const end = a + steps * ${stepBytes}; a < end; a += ${stepBytes})`, () => {
        h.line(`const ${vectors.map((j) => `b${j} = v128.load(b, ${16 * j})`).join(", ")};`);
        for (const i of rows) {
          h.line(`const a${i} = v128.load32_splat(a, ${i * rowBytes});`);
          h.line(vectors.map((j) => `c${i}_${j} = madd(a${i}, b${j}, c${i}_${j});`).join(" "));
        }
        h.line(`b += ${NR * 4};`);
      });
      if (finish.includes("keep")) h.line("const mask = i32x4.splat(keep);");
      if (finish.includes("bias"))
        h.line(`const ${vectors.map((j) => `bias${j} = v128.load(bias, ${16 * j})`).join(", ")};`);
      for (const i of rows) {
        // All loads of a row before its stores: V8 joins no pair across a store that might alias.
        if (finish.length > 0)
          h.line(
            vectors
              .map(
                (j) =>
                  `c${i}_${j} = ${finish.reduce((sum, t) => `f32x4.add(${sum}, ${addend(t, i, j, NR)})`, `c${i}_${j}`)};`,
              )
              .join(" "),
          );
        h.line(vectors.map((j) => `v128.store(out, c${i}_${j}, ${16 * j});`).join(" "));
        if (i < MR - 1)
          h.line(finish.includes("add") ? "out += outBytes; add += outBytes;" : "out += outBytes;");
      }
    });
  });
}

function addend(t: Addend, row: number, vector: number, NR: number): string {
  switch (t) {
    case "keep":
      return `v128.and(v128.load(out, ${16 * vector}), mask)`;
    case "sums":
      return `v128.load(sums, ${row * NR * 4 + 16 * vector})`;
    case "bias":
      return `bias${vector}`;
    case "add":
      return `v128.load(add, ${16 * vector})`;
  }
}
