/**
 * A product of a few rows with a matrix of short rows, in two steps: P stretches of b's rows, each a piece of
 * memory, give P partial sums (matmul_split); then these are added and finished (matmul_sum). P does not
 * depend on the number of workers, so neither do the bits. Without the split every worker would read a piece
 * of each row, and prefetchers stop at every end of a piece.
 *
 * Where rows may be dead and more than F of them are live, matmul_split does nothing, and matmul_sum computes
 * all of the product by register tiles, in the same stretches: a, b and live are there then.
 *
 * 5-fuse/split.ts decides where.
 */
import { defineOp, type AttrTypes, type Kernel } from "../kit/op.ts";
import { PANEL } from "../kit/panels.ts";
import type { Dims } from "../kit/signature.ts";
import type { Writer } from "../kit/writer.ts";
import { blockTiles, type MatmulTensor, type PerTensor } from "./gemm/cache-blocks.ts";
import { epilogueArguments, epilogueFunction } from "./gemm/epilogue.ts";
import { epilogueReference, matmulAttrs } from "./gemm/matmul-op.ts";
import { fewRowsTasks, liveRows, streamVectors, TASK_COLUMNS } from "./gemm/few-rows.ts";
import { gemmDynamic, gemmScratch, gemmTasks, planOf, type Plan } from "./gemm/product-plan.ts";
import { gemmTileChoices } from "./gemm/product-tiles.ts";
import { eachStreams, rowStream } from "./gemm/row-tiles.ts";
import { stretchStart, stretchStartText } from "./gemm/stretches.ts";
import { emitGemm } from "./gemm/tile-loops.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

const LINE_BYTES = TASK_COLUMNS * 4;

export const matmul_split = defineOp("a[M,K] b[K,N] live[1]?:i32 -> sums[P,F,N]", {
  doc:
    "sums[p] = a[:, rows of p] · b[rows of p, :],  part p = rows K·p/P … K·(p+1)/P;  nothing where " +
    "more than F rows are live",
  flops: ({ M, N, K, F }) => (M <= F ? 2 * M * N * K : 0),
  bytes: ({ N, K, F, P }) => 4 * (F * K + K * N + P * F * N),
  rows: "M",
  reference({ a, b, live, sums }, { M, N, K, P, F }) {
    const rows = Math.min(M, live?.[0] ?? M);
    for (let p = 0; p < P; p++)
      for (let m = 0; rows <= F && m < rows; m++)
        for (let n = 0; n < N; n++) {
          let v = 0;
          for (let k = stretchStart(p, K, P); k < stretchStart(p + 1, K, P); k++)
            v += a[m * K + k]! * b[k * N + n]!;
          sums[(p * F + m) * N + n] = v;
        }
  },
  tasks: ({ P, N }) => P * fewRowsTasks({ N }),
  emit(w, at, { M, N, K, P, F }, k) {
    const bRow = rowBytes(N);
    const lines = fewRowsTasks({ N });
    w.line(`const rows = ${liveRows(k, at.live, M)};`);
    if (M > F) w.line(`if (rows > ${F}) return;`);
    w.block("for (let task = first, next = 0; task < last; task = next)", () => {
      w.line(`const part = task / ${lines}, line = task - part * ${lines};`);
      w.line(`next = min(task + ${lines} - line, last); // columns of one part`);
      w.line(`const from = <usize>line * ${LINE_BYTES}, bytes = <usize>(next - task) * ${LINE_BYTES};`);
      w.line(
        `const start = ${stretchStartText("part", K, P)}, end = ${stretchStartText("(part + 1)", K, P)};`,
      );
      w.line(`const partial = ${at.sums} + <usize>part * ${F * bRow} + from;`);
      if (M === 1) {
        w.line("memory.fill(partial, 0, bytes);");
        const stream = rowStream(w, 1, bRow, streamVectors(k.target));
        w.line(
          `for (let row = start; row < end; row++) ${stream}(${at.a} + <usize>row * 4, ${at.b} + ` +
            `<usize>row * ${bRow} + from, partial, bytes);`,
        );
        return;
      }
      w.line(`for (let r: usize = 0; r < <usize>rows; r++) memory.fill(partial + r * ${bRow}, 0, bytes);`);
      eachStreams(
        w,
        k.target,
        { b: bRow, a: rowBytes(K), sums: bRow },
        K * bRow,
        { from: "start", to: "end" },
        { a: at.a, b: `${at.b} + from`, sums: "partial", bytes: "bytes", rows: "rows" },
      );
    });
  },
  cases: [
    { d: { M: 1, K: 64, N: 48, P: 8, F: 1 } },
    { d: { M: 1, K: 131, N: 33, P: 8, F: 1 } },
    { d: { M: 2, K: 37, N: 16, P: 8, F: 2 } },
    { d: { M: 4, K: 61, N: 130, P: 3, F: 4 } },
    { d: { M: 3, K: 5, N: 17, P: 8, F: 3 } },
    { d: { M: 13, K: 83, N: 97, P: 8, F: 13 } },
    { d: { M: 5, K: 140, N: 513, P: 3, F: 5 } }, // large enough to be touched
    { d: { M: 3, K: 19, N: 4130, P: 2, F: 3 } }, // the same, in two pieces of each row
    { d: { M: 1, K: 768, N: 768, P: 8, F: 1 } },
    { d: { M: 1, K: 3072, N: 768, P: 8, F: 1 } },
  ],
});

type SumTensor = MatmulTensor | "sums" | "live";
type SumKernel = Kernel<SumTensor, AttrTypes<typeof matmulAttrs>>;
const planOfSum = (d: Dims, k: SumKernel): Plan => planOf("nn", d, k);
/** Are there more rows than matmul_split takes? */
const isTiled = (d: Dims): boolean => d["M"]! > d["F"]!;

/** Tiles as a product of many rows has them; blocks of K, if there are any, are the stretches. */
const sumTiles = (d: Dims, target: Parameters<typeof blockTiles>[2]): Dims =>
  isTiled(d)
    ? blockTiles("nn", d as Record<"M" | "N" | "K", number>, target, { multiple: 1, stretches: d["P"]! })
    : {};

export const matmul_sum = defineOp(
  "sums[P,F,N] a[M,K]? b[K,N]? bias[N]? add[M,N]? live[1]?:i32 -> out[M,N]",
  {
    doc:
      "v = Σ_p sums[p] + bias,  out = act(v) + add;  where more than F rows are live, " +
      "Σ_p a·b over stretch p is computed here",
    attrs: matmulAttrs,
    flops: (d) => (d.M > d.F ? 2 * d.M * d.N * d.K : d.P * d.M * d.N),
    rows: "M",
    inPlace: { out: "add" },
    reference(t, { P, F, M, N, K }, attrs) {
      const rows = Math.min(M, t.live?.[0] ?? M);
      epilogueReference(t, rows, N, attrs, (m, n) => {
        let v = 0;
        if (rows > F) for (let k = 0; k < K; k++) v += t.a[m * K + k]! * t.b[k * N + n]!;
        else for (let p = 0; p < P; p++) v += t.sums[(p * F + m) * N + n]!;
        return v;
      });
    },
    tiles: (d, _attrs, target) => sumTiles(d, target),
    tileChoices: {
      ...gemmTileChoices,
      whyNot: (kernel, tiles) =>
        tiles["KC"] === kernel.tiles["KC"]
          ? gemmTileChoices.whyNot(kernel, tiles)
          : "blocks of K are the stretches",
    },
    tasks: (d, k) => (isTiled(d) ? gemmTasks(planOfSum(d, k)) : fewRowsTasks(d)),
    dynamic: (d, k) =>
      isTiled(d) ? gemmDynamic(planOfSum(d, k)) : { fixed: fewRowsTasks(d), grain: fewRowsTasks(d) },
    scratch: (d, k) => Math.max(LINE_BYTES, isTiled(d) ? gemmScratch(planOfSum(d, k)) : 0),
    emit(w, at, d, kernel) {
      const k: SumKernel = kernel;
      w.line(`const rows = ${liveRows(k, at.live, d.M)};`);
      if (!isTiled(d)) return emitSum(w, at, d, k);
      w.block(`if (rows <= ${d.F})`, () => emitSum(w, at, d, k));
      w.block("else", () => emitGemm(w, at, planOfSum(d, k), k));
    },
    cases: [
      { d: { P: 8, F: 1, M: 1, N: 48, K: 1 } },
      { d: { P: 8, F: 4, M: 17, N: 61, K: 83 }, with: ["a", "b", "live", "bias", "add"] },
      { d: { P: 8, F: 2, M: 7, N: 33, K: 5 }, with: ["a", "b"] },
      { d: { P: 8, F: 3, M: 3, N: 61, K: 1 }, with: ["bias"], attrs: { activation: "gelu_tanh" } },
      { d: { P: 2, F: 2, M: 2, N: 17, K: 1 }, with: ["bias", "add"] },
      { d: { P: 8, F: 1, M: 1, N: 768, K: 1 }, with: [], attrs: { activation: "silu" } },
      { d: { P: 8, F: 1, M: 1, N: 3072, K: 1 }, with: ["bias"], attrs: { activation: "gelu_tanh" } },
    ],
  },
);

/** A few rows: the parts' sums are added, and finished. */
function emitSum(
  w: Writer,
  at: PerTensor<string, SumTensor>,
  { P, F, M, N }: Readonly<Record<"P" | "F" | "M" | "N", number>>,
  k: SumKernel,
): void {
  const outRow = rowBytes(N);
  const add = addParts(w, P, F * outRow);
  const epilogue = epilogueFunction(w, k, PANEL);
  w.block(
    `for (let place = <usize>first * ${LINE_BYTES}, end = <usize>last * ${LINE_BYTES}; place < end; place ` +
      `+= ${LINE_BYTES})`,
    () => {
      const ofRow = (row: string): void => {
        const here = `place${row}`;
        w.line(`${add}(${at.sums} + ${here}, scratch);`);
        const tensors = epilogueArguments(k, at, { column: "place", element: here, line: "" });
        w.line(`${epilogue}(${["scratch", 1, `${at.out} + ${here}`, outRow, ...tensors].join(", ")});`);
      };
      if (M === 1) ofRow("");
      else w.block("for (let r: usize = 0; r < <usize>rows; r++)", () => ofRow(` + r * ${outRow}`));
    },
  );
}

/** A function (sums, out): out[16] = Σ_p sums[p][16]. */
function addParts(w: Writer, P: number, partBytes: number): string {
  const name = `add_${P}_parts_${partBytes}`;
  const vectors = [0, 1, 2, 3];
  return w.helper(name, (h) => {
    h.line(`/** out[16] = Σ of ${P} rows, ${partBytes} bytes apart */`);
    h.block(`function ${name}(sums: usize, out: usize): void`, () => {
      h.line(`let ${vectors.map((j) => `v${j} = v128.load(sums, ${16 * j})`).join(", ")};`);
      for (let p = 1; p < P; p++) {
        h.line(`sums += ${partBytes};`);
        h.line(vectors.map((j) => `v${j} = f32x4.add(v${j}, v128.load(sums, ${16 * j}));`).join(" "));
      }
      h.line(vectors.map((j) => `v128.store(out, v${j}, ${16 * j});`).join(" "));
    });
  });
}
