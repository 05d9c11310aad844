/**
 * The loops around the register tile. A task is one tile of the output: MR rows × one panel of NR columns. A
 * worker's tasks are a contiguous range of the tiles in an order that suits packing:
 *
 *   nn, nt:  task = panel · rowTiles + rowTile     each worker packs (almost) only its own columns of b
 *   tn:      the same, or task = rowTile · panels + panel where that packs less
 *   nn, nt of many rows: task = rowTile · panels + panel; the last quarter of the tiles by columns: panel ·
 *   tiles + tile
 *
 * Long products go over K in blocks of KC steps: for the caches, and because f32 sums of 50,000 terms one by
 * one lose digits. The sums in between wait in scratch (nn, nt: out may be one of the inputs) or in out
 * itself (tn). Every element is summed in the same order whatever the tile, so the division among workers
 * changes no bit.
 */
import type { Kernel, DynamicTasks } from "../../kit/op.ts";
import type { Dims } from "../../kit/signature.ts";
import { ceilTo } from "../../kit/panels.ts";
import type { Writer } from "../../kit/writer.ts";
import { epilogueFunction, epilogueTensors } from "./epilogue.ts";
import { packColumns, packRows, packTransposed, spread, TRANSPOSED_STEPS } from "./pack-blocks.ts";
import { isLight, type Form, type MatmulKernel, type MatmulTensor } from "./cache-blocks.ts";
import { rowBytes } from "../../../../runtime/contract/tensor-layout.ts";
import { callTile, type Addend } from "../../kit/register-tile.ts";

/** b[N,K] as something else than rows of f32: the bytes of its rows, and how they become panels. */
export interface PanelSource {
  readonly rowBytes: number;
  /** Steps that are packed at once: a panel has room for whole ones. */
  readonly steps: number;
  /**
   * A function (b, panel, k0, steps): panel[K,NR] = b[valid, k0 … k0 + steps]ᵀ, zeros in the columns from
   * `valid`.
   */
  pack(w: Writer, NR: number, valid: number): string;
}

interface Plan {
  readonly form: Form;
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly MR: number;
  readonly NR: number;
  readonly KC: number;
  readonly PB: number;
  readonly RB: number;
  readonly rowTiles: number;
  readonly panels: number;
  /** nn, nt: K is more than one block. */
  readonly blocked: boolean;
  /**
   * Bytes of one packed panel of b, one packed strip of a (tn), and the tiles that wait for their next block
   * of K or their epilogue.
   */
  readonly panelBytes: number;
  readonly stripBytes: number;
  readonly sumsBytes: number;
  readonly byRows: boolean;
  readonly source?: PanelSource | undefined;
}

/**
 * From here on a worker's share are rows, in which the next operation finds in its own caches what this one
 * left.
 */
const MANY_ROWS = 512;

export function planOf(form: Form, d: Dims, k: Kernel<MatmulTensor>, source?: PanelSource): Plan {
  const { M, N, K } = d as Record<"M" | "N" | "K", number>;
  const { MR, NR, KC, PB, RB } = k.tiles as Record<"MR" | "NR" | "KC" | "PB" | "RB", number>;
  const rowTiles = Math.ceil(M / MR);
  const panels = rowBytes(N) / (NR * 4);
  const blocked = form !== "tn" && KC < K;
  return {
    form,
    M,
    N,
    K,
    MR,
    NR,
    KC,
    PB,
    RB,
    rowTiles,
    panels,
    blocked,
    source,
    panelBytes: spread(ceilTo(KC, form === "nt" ? (source?.steps ?? TRANSPOSED_STEPS) : 1) * NR * 4),
    stripBytes: form === "tn" ? spread(KC * MR * 4) : 0,
    sumsBytes: MR * NR * 4 * (blocked ? RB * PB : isLight(k) ? 0 : 1),
    byRows: form === "tn" ? M > N : M >= MANY_ROWS,
  };
}

export const gemmTasks = (p: Plan): number => p.rowTiles * p.panels;

/** Share of a product's panels (or rows of tiles) that is dynamic, and in how many pieces at least. */
const DYNAMIC_SHARE = 1 / 4;
const PIECES = 8;

/**
 * Pieces are whole panels, or parts of one. Where all of a is packed for every piece (tn, several blocks of
 * K) they do not pay. A product that is shared by rows hands out columns of its last rows: a piece packs only
 * its own panels.
 */
export function gemmDynamic(p: Plan): DynamicTasks {
  const [units, each] = p.byRows ? [p.rowTiles, p.panels] : [p.panels, p.rowTiles];
  const tasks = units * each;
  const rest = Math.ceil(units * DYNAMIC_SHARE);
  if (p.form === "tn" && !stripsStay(p) && !(p.byRows && p.KC >= p.K)) return { fixed: tasks, grain: tasks };
  if (tailByColumns(p))
    return { fixed: (p.rowTiles - rest) * p.panels, grain: rest * Math.ceil(p.panels / PIECES) };
  const grain = rest >= PIECES ? Math.floor(rest / PIECES) * each : Math.ceil((rest * each) / PIECES);
  return { fixed: (units - rest) * each, grain };
}

const tailByColumns = (p: Plan): boolean => p.form !== "tn" && p.byRows;

/** tn: all of a's strips fit into scratch, in one block of K. */
const stripsStay = (p: Plan): boolean => !p.byRows && p.RB >= p.rowTiles && p.KC >= p.K;
export const gemmScratch = (p: Plan): number => p.sumsBytes + p.PB * p.panelBytes + p.RB * p.stripBytes;

/** A loop over blocks, or only its body when there is one block. */
function blocks(
  w: Writer,
  name: string,
  from: string,
  to: string,
  step: number,
  single: boolean,
  body: () => void,
): void {
  if (!single) return w.block(`for (let ${name} = ${from}; ${name} < ${to}; ${name} += ${step})`, body);
  w.line(`const ${name} = ${from};`);
  body();
}

export function emitGemm(w: Writer, at: Record<MatmulTensor, string>, p: Plan, k: MatmulKernel): void {
  const { form, K, KC, PB, RB, rowTiles, panels } = p;
  w.line(
    `// ${rowTiles} tiles of ${p.MR} rows × ${panels} panels of ${p.NR} columns; task = ` +
      `${p.byRows ? "tile · panels + panel" : "panel · tiles + tile"}`,
  );
  w.line(`const packed = scratch${p.sumsBytes ? ` + ${p.sumsBytes}` : ""}; // b: panels of [${KC},${p.NR}]`);
  if (form === "tn") w.line(`const strips = packed + ${PB * p.panelBytes}; // a: strips of [${KC},${p.MR}]`);
  if (tailByColumns(p)) {
    const { fixed } = gemmDynamic(p);
    const firstOfTail = fixed / panels;
    const tall = rowTiles - firstOfTail;
    w.line(
      `const tail = first >= ${fixed}; // columns of the tiles ${firstOfTail} … ${rowTiles - 1}; task = ` +
        `${fixed} + panel · ${tall} + tile`,
    );
    w.line(
      `const firstPanel = tail ? (first - ${fixed}) / ${tall} : 0, lastPanel = tail ? (last - ${fixed}) ` +
        `/ ${tall} : last > first ? ${panels} : 0;`,
    );
    w.line(
      `const firstTile = tail ? ${firstOfTail} : first / ${panels}, lastTile = tail ? ${rowTiles} : ` +
        `(last + ${panels - 1}) / ${panels};`,
    );
  } else if (p.byRows)
    w.line(
      `const firstPanel = 0, lastPanel = last > first ? ${panels} : 0, firstTile = first / ${panels}, ` +
        `lastTile = (last + ${panels - 1}) / ${panels};`,
    );
  else
    w.line(
      `const firstPanel = first / ${rowTiles}, lastPanel = (last + ${rowTiles - 1}) / ${rowTiles}, ` +
        `firstTile = 0, lastTile = ${rowTiles};`,
    );
  const steps = KC >= K ? `${K}` : "steps";
  const overK = (body: () => void): void => {
    if (KC >= K) return body();
    w.block(`for (let k0 = 0; k0 < ${K}; k0 += ${KC})`, () => {
      w.line(`const steps: usize = min(${KC}, ${K} - k0);`);
      body();
    });
  };
  const overPanels = (body: () => void): void =>
    blocks(w, "panel0", "firstPanel", "lastPanel", PB, PB >= panels, () => {
      w.line(`const panel1 = min(panel0 + ${PB}, lastPanel);`);
      body();
    });
  const overRows = (body: () => void): void =>
    blocks(w, "tile0", "firstTile", "lastTile", RB, RB >= rowTiles, () => {
      w.line(`const tile1 = min(tile0 + ${RB}, lastTile);`);
      if (form === "tn") {
        if (stripsStay(p)) w.block("if (fresh)", () => packStrips(w, at, p, steps));
        else packStrips(w, at, p, steps);
      }
      body();
    });
  const pack = (): void => packPanels(w, at, p, steps);
  const tiles = (): void =>
    w.block("for (let panel = panel0; panel < panel1; panel++)", () => tilesOfPanel(w, at, p, k, steps));
  if (form === "tn")
    overK(() =>
      overRows(() =>
        overPanels(() => {
          pack();
          tiles();
        }),
      ),
    );
  else if (p.blocked)
    overPanels(() =>
      overRows(() =>
        overK(() => {
          pack();
          tiles();
        }),
      ),
    );
  else
    overPanels(() => {
      pack();
      overRows(tiles);
    });
}

/** Offset of the block of K, when there are several: `bytes` per k. */
const k0 = (p: Plan, bytes: number): string => (p.KC >= p.K ? "" : ` + <usize>k0 * ${bytes}`);

/** Packs panels panel0 … panel1 of b. In the last panel of b[N,K] some rows may be missing. */
function packPanels(w: Writer, at: Record<MatmulTensor, string>, p: Plan, steps: string): void {
  if (p.form !== "nt") {
    const pack = packRows(w, p.NR, rowBytes(p.N), p.panelBytes);
    return w.line(
      `${pack}(${at.b} + <usize>panel0 * ${p.NR * 4}${k0(p, rowBytes(p.N))}, packed, ${steps}, panel1 - ` +
        "panel0);",
    );
  }
  const { source } = p;
  const bRow = source?.rowBytes ?? rowBytes(p.K);
  const whole = Math.floor(p.N / p.NR);
  const rest = p.N - whole * p.NR;
  w.block("for (let panel = panel0; panel < panel1; panel++)", () => {
    const to = `packed + <usize>(panel - panel0) * ${p.panelBytes}`;
    const call = (valid: number): string =>
      source
        ? `${source.pack(w, p.NR, valid)}(${at.b} + <usize>panel * ${p.NR * bRow}, ${to}, ` +
          `${p.KC >= p.K ? "0" : "k0"}, ${steps});`
        : `${packTransposed(w, p.NR, bRow, valid)}(${at.b} + <usize>panel * ${p.NR * bRow}${k0(p, 4)}, ` +
          `${to}, ${steps});`;
    if (whole === p.panels) return w.line(call(p.NR));
    if (whole > 0) w.line(`if (panel < ${whole}) ${call(p.NR)}`);
    if (rest > 0) w.line(`${whole > 0 ? "else " : ""}if (panel == ${whole}) ${call(rest)}`);
    if (whole + Math.sign(rest) < p.panels)
      w.line(`else memory.fill(${to}, 0, ${p.panelBytes}); // padding alone`);
  });
}

/** Packs strips tile0 … tile1 of aᵀ; the last may be narrower. */
function packStrips(w: Writer, at: Record<MatmulTensor, string>, p: Plan, steps: string): void {
  const whole = Math.floor(p.M / p.MR);
  const rest = p.M - whole * p.MR;
  const pack = packColumns(w, p.MR, rowBytes(p.M), p.stripBytes, rest);
  const strips = rest ? `min(tile1, ${whole}) - tile0, tile1 > ${whole}` : "tile1 - tile0";
  w.line(
    `${pack}(${at.a} + <usize>tile0 * ${p.MR * 4}${k0(p, rowBytes(p.M))}, strips, ${steps}, ${strips});`,
  );
}

/** This worker's tiles of one panel: whole ones, then the narrower last one. */
function tilesOfPanel(
  w: Writer,
  at: Record<MatmulTensor, string>,
  p: Plan,
  k: MatmulKernel,
  steps: string,
): void {
  const whole = Math.floor(p.M / p.MR);
  const rest = p.M - whole * p.MR;
  const tail = (all: string): string => (tailByColumns(p) ? `tail ? ${all} : ` : "");
  if (p.byRows)
    w.line(
      `const from = ${tail("tile0")}max(tile0, (first - panel + ${p.panels - 1}) / ${p.panels}), to = ` +
        `${tail("tile1")}min(tile1, (last - panel + ${p.panels - 1}) / ${p.panels});`,
    );
  else
    w.line(
      `const from = max(tile0, first - panel * ${p.rowTiles}), to = min(tile1, last - panel * ` +
        `${p.rowTiles});`,
    );
  w.line(`const columns = packed + <usize>(panel - panel0) * ${p.panelBytes};`);
  if (whole > 0)
    w.block(`for (let tile = from; tile < ${rest > 0 ? `min(to, ${whole})` : "to"}; tile++)`, () =>
      oneTile(w, at, p, k, "tile", p.MR, steps),
    );
  if (rest > 0)
    w.block(`if (from < to && to > ${whole})`, () => oneTile(w, at, p, k, `${whole}`, rest, steps));
}

/** One tile of out: its product with this block of K, and after the last block its epilogue. */
function oneTile(
  w: Writer,
  at: Record<MatmulTensor, string>,
  p: Plan,
  k: MatmulKernel,
  tile: string,
  rows: number,
  steps: string,
): void {
  const outBytes = rowBytes(p.N);
  const light = isLight(k);
  const tn = p.form === "tn";
  const tileBytes = p.MR * p.NR * 4;
  const severalBlocks = p.KC < p.K;
  const a = tn
    ? `strips + <usize>(${tile} - tile0) * ${p.stripBytes}`
    : `${at.a} + <usize>${tile} * ${p.MR * rowBytes(p.K)}${k0(p, 4)}`;
  const place = `const place = <usize>${tile} * ${p.MR * outBytes} + <usize>panel * ${p.NR * 4};`;
  const value: Record<Addend, string> = {
    keep: tn ? `accumulate${severalBlocks ? " || k0 > 0" : ""} ? -1 : 0` : "k0 > 0 ? -1 : 0",
    sums: "sums",
    bias: `${at.bias} + <usize>panel * ${p.NR * 4}`,
    add: `${at.add} + place`,
  };
  const multiply = (out: string, bytes: number, addends: readonly Addend[]): void => {
    const strides = tn ? { aRow: 4, aStep: rows * 4 } : { aRow: rowBytes(p.K), aStep: 4 };
    w.line(
      callTile(
        w,
        { mr: rows, nr: p.NR, ...strides, bStep: p.NR * 4, addends },
        { a, b: "columns", steps, out, outBytes: bytes, addends: addends.map((x) => value[x]) },
      ),
    );
  };
  const epilogue = (): void => {
    const tensors = epilogueTensors(k).map((t) => (t === "bias" ? value.bias : `${at[t]} + place`));
    w.line(place);
    w.line(
      `${epilogueFunction(w, k, p.NR)}(${["sums", rows, `${at.out} + place`, outBytes, ...tensors].join(", ")});`,
    );
  };
  const addends = (["bias", "add"] as const).filter((t) => k.has(t));
  if (light && !p.blocked) {
    w.line(place);
    return multiply(`${at.out} + place`, outBytes, tn ? ["keep"] : addends);
  }
  w.line(
    `const sums = scratch${p.blocked ? ` + <usize>((${tile} - tile0) * ${p.PB} + panel - panel0) * ${tileBytes}` : ""};`,
  );
  if (!light) {
    multiply("sums", p.NR * 4, p.blocked ? ["keep"] : []);
    return p.blocked ? w.block(`if (k0 >= ${p.K - p.KC})`, epilogue) : epilogue();
  }
  w.block(`if (k0 < ${p.K - p.KC})`, () => multiply("sums", p.NR * 4, ["keep"]));
  w.block("else", () => {
    w.line(place);
    multiply(`${at.out} + place`, outBytes, ["sums", ...addends]);
  });
}
