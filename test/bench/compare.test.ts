/**
 * `sinter bench --compare`: how sure a ratio is, which rows are compared, which files are refused, and the
 * exit code on request.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ratioInterval } from "../../bench/measure/bootstrap.ts";
import { noise } from "../../bench/measure/kernel-numbers.ts";
import type { BenchReport } from "../../bench/suite/bench.ts";
import { processesLine } from "../../bench/suite/bench-table.ts";
import { withProcesses } from "../../bench/suite/bench-train.ts";
import { compareReports, comparisonLines } from "../../bench/suite/compare.ts";
import { readReport, reportText, REPORT_VERSION } from "../../bench/suite/report-file.ts";
import { benchSample } from "../support/bench-sample.ts";
import { inside } from "../support/inside.ts";

/** Times around a middle, ± 5 %. */
function timesAround(ms: number, seed: number, count = 40): number[] {
  const next = noise(seed * 7919 + 1);
  for (let warm = 0; warm < 8; warm++) next();
  return Array.from({ length: count }, () => ms * (1 + 0.05 * next()));
}

describe("the interval of a ratio", () => {
  test("of the same code it has 1 inside, about as often as it promises", () => {
    const intervals = Array.from({ length: 30 }, (_, i) =>
      ratioInterval([timesAround(10, 2 * i)], [timesAround(10, 2 * i + 1)]),
    );
    const right = intervals.filter(({ low, high }) => low <= 1 && 1 <= high).length;
    expect(right).toBeGreaterThanOrEqual(26);
    expect(right).toBeLessThan(31);
  });
  test("a tenth faster shows within one process, and not where processes differ by a fifth", () => {
    const alone = ratioInterval([timesAround(10, 1)], [timesAround(9, 2)]);
    expect(alone.ratio).toBeCloseTo(10 / 9, 1);
    expect(alone.low).toBeGreaterThan(1.05);
    const slow = [10, 12, 10, 12, 12].map((ms, i) => timesAround(ms, i));
    const fast = [9, 11, 9, 11, 11].map((ms, i) => timesAround(ms, 10 + i));
    const several = ratioInterval(slow, fast);
    expect(several.low).toBeLessThan(1);
    expect(several.high).toBeGreaterThan(1);
    expect(ratioInterval(slow, fast)).toEqual(several);
  });
});

const trained = benchSample.training[0]!;
/** The report with other times. */
const faster = (by: number, report = benchSample): BenchReport => ({
  ...report,
  training: report.training.map((row, i) => ({ ...row, samples: timesAround(10 / by, i) })),
});

test("rows of both reports are compared; the others are listed, and what differs of the machine", () => {
  const before = { ...faster(1), inference: [] };
  const after = { ...faster(0.8), ops: [], host: { ...benchSample.host, node: "25.0.0" } };
  const found = compareReports(before, after);
  expect(found.rows.map((row) => row.name)).toEqual(benchSample.training.map(() => "train S"));
  for (const { verdict, high } of found.rows) expect([verdict, high < 0.85]).toEqual(["slower", true]);
  expect(found.onlyBefore).toHaveLength(benchSample.ops.length);
  expect(found.onlyBefore).toContain("matmul 64×64×64, wide, 2 workers");
  expect(found.onlyAfter).toContain("decode gpt2, simd, 1 worker");
  expect(found.differs).toEqual(["Node 24.0.0, then 25.0.0"]);
  const lines = comparisonLines(found);
  for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(100);
  expect(lines.join("\n")).toMatch(
    /train S\n {2}simd +1 +[\d.]+ ms +[\d.]+ ms +× 0\.80 +0\.7\d+ … 0\.8\d+ +slower/,
  );
  expect(lines.join("\n")).toContain("Processes differ more than the samples within one");
});

test("several processes: figures are of the median one, and slow ones are counted", () => {
  const row = withProcesses(trained, [[2.4], [1.5, 1.4], [1.5], [1.5]]);
  expect(row).toMatchObject({ ms: 1.5, bestMs: 1.2, tokensPerSecond: trained.tokensPerSecond });
  expect(row.processes).toHaveLength(5);
  expect(processesLine(row)).toBe(
    "    5 processes: 9,375 … 15,000 tok/s, 1 of them 10 % or more below the median",
  );
  expect(processesLine(trained)).toBeUndefined();
  expect(withProcesses(trained, [[3], [3]]).tokensPerSecond).toBeCloseTo(trained.tokensPerSecond / 2);
});

const folder = mkdtempSync(join(tmpdir(), "sinter-compare-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const written = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return name;
};
const bench = (...words: string[]) => inside(["bench", ...words], folder);

test("a report is read back as it was written, and its samples stand on a line", () => {
  const text = reportText(benchSample);
  expect(readReport(text, "a.json")).toEqual(JSON.parse(JSON.stringify(benchSample)));
  expect(text).toContain('"samples": [1.5,1.2,1.8]');
  const old = JSON.stringify({ ...benchSample, version: undefined });
  expect(() => readReport(old, "a.json")).toThrow(
    `a.json is a report of version 1; this release reads version`,
  );
  const strange = JSON.stringify({
    ...benchSample,
    version: REPORT_VERSION,
    ops: [{ target: "wide", workers: 1 }],
  });
  expect(() => readReport(strange, "a.json")).toThrow("a.json: ops are not rows");
  for (const other of ["{", "[]", "{}"])
    expect(() => readReport(other, "a.json")).toThrow("a.json is no report of `sinter bench --json`");
});

test("two files are compared without measuring; the exit code says whether something is slower", async () => {
  const trainings = { ...benchSample, ops: [], inference: [] };
  const before = written("before.json", reportText(faster(1, trainings)));
  const same = await bench("--compare", before, "--with", before, "--fail-below", "0.95");
  expect([same.code, same.err]).toEqual([0, ""]);
  expect(same.out).toMatch(/no difference shown/);
  expect(same.out).not.toMatch(/ (slower|faster)\n/);
  const slower = written("slower.json", reportText(faster(0.8, trainings)));
  const failed = await bench("--compare", before, "--with", slower, "--fail-below", "0.95");
  expect(failed.code).toBe(1);
  expect(failed.err).toMatch(/^slower: train S, simd, 1 worker: at most 0\.8\d+ of before\n/);
  expect((await bench("--compare", before, "--with", slower)).code).toBe(0);
  const { comparison } = JSON.parse((await bench("--compare", before, "--with", slower, "--json")).out);
  expect(comparison.rows[0].verdict).toBe("slower");
  const elsewhere = written(
    "other.json",
    reportText({ ...faster(1, trainings), host: { ...benchSample.host, cores: 64 } }),
  );
  const refused = await bench("--compare", before, "--with", elsewhere, "--fail-below", "0.95");
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("cores 2, then 64")]);
});

test.each([
  [["--with", "a.json"], 2, "--with goes with --compare FILE"],
  [["--fail-below", "0.9"], 2, "--fail-below goes with --compare FILE"],
  [["--compare", "absent.json"], 1, "absent.json"],
  [["--processes", "0"], 2, "from 1 to 99"],
])("%s is refused", async (words, code, said) => {
  expect(await bench(...words)).toMatchObject({ code, err: expect.stringContaining(said) as string });
});

test("without a filter, what was measured then is measured now", async () => {
  const little = { ...benchSample, ops: benchSample.ops.slice(0, 1), training: [], inference: [] };
  const file = written("little.json", reportText(little));
  const { out } = await bench("--compare", file, "--seconds", "0.01", "--no-peer");
  expect(out).toMatch(/plan {6}1 case, 1 figure each/);
  expect(out).toMatch(/note +other than before, so ratios are not of Sinter alone: processor <CPU>/);
  expect(out).toMatch(/matmul 64×64×64\n {2}simd +1 +1\.50 ms +[\d.]+ µs/);
});
