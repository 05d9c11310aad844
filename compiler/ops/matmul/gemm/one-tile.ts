/**
 * One tile of out: its product with a block of K, and after the last block its epilogue. Between two blocks
 * of K the sums wait in scratch (nn, nt: out may be one of the inputs) or in out itself (tn).
 */
import { activations } from "../../kit/activations.ts";
import { callTile, type Addend, type TileMode } from "../../kit/register-tile.ts";
import type { Writer } from "../../kit/writer.ts";
import { rowBytes } from "../../../../runtime/contract/tensor-layout.ts";
import { LINE_COLUMNS } from "../../kit/lines.ts";
import { LINE_BYTES } from "../../kit/row-loops.ts";
import { isLight, type MatmulKernel, type PerTensor } from "./cache-blocks.ts";
import { epilogueArguments, epilogueFunction } from "./epilogue.ts";
import type { Plan } from "./product-plan.ts";

/** A product as it is written: its plan, kernel, and the names of its tensors in generated code. */
export interface Product {
  readonly p: Plan;
  readonly k: MatmulKernel;
  readonly at: PerTensor<string>;
  /** Steps of k in a block, in generated code. */
  readonly steps: string;
}

/** Offset of the block of K, when there are several: `bytes` per k. */
export const k0 = (p: Plan, bytes: number): string => (p.KC >= p.K ? "" : ` + <usize>k0 * ${bytes}`);

/** `tile`: its number, an expression; `rows`: MR, or fewer in the last tile of all. */
export function emitOneTile(w: Writer, g: Product, tile: string, rows: number): void {
  const { p, k, at } = g;
  const outBytes = rowBytes(p.N);
  const places = (): void => {
    w.line(`const place = <usize>${tile} * ${p.MR * outBytes} + <usize>panel * ${p.NR * 4};`);
    if (k.has("gate") || k.has("bend")) w.line(`const line = ${placeInLines(p, tile)};`);
  };
  const multiply = (out: string, bytes: number, addends: readonly Addend[], mode: TileMode = "set"): void => {
    const call = (a: Operand): string => multiplied(w, g, a, rows, out, bytes, addends, mode);
    const [direct, ofStrip] = [rowsOfA(g, tile), stripOfA(g, tile, rows)];
    if (typeof p.asItLies === "boolean") return w.line(call(p.asItLies ? direct : ofStrip));
    w.line(`if (asItLies) ${call(direct)}`);
    w.line(`else ${call(ofStrip)}`);
  };
  const intoOut = (addends: readonly Addend[]): void => {
    places();
    multiply(`${at.out} + place`, outBytes, addends);
  };
  const added = (["bias", "gate", "add"] as const).filter((t) => k.has(t));
  const light = isLight(k) && !p.chained;
  if (light && !p.blocked) return intoOut(p.form === "tn" ? ["keep"] : added);
  const waiting = `<usize>((${tile} - tile0) * ${p.PB} + panel - panel0) * ${p.MR * p.NR * 4}`;
  w.line(`const sums = scratch${p.blocked ? ` + ${waiting}` : ""};`);
  const intoSums = (): void => {
    const later = (): void =>
      p.chained ? multiply("sums", p.NR * 4, [], "add") : multiply("sums", p.NR * 4, ["keep"]);
    if (!p.blocked) return multiply("sums", p.NR * 4, []);
    if (!p.chained && !p.stretches) return later();
    w.block("if (k0 == 0)", () => multiply("sums", p.NR * 4, []));
    w.block("else", later);
  };
  const epilogue = (): void => {
    places();
    w.line(finished(w, g, rows));
  };
  const isLast = p.stretches ? `part == ${p.stretches - 1}` : `k0 >= ${p.K - p.KC}`;
  if (!light) {
    intoSums();
    return p.blocked ? w.block(`if (${isLast})`, epilogue) : epilogue();
  }
  w.block(`if (!(${isLast}))`, intoSums);
  w.block("else", () => intoOut(["sums", ...added]));
}

/** Where the tile begins in tensors [L,M,16]: bytes. */
function placeInLines({ M, MR, NR }: Plan, tile: string): string {
  const each = LINE_COLUMNS / NR;
  const panel = each === 1 ? "panel" : `(panel / ${each})`;
  const within = each === 1 ? "" : ` + <usize>(panel % ${each}) * ${NR * 4}`;
  return `<usize>${panel} * ${M * LINE_BYTES} + <usize>${tile} * ${MR * LINE_BYTES}${within}`;
}

/** What an addend of the register tile is in this product. */
const addendOf = ({ p, at }: Product, addend: Addend): string => {
  switch (addend) {
    case "keep":
      if (p.form === "tn") return `accumulate${p.KC < p.K ? " || k0 > 0" : ""} ? -1 : 0`;
      return p.stretches ? "-1" : "k0 > 0 ? -1 : 0";
    case "sums":
      return "sums";
    case "bias":
      return biasOf(p, at);
    case "gate":
      return `${at.gate} + line`;
    case "add":
      return `${at.add} + place`;
  }
};

/** Where a tile's rows of a begin, and the bytes from row to row and from step to step. */
interface Operand {
  readonly a: string;
  readonly aRow: number;
  readonly aStep: number;
}

/** a as it lies in memory: rows of [M,K], or columns of [K,M]. */
const rowsOfA = ({ p, at }: Product, tile: string): Operand => {
  const [aRow, aStep] = p.form === "tn" ? [4, rowBytes(p.M)] : [rowBytes(p.K), 4];
  return { a: `${at.a} + <usize>${tile} * ${p.MR * aRow}${k0(p, aStep)}`, aRow, aStep };
};

/** tn: a tile's strip, in scratch. */
const stripOfA = ({ p }: Product, tile: string, rows: number): Operand => ({
  a: `strips + <usize>(${tile} - tile0) * ${p.stripBytes}`,
  aRow: 4,
  aStep: rows * 4,
});

/** The call of the register tile. */
function multiplied(
  w: Writer,
  g: Product,
  { a, aRow, aStep }: Operand,
  rows: number,
  out: string,
  outBytes: number,
  addends: readonly Addend[],
  mode: TileMode,
): string {
  const { p, k, steps } = g;
  const { derivative = "none" } = k.attrs;
  return callTile(
    w,
    {
      mr: rows,
      nr: p.NR,
      aRow,
      aStep,
      bStep: p.NR * 4,
      ...(mode !== "set" && { outRow: outBytes, mode }),
      ...(p.stretches && !p.blocked && { stretches: [p.stretches, p.K] as const }),
      addends,
      ...(addends.includes("gate") &&
        derivative !== "none" && { gateAtZero: activations[derivative].slopeAtZero }),
    },
    {
      a,
      b: "columns",
      steps,
      out,
      outBytes,
      waiting: "scratch",
      addends: addends.map((x) => addendOf(g, x)),
    },
  );
}

/** The call of the epilogue, from the sums to out. */
function finished(w: Writer, { p, k, at }: Product, rows: number): string {
  const column = `<usize>panel * ${p.NR * 4}`;
  const tensors = epilogueArguments(k, at, { column, element: "place", line: "line" });
  const values = ["sums", rows, `${at.out} + place`, rowBytes(p.N), ...tensors];
  return `${epilogueFunction(w, k, p.NR)}(${values.join(", ")});`;
}

const biasOf = (p: Plan, at: Product["at"]): string => `${at.bias} + <usize>panel * ${p.NR * 4}`;
