/**
 * Every spec of the repository is right, in its canonical layout, checked fast, and counted as the graph
 * counts it.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { format } from "../../compiler/1-parse/format.ts";
import { checkSource } from "../../compiler/2-check/check.ts";
import { parameterRows } from "../../compiler/2-check/parameters.ts";
import { buildGraph } from "../../compiler/3-graph/build.ts";
import { planModule } from "../../compiler/compile.ts";
import type { Model } from "../../runtime/contract/model.ts";
import { starter } from "../../app/cli/help/starter.ts";
import { root } from "../support/paths.ts";
import { specs } from "../support/sources.ts";

const all = [...specs, { file: "sinter init", text: starter("tiny") }];

test.each(all)("$file is right and canonical", ({ text }) => {
  expect(checkSource(text).diagnostics).toEqual([]);
  expect(format(text).text).toBe(text);
});

test.each(all)("$file: formula and graph agree on every parameter", ({ text }) => {
  for (const model of checkSource(text).models) {
    const formula = parameterRows(model).flatMap((row) =>
      row.tensors.map((t) => `${t.name} [${t.shape.join(",")}] × ${row.times}`),
    );
    const graph = [...buildGraph(model, { entry: "train", batch: 1, context: 8 }).values.values()]
      .filter((v) => v.storage === "parameter")
      .map((v) => `${v.name} [${v.shape.join(",")}] × ${v.slices}`);
    expect(formula.toSorted()).toEqual(graph.toSorted());
  }
});

const cpuMs = (): number => process.threadCpuUsage().user / 1000; // other programs do not count

test("a check takes less than 50 ms", () => {
  for (const { text } of specs) checkSource(text); // warm
  for (const { file, text } of specs) {
    const start = cpuMs();
    checkSource(text);
    expect(cpuMs() - start, file).toBeLessThan(50);
  }
});

test("GPT-2 medium trains in one memory, by its moments in 8 bits and layers that are computed again", () => {
  const { text } = specs.find(({ file }) => file.endsWith("/gpt2.sinter"))!;
  const medium = checkSource(text).models.find(({ name }) => name === "gpt2-medium")!;
  const { optimizer: _, ...inF32 } = medium.train;
  const { recompute: __, ...kept } = medium.train;
  const isTooLarge = (train: Model["train"]): boolean =>
    planModule({ ...medium, train }, "train", { targets: ["wide"] }).over !== undefined;
  expect([medium.train, inF32, kept].map(isTooLarge)).toEqual([false, true, true]);
});

test("specs/README.md lists them all", () => {
  const readme = readFileSync(`${root}/specs/README.md`, "utf8");
  for (const { file } of specs) expect(readme).toContain(file.replace("specs/", ""));
});
