/**
 * `sinter bench`: names and filters, the table's width, JSON, the page; a real run of a small kernel, wrong
 * kernels are not timed.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  benchDefaults,
  benchNames,
  chosenNames,
  runBench,
  wantedBy,
  type BenchReport,
} from "../../bench/suite/bench.ts";
import { bytesPerToken } from "../../bench/suite/bench-infer.ts";
import { benchModel } from "../../bench/suite/bench-models.ts";
import {
  inferHead,
  inferLine,
  limitLines,
  opHead,
  opLine,
  peerRateLine,
  ratioLine,
  sizeHead,
  sizeRow,
  trainHead,
  trainLine,
} from "../../bench/suite/bench-table.ts";
import { partsOf, planLine, BenchProgress } from "../../bench/suite/estimate.ts";
import { opCases, productOf } from "../../bench/suite/op-cases.ts";
import { benchPage } from "../../bench/report/bench-page.ts";
import { checker } from "../../bench/measure/kernel-check.ts";
import { kernelSpec } from "../../compiler/6-tile/kernel-spec.ts";
import { kernelModule } from "../../bench/measure/kernel-module.ts";
import { limitMeter } from "../../bench/measure/limits.ts";
import { inputsFor } from "../../bench/measure/kernel-numbers.ts";
import { median } from "../../bench/measure/statistics.ts";
import { targets } from "../../runtime/contract/targets.ts";
import { matmul } from "../../compiler/ops/matmul/matmul.ts";
import { benchSample } from "../support/bench-sample.ts";
import { inside as runInside } from "../support/inside.ts";

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  return runInside(argv, process.cwd());
}

describe("names", () => {
  test("--list prints them all; a filter takes parts of names, heavy ones only when it says so", async () => {
    const { code, out } = await run("bench", "--list");
    expect(code).toBe(0);
    expect(out.trim().split("\n")).toEqual(benchNames(false));
    expect(benchNames(false)).toEqual(
      expect.arrayContaining(["train S", "train gpt2", "prefill gpt2", "decode gpt2", "matmul 256×256×256"]),
    );
    const chosen = (...filters: string[]): string[] =>
      benchNames(false).filter((name) => wantedBy(filters, name));
    expect(chosen("train")).toEqual(["train S", "train M"]);
    expect(chosen("decode")).toEqual(["decode gpt2"]);
    expect(chosen("mixture")).toEqual(["train mixture", "prefill mixture", "decode mixture"]);
    expect(chosen("gpt2")).toEqual(["train gpt2", "prefill gpt2", "decode gpt2"]);
    expect(chosen().some((name) => name.includes("gpt2"))).toBe(false);
    expect((await run("bench", "--list", "--filter", "train S,256x256x256")).out).toMatch(
      /matmul 256×256×256\ntrain S\n$/,
    );
  });
  test.each([
    ["--filter", "matmull", "did you mean matmul?"],
    ["--peers", "torhc", "peers: PyTorch, plain"],
    ["--target", "fast", "use simd, relaxed, wide"],
    ["--workers", "65", "from 1 to 64"],
    ["--seconds", "0", "above 0"],
  ])("%s %s is a mistake in the command", async (option, value, said) => {
    const { code, err } = await run("bench", option, value);
    expect([code, err]).toEqual([2, expect.stringContaining(said)]);
  });
  test("peers are asked for products alone, in their own form", () => {
    const forms = opCases(false)
      .map(productOf)
      .filter((p) => p !== undefined);
    expect(forms).toEqual(expect.arrayContaining(["256x768x3072", "nt:128x768x50257", "tn:768x256x768"]));
    expect(
      opCases(false)
        .filter((c) => c.c.with?.length)
        .map(productOf),
    ).not.toContain(expect.anything());
  });
  test("a token of GPT-2 reads every parameter, but one row of the positions' table", () => {
    const positions = 1023 * 768 * 4;
    expect(bytesPerToken(benchModel("gpt2"))).toBe(124_439_808 * 4 - positions);
    // two experts of eight; a router's rows are padded to 16 columns
    expect(bytesPerToken(benchModel("mixture"))).toBe(16_011_776 * 4 + 4 * 512 * (16 - 8) * 4);
  });
});

describe("kernels on workers", () => {
  test.each(targets)("%s: one and two workers compute the same bits, and are timed", async (target) => {
    const c = { d: { M: 50, K: 70, N: 33 } };
    const spec = kernelSpec("matmul", matmul, c.d, {}, [], target);
    const inputs = inputsFor(matmul, c);
    const module = await kernelModule([spec], target, 3);
    const outs = [];
    for (const workers of [1, 2, 3, 2]) {
      module.load(0, inputs);
      outs.push((await module.run(0, workers))["out"]!);
      expect(await module.repeat(0, workers, 3)).toBeGreaterThan(0);
    }
    await module.close();
    expect(checker(matmul, c, inputs)({ out: outs[0]! })).toBeUndefined();
    for (const out of outs) expect(out).toEqual(outs[0]);
    const wrong = outs[0]!.map((v, i) => (i === 1234 ? v + 0.5 : v));
    expect(checker(matmul, c, inputs)({ out: wrong })).toMatch(/out is wrong/);
  });
  test("64 of them have room for what they measure", async () => {
    const meter = limitMeter();
    expect(await meter.arithmetic("q8_0", "simd", 64)).toBeGreaterThan(0);
    await meter.close();
  });
});

test("an interrupted run reports what it had, and the page says so", async () => {
  const stop = new AbortController();
  const lines: string[] = [];
  const print = (line: string): void => void (lines.push(line), /^ +simd /.test(line) && stop.abort());
  const report = await runBench(
    {
      ...benchDefaults,
      filters: ["gelu", "relu"],
      targets: ["simd"],
      workers: [1],
      peers: [],
      all: true,
      ms: 5,
    },
    print,
    stop.signal,
  );
  expect(report.interrupted).toBe(true);
  expect(report.ops.length, lines.join("\n")).toBeGreaterThan(0);
  expect(report.ops.length).toBeLessThan(
    opCases(true).filter((c) => wantedBy(["gelu", "relu"], c.title)).length,
  );
  expect(benchPage(report)).toContain("Interrupted before all was measured");
});

test("quick is one case of each operation that a filter names, and no other", () => {
  const quick = chosenNames({ ...benchDefaults, filters: ["matmul"], quick: true });
  const all = chosenNames({ ...benchDefaults, filters: ["matmul"] });
  const kinds = (names: readonly string[]): string[] => names.map((name) => name.split(" ")[0]!);
  expect(quick.length).toBeGreaterThan(3);
  expect(all).toEqual(expect.arrayContaining(quick));
  expect(kinds(quick)).toEqual([...new Set(kinds(all))]);
  expect(chosenNames({ ...benchDefaults, filters: ["train S"], quick: true })).toEqual(["train S"]);
});

test("how long it takes is said beforehand, and what is left while it runs", () => {
  const asked = {
    rows: 4,
    ms: 300,
    all: false,
    processes: 1,
    wanted: (title: string) => title.startsWith("matmul "),
  };
  const parts = partsOf(asked, benchNames(false));
  expect(parts.length).toBeGreaterThan(10);
  for (const { seconds } of parts) expect(seconds).toBeGreaterThan(0.3 * 4);
  expect(planLine(parts, 4)).toMatch(
    /^plan {6}\d+ cases, 4 figures each: about \d+ (?:s|min), longer where other programs run$/,
  );
  let now = 0;
  const [a, b, c] = ["a", "b", "c"].map((title) => ({ title, seconds: 10 }));
  const progress = new BenchProgress([a!, b!, c!], () => now);
  expect(progress.at("a")).toBe("1 of 3, about 30 s left: a");
  now = 40_000; // four times as long as it was thought
  expect(progress.at("b")).toBe("2 of 3, about 80 s left: b");
  expect(progress.at("b")).toBe("2 of 3, about 80 s left: b");
  now = 50_000;
  expect(progress.at("c")).toBe("3 of 3, about 30 s left: c");
});

test("every line of the table fits into 100 columns", () => {
  const peers = benchSample.peerRows.filter((p) => p.what === "train" || p.what === "decode");
  const sizes = [32, 64, 128, 256, 512, 1024];
  const lines = [
    ...limitLines(benchSample.limits),
    opHead([1, 2], "torch"),
    opLine(benchSample.ops.slice(0, 2), () => 1.04),
    sizeHead(sizes),
    sizeRow(sizes, "Sinter, relaxed, 2 workers", new Map(sizes.map((n) => [n, n]))),
    trainHead(),
    inferHead("decode"),
    ...peers.map(peerRateLine),
    ...benchSample.training.map(trainLine),
    ...benchSample.inference.map(inferLine),
    ratioLine(20_000, 2, peers)!,
  ];
  for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(100);
  expect(opLine(benchSample.ops.slice(0, 2), () => 1.04)).toMatch(
    /simd .* 1\.50 ms +90\.0 GFLOP\/s +91 % +×1\.04/,
  );
  expect(
    ratioLine(
      20_000,
      2,
      peers.filter((p) => p.what === "train"),
    ),
  ).toBe("    × 2.00 PyTorch");
});

describe("the page", () => {
  const html = benchPage(benchSample);
  test("stands alone: no scripts, nothing from elsewhere; texts are escaped", () => {
    expect(html).not.toMatch(/<script|<link|<img|@import|url\(|https?:/);
    expect(html.includes("&#60;CPU&#62; &#38; &#34;Co&#34;"), "&#60;CPU&#62; &#38; &#34;Co&#34;").toBe(true);
    expect(html).not.toContain("torch <1>");
  });
  test("every chart is there, in two widths, with numbers on its marks", () => {
    for (const title of [
      "Training steps, S",
      "Decode, GPT-2 124M",
      "speed over size",
      "Roofline, wide",
      "Scaling: 2 workers against one",
      "Speed over workers and sizes, wide",
      "train S: tokens per second over workers",
      "GFLOP/s over workers",
      "Where the time goes: train, wide, 2 workers",
      "Beside it",
    ])
      expect(html.includes(title), title).toBe(true);
    expect(html.match(/class="at-wide"/g)!.length).toBe(html.match(/class="at-narrow"/g)!.length);
    expect(
      html.includes("<title>matmul 256×256×256: 180 GFLOP/s at 42.7 FLOP/byte, 91 % of the limit</title>"),
      "<title>matmul 256×256×256: 180 GFLOP/s at 42.7 FLOP/byte, 91 % of the limit</title>",
    ).toBe(true);
    expect(html).toMatch(/<td>train S<\/td><td>2<\/td><td>30,000 tok\/s<\/td><td>× 2\.00<\/td>/);
    expect(
      html.includes("<title>PyTorch, n = 256: 99 GFLOP/s</title>"),
      "<title>PyTorch, n = 256: 99 GFLOP/s</title>",
    ).toBe(true);
    expect(html.includes("npm ci --prefix bench/peers"), "npm ci --prefix bench/peers").toBe(true);
  });
  test("elements are closed, and no number is missing", () => {
    for (const tag of ["svg", "section", "div", "table", "tr", "td", "text", "dl", "p", "h3"])
      expect(html.match(new RegExp(`<${tag}[ >]`, "g"))?.length ?? 0, tag).toBe(
        html.match(new RegExp(`</${tag}>`, "g"))?.length ?? 0,
      );
    expect(html).not.toMatch(/NaN|Infinity|undefined|\[object/);
  });
  test("what was not measured is left out", () => {
    const little = benchPage({
      ...benchSample,
      limits: { read: { 1: 30 }, fma: { simd: { 1: 50 } } },
      ops: [],
      training: [],
      inference: [],
      peers: [],
      peerRows: [],
      profiles: [],
    });
    expect(little).not.toMatch(/Roofline|Scaling|Where the time|Beside it|<svg|NaN|undefined/);
  });
});

test("a page that can not be written is said before anything is measured", async () => {
  const { code, out, err } = await run(
    "bench",
    "--filter",
    "matmul 32x32x32",
    "--target",
    "simd",
    "--no-peer",
    "--report",
    "/nowhere/at/all/bench.html",
  );
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toMatch(/cannot write \/nowhere\/at\/all\/bench.html: there is no such folder/);
});

test("a real run: table, JSON and page of one operation", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sinter-bench-"));
  try {
    const options = [
      "--filter",
      "matmul 64x64x64,matmul 32x32x32",
      "--target",
      "simd",
      "--workers",
      "1,2",
      "--seconds",
      "0.01",
      "--no-peer",
    ];
    const { code, out } = await run("bench", ...options, "--report", join(folder, "bench.html"));
    expect(code).toBe(0);
    expect(out).toMatch(/plan {6}2 cases, 2 figures each: about \d+ s/);
    expect(out).toMatch(/limits {4}read memory +1 worker \d+\.\d, 2 workers \d+\.\d GB\/s/);
    expect(out).toMatch(/matmul 64×64×64(?:\s+limit: .*)?\n {2}simd +[\d.]+ [µm]s +[\d.]+ (GFLOP|GB)\/s/);
    expect(out).toMatch(/Sinter, simd, 2 workers +[\d.]+ +[\d.]+\n/);
    expect(readFileSync(join(folder, "bench.html"), "utf8")).toContain("speed over size");
    const { ops, limits, peers } = JSON.parse((await run("bench", ...options, "--json")).out) as BenchReport;
    expect(ops.map((o) => [o.sizes, o.workers])).toEqual([
      ["32×32×32", 1],
      ["32×32×32", 2],
      ["64×64×64", 1],
      ["64×64×64", 2],
    ]);
    for (const o of ops) {
      expect(o.gflops).toBeCloseTo(o.flops / o.ms / 1e6, 6);
      expect(o.samples.length).toBeGreaterThan(4);
      expect(median(o.samples) / o.ms).toBeCloseTo(1, 4);
      expect(o.limit.rate).toBeGreaterThan(0);
    }
    expect(Object.keys(limits.read)).toEqual(["1", "2"]);
    expect(peers).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
