/** A shadow is the model in small: the same structure, and it trains here. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { check } from "../../../compiler/index.ts";
import { parameterCount } from "../../../compiler/2-check/parameters.ts";
import { printSpec } from "../../../compiler/print-spec.ts";
import { shadowOf, shadowSpec } from "../../../compiler/planner/shadow.ts";
import { structureHash, structureText } from "../../../compiler/planner/structure.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { inProject } from "../../support/paths.ts";
import { compileSmall, runningModels } from "../../support/running-models.ts";

const models = readdirSync(inProject("specs"))
  .filter((file) => file.endsWith(".sinter"))
  .flatMap((file) => check(readFileSync(inProject(`specs/${file}`), "utf8")).models);
const named = (name: string): Model => models.find((m) => m.name === name)!;

/** What of a model a spec says without its training. */
const structure = ({ sizes, pattern, embed, layer, output, tokenizer }: Model): object => ({
  sizes,
  pattern,
  embed,
  layer,
  output,
  tokenizer,
});

test("every model of every spec is printed as a spec that means the same", () => {
  expect(models.length).toBeGreaterThan(40);
  for (const model of models) {
    const { models: again, diagnostics } = check(printSpec(model));
    expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(structure(again[0]!)).toEqual(structure(model));
  }
});

test("every shadow has its model's structure, checks, and is small", async () => {
  for (const model of models) {
    const shadow = shadowOf(model);
    expect(structureText(shadow)).toBe(structureText(model));
    expect(parameterCount(shadow)).toBeLessThanOrEqual(1_000_000);
    const { models: read, diagnostics } = check(await shadowSpec(model));
    expect(diagnostics).toEqual([]);
    expect(structure(read[0]!)).toEqual(structure(shadow));
  }
});

test("sizes are not structure; an epsilon, a bias, an activation, an order of parts is", async () => {
  const spec = (layer: string, sizes = "width 32 layers 2 heads 4"): Model =>
    check(`model m { vocab 64 context 16 ${sizes} embed token
      layer { x += attention(rmsnorm(x)) ${layer} } output linear(rmsnorm(x)) }`).models[0]!;
  const base = await structureHash(spec("x += mlp(rmsnorm(x))"));
  expect(await structureHash(spec("x += mlp(rmsnorm(x))", "width 96 layers 5 heads 2"))).toBe(base);
  for (const other of [
    "x += mlp(rmsnorm(x, eps: 1e-6))",
    "x += mlp(rmsnorm(x), bias: true)",
    "x += mlp(rmsnorm(x), activation: relu)",
    "x += rmsnorm(mlp(x))",
    "x += mlp(x)",
    "x += swiglu(rmsnorm(x))",
  ])
    expect(await structureHash(spec(other))).not.toBe(base);
});

test("Llama 3 and 3.1 of all sizes are one structure but for the rope; GPT-3's bands are in it", async () => {
  const hash = (name: string): Promise<string> => structureHash(named(name));
  expect(await hash("llama3.1-405b")).toBe(await hash("llama3.1-8b"));
  expect(await hash("llama3.1-405b")).not.toBe(await hash("llama3-8b"));
  expect(await hash("gpt4-rumour-16x111b")).toBe(await hash("gpt4-rumour-8x220b"));
  const shadow = shadowOf(named("gpt3-175b"));
  expect(shadow.sizes.layers).toBe(4);
  expect(JSON.stringify(shadow.layer)).toContain('"window":8');
});

const open = runningModels();
test.each(["gpt3-175b", "gpt4-rumour-16x111b", "llama3-70b", "llama3.1-405b"])(
  "%s: its shadow learns",
  async (name) => {
    const spec = printSpec(shadowOf(named(name), 60_000), { train: "batch 2  context 32" });
    const bundle = await compileSmall(spec, { module: "train", target: "simd" });
    const model = await open(bundle, { module: "train", target: "simd" });
    const { vocab } = model.manifest.model.sizes;
    // a text that repeats itself: each token says which one follows
    const tokens = Int32Array.from({ length: 64 }, (_, i) => (7 * (i % 8)) % vocab);
    const targets = tokens.map((_, i) => tokens[(i + 1) % 64]!);
    const losses: number[] = [];
    for (let step = 1; step <= 40; step++)
      losses.push((await model.trainStep([{ tokens, targets }], { lr: 5e-3, step })).loss);
    expect(losses[0]).toBeCloseTo(Math.log(vocab), 0);
    expect(losses.at(-1)).toBeLessThan(1);
  },
);
