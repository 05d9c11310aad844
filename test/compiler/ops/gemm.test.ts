/**
 * matmul, matmul_nt, matmul_tn against the f64 reference: awkward sizes, every epilogue, in place,
 * accumulation, any number of workers bit for bit; and that V8 does join the wide kernels' pairs.
 */
import { linesOf } from "../../../compiler/ops/kit/lines.ts";
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Case, Op } from "../../../compiler/ops/kit/op.ts";
import { activations } from "../../../runtime/contract/model.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import { matmul } from "../../../compiler/ops/matmul/matmul.ts";
import { matmul_nt } from "../../../compiler/ops/matmul/matmul_nt.ts";
import { matmul_tn } from "../../../compiler/ops/matmul/matmul_tn.ts";
import { kernelBenches } from "../../../bench/measure/kernel-bench.ts";
import { difference, elements, inputsFor, referenceOutputs } from "../../../bench/measure/kernel-numbers.ts";

type Tensors = Record<string, Float64Array>;
type Sizes = readonly [M: number, K: number, N: number];

/** Kernel = reference, and any number of workers writes the same bits. All cases in one module. */
async function check(
  name: string,
  op: Op,
  cases: readonly Case[],
  target: Target,
  options: { accumulate?: boolean } = {},
): Promise<void> {
  const accumulate = options.accumulate ?? false;
  const benches = await kernelBenches(name, op, cases, target);
  for (const [i, c] of cases.entries()) {
    const inputs: Tensors = inputsFor(op, c);
    const { M, K, N } = c.d;
    const also = `${JSON.stringify(c.attrs ?? {})} ${c.with?.join() ?? ""}`;
    const label = `${name} [${M},${K}]·[${K},${N}] ${target} ${also}`;
    // What is in out beforehand: numbers to add to, or NaN that must not survive.
    const before = new Float64Array(elements([M!, N!])).map((_, at) => (accumulate ? (at % 13) - 6 : NaN));
    const out = op.mutates?.out === undefined ? { out: before } : {};
    const reference = referenceOutputs(op, c, inputs, accumulate, accumulate ? { out: before } : {});
    const run = (how: { workers: number; held?: true }): Tensors =>
      benches[i]!.run({ ...inputs, ...out }, { accumulate, ...how });
    const single = run({ workers: 1 });
    for (const [tensor, expected] of Object.entries(reference)) {
      const { worst, nmse } = difference(single[tensor]!, expected);
      expect(worst, `${label}: |d| / (1e-5 + 1e-4·|ref|) of ${tensor}`).toBeLessThanOrEqual(1);
      expect(nmse, `${label}: NMSE of ${tensor}`).toBeLessThanOrEqual(1e-7);
    }
    for (const how of [{ workers: 2 }, { workers: 3 }, { workers: 5 }, { workers: 3, held: true }] as const) {
      const several = run(how);
      for (const tensor of Object.keys(single))
        expect(
          sameBits(several[tensor]!, single[tensor]!),
          `${label}: ${tensor}, ${JSON.stringify(how)}`,
        ).toBe(true);
    }
  }
}

const sameBits = (a: Float64Array, b: Float64Array): boolean =>
  Buffer.from(a.buffer).equals(Buffer.from(b.buffer));

const sized = ([M, K, N]: Sizes): Case["d"] => ({ M, K, N, L: linesOf(N) });
const all = (sizes: readonly Sizes[], more: Omit<Case, "d"> = {}): Case[] =>
  sizes.map((s) => ({ d: sized(s), ...more }));

/** Rows 1…17, primes, 40, 61, 16 ± 1, more than one block of rows, panels and k. */
const awkward: readonly Sizes[] = [
  [1, 1, 1],
  [2, 61, 40],
  [3, 17, 15],
  [4, 40, 33],
  [5, 7, 16],
  [6, 15, 17],
  [7, 16, 31],
  [8, 13, 61],
  [9, 4, 3],
  [10, 61, 47],
  [11, 3, 48],
  [12, 40, 40],
  [13, 2, 8],
  [14, 11, 5],
  [15, 9, 9],
  [16, 64, 16],
  [17, 61, 65],
  [61, 37, 128],
  [127, 129, 17],
  [40, 1031, 15],
  [389, 113, 96],
  [512, 9, 16],
  [517, 13, 33],
  [600, 31, 130], // shared by rows, the last ones by columns
];
const fewRows: readonly Sizes[] = [
  [1, 61, 47],
  [1, 768, 130],
  [2, 9, 16],
  [3, 40, 61],
  [4, 129, 33],
];

type Epilogue = Omit<Case, "d">;
const epilogues: readonly Epilogue[] = [
  { with: ["bias"] },
  { with: ["add"] },
  { with: ["bias", "add"] },
  ...activations.flatMap((f): Epilogue[] => [
    { attrs: { activation: f }, with: ["bias", "bend"] },
    { attrs: { derivative: f }, with: ["gate"] },
    { attrs: { derivative: f }, with: ["bias", "gate", "add"] },
  ]),
  { attrs: { activation: "gelu" }, with: ["add"] },
  { attrs: { activation: "relu", derivative: "silu" }, with: ["bias", "gate", "add", "bend"] },
];
const everything = epilogues.at(-1)!;

describe.each([
  ["matmul", matmul],
  ["matmul_nt", matmul_nt],
  ["matmul_tn", matmul_tn],
] as const)("%s", (name, op) => {
  test("awkward sizes, wide", () => check(name, op, all(awkward), "wide"));
  test.each(["relaxed", "simd"] as const)("awkward sizes, %s", (target) =>
    check(name, op, all(awkward.filter((_, i) => i % 4 === 0)), target),
  );
});

describe("blocks", () => {
  const sizes: readonly Sizes[] = [
    [31, 200, 100],
    [12, 130, 64],
    [5, 65, 17],
  ];
  /** Cache blocks so small that every loop over them runs several times, and unevenly. */
  const small = (op: Op): Op => ({
    ...op,
    tiles: (_d, _attrs, target) => ({
      ...(target === "wide" ? { MR: 6, NR: 16 } : { MR: 4, NR: 8 }),
      KC: 64,
      PB: 2,
      RB: 2,
    }),
  });
  test.each(["wide", "simd"] as const)("small ones, %s", async (target) => {
    for (const more of [{}, { with: ["bias", "add"] }, everything]) {
      await check("matmul", small(matmul), all(sizes, more), target);
      await check("matmul_nt", small(matmul_nt), all(sizes, more), target);
    }
    for (const accumulate of [false, true])
      await check("matmul_tn", small(matmul_tn), all(sizes), target, { accumulate });
  });
  test("a long sum", async () => {
    await check("matmul", matmul, all([[7, 4200, 17]]), "wide");
    await check("matmul_nt", matmul_nt, all([[7, 4200, 17]]), "wide");
    await check("matmul_tn", matmul_tn, all([[7, 4200, 17]]), "wide");
  });
  test("a long sum in place", async () => {
    await check(
      "matmul",
      { ...matmul, mutates: { out: "add" } },
      all([[7, 4200, 17]], { with: ["add"] }),
      "wide",
    );
  });
});

describe("aᵀ·b reads a as it lies, or packs it into strips", () => {
  test.each(["wide", "simd"] as const)("%s", async (target) => {
    const sizes: readonly Sizes[] = [
      [70, 300, 290], // strips for one worker, none for two or more
      [300, 20, 270], // shared by rows
      [1024, 9, 1030], // rows of 4 KiB: always strips
    ];
    for (const accumulate of [false, true])
      await check("matmul_tn", matmul_tn, all(sizes), target, { accumulate });
  });
});

describe("accumulation", () => {
  test.each(["wide", "simd"] as const)("out += aᵀ·b, %s", (target) =>
    check(
      "matmul_tn",
      matmul_tn,
      all([
        [65, 61, 40],
        [7, 1100, 17],
        [1, 5, 1],
      ]),
      target,
      { accumulate: true },
    ),
  );
});

describe("epilogue", () => {
  test("each of them", () =>
    check(
      "matmul",
      matmul,
      epilogues.flatMap((e) => all([[17, 23, 40]], e)),
      "wide",
    ));
  test.each(["simd", "relaxed"] as const)("all parts at once, %s", (target) =>
    check("matmul_nt", matmul_nt, all([[7, 23, 33]], everything), target),
  );
  test("few rows", async () => {
    await check("matmul", matmul, all(fewRows, everything), "wide");
    await check("matmul_nt", matmul_nt, all(fewRows, everything), "wide");
    await check("matmul", matmul, all(fewRows, everything), "simd");
  });
});

test("in place", async () => {
  const sizes: readonly Sizes[] = [
    [1, 40, 33],
    [3, 61, 47],
    [64, 1100, 40],
  ];
  await check(
    "matmul",
    { ...matmul, mutates: { out: "add" } },
    all(sizes, { with: ["bias", "add"] }),
    "wide",
  );
  await check(
    "matmul_nt",
    { ...matmul_nt, mutates: { out: "add" } },
    all(sizes, { attrs: { derivative: "relu2" }, with: ["gate", "add"] }),
    "wide",
  );
});

describe("joining", () => {
  const script = `
    import { matmul } from "./compiler/ops/matmul/matmul.ts";
    import { matmul_nt } from "./compiler/ops/matmul/matmul_nt.ts";
    import { matmul_tn } from "./compiler/ops/matmul/matmul_tn.ts";
    import { kernelBench } from "./bench/measure/kernel-bench.ts";
    import { inputsFor } from "./bench/measure/kernel-numbers.ts";
    for (const [name, op] of Object.entries({ matmul, matmul_nt, matmul_tn })) {
      const c = { d: { M: 48, K: 64, N: 32 }, with: name === "matmul_tn" ? [] : ["bias", "add"] };
      const bench = await kernelBench(name, op, c, "wide");
      bench.run(inputsFor(op, c));
      // microseconds of this thread, so that V8's optimising compiler gets as many beside it
      const start = process.threadCpuUsage().user;
      while (process.threadCpuUsage().user - start < 1.5e6) bench.repeat(100);
    }`;
  test("V8 joins all 24 accumulators of each wide tile", () => {
    const folder = mkdtempSync(join(tmpdir(), "sinter-gemm-"));
    const file = openSync(join(folder, "trace"), "w"); // V8 loses lines that a pipe is too slow for
    execFileSync(process.execPath, ["--trace-wasm-revectorize", "--input-type=module", "-e", script], {
      stdio: ["ignore", file, "inherit"],
    });
    closeSync(file);
    const trace = readFileSync(join(folder, "trace"), "utf8");
    rmSync(folder, { recursive: true });
    expect(trace.match(/Decide to vectorize, \d{2,} revectorizable nodes/g)?.length).toBeGreaterThanOrEqual(
      3,
    );
    expect(trace.match(/PackNode \[F32x4Qfma\]/g)?.length).toBe(3 * 12);
  });
});
