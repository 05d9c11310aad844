/** Whole runs of others: operations as published, hours beside ours, and published numbers that are wrong. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { otherModel } from "../../../app/studies/planner/other-steps.ts";
import { otherRuns, runBeside } from "../../../app/studies/planner/runs.ts";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { parameterCount } from "../../../compiler/2-check/parameters.ts";
import { checkWithPlans } from "../../../compiler/planner/judge-plans.ts";
import { inProject } from "../../support/paths.ts";

const file = (name: string): string => readFileSync(inProject(`specs/${name}.sinter`), "utf8");

test("what published hours mean, by 6·N·D; and ours at the usual goodput: within a fifth", () => {
  const published: Record<string, number> = {
    "Llama 7B": 43.4,
    "Llama 13B": 51.4,
    "Llama 33B": 45.8,
    "Llama 65B": 47.7,
    "Llama 2 7B": 39.1,
    "Llama 2 13B": 37.7,
    "Llama 2 70B": 42.8,
    "Llama 2 7B, IBM's replica": 48.9,
    BLOOM: 31.8,
    "MPT-7B": 35.4,
    "SmolLM3 3B": 25.9,
    "PaLM 540B": 30.4,
    "DeepSeek-V3": 34.6,
  };
  expect(otherRuns.map(({ title }) => title)).toEqual(Object.keys(published));
  for (const { run, utilisation, hours } of otherRuns.map(runBeside)) {
    expect(Math.abs(100 * utilisation - published[run.title]!), run.title).toBeLessThan(0.4);
    if (hours !== undefined) expect(Math.abs(hours / run.hours - 1), run.title).toBeLessThan(0.2);
  }
});

test("GPT-3's eight models, of 300 B tokens each: the published operations", () => {
  const { models } = checkSource(file("gpt3"));
  // Brown et al. 2020, table D.1, from 125M to 175B
  const published = [2.25e20, 6.41e20, 1.37e21, 2.38e21, 4.77e21, 1.2e22, 2.31e22, 3.14e23];
  const names = ["small", "medium", "large", "xl", "2.7b", "6.7b", "13b", "175b"];
  for (const [i, name] of names.entries()) {
    const model = models.find((one) => one.name === `gpt3-${name}`)!;
    expect(Math.abs((6 * parameterCount(model) * 300e9) / published[i]! - 1), name).toBeLessThan(0.006);
  }
});

test("PaLM's 2527 ZFLOP; BLOOM's checkpoint of 329 GiB, 2.3 TB with what it is trained with", () => {
  // and a PF-day is a quadrillion operations a second for a day: GPT-3 took 3640
  expect((3640 * 1e15 * 86_400) / 3.14e23).toBeCloseTo(1, 2);
  const palm = otherRuns.find(({ title }) => title === "PaLM 540B")!;
  expect((6 * palm.parameters! * palm.tokens) / 2527.2e21).toBeCloseTo(1, 2);
  const bloom = parameterCount(otherModel("bloom"));
  expect((2 * bloom) / 2 ** 30 / 329).toBeCloseTo(1, 2);
  expect((14 * bloom) / 2 ** 40 / 2.3).toBeCloseTo(1, 1);
});

const said = (name: string, more: string): string[] =>
  checkWithPlans(`${file(name)}\n${more}`).diagnostics.map(({ code, text }) => `${code} ${text}`);

test("MLPerf's 24,576 samples are 50.33 million tokens, not billion (Nebius)", () => {
  const plan = (tokens: string): string =>
    `plan p of gpt3-175b on h100 { devices 512  tensor 8  sequence 2048  tokens 24_576 * sequence
      expect flops 6 * 174.6e9 * ${tokens} }`;
  expect(said("gpt3", plan("50.33e6"))).toEqual([]);
  expect(said("gpt3", plan("50.33e9"))).toEqual(["E0703 expected flops 5.27e22 ± 1 %, found 5.27e19"]);
});

test("405B's keys and values take half of what Hugging Face's table says", () => {
  // 123.05 GiB of 128,000 tokens
  const plan = `plan p of llama3.1-405b on h100 { devices 1024  tensor 8  sequence 8192
      expect cache 123.05 * 1.073741824e9 / 128e3 }`;
  expect(said("llama3", plan)).toEqual([
    expect.stringMatching(/^E0703 expected cache 1,008 KiB ± 1 %, found 504 KiB$/),
  ]);
});

test("GPT-3's table: 13B has no width of 5140, and XL no 24 heads of 128", () => {
  const wide = said("gpt3", "model w like gpt3-13b { width 5140 }");
  expect(wide[0]).toMatch(/^E0/);
  expect(
    said("gpt3", "model h like gpt3-xl { heads 24  head_dim 128  expect parameters 1_315_723_264 }"),
  ).toEqual([expect.stringMatching(/^E0401 /)]);
});
