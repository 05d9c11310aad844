/**
 * What the products of a mixture's experts share. The slots starts[e] … starts[e+1] − 1 of a belong to
 * expert e (dispatch.ts); starts has F = E + 1 entries. With many slots a task is one panel of sixteen
 * columns of one expert. Tasks go panel by panel, so that each worker has a share of every expert, however
 * unevenly the rows are divided among the experts.
 */
import { type Kernel, type DynamicTasks } from "../kit/op.ts";
import { rowFloats, rowBytes } from "../../../runtime/contract/tensor-layout.ts";
import type { Writer } from "../kit/writer.ts";
import { registerTile, callTile, type Tile } from "../kit/register-tile.ts";
import { PANEL } from "../kit/panels.ts";
import { panelsAtOnce } from "../matmul/gemm/cache-blocks.ts";

/** So many slots are those of a few tokens, in which nothing of a matrix is used twice. */
export const FEW_SLOTS = 16;

export const panels = (N: number): number => rowFloats(N) / PANEL;
export const groupedTasks = ({ E, N }: Readonly<Record<"E" | "N", number>>): number => E * panels(N);
/**
 * A quarter of the tasks is dynamic: a worker that was held up does not hold up the others, and most of a's
 * rows stay in one core's caches. A piece has a block of panels of every expert.
 */
export const groupedDynamic = (d: Readonly<Record<"E" | "N", number>>): DynamicTasks => ({
  fixed: Math.floor((groupedTasks(d) * 3) / 4),
  grain: Math.max(panelsAtOnce(1, PANEL) * d.E, Math.ceil(groupedTasks(d) / 64)),
  least: 1,
});
export const groupedFlops = ({ S, N, K }: Readonly<Record<"S" | "N" | "K", number>>): number => 2 * S * N * K;

/** The expert of slot s. */
export const expertOf = (starts: Float64Array, s: number): number =>
  starts.findIndex((start, e) => start <= s && s < starts[e + 1]!);
/**
 * What a test may feed as starts: uneven shares, of which the first expert has none and the last the most.
 */
export const sampleStarts = ({ S, F }: Readonly<Record<"S" | "F", number>>, i: number): number =>
  Math.floor(S * (i / (F - 1)) ** 2.5);

/**
 * How many matrices a product reads: with few slots only those that were chosen, at most one for each slot.
 */
export const matricesRead = ({ S, E }: Readonly<Record<"S" | "E", number>>): number => Math.min(S, E);
/** The same as a share of all matrices. */
export const shareRead = (d: Readonly<Record<"S" | "E", number>>): number => matricesRead(d) / d.E;

/** Declares from and rows: the first slot of expert e, and how many it has. */
const slotsOf = (starts: string): string =>
  `const from = load<i32>(${starts} + (<usize>e << 2)), rows = load<i32>(${starts} + (<usize>e << 2), 4) - ` +
  "from;";

/**
 * Writes the call that packs panel `panel` of matrices [N,K] by transposing them: in the last one some of its
 * `valid` columns may be missing.
 */
export function emitPack(w: Writer, N: number, call: (valid: number) => string): void {
  const whole = Math.floor(N / PANEL);
  const rest = N % PANEL;
  if (rest === 0) return w.line(call(PANEL));
  if (whole > 0) w.line(`if (panel < ${whole}) ${call(PANEL)}`);
  w.line(`${whole > 0 ? "else " : ""}${call(rest)}`);
}

/** The loop over the worker's tasks, with the locals e, panel, from (the expert's first row) and rows. */
export function eachTask(w: Writer, starts: string, E: number, body: () => void): void {
  w.block("for (let task = first; task < last; task++)", () => {
    w.line(`const e = task % ${E}, panel = task / ${E};`);
    w.line(slotsOf(starts));
    body();
  });
}

/**
 * The same tasks expert by expert: neighbouring panels of one matrix in blocks of `together`, with the locals
 * e, from, rows and panel0 … panel1.
 */
export function eachBlock(w: Writer, starts: string, E: number, together: number, body: () => void): void {
  w.block(`for (let e = 0; e < ${E}; e++)`, () => {
    w.line(slotsOf(starts));
    w.line(`const lastPanel = (last - e + ${E - 1}) / ${E};`);
    w.block(
      `for (let panel0 = (first - e + ${E - 1}) / ${E}; panel0 < lastPanel; panel0 += ${together})`,
      () => {
        w.line(`const panel1 = min(panel0 + ${together}, lastPanel);`);
        body();
      },
    );
  });
}

/**
 * Writes out[rows, 16 columns] = a[rows,K] · panel, in whole tiles; fewer rows than one has, row by row. From
 * one step of the panel to the next are `bStep` bytes.
 */
export function emitRows(
  w: Writer,
  k: Pick<Kernel, "target">,
  { K, N }: Readonly<Record<"K" | "N", number>>,
  b: string,
  bStep: number,
): void {
  const { MR, NR } = registerTile(k.target);
  const aRow = rowBytes(K);
  const outRow = rowBytes(N);
  for (let column = 0; column < PANEL; column += NR) {
    const tile = (mr: number): Tile => ({ mr, nr: NR, aRow, aStep: 4, bStep, outRow });
    const after = column ? ` + ${column * 4}` : "";
    const call = (mr: number): string =>
      callTile(w, tile(mr), {
        a: `a_e + <usize>r * ${aRow}`,
        b: `${b}${after}`,
        steps: K,
        out: `out_e + <usize>r * ${outRow}${after}`,
      });
    w.block("", () => {
      w.line("let r = 0;");
      w.line(`for (; r + ${MR} <= rows; r += ${MR}) ${call(MR)}`);
      // the last rows, with some before them once more: a row alone takes two thirds of a tile's time
      w.line(`if (rows >= ${MR} && r < rows) { r = rows - ${MR}; ${call(MR)} r = rows; }`);
      w.line(`for (; r < rows; r++) ${call(1)}`);
    });
  }
}

type Products = Readonly<Record<"starts" | "out", Float64Array>>;

/** out[s,n] = Σ_k a(s,k) · b(e,k,n), where e is the expert of slot s. */
export function groupedReference(
  t: Products,
  { S, N, K }: Readonly<Record<"S" | "N" | "K", number>>,
  a: (s: number, k: number) => number,
  b: (e: number, k: number, n: number) => number,
): void {
  for (let s = 0; s < S; s++) {
    const e = expertOf(t.starts, s);
    for (let n = 0; n < N; n++) {
      let sum = 0;
      for (let k = 0; k < K; k++) sum += a(s, k) * b(e, k, n);
      t.out[s * N + n] = sum;
    }
  }
}
