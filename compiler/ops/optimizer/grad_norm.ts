/**
 * The global norm of all gradients (Pascanu, Mikolov & Bengio 2013), in two kernels: sums of squares over
 * chunks (runtime/contract/gradient-norm.ts), then the root of their total. Neither the chunks nor the sum
 * depend on the number of workers. g is the region of all gradients, N lines of L = 16 floats; `slices` says
 * which tensors and layers these are.
 */
import { NORM_CHUNK_BYTES, normChunks } from "../../../runtime/contract/gradient-norm.ts";
import { defineOp } from "../kit/op.ts";
import type { Writer } from "../kit/writer.ts";
import { accumulators, LINE_BYTES, padVector, sumOf } from "../kit/row-loops.ts";

/** Lines summed in f32 before the sum goes on in f64: 32 terms per lane keep the relative error near 1e-7. */
const BLOCK = 32;

/** Neighbours of equal size, in bytes: a tensor's layers, or several vectors. */
interface Slices {
  readonly count: number;
  readonly bytes: number;
}

/** Sizes of all slices, in their order, as the attribute `slices`: "12x2359296 26x3072". */
export function slicesText(bytes: readonly number[]): string {
  const groups: { count: number; bytes: number }[] = [];
  for (const size of bytes) {
    const last = groups.at(-1);
    if (last?.bytes === size) last.count++;
    else groups.push({ count: 1, bytes: size });
  }
  return groups.map((g) => `${g.count}x${g.bytes}`).join(" ");
}

const slicesOf = (text: string): Slices[] =>
  text.split(" ").map((group) => {
    const [count, bytes] = group.split("x").map(Number);
    return { count: count!, bytes: bytes! };
  });

export const grad_norm = defineOp("g[N,L] -> partial[S]", {
  doc: "partial[s] = Σ g² over the s-th chunk",
  attrs: { slices: "" },
  flops: ({ N, L }) => 2 * N * L,
  reference({ g, partial }, _d, { slices }) {
    let s = 0;
    let from = 0;
    for (const { count, bytes } of slicesOf(slices))
      for (let slice = 0; slice < count; slice++) {
        for (let at = 0; at < bytes; at += NORM_CHUNK_BYTES)
          partial[s++] = g
            .subarray(from + at / 4, from + Math.min(bytes, at + NORM_CHUNK_BYTES) / 4)
            .reduce((sum, v) => sum + v * v, 0);
        from += bytes / 4;
      }
  },
  tasks: ({ S }) => S,
  emit(w, at, { S }, { attrs }) {
    w.block("for (let s = first; s < last; s++)", () => {
      writeChunk(w, at.g, slicesOf(attrs.slices));
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
  cases: [
    normOf(5),
    normOf(1),
    normOf(1024),
    normOf(1025),
    normOf(2500, 2500, 3, 3, 3),
    normOf(1, 1024, 1024, 7),
    normOf(32768),
  ],
});

/** A region of slices of so many lines. */
function normOf(...lines: readonly number[]) {
  const bytes = lines.map((n) => n * LINE_BYTES);
  const S = bytes.reduce((sum, n) => sum + normChunks(n), 0);
  const N = lines.reduce((sum, n) => sum + n, 0);
  return { d: { N, L: 16, S }, attrs: { slices: slicesText(bytes) } };
}

/** `at` and `chunkEnd`: where chunk s begins and ends. */
function writeChunk(w: Writer, g: string, groups: readonly Slices[]): void {
  w.line(`let at = ${g}, chunkEnd = at;`);
  let chunks = 0;
  let offset = 0;
  for (const [i, { count, bytes }] of groups.entries()) {
    const each = normChunks(bytes);
    const [before, from] = [chunks, offset];
    chunks += count * each;
    offset += count * bytes;
    w.block(`${i > 0 ? "else " : ""}if (s < ${chunks})`, () => {
      w.line(`const k = <usize>(s - ${before}), slice = ${g} + ${from} + k / ${each} * ${bytes};`);
      w.line(`at = slice + k % ${each} * ${NORM_CHUNK_BYTES};`);
      w.line(`chunkEnd = min<usize>(slice + ${bytes}, at + ${NORM_CHUNK_BYTES});`);
    });
  }
}

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
