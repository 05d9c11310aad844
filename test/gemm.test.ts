/**
 * matmul, matmul_nt, matmul_tn against the f64 reference: awkward sizes, every epilogue, in place, accumulation, any number of
 * workers bit for bit; and that V8 does join the wide kernels' pairs.
 */
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Case, Op, Target } from "../compiler/op.ts";
import { matmul } from "../compiler/ops/matmul.ts";
import { matmul_nt } from "../compiler/ops/matmul_nt.ts";
import { matmul_tn } from "../compiler/ops/matmul_tn.ts";
import { elements, inputsFor, kernelBench, referenceOutputs } from "./harness.ts";

type Tensors = Record<string, Float64Array>;
type Sizes = readonly [M: number, K: number, N: number];

function expectClose(actual: Tensors, reference: Tensors): void {
  for (const [name, expected] of Object.entries(reference)) {
    let error = 0, power = 0, worst = 0;
    for (const [i, want] of expected.entries()) {
      const difference = actual[name]![i]! - want;
      error += difference ** 2;
      power += want ** 2;
      worst = Math.max(worst, Math.abs(difference) / (1e-5 + 1e-4 * Math.abs(want)));
      if (Number.isNaN(difference)) worst = Infinity;
    }
    expect(worst, `${name}: |d| / (1e-5 + 1e-4·|ref|)`).toBeLessThanOrEqual(1);
    expect(error, `${name}: NMSE`).toBeLessThanOrEqual(1e-7 * power);
  }
}

/** Kernel = reference, and any number of workers writes the same bits. */
async function check(name: string, op: Op, c: Case, target: Target, options: { accumulate?: boolean; initial?: number } = {}): Promise<void> {
  const bench = await kernelBench(name, op, c, target);
  const inputs: Tensors = inputsFor(op, c);
  const { M, N } = c.d;
  // What is in out beforehand: numbers to add to, or NaN that must not survive.
  const before = new Float64Array(elements([M!, N!])).map((_, i) => (options.accumulate ? (i % 13) - 6 : NaN));
  const out = op.mutates?.out === undefined ? { out: before } : {};
  const reference = referenceOutputs(op, c, inputs, options.accumulate, options.accumulate ? { out: before } : {});
  const run = (workers: number): Tensors => bench.run({ ...inputs, ...out }, { accumulate: options.accumulate ?? false, workers });
  const single = run(1);
  expectClose(single, reference);
  for (const workers of [2, 3, 5]) expect(run(workers), `${workers} workers`).toEqual(single);
}

const show = ([M, K, N]: Sizes): string => `[${M},${K}]·[${K},${N}]`;
const sized = ([M, K, N]: Sizes): { M: number; K: number; N: number } => ({ M, K, N });

/** Rows 1…17, primes, 40, 61, 16 ± 1, more than one block of rows, panels and k. */
const awkward: readonly Sizes[] = [
  [1, 1, 1], [2, 61, 40], [3, 17, 15], [4, 40, 33], [5, 7, 16], [6, 15, 17], [7, 16, 31], [8, 13, 61], [9, 4, 3], [10, 61, 47],
  [11, 3, 48], [12, 40, 40], [13, 2, 8], [16, 64, 16], [17, 61, 65], [61, 37, 128], [127, 129, 17], [40, 1031, 15], [389, 113, 96],
];
const fewRows: readonly Sizes[] = [[1, 61, 47], [1, 768, 130], [2, 9, 16], [3, 40, 61], [4, 129, 33]];

describe.each([["matmul", matmul], ["matmul_nt", matmul_nt], ["matmul_tn", matmul_tn]] as const)("%s", (name, op) => {
  test.each(awkward.map((s) => [show(s), s] as const))("wide %s", (_, s) => check(name, op, { d: sized(s) }, "wide"));
  const some = awkward.filter((_, i) => i % 5 === 3);
  test.each(some.map((s) => [show(s), s] as const))("relaxed %s", (_, s) => check(name, op, { d: sized(s) }, "relaxed"));
  test.each(some.map((s) => [show(s), s] as const))("simd %s", (_, s) => check(name, op, { d: sized(s) }, "simd"));
});

describe("accumulation", () => {
  test.each([[65, 61, 40], [7, 1100, 17]] as const)("out += aᵀ·b  %i %i %i", (...s) => check("matmul_tn", matmul_tn, { d: sized(s) }, "wide", { accumulate: true }));
  test("simd", () => check("matmul_tn", matmul_tn, { d: sized([17, 61, 33]) }, "simd", { accumulate: true }));
});

type Epilogue = Omit<Case, "d">;
const epilogues: readonly Epilogue[] = [
  { with: ["bias"] }, { with: ["add"] }, { with: ["bias", "add"] }, { with: ["bias", "pre"] },
  ...(["relu", "relu2", "gelu", "gelu_tanh", "silu"] as const).flatMap((f): Epilogue[] => [
    { attrs: { activation: f }, with: ["bias", "pre"] }, { attrs: { derivative: f }, with: ["gate"] },
  ]),
  { attrs: { activation: "gelu" }, with: ["add"] },
  { attrs: { activation: "relu", derivative: "silu" }, with: ["bias", "gate", "add", "pre"] },
];

describe("epilogue", () => {
  const of = (e: Epilogue): string => `${JSON.stringify(e.attrs ?? {})} ${e.with?.join(" ")}`;
  test.each(epilogues.map((e) => [of(e), e] as const))("matmul %s", (_, e) => check("matmul", matmul, { d: sized([17, 23, 40]), ...e }, "wide"));
  const last = epilogues.at(-1)!;
  test.each(["simd", "relaxed"] as const)("all of it, %s", (target) => check("matmul_nt", matmul_nt, { d: sized([7, 23, 33]), ...last }, target));
  test.each(fewRows.map((s) => [show(s), s] as const))("few rows %s", async (_, s) => {
    await check("matmul", matmul, { d: sized(s), ...last }, "wide");
    await check("matmul_nt", matmul_nt, { d: sized(s), ...last }, "wide");
  });
});

describe("in place", () => {
  const sizes: readonly Sizes[] = [[1, 40, 33], [3, 61, 47], [64, 1100, 40]];
  test.each(sizes.map((s) => [show(s), s] as const))("%s", async (_, s) => {
    await check("matmul", { ...matmul, mutates: { out: "add" } }, { d: sized(s), with: ["bias", "add"] }, "wide");
    await check("matmul_nt", { ...matmul_nt, mutates: { out: "gate" } }, { d: sized(s), attrs: { derivative: "relu2" }, with: ["gate"] }, "wide");
  });
});

describe("joining", () => {
  const script = `
    import { matmul } from "./compiler/ops/matmul.ts";
    import { matmul_nt } from "./compiler/ops/matmul_nt.ts";
    import { matmul_tn } from "./compiler/ops/matmul_tn.ts";
    import { inputsFor, kernelBench } from "./test/harness.ts";
    for (const [name, op] of Object.entries({ matmul, matmul_nt, matmul_tn })) {
      const c = { d: { M: 48, K: 64, N: 32 }, with: name === "matmul_tn" ? [] : ["bias", "add"] };
      const bench = await kernelBench(name, op, c, "wide");
      bench.run(inputsFor(op, c));
      const start = performance.now();
      while (performance.now() - start < 700) bench.repeat(100); // until V8's optimising compiler has had its turn
    }`;
  test("V8 joins all 24 accumulators of each wide tile", () => {
    const folder = mkdtempSync(join(tmpdir(), "sinter-gemm-")), file = openSync(join(folder, "trace"), "w"); // V8 loses lines that a pipe is too slow for
    execFileSync(process.execPath, ["--trace-wasm-revectorize", "--input-type=module", "-e", script], { stdio: ["ignore", file, "inherit"] });
    closeSync(file);
    const trace = readFileSync(join(folder, "trace"), "utf8");
    rmSync(folder, { recursive: true });
    expect(trace.match(/Decide to vectorize, \d{2,} revectorizable nodes/g)?.length).toBeGreaterThanOrEqual(3);
    expect(trace.match(/PackNode \[F32x4Qfma\]/g)?.length).toBe(3 * 12);
  }, 30_000);
});
