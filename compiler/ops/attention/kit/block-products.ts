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
import { isBounded, type Sizes } from "./kernel-sizes.ts";
import { PANEL, PANEL_BYTES } from "../../kit/panels.ts";
import { callTile, type Tile, type TileMode } from "../../kit/register-tile.ts";

/** For the comments in generated code. */
const signs = { set: "=", add: "+=", fade: "= α · old +", scaled: "= α ·" } as const;

/**
 * Rows that are left behind full tiles: so many, when the sequence does not divide; or any number, where the
 * areas have room for a full tile.
 */
export type Tail = number | "any";

/** A call for each full tile of `rows`, and one for the tile that is left. */
function rowTiles(
  w: Writer,
  s: Sizes,
  from: string,
  rows: string,
  tail: Tail,
  call: (mr: number) => string,
  below?: string,
): void {
  const also = below ? " && r < below" : "";
  w.line(`let r = ${from};`);
  if (below) w.line(`const below = ${below};`);
  if (tail === "any") {
    const half = s.MR / 2;
    w.line(`for (; r + ${half} < ${rows}${also}; r += ${s.MR}) ${call(s.MR)}`);
    w.line(`if (r < ${rows}${also}) ${call(half)}`);
    return;
  }
  w.line(`for (; r + ${s.MR} <= ${rows}${also}; r += ${s.MR}) ${call(s.MR)}`);
  if (tail > 0) w.line(`if (r < ${rows}${also}) ${call(tail)}`);
}

/** The position of row r of the block, relative to that of the first. */
export const positionOf = ({ each }: Pick<Sizes, "each">, r: string): string =>
  each === 1 ? r : `(${r}) / ${each}`;

/** The first row at a position, relative to the first row's. */
const rowOf = ({ each }: Sizes, position: string): string =>
  each === 1 ? position : `${position} * ${each}`;
/** How many positions the first so many rows span. */
const behind = ({ each }: Sizes, rows: string): string => (each === 1 ? rows : `(${rows} - 1) / ${each} + 1`);

/**
 * The first key that row r of the block may see, relative to the block: may be negative. A single position's
 * rows are heads. It grows with r.
 */
export function windowStart(s: Sizes, ahead: string, r: string): string {
  const window = `${ahead}${s.causal ? ` + ${positionOf(s, r)}` : ""} + 1 - WINDOW`;
  if (!s.documents) return window;
  const document = `${ahead} - q + load<i32>(first_q${r === "0" ? "" : ` + (<usize>(${r}) << 2)`})`;
  return s.windowed ? `max(${window}, ${document})` : document;
}

/**
 * Documents: the first key that anybody of the block sees, and some before it, so that whole tiles of it are
 * computed for all rows.
 */
export const blockStart = (s: Sizes, ahead: string): string =>
  `max(${windowStart(s, ahead, "0")} - ${s.MR - 1}, 0)`;

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
  /** The panels are a ring: how many keys (i32, a multiple of 16) it has. */
  readonly ring?: string | undefined;
  /** Position of the first query minus that of the first key. */
  readonly ahead: string;
  readonly tail: Tail;
}

export function emitScores(w: Writer, s: Sizes, p: Scores): void {
  const cRow = s.KB * 4;
  w.line(`// ${p.c}[rows,keys] = ${p.a}[rows,${s.D}] · ${p.b}`);
  const least = s.documents ? blockStart(s, p.ahead) : `max(${windowStart(s, p.ahead, "0")}, 0)`;
  const firstPanel = isBounded(s) ? `${least} / ${s.NR} * ${s.NR}` : "0";
  const end = s.causal ? `min(${p.keys}, ${p.ahead} + ${behind(s, p.rows)})` : p.keys;
  w.block(`for (let k = ${firstPanel}; k < ${end}; k += ${s.NR})`, () => {
    const place = p.ring ? `(${p.firstKey} + k) % ${p.ring}` : `${p.firstKey} + k`;
    const half = s.NR === 16 ? "" : ` + (((${place}) & 8) << 2)`;
    w.line(`const b = ${p.b} + <usize>((${place}) >> 4) * ${p.bPanel}${half};`);
    const from = s.causal ? `${rowOf(s, `max(k - ${p.ahead}, 0)`)} / ${s.MR} * ${s.MR}` : "0";
    const tile = (mr: number): Tile => ({
      mr,
      nr: s.NR,
      aRow: p.aRow,
      aStep: 4,
      bStep: PANEL_BYTES,
      outRow: cRow,
    });
    // later rows do not see so far back
    const below =
      s.windowed && s.causal && !s.documents
        ? rowOf(s, `(k + ${s.NR - 1} + WINDOW - ${p.ahead})`)
        : undefined;
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
  /** The panels are a ring: how many keys (i32, a multiple of 16) it has. */
  readonly ring?: string | undefined;
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
  w.line(`// ${p.c}[rows,${s.D}] ${signs[p.mode]} ${p.scores}[rows,keys] · ${p.b}`);
  if (p.ring) {
    // what the first row sees, and so all that is read, is no longer than the ring
    w.line(
      `const nearest = ${s.windowed ? `max(${windowStart(s, p.ahead, "0")}, 0) & ~${PANEL - 1}` : "0"};`,
    );
    w.line(`const slot = (${p.firstKey} + nearest) % ${p.ring}, turn = nearest + ${p.ring} - slot;`);
  }
  w.block(`for (let c = 0; c < ${s.D}; c += ${s.NR})`, () => {
    w.line(`const column = ${p.b} + <usize>(${panelOf(s, p.panels.columns)});`);
    if (!p.ring) return fromKeys(w, s, p, { from: `${p.firstKey}`, to: p.keys });
    w.block("", () => fromKeys(w, s, p, { from: "slot - nearest", to: `min(${p.keys}, turn)` }));
    w.line("// where the ring begins anew");
    w.block(`if (turn < ${p.keys})`, () =>
      fromKeys(w, s, { ...p, mode: "add" }, { least: "turn", from: "-turn", to: p.keys }),
    );
  });
}

/** Keys of the block (i32): from `least` (0) on, before `to`; and the place in the panels of key 0. */
interface Stretch {
  readonly least?: string;
  readonly from: string;
  readonly to: string;
}

/** One panel of columns, and one stretch of keys. */
function fromKeys(w: Writer, s: Sizes, p: FromKeys, { least, from, to }: Stretch): void {
  const aRow = s.KB * 4;
  const apart = !isContiguous(p.panels);
  const tile = (mr: number): Tile => ({
    mr,
    nr: s.NR,
    aRow,
    aStep: 4,
    bStep: PANEL_BYTES,
    outRow: p.cRow,
    mode: p.mode,
    ...(apart && { bGap: p.panels.rows - PANEL * PANEL_BYTES }),
  });
  const last = (mr: number): string => (s.each === 1 ? `r + ${mr}` : `(r + ${mr - 1}) / ${s.each} + 1`);
  const end = (mr: number): string => (s.causal ? `min(${to}, ${p.ahead} + ${last(mr)})` : to);
  const toPanel = apart ? ` & ~${PANEL - 1}` : "";
  const seen = `max(${windowStart(s, p.ahead, "r")}, ${least ?? 0})${toPanel}`; // by the tile's first row
  const first = isBounded(s) ? seen : least;
  const after = (each: number, bytes: number): string =>
    first ? ` + <usize>((${first}) / ${each}) * ${bytes}` : "";
  const rows = apart ? after(PANEL, p.panels.rows) : after(1, PANEL_BYTES);
  if (from === "0") w.line("const b = column;");
  else w.line(`const b = column + <usize>((${from}) >> 4) * ${p.panels.rows};`);
  rowTiles(w, s, "0", p.rows, p.tail, (mr) =>
    callTile(w, tile(mr), {
      a: `${p.scores} + <usize>r * ${aRow}${after(1, 4)}`,
      b: `b${rows}`,
      steps: first ? `max(${end(mr)} - (${first}), 0)` : end(mr),
      out: `${p.c} + <usize>r * ${p.cRow} + (c << 2)`,
      alpha: p.alpha && `${p.alpha} + (<usize>r << 2)`,
    }),
  );
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
    const seeing = (mr: number): string =>
      s.windowed
        ? `max(min(${p.rows}, r + ${mr - 1} + WINDOW - ${p.ahead}) - ${first}, 0)`
        : `${p.rows} - ${first}`;
    // keys of documents before the block's are nobody's
    const steps = (mr: number): string =>
      s.documents ? `(r + ${mr - 1} < ${windowStart(s, p.ahead, "0")} ? 0 : ${seeing(mr)})` : seeing(mr);
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
