/**
 * The study of many cores, as far as it can be tried with few: its arguments, what it skips, and its table of
 * rows that are fed to it.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { tableOf, type Found } from "../../bench/studies/cores/table.ts";
import { inProject } from "../support/paths.ts";

const folder = mkdtempSync(join(tmpdir(), "sinter-cores-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The script's own function, alone. */
const SCRIPT = inProject("bench/studies/cores.sh");
const FIND_TORCH = `eval "$(sed -n '/^find_torch()/,/^}/p' ${SCRIPT})"; find_torch`;

/** A folder with a Python that says it has this version of PyTorch. */
function pythonOf(version: string): string {
  const at = join(folder, version);
  mkdirSync(at, { recursive: true });
  writeFileSync(join(at, "python3"), `#!/bin/sh\necho ${version}\n`, { mode: 0o755 });
  return at;
}

const study = (...args: string[]): { status: number | null; out: string; err: string } => {
  const env = { ...process.env, OUT: folder };
  const script = inProject("bench/studies/cores.sh");
  const { status, stdout, stderr } = spawnSync("bash", [script, ...args], { encoding: "utf8", env });
  return { status, out: stdout, err: stderr };
};

test("parts are known by name", () => {
  const { status, err } = study("S", "L");
  expect(status).toBe(2);
  expect(err).toContain("there is no part L: export limits S M gpt2 1b table");
  const help = study("--help");
  expect(help.status).toBe(0);
  for (const part of ["export", "limits", "gpt2", "1b", "--try"]) expect(help.out).toContain(part);
});

test.skipIf(availableParallelism() >= 8)("a machine with few cores is told what is skipped, and why", () => {
  const { status, out } = study("S", "1b");
  expect(status).toBe(0);
  expect(out.trimEnd().split("\n")).toEqual([
    expect.stringMatching(/^skipped: S \(this machine has \d cores, and 8 are asked for; --try tries it\)$/),
    expect.stringMatching(/^skipped: 1b /),
  ]);
});

test("all parts together take nine minutes at most", () => {
  const script = readFileSync(inProject("bench/studies/cores.sh"), "utf8");
  const limits = [.../^declare -A most=\((.*)\)$/m.exec(script)![1]!.matchAll(/\[(\w+)\]=(\d+)/g)];
  expect(limits.map(([, part]) => part)).toEqual(["export", "limits", "S", "M", "gpt2", "1b", "table"]);
  expect(limits.reduce((sum, [, , seconds]) => sum + Number(seconds), 0)).toBeLessThanOrEqual(540);
});

test("a Python without PyTorch 2 is said, and named by PYTHON", () => {
  const found = spawnSync("bash", ["-c", FIND_TORCH], {
    encoding: "utf8",
    env: { ...process.env, PATH: `${pythonOf("1.13.0")}:${process.env["PATH"]}` },
  });
  expect(found.stdout).toMatch(/^skipped: PyTorch \(no Python here has 2 or later; python3 has 1\.13\.0; /);
  const two = spawnSync("bash", ["-c", FIND_TORCH], {
    encoding: "utf8",
    env: { ...process.env, PYTHON: join(pythonOf("2.13.0+cpu"), "python3") },
  });
  expect(two.stdout).toMatch(/^PyTorch 2\.13\.0\+cpu: .*python3\n$/);
});

test("the table has a column for each number of workers, and marks what is less than asked for", () => {
  const limit = (workers: number, value: number): Found => ({
    part: "limits",
    who: "limit",
    what: "multiply-add",
    workers,
    value,
    unit: "GFLOP/s",
  });
  const train = (who: string, workers: number, value: number, gflops?: number): Found => ({
    part: "M",
    who,
    what: "train",
    workers,
    value,
    unit: "tok/s",
    ...(gflops !== undefined && { gflops }),
  });
  const rows = [
    limit(8, 800),
    limit(16, 1500),
    train("Sinter", 8, 5000, 560),
    train("PyTorch", 8, 4000),
    train("Sinter", 16, 8000, 900),
    train("PyTorch", 16, 7000),
  ];
  // 5000 / 4000 = 1.25, 8000 / 7000 = 1.14; 560 / 800, 900 / 1500; 8000 / 5000 ÷ 1500 / 800 = 0.853
  expect(
    tableOf(rows)
      .split("\n")
      .map((line) => line.trimEnd()),
  ).toEqual([
    "workers                                      8          16",
    "multiply-add, GFLOP/s                      800       1,500",
    "train M, Sinter, tok/s                   5,000       8,000",
    "  × PyTorch                             1.25        1.14 <",
    "  of the multiply-add limit               70 %        60 %",
    "  × half as many, limit's gain = 1           –      0.85 <",
    "train M, PyTorch, tok/s                  4,000       7,000",
  ]);
});
