/**
 * The loops around the register tile. A task is one tile of the output: MR rows × one panel of NR columns. A worker's tasks are a
 * contiguous range of the tiles in an order that suits packing:
 *
 *   nn, nt:  task = panel · rowTiles + rowTile     each worker packs (almost) only its own columns of b
 *   tn:      the same, or task = rowTile · panels + panel where that packs less
 *
 * Every element of out is summed over k in ascending order whatever the tile, so the division changes no bit.
 */
import type { Dims, Kernel } from "../../op.ts";
import type { Writer } from "../../writer.ts";
import { epilogueFunction, epilogueTensors } from "./epilogue.ts";
import { packColumns, packRows, packTransposed, spread, TRANSPOSED_STEPS } from "./pack.ts";
import { isLight, rowBytes, type Form, type MatmulTensor } from "./shape.ts";
import { tileFunction, type Finish } from "./tile.ts";

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
  /** Bytes of one packed panel of b, one packed strip of a (tn), and the tile that waits for its epilogue. */
  readonly panelBytes: number;
  readonly stripBytes: number;
  readonly tileBytes: number;
  readonly byRows: boolean;
}

const roundUp = (n: number, to: number): number => Math.ceil(n / to) * to;

export function planOf(form: Form, d: Dims, k: Kernel<MatmulTensor>): Plan {
  const { M, N, K } = d as Record<"M" | "N" | "K", number>, { MR, NR, KC, PB, RB } = k.tiles as Record<"MR" | "NR" | "KC" | "PB" | "RB", number>;
  const rowTiles = Math.ceil(M / MR), panels = rowBytes(N) / (NR * 4);
  return {
    form, M, N, K, MR, NR, KC, PB, RB, rowTiles, panels,
    panelBytes: spread(roundUp(KC, form === "nt" ? TRANSPOSED_STEPS : 1) * NR * 4),
    stripBytes: form === "tn" ? spread(KC * MR * 4) : 0,
    tileBytes: isLight(k) ? 0 : MR * NR * 4,
    byRows: form === "tn" && M > N,
  };
}

export const gemmTasks = (p: Plan): number => p.rowTiles * p.panels;
export const gemmScratch = (p: Plan): number => p.tileBytes + p.PB * p.panelBytes + p.RB * p.stripBytes;

/** A loop over blocks, or only its body when there is one block. */
function blocks(w: Writer, name: string, from: string, to: string, step: number, single: boolean, body: () => void): void {
  if (!single) return w.block(`for (let ${name} = ${from}; ${name} < ${to}; ${name} += ${step})`, body);
  w.line(`const ${name} = ${from};`);
  body();
}

export function emitGemm(w: Writer, at: Record<MatmulTensor, string>, p: Plan, k: Kernel<MatmulTensor>): void {
  const { form, K, KC, PB, RB, rowTiles, panels } = p;
  w.line(`// ${rowTiles} tiles of ${p.MR} rows × ${panels} panels of ${p.NR} columns; task = ${p.byRows ? "tile · panels + panel" : "panel · tiles + tile"}`);
  w.line(`const packed = scratch${p.tileBytes ? ` + ${p.tileBytes}` : ""}; // b: panels of [${KC},${p.NR}]`);
  if (form === "tn") w.line(`const strips = packed + ${PB * p.panelBytes}; // a: strips of [${KC},${p.MR}]`);
  if (p.byRows) w.line(`const firstPanel = 0, lastPanel = last > first ? ${panels} : 0, firstTile = first / ${panels}, lastTile = (last + ${panels - 1}) / ${panels};`);
  else w.line(`const firstPanel = first / ${rowTiles}, lastPanel = (last + ${rowTiles - 1}) / ${rowTiles}, firstTile = 0, lastTile = ${rowTiles};`);
  const steps = KC >= K ? `${K}` : "steps";
  const overK = (body: () => void): void => {
    if (KC >= K) return body();
    w.block(`for (let k0 = 0; k0 < ${K}; k0 += ${KC})`, () => {
      w.line(`const steps: usize = min(${KC}, ${K} - k0);`);
      body();
    });
  };
  const overPanels = (body: () => void): void => blocks(w, "panel0", "firstPanel", "lastPanel", PB, PB >= panels, () => {
    w.line(`const panel1 = min(panel0 + ${PB}, lastPanel);`);
    packPanels(w, at, p, steps);
    body();
  });
  const overRows = (body: () => void): void => blocks(w, "tile0", "firstTile", "lastTile", RB, RB >= rowTiles, () => {
    w.line(`const tile1 = min(tile0 + ${RB}, lastTile);`);
    if (form === "tn") packStrips(w, at, p, steps);
    body();
  });
  const body = () => w.block("for (let panel = panel0; panel < panel1; panel++)", () => tilesOfPanel(w, at, p, k, steps));
  if (form === "tn") overK(() => overRows(() => overPanels(body)));
  else overPanels(() => overRows(body));
}

const k0 = (p: Plan, bytes: number): string => (p.KC >= p.K ? "" : ` + <usize>k0 * ${bytes}`);

/** Packs panels panel0 … panel1 of b. In the last panel of b[N,K] some rows may be missing. */
function packPanels(w: Writer, at: Record<MatmulTensor, string>, p: Plan, steps: string): void {
  if (p.form !== "nt") {
    const pack = packRows(w, p.NR, rowBytes(p.N), p.panelBytes);
    return w.line(`${pack}(${at.b} + <usize>panel0 * ${p.NR * 4}${k0(p, rowBytes(p.N))}, packed, ${steps}, panel1 - panel0);`);
  }
  const bRow = rowBytes(p.K), whole = Math.floor(p.N / p.NR), rest = p.N - whole * p.NR;
  w.block("for (let panel = panel0; panel < panel1; panel++)", () => {
    const to = `packed + <usize>(panel - panel0) * ${p.panelBytes}`;
    const call = (valid: number): string => `${packTransposed(w, p.NR, p.K, bRow, valid)}(${at.b} + <usize>panel * ${p.NR * bRow}, ${to});`;
    if (whole === p.panels) return w.line(call(p.NR));
    if (whole > 0) w.line(`if (panel < ${whole}) ${call(p.NR)}`);
    if (rest > 0) w.line(`${whole > 0 ? "else " : ""}if (panel == ${whole}) ${call(rest)}`);
    if (whole + Math.sign(rest) < p.panels) w.line(`else memory.fill(${to}, 0, ${p.panelBytes}); // padding alone`);
  });
}

/** Packs strips tile0 … tile1 of aᵀ; the last may be narrower. */
function packStrips(w: Writer, at: Record<MatmulTensor, string>, p: Plan, steps: string): void {
  const whole = Math.floor(p.M / p.MR), rest = p.M - whole * p.MR, pack = packColumns(w, p.MR, rowBytes(p.M), p.stripBytes, rest);
  const strips = rest ? `min(tile1, ${whole}) - tile0, tile1 > ${whole}` : "tile1 - tile0";
  w.line(`${pack}(${at.a} + <usize>tile0 * ${p.MR * 4}${k0(p, rowBytes(p.M))}, strips, ${steps}, ${strips});`);
}

/** This worker's tiles of one panel: whole ones, then the narrower last one. */
function tilesOfPanel(w: Writer, at: Record<MatmulTensor, string>, p: Plan, k: Kernel<MatmulTensor>, steps: string): void {
  const whole = Math.floor(p.M / p.MR), rest = p.M - whole * p.MR;
  if (p.byRows) w.line(`const from = max(tile0, (first - panel + ${p.panels - 1}) / ${p.panels}), to = min(tile1, (last - panel + ${p.panels - 1}) / ${p.panels});`);
  else w.line(`const from = max(tile0, first - panel * ${p.rowTiles}), to = min(tile1, last - panel * ${p.rowTiles});`);
  w.line(`const columns = packed + <usize>(panel - panel0) * ${p.panelBytes};`);
  if (whole > 0) w.block(`for (let tile = from; tile < ${rest > 0 ? `min(to, ${whole})` : "to"}; tile++)`, () => oneTile(w, at, p, k, "tile", p.MR, steps));
  if (rest > 0) w.block(`if (from < to && to > ${whole})`, () => oneTile(w, at, p, k, `${whole}`, rest, steps));
}

function oneTile(w: Writer, at: Record<MatmulTensor, string>, p: Plan, k: Kernel<MatmulTensor>, tile: string, rows: number, steps: string): void {
  const outBytes = rowBytes(p.N), light = isLight(k), tn = p.form === "tn";
  const finish: Finish = tn ? "keep" : !light ? "store" : k.has("bias") ? (k.has("add") ? "bias_add" : "bias") : k.has("add") ? "add" : "store";
  const kernel = tileFunction(w, { MR: rows, NR: p.NR, finish, ...(tn ? { rowBytes: 4, stepBytes: rows * 4 } : { rowBytes: rowBytes(p.K), stepBytes: 4 }) });
  const a = tn ? `strips + <usize>(${tile} - tile0) * ${p.stripBytes}` : `${at.a} + <usize>${tile} * ${p.MR * rowBytes(p.K)}`;
  const column = `<usize>panel * ${p.NR * 4}`, place = `<usize>${tile} * ${p.MR * outBytes} + ${column}`;
  w.line(`const place = ${place};`);
  const bias = k.has("bias") ? [`${at.bias} + ${column}`] : [], add = k.has("add") ? [`${at.add} + place`] : [];
  const keep = tn ? [p.KC >= p.K ? "accumulate ? -1 : 0" : "accumulate || k0 > 0 ? -1 : 0"] : [];
  if (light) return w.line(`${kernel}(${[a, "columns", steps, `${at.out} + place`, outBytes, ...keep, ...bias, ...add].join(", ")});`);
  w.line(`${kernel}(${[a, "columns", steps, "scratch", p.NR * 4].join(", ")});`);
  const tensors = epilogueTensors(k).map((t) => (t === "bias" ? bias[0] : `${at[t]} + place`));
  w.line(`${epilogueFunction(w, k, p.NR)}(${["scratch", rows, `${at.out} + place`, outBytes, ...tensors].join(", ")});`);
}
