/**
 * The register tile of all products: C[mr,nr] = A[mr,k] · B[k,nr], accumulators in registers over the whole
 * of k.
 *
 * A is read one float at a time (load32_splat, its rows at immediate offsets), B sixteen or eight adjacent
 * floats at a time. The stores are adjacent pairs: from them V8's `wide` pass starts to join the two halves
 * (see SPEED in bench/EXPERIMENTS.md).
 */
import type { Target } from "../../../runtime/contract/targets.ts";
import type { Writer } from "./writer.ts";
import { PANEL } from "./panels.ts";

/**
 * Rows × columns of the register tile, the best of those measured (bench/EXPERIMENTS.md): 6×16 fills 12 of 16
 * registers of 256 bits, 4×8 fills 8 of 16 registers of 128 bits.
 */
export const registerTile = (target: Target): { readonly MR: number; readonly NR: number } =>
  target === "wide" ? { MR: 6, NR: 16 } : { MR: 4, NR: 8 };

export interface Tile {
  readonly mr: number;
  readonly nr: number;
  /** Bytes from row to row of A, from k to k of A, from k to k of B, from row to row of C. */
  readonly aRow: number;
  readonly aStep: number;
  readonly bStep: number;
  readonly cRow: number;
  /** C = A·B;  C += A·B;  C = C·α + A·B with α[mr];  C = (A·B)·α. */
  readonly mode: "set" | "add" | "fade" | "scaled";
  /**
   * B's steps come in runs of PANEL, so many bytes apart (from the end of one to the next). Absent: in one
   * stretch.
   */
  readonly gap?: number;
}

const modeUsesAlpha = (mode: Tile["mode"]): boolean => mode === "fade" || mode === "scaled";

/** Adds the function to the module, once, and returns its name. */
export function tileFunction(w: Writer, t: Tile): string {
  const name = `attention_tile_${t.mr}x${t.nr}_a${t.aRow}_${t.aStep}_b${t.bStep}_c${t.cRow}_${t.mode}${t.gap === undefined ? "" : `_gap${t.gap}`}`;
  return w.helper(name, (f) => emitTile(f, name, t));
}

/** A call of the tile, as a statement. `alpha` is needed by "fade" and "scaled". */
export function callTile(w: Writer, t: Tile, a: string, b: string, c: string, k: string, alpha = ""): string {
  return `${tileFunction(w, t)}(${[a, b, c, k, ...(modeUsesAlpha(t.mode) ? [alpha] : [])].join(", ")});`;
}

function emitTile(w: Writer, name: string, t: Tile): void {
  const rows = Array.from({ length: t.mr }, (_, i) => i);
  const vectors = Array.from({ length: t.nr / 4 }, (_, j) => j);
  const at = (pointer: string, offset: number): string => (offset === 0 ? pointer : `${pointer}, ${offset}`);
  const meaning = { set: "C = A·B", add: "C += A·B", fade: "C = C·α + A·B", scaled: "C = (A·B)·α" }[t.mode];
  w.line(
    `/** ${meaning}   A[${t.mr},k] B[k,${t.nr}] -> C[${t.mr},${t.nr}]   strides in bytes: A ${t.aRow}, ` +
      `${t.aStep}; B ${t.bStep}; C ${t.cRow} */`,
  );
  w.block(
    `function ${name}(a: usize, b: usize, c: usize, k: ` +
      `i32${modeUsesAlpha(t.mode) ? ", alpha: usize" : ""}): void`,
    () => {
      for (const i of rows) {
        if (t.mode === "fade") w.line(`const f${i} = v128.load32_splat(${at("alpha", i * 4)});`);
        const start = (j: number): string => {
          const old = `v128.load(${at("c", i * t.cRow + j * 16)})`;
          return t.mode === "add" ? old : t.mode === "fade" ? `f32x4.mul(${old}, f${i})` : "ZERO";
        };
        w.line(`let ${vectors.map((j) => `c${i}${j} = ${start(j)}`).join(", ")};`);
      }
      const steps = (k: string): void => {
        w.line(`const end = b + <usize>${k} * ${t.bStep};`);
        w.block(`for (; b < end; b += ${t.bStep}, a += ${t.aStep})`, () => {
          w.line(`const ${vectors.map((j) => `b${j} = v128.load(${at("b", j * 16)})`).join(", ")};`);
          for (const i of rows) {
            w.line(`const a${i} = v128.load32_splat(${at("a", i * t.aRow)});`);
            w.line(vectors.map((j) => `c${i}${j} = madd(a${i}, b${j}, c${i}${j});`).join(" "));
          }
        });
      };
      if (t.gap === undefined) steps("k");
      else w.block(`for (; k > 0; k -= ${PANEL}, b += ${t.gap})`, () => steps(`min(k, ${PANEL})`));
      // every load before the first store: V8 joins no pair across a store that might alias
      if (t.mode === "scaled")
        for (const i of rows) {
          w.line(`const f${i} = v128.load32_splat(${at("alpha", i * 4)});`);
          w.line(vectors.map((j) => `c${i}${j} = f32x4.mul(c${i}${j}, f${i});`).join(" "));
        }
      for (const i of rows)
        w.line(vectors.map((j) => `v128.store(c, c${i}${j}, ${i * t.cRow + j * 16});`).join(" "));
    },
  );
}
