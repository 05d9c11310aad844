/**
 * The global norm of all gradients (Pascanu, Mikolov & Bengio 2013), in two kernels: sums of squares over
 * fixed chunks, then the root of their total. Neither the chunks nor the sum depend on the number of
 * workers. g is the region of all gradients, N lines of L = 16 floats.
 */
import { defineOp } from "../kit/op.ts";
import { accumulators, LINE_BYTES, padVector, sumOf } from "../kit/row-loops.ts";

/** Lines of a chunk, which has 64 KiB. */
export const GRAD_NORM_CHUNK = 1024;
/** Lines summed in f32 before the sum goes on in f64: 32 terms per lane keep the relative error near 1e-7. */
const BLOCK = 32;

export const grad_norm = defineOp("g[N,L] -> partial[S]", {
  doc: "partial[s] = Σ g² over the s-th 1024 lines",
  flops: ({ N, L }) => 2 * N * L,
  reference({ g, partial }, { S, L }) {
    for (let s = 0; s < S; s++)
      partial[s] = g
        .subarray(s * GRAD_NORM_CHUNK * L, (s + 1) * GRAD_NORM_CHUNK * L)
        .reduce((sum, v) => sum + v * v, 0);
  },
  tasks: ({ S }) => S,
  emit(w, at, { N, S }) {
    w.line(`const end = ${at.g} + <usize>${N} * ${LINE_BYTES};`);
    w.block("for (let s = first; s < last; s++)", () => {
      w.line(`let at = ${at.g} + <usize>s * ${GRAD_NORM_CHUNK * LINE_BYTES};`);
      w.line(`const chunkEnd = min<usize>(end, at + ${GRAD_NORM_CHUNK * LINE_BYTES});`);
      w.line("let sum: f64 = 0;");
      w.block("while (at < chunkEnd)", () => {
        w.line(`const blockEnd = min<usize>(chunkEnd, at + ${BLOCK * LINE_BYTES});`);
        accumulators(w, "q");
        w.block(`for (; at < blockEnd; at += ${LINE_BYTES})`, () => {
          for (const j of [0, 1, 2, 3]) w.line(`const g${j} = v128.load(at, ${16 * j});`);
          for (const j of [0, 1, 2, 3]) w.line(`q${j} = madd(g${j}, g${j}, q${j});`);
        });
        w.line(`sum += <f64>${sumOf("q")};`);
      });
      w.line(`store<f32>(${at.partial} + (<usize>s << 2), <f32>sum);`);
    });
    padVector(w, at.partial, S);
  },
  cases: [5, 1, 1024, 1025, 2500, 32768].map((N) => ({ d: { N, L: 16, S: Math.ceil(N / GRAD_NORM_CHUNK) } })),
});

export const grad_norm_total = defineOp("partial[S] -> norm[O]", {
  doc: "norm = √(Σ_s partial[s])",
  flops: ({ S }) => S,
  reference({ partial, norm }) {
    norm[0] = Math.sqrt(partial.reduce((sum, v) => sum + v, 0));
  },
  tasks: () => 1,
  emit(w, at, { S }) {
    w.line("if (first == last) return;");
    w.line("let sum: f64 = 0;");
    w.line(`for (let s: usize = 0; s < ${4 * S}; s += 4) sum += <f64>load<f32>(${at.partial} + s);`);
    w.line(`memory.fill(${at.norm}, 0, ${LINE_BYTES});`);
    w.line(`store<f32>(${at.norm}, <f32>sqrt<f64>(sum));`);
  },
  sample: (_tensor, _d, noise) => 1 + noise(),
  cases: [7, 16, 1, 7594].map((S) => ({ d: { S, O: 1 } })),
});
