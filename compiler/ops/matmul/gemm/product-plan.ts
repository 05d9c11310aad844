/**
 * How one matrix product is cut: into tiles, blocks of K, packed panels and strips, and tasks. A task is one
 * tile of out: MR rows × one panel of NR columns. A worker's tasks are a contiguous range of tiles, in the
 * order that suits packing:
 *
 *   by panels  task = panel · rowTiles + tile: a worker packs (almost) only its own columns of b
 *   by rows    task = tile · panels + panel: for products whose a is packed (tn) and larger than b, and for
 *              products of many rows, whose last quarter of tiles is shared by columns: task = … + panel ·
 *              tiles + tile
 *   by lines   where rows may be dead, a task is a line of 16 columns with all tiles of live rows
 *
 * Sums over K: of a product that says nothing, in blocks of KC steps, each from zero. Where rows may be dead,
 * a product of few rows and one of many must come to the same bits: then all of K is one chain of additions,
 * which the next block goes on with, or is cut into `stretches`, as matmul_split cuts it.
 */
import type { DynamicTasks, Kernel } from "../../kit/op.ts";
import { ceilTo, PANEL } from "../../kit/panels.ts";
import type { Dims } from "../../kit/signature.ts";
import type { Writer } from "../../kit/writer.ts";
import { rowBytes } from "../../../../runtime/contract/tensor-layout.ts";
import { isLight, MANY_ROWS, type Form, type MatmulTensor } from "./cache-blocks.ts";
import { spread, TRANSPOSED_STEPS } from "./pack-blocks.ts";

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

/** b[K,N] as something else than rows of f32: the bytes of its rows, and how they become panels. */
export interface RowSource {
  readonly rowBytes: number;
  /**
   * A function (b, packed, steps, panel, panels): packed[panels][K,NR] = so many panels from number `panel`
   * on, of the first `steps` rows of b.
   */
  pack(w: Writer, NR: number, panelBytes: number): string;
}

export interface Plan {
  readonly form: Form;
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** Register tile; then steps of k, panels of b and tiles of rows of one cache block (cache-blocks.ts). */
  readonly MR: number;
  readonly NR: number;
  readonly KC: number;
  readonly PB: number;
  readonly RB: number;
  /** Tiles of rows, and panels of columns, of all of out. */
  readonly rowTiles: number;
  readonly panels: number;
  /** nn, nt: K is more than one block. */
  readonly blocked: boolean;
  /** Bytes of one packed panel of b, and of one packed strip of a (tn). */
  readonly panelBytes: number;
  readonly stripBytes: number;
  /** Bytes of the tiles that wait for their next block of K, or for their epilogue. */
  readonly sumsBytes: number;
  /** Tasks run along rows of tiles instead of down panels. */
  readonly byRows: boolean;
  /** Rows may be dead: tasks are lines of columns, and the local `rows` says how many are live. */
  readonly live: boolean;
  /**
   * Is a read as it lies? Where it is not (tn), it is packed into strips. As a worker's share of the columns
   * is: an expression of generated code.
   */
  readonly asItLies: boolean | string;
  /** What is packed is touched first (pack-blocks.ts). */
  readonly touches: boolean;
  /** A block of K goes on with the sums of the one before, instead of adding its own to them. */
  readonly chained: boolean;
  /** Into how many stretches K is cut; their sums are added in order. Blocks of K, if any, are these. */
  readonly stretches?: number | undefined;
  /** b is something else than rows of f32. */
  readonly source?: PanelSource;
  readonly rows?: RowSource;
}

/**
 * tn: a worker that has at most so many columns of out reads a as it lies. Strips are packed for more
 * (bench/EXPERIMENTS.md, 2026-11-29).
 */
const COLUMNS_WITHOUT_STRIPS = 256;
/** Rows of a so far apart fall into the same sets of every cache. */
const SETS_APART_BYTES = 4096;

export function planOf(
  form: Form,
  d: Dims,
  k: Kernel<MatmulTensor | "live">,
  from: Pick<Plan, "source" | "rows"> = {},
): Plan {
  const { M, N, K } = d as Record<"M" | "N" | "K", number>;
  const { MR, NR, KC, PB, RB } = k.tiles as Record<"MR" | "NR" | "KC" | "PB" | "RB", number>;
  const blocked = form !== "tn" && KC < K;
  const live = k.has("live");
  const stretches = d["P"];
  const panels = rowBytes(N) / (NR * 4);
  const most = COLUMNS_WITHOUT_STRIPS / NR;
  const mayLie = form !== "tn" || rowBytes(M) % SETS_APART_BYTES !== 0;
  const alwaysLies = form !== "tn" || (mayLie && panels <= most);
  const byRows = form === "tn" ? M > N && !alwaysLies : M >= MANY_ROWS && !live;
  const packedSteps = ceilTo(KC, form === "nt" ? (from.source?.steps ?? TRANSPOSED_STEPS) : 1);
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
    blocked,
    ...from,
    rowTiles: Math.ceil(M / MR),
    panels,
    panelBytes: spread(packedSteps * NR * 4),
    stripBytes: form === "tn" ? spread(KC * MR * 4) : 0,
    sumsBytes: MR * NR * 4 * (blocked ? RB * PB : isLight(k) && !stretches ? 0 : 1),
    byRows,
    live,
    asItLies: alwaysLies || (mayLie && !byRows && `${panels} <= ${most} * workers`),
    touches: form === "tn" || live || M < MANY_ROWS,
    chained: live && blocked && !stretches,
    stretches,
  };
}

/** Panels in a line of 16 columns. */
export const panelsOfLine = ({ NR }: Plan): number => PANEL / NR;
export const gemmTasks = (p: Plan): number => (p.live ? p.panels / panelsOfLine(p) : p.rowTiles * p.panels);
export const gemmScratch = (p: Plan): number =>
  p.sumsBytes + p.PB * p.panelBytes + (p.asItLies === true ? 0 : p.RB * p.stripBytes);

/** Is the last quarter of the tiles shared by columns? */
export const tailByColumns = (p: Plan): boolean => p.form !== "tn" && p.byRows;

/** tn: all of a's strips fit into scratch, in one block of K. */
export const stripsStay = (p: Plan): boolean => !p.byRows && p.RB >= p.rowTiles && p.KC >= p.K;

/** Share of a product's panels (or rows of tiles) that is dynamic, and in how many pieces at least. */
const DYNAMIC_SHARE = 1 / 4;
const PIECES = 8;
/** The same where pieces are columns of the last rows: smaller ones pack nothing twice. */
const TAIL_PIECES = 16;
/**
 * Panels of b[K,N] in a piece at least, where there are panels enough: a row's piece of a single panel is one
 * line of memory, and each piece reads all of a again, from memory where K is several blocks.
 */
const PANELS = { one: 3, blocked: 6 } as const;
/**
 * Pieces of a product whose tasks are all dynamic, since other programs take cores from the workers: more,
 * where a piece packs only its own panels.
 */
const HELD_PIECES = { own: 24, all: 6 } as const;

/** So many of the pieces that there might be, so that two or four workers get equally many. */
const evenPieces = (most: number): number => (most < 4 ? Math.floor(most) : Math.floor(most / 4) * 4);

/**
 * Pieces are whole panels, or parts of one. They do not pay where all of a is packed for every piece (tn with
 * several blocks of K). A product that is shared by rows hands out columns of its last rows: a piece packs
 * only its own panels.
 */
export function gemmDynamic(p: Plan): DynamicTasks {
  const [units, each] = p.live
    ? [gemmTasks(p), 1]
    : p.byRows
      ? [p.rowTiles, p.panels]
      : [p.panels, p.rowTiles];
  const tasks = units * each;
  const rest = Math.ceil(units * DYNAMIC_SHARE);
  const held = (pieces: number): number => Math.ceil(units / pieces) * each;
  if (p.form === "tn" && !stripsStay(p) && !(p.byRows && p.KC >= p.K))
    return { fixed: tasks, grain: tasks, heldGrain: held(HELD_PIECES.all) };
  if (tailByColumns(p))
    return {
      fixed: (p.rowTiles - rest) * p.panels,
      grain: rest * Math.ceil(p.panels / TAIL_PIECES),
      least: rest,
      heldGrain: p.rowTiles * Math.ceil(p.panels / HELD_PIECES.own),
    };
  const wide = p.form === "nn" && !p.byRows && !p.live;
  const fewest = wide ? (p.blocked ? PANELS.blocked : PANELS.one) : 1;
  const size = Math.max(fewest, Math.floor(rest / PIECES));
  const grain = rest >= PIECES ? size * each : Math.ceil((rest * each) / PIECES);
  const dynamic = rest >= PIECES ? size * evenPieces(rest / size) : rest;
  return {
    fixed: (units - dynamic) * each,
    grain,
    least: Math.min(grain, each),
    ...(p.byRows && { heldGrain: held(HELD_PIECES.all) }),
  };
}
