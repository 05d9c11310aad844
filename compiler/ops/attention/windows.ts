/**
 * How far each layer's attention sees, for patterns of layers (`layers 12 alternate dense, banded`: Brown et
 * al. 2020, 2.1). The layers share their code; the layer's window is data, one row for each.
 */
import { defineOp } from "../kit/op.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

/** A window that sees everything: more positions than any context has. */
export const DENSE = 2 ** 30;

/** The windows of one round of layers. The pattern has "_" between them; 0 means dense. */
const windowsOf = (pattern: string): number[] => pattern.split("_").map((n) => Number(n) || DENSE);

export const windows = defineOp("-> windows[N,O]:i32", {
  doc: "windows[n] = positions that layer n's attention sees: the pattern, over and over",
  attrs: { pattern: "0" },
  flops: () => 0,
  reference({ windows }, { N }, attrs) {
    const pattern = windowsOf(attrs.pattern);
    for (let n = 0; n < N; n++) windows[n] = pattern[n % pattern.length]!;
  },
  tasks: () => 1,
  emit(w, at, { N, O }, { attrs }) {
    const pattern = windowsOf(attrs.pattern);
    const bytes = rowBytes(O);
    w.line("if (first == last) return;");
    w.line(`memory.fill(${at.windows}, 0, ${N * bytes});`);
    for (const [i, window] of pattern.entries())
      if (i < N)
        w.line(
          `for (let n: usize = ${i}; n < ${N}; n += ${pattern.length}) store<i32>(${at.windows} + n * ` +
            `${bytes}, ${window});`,
        );
  },
  cases: [
    { d: { N: 5, O: 1 }, attrs: { pattern: "0_128" } },
    { d: { N: 12, O: 1 }, attrs: { pattern: "7_0_3" } },
    { d: { N: 1, O: 1 }, attrs: { pattern: "9_0" } },
  ],
});
