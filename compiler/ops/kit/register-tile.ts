/**
 * The register tile, of which every product in f32 is made: out[mr,nr] = a[mr,K] · b[K,nr], with all of out
 * in registers while k runs (Goto & van de Geijn 2008, "Anatomy of high-performance matrix multiplication").
 *
 * `a` is read one float at a time, by splats with its rows at immediate offsets off one pointer; `b` is read
 * sixteen or eight adjacent floats at a time, mostly from a packed panel (panels.ts).
 *
 * The code is written for V8's joining of 128-bit pairs: adjacent stores start it, both halves of a pair have
 * the same form, and loads stand before the stores that might alias them.
 */
import type { Target } from "../../../runtime/contract/targets.ts";
import { PANEL, PANEL_BYTES } from "./panels.ts";
import { count, type Writer } from "./writer.ts";

/**
 * Rows × columns of the register tile, the best of those measured (bench/EXPERIMENTS.md): 6×16 fills 12 of 16
 * registers of 256 bits, 4×8 fills 8 of 16 registers of 128 bits.
 */
export const registerTile = (target: Target): { readonly MR: number; readonly NR: number } =>
  target === "wide" ? { MR: 6, NR: 16 } : { MR: 4, NR: 8 };

/**
 * How the product meets what is in out already:
 *
 *   set      out = a·b
 *   add      out = out + a·b: the sums begin with out
 *   fade     out = out · α + a·b, with α[mr]: the sums begin with out · α
 *   scaled   out = (a·b) · α
 */
export type TileMode = "set" | "add" | "fade" | "scaled";

/**
 * What a finished product meets before it is stored, in this order. All is added but the gate:
 *
 *   keep   out & keep, where keep is all ones or all zeros: gradients add up, and blocks of K do
 *   sums   [mr,nr], contiguous: the tile of the blocks of K before this one
 *   bias   [nr]
 *   gate   out · (gate + the tile's `gateAtZero`), [mr,nr], rows 64 bytes apart
 *   add    [mr,nr], rows as far apart as out's
 */
export type Addend = "keep" | "sums" | "bias" | "gate" | "add";

export interface Tile {
  readonly mr: number;
  readonly nr: number;
  /** Bytes from row to row of a, from k to k of a, and from k to k of b. */
  readonly aRow: number;
  readonly aStep: number;
  readonly bStep: number;
  /**
   * Bytes between runs of b: its steps come in runs of PANEL, and from the end of one run to the next are so
   * many bytes. Absent: all steps follow each other.
   */
  readonly bGap?: number;
  /** Bytes from row to row of out. Absent: each call says. */
  readonly outRow?: number;
  /**
   * K is `stretches[1]`, and summed in `stretches[0]` stretches, each from zero; stretch p is the steps K·p/P
   * … K·(p+1)/P. Their sums are added in this order, and wait in scratch meanwhile. (Mode "set" alone.)
   */
  readonly stretches?: readonly [P: number, K: number];
  /** Default: "set". */
  readonly mode?: TileMode;
  /** Default: none. */
  readonly addends?: readonly Addend[];
  /** What the addend "gate" lacks of a factor. Default: 0. */
  readonly gateAtZero?: number;
}

/** What a call of the tile is given: expressions of the generated code. */
export interface TileCall {
  /** Addresses of the operands. */
  readonly a: string;
  readonly b: string;
  readonly out: string;
  /** K (i32 or usize). */
  readonly steps: string | number;
  /** Bytes from row to row of out, when the tile has no `outRow` of its own. */
  readonly outBytes?: number;
  /** Address of α[mr], for the modes "fade" and "scaled". */
  readonly alpha?: string | undefined;
  /** Address of [mr,nr], contiguous, where the sums of stretches wait: it may be `out`. */
  readonly waiting?: string | undefined;
  /** The tile's addends: a mask for "keep" (i32), addresses for the others. */
  readonly addends?: readonly string[];
}

const usesAlpha = ({ mode = "set" }: Tile): boolean => mode === "fade" || mode === "scaled";

/** A call of the tile, as a statement. Its function is added to the module when it is not there yet. */
export function callTile(w: Writer, t: Tile, call: TileCall): string {
  const { a, b, steps, out, outBytes, alpha, waiting, addends = [] } = call;
  const own = t.outRow === undefined ? [`${outBytes}`] : [];
  const given = [
    a,
    b,
    ...(t.stretches ? [] : [steps]),
    out,
    ...own,
    ...(usesAlpha(t) ? [alpha] : []),
    ...(t.stretches ? [waiting] : []),
    ...addends,
  ];
  return `${tileFunction(w, t)}(${given.join(", ")});`;
}

function tileFunction(w: Writer, t: Tile): string {
  const { mr, nr, aRow, aStep, bStep, bGap, outRow, stretches, mode = "set", addends = [] } = t;
  const name = [
    `tile_${mr}x${nr}_a${aRow}_${aStep}_b${bStep}`,
    ...(stretches ? [`k${stretches[1]}in${stretches[0]}`] : []),
    ...(bGap === undefined ? [] : [`gap${bGap}`]),
    ...(outRow === undefined ? [] : [`out${outRow}`]),
    ...(mode === "set" ? [] : [mode]),
    ...addends,
    ...(t.gateAtZero ? [`${t.gateAtZero}`.replace(".", "_")] : []),
  ].join("_");
  return w.helper(name, (h) => emitTile(h, name, t));
}

function emitTile(w: Writer, name: string, t: Tile): void {
  const { mr, nr, outRow, addends = [] } = t;
  const rows = count(mr);
  const vectors = vectorsOf(t);
  w.line(
    `/** ${equation(t)}   a[${mr},K] b[K,${nr}] -> out[${mr},${nr}] in ${(mr * nr) / 4} registers; bytes ` +
      `from row to row of a: ${t.aRow}, from step to step: a ${t.aStep}, b ${t.bStep} */`,
  );
  const parameters = [
    ...["a", "b", ...(t.stretches ? [] : ["steps"]), "out"].map((p) => `${p}: usize`),
    ...(outRow === undefined ? ["outBytes: usize"] : []),
    ...(usesAlpha(t) ? ["alpha: usize"] : []),
    ...(t.stretches ? ["waiting: usize"] : []),
    ...addends.map((x) => `${x}: ${x === "keep" ? "i32" : "usize"}`),
  ];
  w.block(`function ${name}(${parameters.join(", ")}): void`, () => {
    if (t.stretches) multiplyInStretches(w, t, t.stretches);
    else for (const i of rows) startRow(w, t, i);
    if (t.stretches) for (const i of rows) addWaiting(w, t, i);
    else if (t.bGap === undefined) multiply(w, t, endOf(t, "steps"));
    else
      w.block(`for (; <isize>steps > 0; steps -= ${PANEL}, b += ${t.bGap})`, () =>
        multiply(w, t, endOf(t, `min<isize>(steps, ${PANEL})`)),
      );
    if (addends.includes("keep")) w.line("const mask = i32x4.splat(keep);");
    if (addends.includes("bias"))
      w.line(`const ${vectors.map((j) => `bias${j} = v128.load(bias${offset(16 * j)})`).join(", ")};`);
    // a load, as all constants of loops are (8-emit/vector-math.ts)
    if (t.gateAtZero) w.line(`const atZero = v128.load32_splat(memory.data<f32>([${t.gateAtZero}]));`);
    if (outRow === undefined) {
      for (const i of rows) {
        finishRow(w, t, i);
        storeRow(w, t, i, 0);
        if (i < mr - 1)
          w.line(
            `out += outBytes;${addends.includes("gate") ? ` gate += ${PANEL_BYTES};` : ""}` +
              `${addends.includes("add") ? " add += outBytes;" : ""}`,
          );
      }
    } else {
      for (const i of rows) finishRow(w, t, i);
      for (const i of rows) storeRow(w, t, i, i * outRow);
    }
  });
}

const vectorsOf = ({ nr }: Tile): readonly number[] => count(nr / 4);
const offset = (bytes: number): string => (bytes === 0 ? "" : `, ${bytes}`);

/** The sums of row i begin with zeros, or with what is in out. */
function startRow(w: Writer, t: Tile, i: number): void {
  if (t.mode === "fade") w.line(`const alpha${i} = v128.load32_splat(alpha${offset(4 * i)});`);
  const start = (j: number): string => {
    const old = `v128.load(out${offset(i * (t.outRow ?? 0) + 16 * j)})`;
    return t.mode === "add" ? old : t.mode === "fade" ? `f32x4.mul(${old}, alpha${i})` : "ZERO";
  };
  w.line(
    `let ${vectorsOf(t)
      .map((j) => `c${i}_${j} = ${start(j)}`)
      .join(", ")};`,
  );
}

const endOf = (t: Tile, steps: string): string => `const end = a + ${steps} * ${t.aStep}`;

/** The sums of all rows take up the steps before `end`, which `init` may declare; `a` and `b` move on. */
function multiply(w: Writer, t: Tile, init: string): void {
  const vectors = vectorsOf(t);
  w.block(`for (${init}; a < end; b += ${t.bStep}, a += ${t.aStep})`, () => {
    w.line(`const ${vectors.map((j) => `b${j} = v128.load(b${offset(16 * j)})`).join(", ")};`);
    for (const i of count(t.mr)) {
      w.line(`const a${i} = v128.load32_splat(a${offset(i * t.aRow)});`);
      w.line(vectors.map((j) => `c${i}_${j} = madd(a${i}, b${j}, c${i}_${j});`).join(" "));
    }
  });
}

/** After it, the sums of the last stretch are in registers, and those of the others are added and wait. */
function multiplyInStretches(w: Writer, t: Tile, [P, K]: readonly [P: number, K: number]): void {
  const rows = count(t.mr);
  const stretch = (part: string): void => {
    for (const i of rows) startRow(w, t, i);
    multiply(w, t, `const end = start + <usize>(${part} * ${K} / ${P}) * ${t.aStep}`);
  };
  w.line("const start = a;");
  w.block("", () => {
    stretch("1");
    for (const i of rows) storeWaiting(w, t, i);
  });
  w.block(`for (let part = 2; part < ${P}; part++)`, () => {
    stretch("part");
    for (const i of rows) addWaiting(w, t, i);
    for (const i of rows) storeWaiting(w, t, i);
  });
  stretch(`${P}`);
}

/** What a row's sums wait for: those of earlier stretches are added first. */
const addWaiting = (w: Writer, t: Tile, i: number): void =>
  w.line(
    vectorsOf(t)
      .map((j) => `c${i}_${j} = f32x4.add(v128.load(waiting${offset(waitingAt(t, i, j))}), c${i}_${j});`)
      .join(" "),
  );

const storeWaiting = (w: Writer, t: Tile, i: number): void =>
  w.line(
    vectorsOf(t)
      .map((j) => `v128.store(waiting, c${i}_${j}${offset(waitingAt(t, i, j))});`)
      .join(" "),
  );

const waitingAt = ({ nr }: Tile, row: number, vector: number): number => row * nr * 4 + 16 * vector;

/** Scales the sums of row i, or adds to them. */
function finishRow(w: Writer, t: Tile, i: number): void {
  const vectors = vectorsOf(t);
  const { addends = [] } = t;
  if (t.mode === "scaled") {
    w.line(`const alpha${i} = v128.load32_splat(alpha${offset(4 * i)});`);
    w.line(vectors.map((j) => `c${i}_${j} = f32x4.mul(c${i}_${j}, alpha${i});`).join(" "));
  }
  const finished = (j: number): string =>
    addends.reduce(
      (sum, x) => `f32x4.${x === "gate" ? "mul" : "add"}(${sum}, ${addend(x, i, j, t)})`,
      `c${i}_${j}`,
    );
  if (addends.length > 0) w.line(vectors.map((j) => `c${i}_${j} = ${finished(j)};`).join(" "));
}

const storeRow = (w: Writer, t: Tile, i: number, bytes: number): void =>
  w.line(
    vectorsOf(t)
      .map((j) => `v128.store(out, c${i}_${j}${offset(bytes + 16 * j)});`)
      .join(" "),
  );

function addend(x: Addend, row: number, vector: number, { nr, gateAtZero = 0 }: Tile): string {
  switch (x) {
    case "keep":
      return `v128.and(v128.load(out, ${16 * vector}), mask)`;
    case "sums":
      return `v128.load(sums, ${row * nr * 4 + 16 * vector})`;
    case "bias":
      return `bias${vector}`;
    case "gate": {
      const gate = `v128.load(gate, ${16 * vector})`;
      return gateAtZero === 0 ? gate : `f32x4.add(${gate}, atZero)`;
    }
    case "add":
      return `v128.load(add, ${16 * vector})`;
  }
}

/** For the comments in generated code. */
function equation({ mode = "set", addends = [], gateAtZero = 0 }: Tile): string {
  const product = { set: "a·b", add: "out + a·b", fade: "out · α + a·b", scaled: "(a·b) · α" }[mode];
  const factor = gateAtZero === 0 ? "gate" : `(gate + ${gateAtZero})`;
  const met = (sum: string, x: Addend): string =>
    x === "gate" ? `(${sum}) · ${factor}` : `${sum} + ${x === "keep" ? "(out & keep)" : x}`;
  return `out = ${addends.reduce(met, product)}`;
}
