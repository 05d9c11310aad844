/**
 * What reaches weights or tokens is computed by functions whose bits are the same in every engine. Of Math's,
 * and of `**`, that holds by no standard, and browsers do differ: a link that promises a loss would break.
 */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { inProject } from "../../support/paths.ts";

/** Where the engine's functions may be used, and why. */
const allowed: Readonly<Record<string, string>> = {
  "runtime/report/": "drawings and figures for people",
  "runtime/train/evaluate.ts": "perplexity, for people",
  "runtime/train/win-rate.ts": "an interval, for people",
  "compiler/planner/": "estimates of costs",
  "app/playground/panels/": "figures for people",
  "app/playground/parts/": "figures for people",
  "app/studies/": "studies; what they train, the runtime computes",
  "app/examples/": "figures for people",
  "compiler/torch/": "programs in Python",
  "compiler/ops/": "f64 references, which tests compare kernels with",
};
/** Files that make numbers for modules in rooms that are allowed otherwise. */
const strict: readonly string[] = ["compiler/ops/attention/rope.ts", "compiler/ops/sampling/"];

const folders = ["runtime", "compiler", "app"];

/** Math's functions that are not exact, and powers but of two, which every engine computes exactly. */
const inexact = new RegExp(
  String.raw`\bMath\.(?:a?cosh?|a?sinh?|a?tanh?|atan2|cbrt|expm?1?|hypot|log(?:1p|2|10)?|pow)\b` +
    String.raw`|\bMath\s*(?:\[|;|,|\))|(?<!\b2) \*\*=? `,
  "g",
);
const comment = /^\s*(?:\/\/|\/?\*).*$/gm;

const inexactIn = (source: string): string[] => source.replace(comment, "").match(inexact) ?? [];

test("the rule tells exact from inexact", () => {
  for (const source of [
    "x = Math.cos(y)",
    "10 ** n",
    "(a - b) ** 2",
    "const { cos } = Math;",
    "f(Math)",
    "a **= 2",
  ])
    expect(inexactIn(source), source).toHaveLength(1);
  for (const source of [
    "Math.sqrt(x)",
    "2 ** 32",
    "// Math.exp",
    " * x ** y",
    "h.line(`/** out */`)",
    "Math.LN2",
  ])
    expect(inexactIn(source), source).toEqual([]);
});

test("numbers that reach weights or tokens are not made by the engine's functions", () => {
  const files = folders.flatMap((folder) =>
    readdirSync(inProject(folder), { recursive: true, encoding: "utf8" })
      .map((file) => `${folder}/${file}`)
      .filter((file) => file.endsWith(".ts") && !/\/(?:node_modules|dist)\//.test(file)),
  );
  expect(files.length).toBeGreaterThan(400);
  const held = files.filter(
    (file) =>
      strict.some((path) => file.startsWith(path)) ||
      !Object.keys(allowed).some((path) => file.startsWith(path)),
  );
  const found = held.flatMap((file) =>
    inexactIn(readFileSync(inProject(file), "utf8")).map((what) => `${file}: ${what.trim()}`),
  );
  expect(found).toEqual([]);
});

test("every exception is needed", () => {
  for (const path of Object.keys(allowed)) {
    const files = path.endsWith(".ts")
      ? [path]
      : readdirSync(inProject(path), { recursive: true, encoding: "utf8" }).map((file) => `${path}${file}`);
    const sources = files
      .filter((file) => file.endsWith(".ts"))
      .map((file) => readFileSync(inProject(file), "utf8"));
    expect(
      sources.some((source) => inexactIn(source).length > 0),
      path,
    ).toBe(true);
  }
});
