/**
 * Products of a mixture of experts: the rows starts[e] … starts[e+1] − 1 of a meet matrix e of b. How many
 * rows an expert has is known at run time only; it may be any number, even all of them.
 *
 *   grouped_matmul      out[s,:] = a[s,:] · b[e]          grouped_matmul_nt   out[s,:] = a[s,:] · b[e]ᵀ
 *   grouped_matmul_tn   out[e] (+)= Σ_s a[s,:]ᵀ · b[s,:]
 *
 * grouped-panels.ts has tasks and tiles, grouped_quantised.ts the same with weights in fewer bits. F = E + 1.
 * With the few slots of decoding, or of a run with few live rows, nothing is packed: a worker has some
 * columns, and reads its part of the chosen matrices at the speed of memory.
 */
import { defineOp, type Kernel, type DynamicTasks } from "../kit/op.ts";
import type { Writer } from "../kit/writer.ts";
import { panelsAtOnce } from "../matmul/gemm/cache-blocks.ts";
import { packRows, packTransposed, TRANSPOSED_STEPS } from "../matmul/gemm/pack-blocks.ts";
import { streamVectors } from "../matmul/gemm/few-rows.ts";
import { eachStreams, rowStream } from "../matmul/gemm/row-tiles.ts";
import { callTile, registerTile, type TileMode } from "../kit/register-tile.ts";
import { ceilTo, PANEL, PANEL_BYTES } from "../kit/panels.ts";
import {
  eachBlock,
  emitPack,
  emitRows,
  expertOf,
  FEW_SLOTS,
  groupedFlops as flops,
  groupedReference,
  groupedTasks as tasks,
  groupedDynamic as dynamic,
  matricesRead,
  panels,
  sampleStarts,
  shareRead,
} from "./grouped-panels.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

type Sizes = Readonly<Record<"S" | "E" | "N" | "K", number>>;

/** The last eighth of the columns is dynamic, because memory serves one worker better than another. */
const fewDynamic = (tasks: number): DynamicTasks => ({
  fixed: tasks - Math.floor(tasks / 8),
  grain: Math.max(2, Math.ceil(tasks / 64)),
});
/** Rows of b that one pass reads at the same time, for a single slot. */
const STREAMS = 8;

/** The columns of the tasks [first, last), in bytes: a task is a panel, or `each` tasks are. */
const columnsOf = (each: number): string => {
  const panel = (task: string): string => (each === 1 ? task : `(${task} + ${each - 1}) / ${each}`);
  return (
    `const from = <usize>(${panel("first")}) * ${PANEL_BYTES}, bytes = <usize>(${panel("last")}) * ` +
    `${PANEL_BYTES} - from;`
  );
};

/**
 * out[s, the worker's columns] = a[s,:] · b[e], expert after expert: all slots of one together, so that its
 * matrix is read once. Sums are one chain over K, as those of register tiles.
 */
function emitFewSlots(
  w: Writer,
  at: Readonly<Record<"a" | "b" | "starts" | "out", string>>,
  { E, N, K }: Sizes,
  { target }: Pick<Kernel, "target">,
  tasksOfPanel: number,
): void {
  const strides = { b: rowBytes(N), a: rowBytes(K), sums: rowBytes(N) };
  const rest = K % STREAMS;
  const pass = (rows: number, k: string): string =>
    `${rowStream(w, rows, strides.b, streamVectors(target))}(a_e + ${k} * 4, b_e + ${k} * ${strides.b}, ` +
    "out_e, bytes);";
  w.line(columnsOf(tasksOfPanel));
  w.block(`for (let e: usize = 0; e < ${E}; e++)`, () => {
    w.line(
      `const slot = load<i32>(${at.starts} + (e << 2)), rows = load<i32>(${at.starts} + (e << 2), 4) - slot;`,
    );
    w.line("if (rows == 0) continue;");
    w.line(`const b_e = ${at.b} + e * ${K * strides.b} + from;`);
    w.line(`const a_e = ${at.a} + <usize>slot * ${strides.a};`);
    w.line(`const out_e = ${at.out} + <usize>slot * ${strides.sums} + from;`);
    w.line(
      `for (let r: usize = 0; r < <usize>rows; r++) memory.fill(out_e + r * ${strides.sums}, 0, bytes);`,
    );
    w.block("if (rows == 1)", () => {
      if (K >= STREAMS)
        w.line(`for (let k: usize = 0; k < ${K - rest}; k += ${STREAMS}) ${pass(STREAMS, "k")}`);
      if (rest > 0) w.line(pass(rest, `${K - rest}`));
      w.line("continue;");
    });
    eachStreams(
      w,
      target,
      strides,
      E * K * strides.b,
      { from: "0", to: `${K}` },
      { a: "a_e", b: "b_e", sums: "out_e", bytes: "bytes", rows: "rows" },
    );
  });
}

/** Of a packed panel, which is transposed in whole steps. */
const bytesOfPanel = (K: number): number => ceilTo(K, TRANSPOSED_STEPS) * PANEL_BYTES;
/** With fewer rows than this, packing a panel costs more than it saves. */
const FEW = 12;

function emitForward(
  w: Writer,
  at: Readonly<Record<"a" | "b" | "starts" | "out", string>>,
  d: Sizes,
  k: Kernel,
  transposed: boolean,
): void {
  const { E, N, K } = d;
  const bRow = rowBytes(transposed ? K : N);
  const matrix = (transposed ? N : K) * bRow;
  const together = panelsAtOnce(K, PANEL);
  const panelBytes = bytesOfPanel(K);
  const rowsOfPanels = (b: string, bStep: number): void =>
    w.block("for (let panel = panel0; panel < panel1; panel++)", () => {
      w.line(
        `const out_e = ${at.out} + <usize>from * ${rowBytes(N)} + <usize>panel * ${PANEL_BYTES}, b = ${b};`,
      );
      emitRows(w, k, d, "b", bStep);
    });
  const packed = `scratch + <usize>(panel - panel0) * ${panelBytes}`;
  eachBlock(w, at.starts, E, together, () => {
    w.line("if (rows == 0) continue;");
    w.line(`const a_e = ${at.a} + <usize>from * ${rowBytes(K)};`);
    const apart = transposed ? PANEL * bRow : PANEL_BYTES;
    w.line(`const b_e = ${at.b} + <usize>e * ${matrix} + <usize>panel0 * ${apart};`);
    if (transposed) {
      w.block("for (let panel = panel0; panel < panel1; panel++)", () =>
        emitPack(w, N, (valid) => {
          const pack = packTransposed(w, { NR: PANEL, rowBytes: bRow, touched: true }, valid);
          return `${pack}(b_e + <usize>(panel - panel0) * ${apart}, ${packed}, ${K});`;
        }),
      );
      return rowsOfPanels(packed, PANEL_BYTES);
    }
    w.block(`if (rows < ${FEW})`, () => rowsOfPanels(`b_e + <usize>(panel - panel0) * ${PANEL_BYTES}`, bRow));
    w.block("else", () => {
      const pack = packRows(w, { NR: PANEL, rowBytes: bRow, panelBytes, touched: together * PANEL_BYTES });
      w.line(`${pack}(b_e, scratch, ${K}, panel1 - panel0);`);
      rowsOfPanels(packed, PANEL_BYTES);
    });
  });
}

const scratch = ({ K }: Readonly<Record<"K", number>>): number => panelsAtOnce(K, PANEL) * bytesOfPanel(K);
const sample = (
  tensor: string,
  d: Readonly<Record<"S" | "F", number>>,
  noise: () => number,
  i: number,
): number => (tensor === "starts" ? sampleStarts(d, i) : noise());
const bytes = (d: Sizes): number => 4 * (d.S * (d.K + d.N) + matricesRead(d) * d.K * d.N);
const size = (S: number, E: number, K: number, N: number) => ({ d: { S, E, F: E + 1, K, N } });
const cases = [
  size(50, 3, 17, 40),
  size(7, 4, 9, 15),
  size(64, 2, 16, 33),
  size(1, 3, 5, 8),
  size(1536, 8, 128, 344),
  size(2, 8, 128, 344),
];

export const grouped_matmul = defineOp("a[S,K] b[E,K,N] starts[F]:i32 live[1]?:i32 -> out[S,N]", {
  doc: "out[s,:] = a[s,:] · b[e],  starts[e] ≤ s < starts[e+1]",
  flops,
  bytes,
  rows: "S",
  share: { b: shareRead },
  quantised: {
    by: "grouped_quantised",
    weights: "b",
    transposed: true,
    isForwardOnly: true,
    integers: { by: "grouped_integer", of: "a", most: FEW_SLOTS },
  },
  reference: (t, d) =>
    groupedReference(
      t,
      d,
      (s, k) => t.a[s * d.K + k]!,
      (e, k, n) => t.b[(e * d.K + k) * d.N + n]!,
    ),
  backward: () => [
    { op: "grouped_matmul_nt", ins: { a: "d_out", b: "b", starts: "starts" }, outs: { out: "d_a" } },
    { op: "grouped_matmul_tn", ins: { a: "a", b: "d_out", starts: "starts" }, outs: { out: "d_b" } },
  ],
  scratch,
  tasks: (d) => (d.S <= FEW_SLOTS ? panels(d.N) : tasks(d)),
  dynamic: (d) => (d.S <= FEW_SLOTS ? fewDynamic(panels(d.N)) : dynamic(d)),
  emit(w, at, d, k) {
    if (d.S <= FEW_SLOTS) return emitFewSlots(w, at, d, k, 1);
    if (!k.has("live")) return emitForward(w, at, d, k, false);
    w.block(`if (load<i32>(${at.live}) <= ${FEW_SLOTS})`, () => emitFewSlots(w, at, d, k, d.E));
    w.block("else", () => emitForward(w, at, d, k, false));
  },
  sample,
  cases: [...cases, { ...size(24, 3, 29, 40), with: ["live"] }, { ...size(50, 3, 17, 40), with: ["live"] }],
});

export const grouped_matmul_nt = defineOp("a[S,K] b[E,N,K] starts[F]:i32 -> out[S,N]", {
  doc: "out[s,:] = a[s,:] · b[e]ᵀ,  starts[e] ≤ s < starts[e+1]",
  flops,
  reference: (t, d) =>
    groupedReference(
      t,
      d,
      (s, k) => t.a[s * d.K + k]!,
      (e, k, n) => t.b[(e * d.N + n) * d.K + k]!,
    ),
  tasks,
  dynamic,
  scratch,
  emit: (w, at, d, k) => emitForward(w, at, d, k, true),
  sample,
  cases,
});

export const grouped_matmul_tn = defineOp("a[S,M] b[S,N] starts[F]:i32 -> out[E,M,N]", {
  doc: "out[e] (+)= Σ a[s,:]ᵀ · b[s,:] over starts[e] ≤ s < starts[e+1]",
  flops: ({ S, M, N }) => 2 * S * M * N,
  accumulates: ["out"],
  reference({ a, b, starts, out }, { S, M, N }, _attrs, accumulate) {
    if (!accumulate) out.fill(0);
    for (let s = 0; s < S; s++) {
      const e = expertOf(starts, s);
      for (let m = 0; m < M; m++)
        for (let n = 0; n < N; n++) out[(e * M + m) * N + n]! += a[s * M + m]! * b[s * N + n]!;
    }
  },
  tasks,
  dynamic,
  scratch: ({ S }) => panelsAtOnce(S, PANEL) * S * PANEL_BYTES,
  emit(w, at, { S, E, M, N }, k) {
    const { MR, NR } = registerTile(k.target);
    const aRow = rowBytes(M);
    const cRow = rowBytes(N);
    const whole = M - (M % MR);
    const together = panelsAtOnce(S, PANEL);
    const panelBytes = S * PANEL_BYTES;
    const pack = packRows(w, { NR: PANEL, rowBytes: cRow, panelBytes, touched: together * PANEL_BYTES });
    eachBlock(w, at.starts, E, together, () => {
      w.line(`const a_e = ${at.a} + <usize>from * ${aRow};`);
      w.line(
        `${pack}(${at.b} + <usize>from * ${cRow} + <usize>panel0 * ${PANEL_BYTES}, scratch, rows, panel1 - ` +
          "panel0);",
      );
      w.block("for (let panel = panel0; panel < panel1; panel++)", () => {
        w.line(
          `const out_e = ${at.out} + <usize>e * ${M * cRow} + <usize>panel * ${PANEL_BYTES}, b = scratch + ` +
            `<usize>(panel - panel0) * ${panelBytes};`,
        );
        for (let column = 0; column < PANEL; column += NR) {
          const after = column ? ` + ${column * 4}` : "";
          const call = (mr: number, mode: TileMode): string =>
            callTile(
              w,
              { mr, nr: NR, aRow: 4, aStep: aRow, bStep: PANEL_BYTES, outRow: cRow, mode },
              {
                a: "a_e + (<usize>m << 2)",
                b: `b${after}`,
                steps: "rows",
                out: `out_e + <usize>m * ${cRow}${after}`,
              },
            );
          const either = (mr: number): void =>
            w.line(`if (accumulate) ${call(mr, "add")} else ${call(mr, "set")}`);
          if (whole > 0) w.block(`for (let m = 0; m < ${whole}; m += ${MR})`, () => either(MR));
          if (whole < M)
            w.block("", () => {
              w.line(`const m = ${whole};`);
              either(M - whole);
            });
        }
      });
    });
  },
  sample,
  cases: [
    { d: { S: 50, E: 3, F: 4, M: 17, N: 40 } },
    { d: { S: 7, E: 4, F: 5, M: 9, N: 15 } },
    { d: { S: 64, E: 2, F: 3, M: 24, N: 33 } },
    { d: { S: 1, E: 3, F: 4, M: 5, N: 8 } },
    { d: { S: 1536, E: 8, F: 9, M: 128, N: 344 } },
  ],
});
