/**
 * The products of a block of queries × keys, as loops of register tiles. What lies above the diagonal is
 * never computed: a tile of query rows q … q+MR−1 needs only the keys below q + MR, and a tile of keys k …
 * needs only the queries from k on. Positions are relative to the block.
 *
 *   scores       S[q,k] = A[q,D] · Bᵀ[k,D]   panel by panel of keys: a panel stays in L1 while all queries
 *                pass
 *   fromKeys     C[q,D] = S[q,k] · B[k,D]    panel by panel of columns
 *   fromQueries  C[k,D] += Sᵀ[k,q] · B[q,D]  the scores are read down their columns
 */
import type { Writer } from "../../kit/writer.ts";
import { type Sizes } from "./kernel-sizes.ts";
import { PANEL, PANEL_BYTES } from "../../kit/panels.ts";
import { callTile, type Tile, type TileMode } from "../../kit/register-tile.ts";

/** For the comments in generated code. */
const signs = { set: "=", add: "+=", fade: "= α · old +", scaled: "= α ·" } as const;

/** How many rows are left behind the last full tile, where that is known. */
type Tail = number | "any";

/**
 * A call for each full tile of `rows`, and one for the tile that is left (`tail` rows, when the sequence does
 * not divide), or row by row.
 */
function rowTiles(
  w: Writer,
  s: Sizes,
  from: string,
  rows: string,
  tail: Tail,
  call: (mr: number) => string,
  below?: string,
): void {
  w.line(`let r = ${from};`);
  if (below) w.line(`const below = ${below};`);
  w.line(`for (; r + ${s.MR} <= ${rows}${below ? " && r < below" : ""}; r += ${s.MR}) ${call(s.MR)}`);
  if (tail === "any") w.line(`for (; r < ${rows}${below ? " && r < below" : ""}; r++) ${call(1)}`);
  else if (tail > 0) w.line(`if (r < ${rows}${below ? " && r < below" : ""}) ${call(tail)}`);
}

/**
 * The first key that row r of the block may see, relative to the block: may be negative. A single position's
 * rows are heads.
 */
export const windowStart = (s: Sizes, ahead: string, r: string): string =>
  `${ahead}${s.causal ? ` + ${r}` : ""} + 1 - WINDOW`;

export interface Scores {
  readonly a: string;
  readonly aRow: number;
  /** Transposed panels of the keys, and bytes from one to the next. */
  readonly b: string;
  readonly bPanel: number;
  readonly c: string;
  /**
   * Names or numbers (i32): rows of queries, keys of the block, and the first key's place in the panels (a
   * multiple of 16).
   */
  readonly rows: string;
  readonly keys: string;
  readonly firstKey: string;
  /** Position of the first query minus that of the first key. */
  readonly ahead: string;
  readonly tail: Tail;
}

export function emitScores(w: Writer, s: Sizes, p: Scores): void {
  const cRow = s.KB * 4;
  w.line(`// ${p.c}[rows,keys] = ${p.a}[rows,${s.D}] · ${p.b}`);
  const firstPanel = s.windowed ? `max(${windowStart(s, p.ahead, "0")}, 0) / ${s.NR} * ${s.NR}` : "0";
  const end = s.causal ? `min(${p.keys}, ${p.ahead} + ${p.rows})` : p.keys;
  w.block(`for (let k = ${firstPanel}; k < ${end}; k += ${s.NR})`, () => {
    const place = `${p.firstKey} + k`;
    const half = s.NR === 16 ? "" : ` + (((${place}) & 8) << 2)`;
    w.line(`const b = ${p.b} + <usize>((${place}) >> 4) * ${p.bPanel}${half};`);
    const from = s.causal ? `max(k - ${p.ahead}, 0) / ${s.MR} * ${s.MR}` : "0";
    const tile = (mr: number): Tile => ({
      mr,
      nr: s.NR,
      aRow: p.aRow,
      aStep: 4,
      bStep: PANEL_BYTES,
      outRow: cRow,
    });
    // later rows do not see so far back
    const below = s.windowed && s.causal ? `k + ${s.NR - 1} + WINDOW - ${p.ahead}` : undefined;
    rowTiles(
      w,
      s,
      from,
      p.rows,
      p.tail,
      (mr) =>
        callTile(w, tile(mr), {
          a: `${p.a} + <usize>r * ${p.aRow}`,
          b: "b",
          steps: s.D,
          out: `${p.c} + <usize>r * ${cRow} + (k << 2)`,
        }),
      below,
    );
  });
}

/** How rows of 16 columns lie: bytes from panel to panel of columns, and from 16 rows to the next 16. */
export interface Panels {
  readonly columns: number;
  readonly rows: number;
}
/** All rows of a panel follow each other. */
export const contiguous = (panelRows: number): Panels => ({
  columns: panelRows * PANEL_BYTES,
  rows: PANEL * PANEL_BYTES,
});
export const isContiguous = ({ rows }: Panels): boolean => rows === PANEL * PANEL_BYTES;

export interface FromKeys {
  readonly scores: string;
  /** Panels [D/16][…][16] of the keys' rows, and the block's first row in them. */
  readonly b: string;
  readonly panels: Panels;
  readonly firstKey: string;
  readonly c: string;
  readonly cRow: number;
  readonly mode: TileMode;
  /** Address of α[rows], for the modes that need it. */
  readonly alpha?: string;
  readonly rows: string;
  readonly keys: string;
  readonly ahead: string;
  readonly tail: Tail;
}

export function emitFromKeys(w: Writer, s: Sizes, p: FromKeys): void {
  const aRow = s.KB * 4;
  const skipped = p.firstKey === "0" ? "" : ` + <usize>(${p.firstKey} >> 4) * ${p.panels.rows}`;
  const gap = p.panels.rows - PANEL * PANEL_BYTES;
  const apart = !isContiguous(p.panels);
  w.line(`// ${p.c}[rows,${s.D}] ${signs[p.mode]} ${p.scores}[rows,keys] · ${p.b}`);
  w.block(`for (let c = 0; c < ${s.D}; c += ${s.NR})`, () => {
    w.line(`const b = ${p.b} + <usize>(${panelOf(s, p.panels.columns)})${skipped};`);
    const tile = (mr: number): Tile => ({
      mr,
      nr: s.NR,
      aRow,
      aStep: 4,
      bStep: PANEL_BYTES,
      outRow: p.cRow,
      mode: p.mode,
      ...(apart && { bGap: gap }),
    });
    const keys = (mr: number): string => (s.causal ? `min(${p.keys}, ${p.ahead} + r + ${mr})` : p.keys);
    const seen = s.windowed
      ? `max(${windowStart(s, p.ahead, "r")}, 0)${apart ? ` & ~${PANEL - 1}` : ""}`
      : "0"; // by the tile's first row
    const after = (each: number, bytes: number): string =>
      s.windowed ? ` + <usize>((${seen}) / ${each}) * ${bytes}` : "";
    const rowsAfter = apart ? after(PANEL, p.panels.rows) : after(1, PANEL_BYTES);
    const steps = (mr: number): string => (s.windowed ? `max(${keys(mr)} - (${seen}), 0)` : keys(mr));
    rowTiles(w, s, "0", p.rows, p.tail, (mr) =>
      callTile(w, tile(mr), {
        a: `${p.scores} + <usize>r * ${aRow}${after(1, 4)}`,
        b: `b${rowsAfter}`,
        steps: steps(mr),
        out: `${p.c} + <usize>r * ${p.cRow} + (c << 2)`,
        alpha: p.alpha && `${p.alpha} + (<usize>r << 2)`,
      }),
    );
  });
}

/** Bytes from the first panel to column c's place. */
const panelOf = (s: Sizes, bytes: number): string =>
  `(c >> 4) * ${bytes}${s.NR === 16 ? "" : " + ((c & 8) << 2)"}`;

export interface FromQueries {
  readonly scores: string;
  /** Panels [D/16][QB][16] of the queries' rows. */
  readonly b: string;
  readonly panelRows: number;
  readonly c: string;
  readonly cRow: number;
  readonly mode: TileMode;
  readonly rows: string;
  readonly keys: string;
  readonly ahead: string;
  readonly tail: Tail;
}

export function emitFromQueries(w: Writer, s: Sizes, p: FromQueries): void {
  const aStep = s.KB * 4;
  w.line(`// ${p.c}[keys,${s.D}] ${signs[p.mode]} ${p.scores}ᵀ[keys,rows] · ${p.b}`);
  w.block(`for (let c = 0; c < ${s.D}; c += ${s.NR})`, () => {
    w.line(`const b = ${p.b} + <usize>(${panelOf(s, p.panelRows * PANEL_BYTES)});`);
    const tile = (mr: number): Tile => ({
      mr,
      nr: s.NR,
      aRow: 4,
      aStep,
      bStep: PANEL_BYTES,
      outRow: p.cRow,
      mode: p.mode,
    });
    const keys = s.causal ? `min(${p.keys}, ${p.ahead} + ${p.rows})` : p.keys;
    // r runs over keys here; the first query that sees key r is r − ahead
    const first = s.causal ? `max(r - ${p.ahead}, 0)` : "0";
    // … and the last query that sees key r + mr − 1 stands WINDOW − 1 positions behind it
    const steps = (mr: number): string =>
      s.windowed
        ? `max(min(${p.rows}, r + ${mr - 1} + WINDOW - ${p.ahead}) - ${first}, 0)`
        : `${p.rows} - ${first}`;
    rowTiles(w, s, "0", keys, p.tail, (mr) =>
      callTile(w, tile(mr), {
        a: `${p.scores} + (<usize>r << 2) + <usize>${first} * ${aStep}`,
        b: `b + <usize>${first} * ${PANEL_BYTES}`,
        steps: steps(mr),
        out: `${p.c} + <usize>r * ${p.cRow} + (c << 2)`,
      }),
    );
  });
}
