/**
 * Attention, forward, backward and cached: GFLOP/s (only pairs below the diagonal count), share of the
 * register tile's own rate in the same run, and for decoding GB/s of cache read. Every kernel is compared
 * with its reference before it is timed.
 *
 *   npm run study -- attention [wide|relaxed|simd] [word of the op's name]
 */
import { attention } from "../../compiler/ops/attention/attention.ts";
import { attention_backward } from "../../compiler/ops/attention/attention_backward.ts";
import { attention_cached } from "../../compiler/ops/attention/attention_cached.ts";
import { cacheShapes } from "../../compiler/ops/attention/kit/cache-layout.ts";
import { PANEL_BYTES } from "../../compiler/ops/kit/panels.ts";
import { registerTile, callTile } from "../../compiler/ops/kit/register-tile.ts";
import { defineOp, type Case, type Op } from "../../compiler/ops/kit/op.ts";
import { targets, type Target } from "../../runtime/contract/targets.ts";
import { kernelBench, type Bench } from "../../bench/measure/kernel-bench.ts";
import { inputsFor, referenceOutputs } from "../../bench/measure/kernel-numbers.ts";

type Inputs = Record<string, Float64Array>;
interface Row {
  readonly name: string;
  readonly opName: string;
  readonly op: Op;
  readonly c: Case;
  readonly inputs: Inputs;
}

const attrsOf = (heads: number, kv_heads: number, head_dim: number) => ({ heads, kv_heads, head_dim });
const whole = (batch: number, context: number, heads: number, head_dim: number, causal = true): Case => ({
  d: { R: batch * context, Q: 3 * heads * head_dim, O: heads * head_dim, H: heads },
  attrs: { ...attrsOf(heads, heads, head_dim), context, causal },
  with: ["lse"],
});
const cached = (rows: number, positions: number, heads: number, kv: number, head_dim: number): Case => {
  const {
    keys: [A, N, G, D, L],
    values: [, , , E],
  } = cacheShapes(1, positions, kv, head_dim) as { keys: number[]; values: number[] };
  return {
    d: {
      R: rows,
      Q: (heads + 2 * kv) * head_dim,
      O: heads * head_dim,
      A: A!,
      S: 1,
      G: G!,
      N: N!,
      D: D!,
      L: L!,
      E: E!,
    },
    attrs: attrsOf(heads, kv, head_dim),
  };
};

function forwardAndBackward(name: string, c: Case): Row[] {
  const inputs = inputsFor(attention, c);
  const { out, lse } = referenceOutputs(attention, c, inputs);
  const backward = {
    ...inputsFor(attention_backward, c),
    ...inputs,
    out: out!.map(Math.fround),
    lse: lse!.map(Math.fround),
  };
  return [
    { name, opName: "attention", op: attention, c, inputs },
    { name, opName: "attention_backward", op: attention_backward, c, inputs: backward },
  ];
}
const over = (name: string, c: Case): Row => ({
  name,
  opName: "attention_cached",
  op: attention_cached,
  c,
  inputs: inputsFor(attention_cached, c),
});

const rows = (): Row[] => [
  ...forwardAndBackward("S: batch 12, T 64, 4 heads of 32", whole(12, 64, 4, 32)),
  ...forwardAndBackward("M: batch 8, T 256, 6 heads of 64", whole(8, 256, 6, 64)),
  ...forwardAndBackward("GPT-2: batch 4, T 64, 12 heads of 64", whole(4, 64, 12, 64)),
  ...forwardAndBackward("long: batch 1, T 1024, 2 heads of 64", whole(1, 1024, 2, 64)),
  over("GPT-2: 128 rows at 896", cached(128, 1024, 12, 12, 64)),
  over("GPT-2: 1 row at 1023", cached(1, 1024, 12, 12, 64)),
  over("Llama: 1 row at 4095, 32/8 heads of 128", cached(1, 4096, 32, 8, 128)),
];

const milliseconds = (bench: Bench, times: number): number => {
  const start = performance.now();
  bench.repeat(times);
  return (performance.now() - start) / times;
};

/**
 * Median of `samples` measurements, taken once the optimizing compiler has done its work, which is when the
 * best of six time windows in a row is no better than those before. A sample takes about 1 ms, which is
 * shorter than a time slice, so that most samples are undisturbed on a busy machine.
 */
function median(bench: Bench, samples = 61): number {
  const windows: number[] = [];
  const settled = (): boolean =>
    windows.length >= 12 && Math.min(...windows.slice(-6)) > 0.9 * Math.min(...windows.slice(0, -6));
  while (!settled() && windows.length < 60) {
    const start = performance.now();
    let runs = 0;
    for (; performance.now() - start < 40; runs++) bench.repeat(1);
    windows.push((performance.now() - start) / runs);
  }
  const times = Math.max(1, Math.round(1 / milliseconds(bench, 1)));
  return Array.from({ length: samples }, () => milliseconds(bench, times)).sort((a, b) => a - b)[
    samples >> 1
  ]!;
}

/** Speed of the register tile alone, on operands in the L1 cache. No product can be faster. */
async function peak(target: Target): Promise<number> {
  const { MR, NR } = registerTile(target);
  const K = 128;
  const calls = 1000;
  const op = defineOp("a[M,K] b[K,N] -> c[M,N]", {
    doc: "c = a · b, again and again",
    flops: () => 2 * MR * NR * K * calls,
    reference() {},
    tasks: () => 1,
    cases: [],
    emit(w, at) {
      const tile = { mr: MR, nr: NR, aRow: K * 4, aStep: 4, bStep: PANEL_BYTES, outRow: PANEL_BYTES };
      const call = callTile(w, tile, { a: at.a, b: at.b, steps: K, out: at.c });
      w.line(`for (let i = 0; i < ${calls}; i++) ${call}`);
    },
  });
  const c = { d: { M: MR, K, N: 16 } };
  const bench = await kernelBench("peak", op, c, target);
  bench.run(inputsFor(op, c));
  return op.flops(c.d, {}) / median(bench) / 1e6;
}

/** GB/s of summing 64 MB. Reading a cache of keys and values cannot be faster. */
async function readRate(target: Target): Promise<number> {
  const bytes = 2 ** 26;
  const sums = [0, 1, 2, 3, 4, 5, 6, 7];
  const op = defineOp("a[M,N] -> c[L]", {
    doc: "c = sums of a",
    flops: () => 0,
    reference() {},
    tasks: () => 1,
    cases: [],
    emit(w, at) {
      w.line(`let ${sums.map((i) => `s${i} = ZERO`).join(", ")};`);
      w.block(`for (let p = ${at.a}; p < ${at.a} + ${bytes}; p += 128)`, () =>
        sums.forEach((i) => w.line(`s${i} = f32x4.add(s${i}, v128.load(p, ${i * 16}));`)),
      );
      sums.forEach((i) => w.line(`v128.store(${at.c}, s${i}, ${i * 16});`));
    },
  });
  const bench = await kernelBench("read", op, { d: { M: bytes / 4096, N: 1024, L: 32 } }, target);
  bench.run({});
  return bytes / median(bench) / 1e6;
}

function check(row: Row, bench: Bench): void {
  const { keys, values } = row.inputs;
  const want = referenceOutputs(row.op, row.c, row.inputs, false, {
    ...(keys && { keys_out: keys }),
    ...(values && { values_out: values }),
  });
  const got = bench.run(row.inputs);
  for (const [name, w] of Object.entries(want))
    for (let i = 0; i < w.length; i++)
      if (!(Math.abs(got[name]![i]! - w[i]!) <= 1e-5 + 1e-4 * Math.abs(w[i]!)))
        throw new Error(`${row.opName} ${row.name}: ${name}[${i}] is ${got[name]![i]}, not ${w[i]}`);
}

const [onlyTarget, word = ""] = process.argv.slice(2);
const chosen = rows().filter((r) => r.opName.includes(word) || r.name.includes(word));
for (const target of targets.filter((t) => onlyTarget === undefined || t === onlyTarget)) {
  const limit = await peak(target);
  const reading = await readRate(target);
  console.log(
    `${target}: register tile alone ${limit.toFixed(1)} GFLOP/s, reading memory ${reading.toFixed(1)} GB/s`,
  );
  for (const row of chosen) {
    const bench = await kernelBench(row.opName, row.op, row.c, target);
    check(row, bench);
    const ms = median(bench);
    const rate = row.op.flops(row.c.d, { ...row.op.attrs, ...row.c.attrs }) / ms / 1e6;
    const read =
      row.opName === "attention_cached" && row.c.d["R"] === 1
        ? "  " +
          `${(((row.inputs["keys"]!.length + row.inputs["values"]!.length) * 4) / ms / 1e6).toFixed(1)} ` +
          "GB/s"
        : "";
    console.log(
      `  ${row.opName.padEnd(19)} ${row.name.padEnd(42)} ${ms.toFixed(3).padStart(8)} ms ` +
        `${rate.toFixed(1).padStart(6)} GFLOP/s ${((100 * rate) / limit).toFixed(0).padStart(3)} %  ` +
        `${bench.wasmBytes} B${read}`,
    );
  }
}
