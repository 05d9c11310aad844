/**
 * A product of a few rows with a matrix of short rows, in two steps: P workers' worth of b's rows, each a
 * stretch of memory, give P partial sums (matmul_split); then these are added and finished (matmul_sum). P
 * does not depend on the number of workers, so neither do the bits. Without the split every worker would read
 * a piece of each row, and prefetchers stop at every end of a piece.
 * 5-fuse/split.ts decides where.
 */
import { defineOp } from "../kit/op.ts";
import type { Writer } from "../kit/writer.ts";
import { epilogueFunction, epilogueTensors } from "./gemm/epilogue.ts";
import { epilogueReference, matmulAttrs } from "./gemm/matmul-op.ts";
import { rowStream, TASK_COLUMNS } from "./gemm/few-rows.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

/**
 * Rows of b that are read at once. They are neighbours, so they are one stream of memory; more of them would
 * spare the sums trips through L1.
 */
const ROWS = 1;

/** First row of part p. */
const partStart = (p: number, K: number, P: number): number => Math.floor((p * K) / P / ROWS) * ROWS;
const rowsOfPart = (p: number, K: number, P: number): [number, number] => [
  partStart(p, K, P),
  p === P - 1 ? K : partStart(p + 1, K, P),
];

export const matmul_split = defineOp("a[M,K] b[K,N] -> sums[P,M,N]", {
  doc: "sums[p] = a[:, rows of p] · b[rows of p, :],  part p = rows K·p/P … K·(p+1)/P",
  flops: ({ M, N, K }) => 2 * M * N * K,
  reference({ a, b, sums }, { M, N, K, P }) {
    for (let p = 0; p < P; p++) {
      const [from, to] = rowsOfPart(p, K, P);
      for (let m = 0; m < M; m++)
        for (let n = 0; n < N; n++) {
          let v = 0;
          for (let k = from; k < to; k++) v += a[m * K + k]! * b[k * N + n]!;
          sums[(p * M + m) * N + n] = v;
        }
    }
  },
  tasks: ({ P }) => P,
  emit(w, at, { M, N, K, P }, k) {
    const bRow = rowBytes(N);
    const aRow = rowBytes(K);
    const rest = (K - partStart(P - 1, K, P)) % ROWS;
    const vectors = k.target === "wide" ? 4 : 2;
    w.block("for (let part = first; part < last; part++)", () => {
      w.line(
        `const start = part * ${K} / ${P} / ${ROWS} * ${ROWS}, end = part == ${P - 1} ? ${K - rest} : ` +
          `(part + 1) * ${K} / ${P} / ${ROWS} * ${ROWS};`,
      );
      w.line(`const partial = ${at.sums} + <usize>part * ${M * bRow};`);
      w.line(`memory.fill(partial, 0, ${M * bRow});`);
      const pass = (rows: number, row: string): void =>
        w.line(
          `${rowStream(w, M, rows, bRow, aRow, vectors)}(${at.a} + <usize>${row} * 4, ${at.b} + ` +
            `<usize>${row} * ${bRow}, partial, ${bRow});`,
        );
      w.block(`for (let row = start; row < end; row += ${ROWS})`, () => pass(ROWS, "row"));
      if (rest > 0) w.block(`if (part == ${P - 1})`, () => pass(rest, `${K - rest}`));
    });
  },
  cases: [
    { d: { M: 1, K: 64, N: 48, P: 8 } },
    { d: { M: 1, K: 131, N: 33, P: 8 } },
    { d: { M: 2, K: 37, N: 16, P: 8 } },
    { d: { M: 4, K: 61, N: 130, P: 3 } },
    { d: { M: 3, K: 5, N: 17, P: 8 } },
    { d: { M: 1, K: 768, N: 768, P: 8 } },
    { d: { M: 1, K: 3072, N: 768, P: 8 } },
  ],
});

export const matmul_sum = defineOp("sums[P,M,N] bias[N]? gate[M,N]? add[M,N]? -> out[M,N] pre[M,N]?", {
  doc: "pre = Σ_p sums[p] + bias,  out = act(pre) · act'(gate) + add",
  attrs: matmulAttrs,
  flops: ({ P, M, N }) => P * M * N,
  inPlace: { out: "add" },
  reference(t, { P, M, N }, attrs) {
    epilogueReference(t, M, N, attrs, (m, n) => {
      let v = 0;
      for (let p = 0; p < P; p++) v += t.sums[(p * M + m) * N + n]!;
      return v;
    });
  },
  tasks: ({ N }) => rowBytes(N) / (TASK_COLUMNS * 4),
  scratch: () => TASK_COLUMNS * 4,
  emit(w, at, { P, M, N }, k) {
    const outRow = rowBytes(N);
    const add = addParts(w, P, M * outRow);
    const epilogue = epilogueFunction(w, k, TASK_COLUMNS);
    const task = TASK_COLUMNS * 4; // bytes
    w.block(
      `for (let place = <usize>first * ${task}, end = <usize>last * ${task}; place < end; place += ${task})`,
      () => {
        for (let m = 0; m < M; m++) {
          const here = `place${m ? ` + ${m * outRow}` : ""}`;
          w.line(`${add}(${at.sums} + ${here}, scratch);`);
          const tensors = epilogueTensors(k).map((t) =>
            t === "bias" ? `${at.bias} + place` : `${at[t]} + ${here}`,
          );
          w.line(`${epilogue}(${["scratch", 1, `${at.out} + ${here}`, outRow, ...tensors].join(", ")});`);
        }
      },
    );
  },
  cases: [
    { d: { P: 8, M: 1, N: 48 } },
    { d: { P: 8, M: 3, N: 61 }, with: ["bias", "pre"], attrs: { activation: "gelu_tanh" } },
    { d: { P: 2, M: 2, N: 17 }, with: ["bias", "add"] },
    { d: { P: 8, M: 1, N: 768 }, with: ["gate"], attrs: { derivative: "silu" } },
    { d: { P: 8, M: 1, N: 3072 }, with: ["bias"], attrs: { activation: "gelu_tanh" } },
  ],
});

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
