/**
 * The study of exported programs on a GPU, as far as it can be tried without one: its arguments, its
 * programs, its table of rows that are fed to it, and that every file of it is Python.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { checkWithPlans } from "../../compiler/planner/judge-plans.ts";
import { inProject } from "../support/paths.ts";

const folder = mkdtempSync(join(tmpdir(), "sinter-torch-gpu-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const SCRIPT = inProject("bench/studies/torch-gpu.sh");
const sources = inProject("bench/studies/torch-gpu");

const study = (...parts: string[]): { status: number | null; out: string; err: string } => {
  const env = { ...process.env, OUT: folder };
  const { status, stdout, stderr } = spawnSync("bash", [SCRIPT, ...parts], { encoding: "utf8", env });
  return { status, out: stdout, err: stderr };
};
const hasPython = spawnSync("python3", ["--version"]).status === 0;

test("parts are known by name", () => {
  const { status, err } = study("gpt2", "gpt3");
  expect(status).toBe(2);
  expect(err).toContain(
    "there is no part gpt3: export cpu exact curve witness published gpt2 gpt2-xl llama table",
  );
  const help = study("--help");
  expect(help.status).toBe(0);
  for (const part of ["export", "cpu", "witness", "gpt2-xl", "table"]) expect(help.out).toContain(part);
});

test("its programs' spec is right, and every plan fits a device of 80 GB", () => {
  const { diagnostics, judged } = checkWithPlans(readFileSync(join(sources, "programs.sinter"), "utf8"));
  expect(diagnostics).toEqual([]);
  expect(judged.map(({ block, plan }) => [block.name, plan.settings.devices])).toEqual([
    ["gpt2-step", 1],
    ["gpt2-xl-step", 1],
    ["llama-step", 1],
  ]);
  const script = readFileSync(SCRIPT, "utf8");
  for (const { block } of judged) expect(script).toContain(block.name);
});

describe.skipIf(!hasPython)("with Python", () => {
  test("all of it is Python", () => {
    const files = readdirSync(sources).filter((file) => file.endsWith(".py"));
    expect(files.sort()).toEqual(["numerics.py", "processes.py", "published.py", "rows.py", "speed.py"]);
    const program = "import sys\nfor file in sys.argv[1:]: compile(open(file).read(), file, 'exec')";
    const paths = files.map((file) => join(sources, file));
    const { status, stderr } = spawnSync("python3", ["-c", program, ...paths], { encoding: "utf8" });
    expect([status, stderr]).toEqual([0, ""]);
  });

  test("the table says what was predicted, what was measured, and what is beyond its bound", () => {
    const row = (what: string, measured: number, more: object = {}): object => ({
      part: "speed",
      what,
      measured,
      unit: "",
      predicted: null,
      least: null,
      most: null,
      near: null,
      ...more,
    });
    const rows = [
      row("gpt2: tok/s", 520_000, { predicted: 500_000, near: 0.15 }),
      row("gpt2: GiB reserved", 20, { predicted: 15, near: 0.1 }),
      row("gpt2: times as fast as the plain step", 1.05, { least: 1.04 }),
      row("loss", 0.03, { most: 0.02 }),
      row("gpt2: GiB allocated", 14.5),
      { part: "cpu", what: "tensor 2", skipped: "torch 1.13 has no fully_shard" },
    ];
    writeFileSync(join(folder, "rows.jsonl"), rows.map((one) => `${JSON.stringify(one)}\n`).join(""));
    const { status, out } = study("table");
    expect(status).toBe(1);
    const lines = out.trim().split("\n");
    const about = (what: string): string =>
      lines.find((line) => line.includes(what))!.replace(/ {2,}/g, " | ");
    expect(about("gpt2: tok/s")).toBe("speed | gpt2: tok/s | 500,000 | 520,000 | +4 % | +-15 % | ok");
    expect(about("reserved")).toBe("speed | gpt2: GiB reserved | 15 | 20 | +33 % | +-10 % | FAILED");
    expect(about("plain step")).toMatch(/1\.05 \| >= 1\.04 \| ok$/);
    expect(about("loss")).toMatch(/0\.03 \| <= 0\.02 \| FAILED$/);
    expect(about("allocated")).toMatch(/14\.5$/);
    expect(about("tensor 2")).toMatch(/skipped: torch 1\.13 has no fully_shard$/);
    expect(out).toContain("3 fine, 2 failed, 1 skipped");
  });
});
