/**
 * The loops around the register tile: over blocks of K, panels of b and tiles of rows, with the packing where
 * it is needed. What a task is: product-plan.ts.
 *
 * Long products go over K in blocks of KC steps, for the caches, and because f32 sums of 50,000 terms one by
 * one lose digits. Every element is summed in the same order whatever tile it is in, so the division among
 * workers changes no bit.
 */
import type { Writer } from "../../kit/writer.ts";
import { rowBytes } from "../../../../runtime/contract/tensor-layout.ts";
import type { MatmulKernel, PerTensor } from "./cache-blocks.ts";
import { emitOneTile, k0, type Product } from "./one-tile.ts";
import { packColumns, packRows, packTransposed } from "./pack-blocks.ts";
import { panelsOfLine, stripsStay, tailByColumns, type Plan } from "./product-plan.ts";
import { emitTouch } from "./touch-rows.ts";

export function emitGemm(w: Writer, at: PerTensor<string>, p: Plan, k: MatmulKernel): void {
  const g: Product = { p, k, at, steps: p.KC >= p.K ? `${p.K}` : "steps" };
  w.line(
    `// ${p.rowTiles} tiles of ${p.MR} rows × ${p.panels} panels of ${p.NR} columns; task = ` +
      `${p.live ? "16 columns" : p.byRows ? "tile · panels + panel" : "panel · tiles + tile"}`,
  );
  w.line(
    `const packed = scratch${p.sumsBytes ? ` + ${p.sumsBytes}` : ""}; // b: panels of [${p.KC},${p.NR}]`,
  );
  if (p.asItLies !== true)
    w.line(`const strips = packed + ${p.PB * p.panelBytes}; // a: strips of [${p.KC},${p.MR}]`);
  if (typeof p.asItLies === "string")
    w.line(`const asItLies = ${p.asItLies}; // few panels: a is not packed into strips`);
  emitShare(w, p);
  const packedTiles = (): void => {
    packPanels(w, g);
    tilesOfPanels(w, g);
  };
  if (p.form === "tn") overK(w, p, () => overRows(w, g, () => overPanels(w, p, packedTiles)));
  else if (p.blocked) overPanels(w, p, () => overRows(w, g, () => overK(w, p, packedTiles)));
  else
    overPanels(w, p, () => {
      packPanels(w, g);
      overRows(w, g, () => tilesOfPanels(w, g));
    });
}

/** The panels and tiles that the worker's tasks [first, last) touch. */
function emitShare(w: Writer, p: Plan): void {
  const { rowTiles, panels } = p;
  const endOfRows = `(last + ${panels - 1}) / ${panels}`;
  if (p.live) {
    const each = panelsOfLine(p) > 1 ? ` * ${panelsOfLine(p)}` : "";
    w.line(`const firstPanel = first${each}, lastPanel = last${each};`);
    w.line(`const firstTile = 0, lastTile = (rows + ${p.MR - 1}) / ${p.MR}; // of live rows`);
  } else if (tailByColumns(p)) {
    w.line(`const firstOfTail = fixed / ${panels}, tall = ${rowTiles} - firstOfTail;`);
    w.line(
      `const tail = first >= fixed; // columns of the tiles firstOfTail … ${rowTiles - 1}; task = fixed + ` +
        "panel · tall + tile",
    );
    w.line(
      "const firstPanel = tail ? (first - fixed) / tall : 0, lastPanel = tail ? (last - fixed) / tall : " +
        `last > first ? ${panels} : 0;`,
    );
    w.line(
      `const firstTile = tail ? firstOfTail : first / ${panels}, lastTile = tail ? ${rowTiles} : ` +
        `${endOfRows};`,
    );
  } else if (p.byRows)
    w.line(
      `const firstPanel = 0, lastPanel = last > first ? ${panels} : 0, firstTile = first / ${panels}, ` +
        `lastTile = ${endOfRows};`,
    );
  else
    w.line(
      `const firstPanel = first / ${rowTiles}, lastPanel = (last + ${rowTiles - 1}) / ${rowTiles}, ` +
        `firstTile = 0, lastTile = ${rowTiles};`,
    );
}

function overK(w: Writer, { K, KC, stretches }: Plan, body: () => void): void {
  if (KC >= K) return body();
  if (stretches)
    return w.block(`for (let part = 0; part < ${stretches}; part++)`, () => {
      w.line(`const k0 = part * ${K} / ${stretches};`);
      w.line(`const steps: usize = (part + 1) * ${K} / ${stretches} - k0;`);
      body();
    });
  w.block(`for (let k0 = 0; k0 < ${K}; k0 += ${KC})`, () => {
    w.line(`const steps: usize = min(${KC}, ${K} - k0);`);
    body();
  });
}

const overPanels = (w: Writer, { PB, panels }: Plan, body: () => void): void =>
  overBlocks(w, "panel", "Panel", PB, PB >= panels, body);

/** tn: a block's strips of a are packed first, where they are needed. */
const overRows = (w: Writer, g: Product, body: () => void): void =>
  overBlocks(w, "tile", "Tile", g.p.RB, g.p.RB >= g.p.rowTiles, () => {
    const when = [
      ...(typeof g.p.asItLies === "string" ? ["!asItLies"] : []),
      ...(stripsStay(g.p) ? ["fresh"] : []),
    ].join(" && ");
    if (g.p.asItLies !== true) {
      if (when) w.block(`if (${when})`, () => packStrips(w, g));
      else packStrips(w, g);
    }
    body();
  });

/** A loop over blocks of so many panels or tiles; only its body when one block is all. */
function overBlocks(
  w: Writer,
  name: string,
  share: string,
  step: number,
  single: boolean,
  body: () => void,
): void {
  const start = `${name}0`;
  const block = (): void => {
    w.line(`const ${name}1 = min(${start} + ${step}, last${share});`);
    body();
  };
  if (!single)
    return w.block(`for (let ${start} = first${share}; ${start} < last${share}; ${start} += ${step})`, block);
  w.line(`const ${start} = first${share};`);
  block();
}

/** Packs panels panel0 … panel1 of b. In the last panel of b[N,K] some rows may be missing. */
function packPanels(w: Writer, g: Product): void {
  const { p, at, steps } = g;
  if (p.rows) {
    const from = `${at.b}${k0(p, p.rows.rowBytes)}`;
    const pack = p.rows.pack(w, p.NR, p.panelBytes);
    return w.line(`${pack}(${from}, packed, ${steps}, panel0, panel1 - panel0);`);
  }
  if (p.form !== "nt") {
    const pack = packRows(w, {
      NR: p.NR,
      rowBytes: rowBytes(p.N),
      panelBytes: p.panelBytes,
      touched: p.touches ? p.PB * p.NR * 4 : 0,
    });
    const from = `${at.b} + <usize>panel0 * ${p.NR * 4}${k0(p, rowBytes(p.N))}`;
    return w.line(`${pack}(${from}, packed, ${steps}, panel1 - panel0);`);
  }
  const whole = Math.floor(p.N / p.NR);
  const rest = p.N - whole * p.NR;
  w.block("for (let panel = panel0; panel < panel1; panel++)", () => {
    const to = `packed + <usize>(panel - panel0) * ${p.panelBytes}`;
    if (whole === p.panels) return w.line(packedPanel(w, g, to, p.NR));
    if (whole > 0) w.line(`if (panel < ${whole}) ${packedPanel(w, g, to, p.NR)}`);
    if (rest > 0) w.line(`${whole > 0 ? "else " : ""}if (panel == ${whole}) ${packedPanel(w, g, to, rest)}`);
    if (whole + Math.sign(rest) < p.panels)
      w.line(`else memory.fill(${to}, 0, ${p.panelBytes}); // padding alone`);
  });
}

/** The call that packs one panel of b[N,K], `valid` rows of it. */
function packedPanel(w: Writer, { p, at, steps }: Product, to: string, valid: number): string {
  const { source } = p;
  const bRow = source?.rowBytes ?? rowBytes(p.K);
  const from = `${at.b} + <usize>panel * ${p.NR * bRow}`;
  if (source) return `${source.pack(w, p.NR, valid)}(${from}, ${to}, ${p.KC >= p.K ? "0" : "k0"}, ${steps});`;
  const pack = packTransposed(w, { NR: p.NR, rowBytes: bRow, touched: p.touches }, valid);
  return `${pack}(${from}${k0(p, 4)}, ${to}, ${steps});`;
}

/** Packs strips tile0 … tile1 of aᵀ; the last may be narrower. */
function packStrips(w: Writer, { p, at, steps }: Product): void {
  const whole = Math.floor(p.M / p.MR);
  const rest = p.M - whole * p.MR;
  const pack = packColumns(w, p.MR, rowBytes(p.M), p.stripBytes, rest);
  const strips = rest ? `min(tile1, ${whole}) - tile0, tile1 > ${whole}` : "tile1 - tile0";
  const from = `${at.a} + <usize>tile0 * ${p.MR * 4}${k0(p, rowBytes(p.M))}`;
  w.line(`${pack}(${from}, strips, ${steps}, ${strips});`);
}

const tilesOfPanels = (w: Writer, g: Product): void =>
  w.block("for (let panel = panel0; panel < panel1; panel++)", () => tilesOfPanel(w, g));

/** This worker's tiles of one panel: whole ones, then the narrower last one. */
function tilesOfPanel(w: Writer, g: Product): void {
  const { p } = g;
  const whole = Math.floor(p.M / p.MR);
  const rest = p.M - whole * p.MR;
  const tail = (all: string): string => (tailByColumns(p) ? `tail ? ${all} : ` : "");
  const tileOf = (task: string): string => `(${task} - panel + ${p.panels - 1}) / ${p.panels}`;
  if (p.live) w.line("const from = tile0, to = tile1;");
  else if (p.byRows)
    w.line(
      `const from = ${tail("tile0")}max(tile0, ${tileOf("first")}), to = ${tail("tile1")}min(tile1, ` +
        `${tileOf("last")});`,
    );
  else
    w.line(
      `const from = max(tile0, first - panel * ${p.rowTiles}), to = min(tile1, last - panel * ` +
        `${p.rowTiles});`,
    );
  w.line(`const columns = packed + <usize>(panel - panel0) * ${p.panelBytes};`);
  if (whole > 0)
    w.block(
      `for (let tile = from, end = ${rest > 0 ? `min(to, ${whole})` : "to"}; tile < end; tile++)`,
      () => {
        emitTouch(w, g, "end");
        emitOneTile(w, g, "tile", p.MR);
      },
    );
  if (rest > 0) w.block(`if (from < to && to > ${whole})`, () => emitOneTile(w, g, `${whole}`, rest));
}
