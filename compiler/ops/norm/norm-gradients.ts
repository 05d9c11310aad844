/**
 * What layernorm and rmsnorm share of their gradients: kernels, and part of the reference. The two differ by
 * the mean, which rmsnorm does not subtract: there is no such tensor, and the cotangent has no part that
 * comes by way of it.
 *
 *   n = (x − mean) · rstd        g = w · d_out
 *   d_x = rstd · (g − mean_c g − n · mean_c(g·n)) + add
 *         without a mean: rstd · (g − n · mean_c(g·n)) + add
 *   d_w = Σ_r d_out · n        d_b = Σ_r d_out
 */
import { accumulators, affine, columnSums, eachRow, readRow, sumOf, writeRow } from "../kit/row-loops.ts";
import type { Writer } from "../kit/writer.ts";

type Load = (row: string) => string;

/** Addresses of tensors; only layernorm has a mean. */
type Places<N extends string> = Readonly<Record<N | "x" | "rstd" | "d_out", string>> & {
  readonly mean?: string;
};

/** Writes d_x; w and add are optional. */
export function emitNormDx(
  w: Writer,
  at: Places<"w" | "add" | "d_x">,
  C: number,
  has: (tensor: "w" | "add") => boolean,
): void {
  const { mean } = at;
  const rows = { x_r: at.x, d_out_r: at.d_out, ...(has("add") && { add_r: at.add }), d_x_r: at.d_x };
  const gRows = ["d_out_r", ...(has("w") ? [at.w] : [])];
  const centred = (load: Load): string => (mean ? `f32x4.sub(${load("x_r")}, mean4)` : load("x_r"));
  const g = (load: Load): string =>
    has("w") ? `f32x4.mul(${load("d_out_r")}, ${load(at.w)})` : load("d_out_r");
  eachRow(w, rows, C, () => {
    const splats = Object.entries({ ...(mean && { mean4: mean }), rstd4: at.rstd }).map(
      ([name, vector]) => `${name} = v128.load32_splat(${vector} + (<usize>r << 2))`,
    );
    w.line(`const ${splats.join(", ")};`);
    if (mean) accumulators(w, "sum");
    accumulators(w, "dot");
    // g is zero in the padding, so nothing has to be masked
    readRow(w, C, ["x_r", ...gRows], (v) => {
      if (mean) {
        w.line(`const g${v.j} = ${g(v.load)};`);
        w.line(`sum${v.j} = f32x4.add(sum${v.j}, g${v.j});`);
      }
      w.line(`dot${v.j} = madd(${mean ? `g${v.j}` : g(v.load)}, ${centred(v.load)}, dot${v.j});`);
    });
    if (mean) w.line(`const mean_g = f32x4.splat(${sumOf("sum")} * <f32>${1 / C});`);
    w.line(
      `const slope = f32x4.mul(f32x4.mul(f32x4.splat(${sumOf("dot")} * <f32>${1 / C}), rstd4), ` +
        "rstd4); // rstd · mean_c(g·n)",
    );
    writeRow(w, C, ["x_r", ...gRows, ...(has("add") ? ["add_r"] : [])], "d_x_r", (v) => {
      const own = mean ? `f32x4.sub(${g(v.load)}, mean_g)` : g(v.load);
      const d = `nmadd(${centred(v.load)}, slope, ${own})`;
      const d_x = affine(d, "rstd4", has("add") ? v.load("add_r") : undefined);
      return mean ? v.keep(d_x) : d_x;
    });
  });
}

/** Writes d_w and d_b, either of which is optional. */
export function emitNormDw(
  w: Writer,
  at: Places<"d_w" | "d_b">,
  sizes: Readonly<Record<"R" | "C", number>>,
  has: (tensor: "d_w" | "d_b") => boolean,
): void {
  const { x, d_out, mean } = at;
  const statistics = Object.entries({ ...(mean && { mean }), rstd: at.rstd });
  const n = (k: number, load: Load): string =>
    `f32x4.mul(${mean ? `f32x4.sub(${load(x)}, mean${k})` : load(x)}, rstd${k})`;
  const splats = (k: number): string[] =>
    statistics.map(([s, vector]) => `const ${s}${k} = v128.load32_splat(${vector} + (r << 2), ${4 * k});`);
  columnSums(w, sizes, has("d_w") ? [x, d_out] : [d_out], (k) => (has("d_w") ? splats(k) : []), {
    ...(has("d_w") && { [at.d_w]: (k: number, load: Load) => `f32x4.mul(${load(d_out)}, ${n(k, load)})` }),
    ...(has("d_b") && { [at.d_b]: (_k: number, load: Load) => load(d_out) }),
  });
}

/** The f64 reference of d_w and d_b; `normed` gives n[r,c]. */
export function normDwReference(
  t: Readonly<Record<"d_out" | "d_w" | "d_b", Float64Array>>,
  { R, C }: Readonly<Record<"R" | "C", number>>,
  accumulate: boolean,
  normed: (r: number, c: number) => number,
): void {
  for (let c = 0; c < C; c++) {
    let w = accumulate ? (t.d_w?.[c] ?? 0) : 0;
    let b = accumulate ? (t.d_b?.[c] ?? 0) : 0;
    for (let r = 0; r < R; r++) {
      w += t.d_out[r * C + c]! * normed(r, c);
      b += t.d_out[r * C + c]!;
    }
    if (t.d_w) t.d_w[c] = w;
    if (t.d_b) t.d_b[c] = b;
  }
}

/** What a test feeds: rstd is positive, a mean is small, all else is noise in −1…1. */
export const sampleStatistic = (tensor: string, noise: () => number): number =>
  tensor === "rstd" ? 1.25 + 0.75 * noise() : tensor === "mean" ? 0.1 * noise() : noise();
