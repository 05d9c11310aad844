/**
 * A base that is not trained, in fewer bits: losses and gradients of its adapters are those of the same
 * numbers in f32, also where logits come in blocks; what it samples is what it evaluates; it takes the bytes
 * of its format, nothing else, and keeps them through training.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { compileModel, planModule, type Compiled } from "../../../compiler/compile.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import type { QuantisedFormat } from "../../../runtime/contract/memory-formats.ts";
import { isAdapter } from "../../../runtime/contract/parameter-names.ts";
import type { Batch, RunningModel } from "../../../runtime/engine/model.ts";
import { noise } from "../../../bench/measure/kernel-numbers.ts";
import { compileSmall, runningModels, valuesOf } from "../../support/running-models.ts";

const bodies = {
  gpt2: `layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), hidden: 72, bias: true) }
    output linear(layernorm(x))`,
  llama: `layer { x += attention(rmsnorm(x), rope: rope(theta: 10000))  x += swiglu(rmsnorm(x), hidden: 72) }
    output linear(rmsnorm(x), tied: false)`,
} as const;
const sourceOf = (kind: keyof typeof bodies): string =>
  `model small { vocab 75  context 16  width 40  layers 2  heads 2  embed token + position
    ${bodies[kind]}  tokenizer characters  train { batch 2  context 16 } }`;

const R = 32;
const batch: Batch = {
  tokens: Int32Array.from({ length: R }, (_, i) => (i * 11 + 5) % 75),
  targets: Int32Array.from({ length: R }, (_, i) => (i % 9 === 4 ? -1 : (i * 7 + 2) % 75)),
};
const options: CompileOptions = {
  lora: { rank: 4, alpha: 8, on: ["all"] },
  perRow: { logprobs: true },
  logitBytes: 16 * 80 * 4,
  verify: true,
};
const open = runningModels();

/** Second matrices of adapters begin at 0, and nothing would reach the first ones. */
function drawAdapters(model: RunningModel): void {
  const draw = noise(9);
  for (const t of model.of("parameter"))
    if (isAdapter(t.place.name))
      for (let slice = 0; slice < t.place.slices; slice++) t.fill(slice, () => 0.2 * draw());
  model.weightsChanged();
}

/** The numbers of one model in another one, whatever these keep them in. */
function copyNumbers(from: RunningModel, to: RunningModel): void {
  for (const [name, slices] of valuesOf(from, "parameter"))
    slices.forEach((values, slice) =>
      to
        .of("parameter")
        .find((t) => t.place.name === name)!
        .write(values, slice),
    );
  to.weightsChanged();
}

describe.each([
  ["gpt2", "q8_0"],
  ["llama", "q4_0"],
  ["llama", "bf16"],
] as const)("%s on a base in %s", (kind, format) => {
  const how = { module: "train" } as const;
  let small: Compiled;
  let model: RunningModel;
  let exact: RunningModel;
  beforeAll(async () => {
    small = await compileSmall(sourceOf(kind), { ...how, options: { ...options, weights: format } });
    model = await open(small, how, 2);
    exact = await open(await compileSmall(sourceOf(kind), { ...how, options }), how);
    drawAdapters(model);
    copyNumbers(model, exact);
  });

  test("losses and gradients are those of its numbers in f32", async () => {
    const { loss } = await model.trainStep([batch], { lr: 0, step: 1 });
    const { loss: want } = await exact.trainStep([batch], { lr: 0, step: 1 });
    expect(Math.abs(loss - want)).toBeLessThan(1e-6 * want);
    const gradients = valuesOf(exact, "gradient");
    let largest = 0;
    for (const [name, slices] of valuesOf(model, "gradient"))
      for (const [slice, values] of slices.entries())
        values.forEach((v, i) => {
          const w = gradients.get(name)![slice]![i]!;
          largest = Math.max(largest, Math.abs(w));
          expect(Math.abs(v - w), `${name}[${slice}][${i}]`).toBeLessThan(1e-7 + 1e-5 * Math.abs(w));
        });
    expect(largest).toBeGreaterThan(1e-3);
  });

  test("a token gives the same alone, in a prompt and in a batch", async () => {
    const tokens = [...batch.tokens.subarray(0, 12)];
    const prompt = [...(await model.feed(tokens, 0))];
    let alone: number[] = [];
    for (const [i, token] of tokens.entries()) alone = [...(await model.feed([token], i))];
    expect(alone).toEqual(prompt);
    await model.evaluate(batch);
    const most = Math.max(...prompt);
    const sum = prompt.reduce((s, v) => s + Math.exp(v - most), 0);
    const said = prompt[batch.targets[11]!]! - most - Math.log(sum);
    expect(Math.abs(said - model.logprobs()[11]!)).toBeLessThan(1e-5);
  });

  test("the base has no gradient, and keeps its bits", async () => {
    const base = (): readonly (readonly number[])[] =>
      model
        .of("parameter")
        .filter((t) => t.place.quantised)
        .flatMap((t) => Array.from({ length: t.place.slices }, (_, i) => [...t.padded(i)]));
    const before = base();
    expect(before.length).toBeGreaterThan(8);
    for (let step = 2; step <= 4; step++) await model.trainStep([batch], { lr: 1e-2, step });
    expect(base()).toEqual(before);
    const { tensors } = small.manifest.modules.train!;
    const state = tensors.filter((t) => t.of !== undefined);
    expect(state.every((t) => isAdapter(t.of!))).toBe(true);
    const kept = tensors.filter((t) => t.quantised).map((t) => t.quantised!.format);
    expect(new Set(kept)).toEqual(new Set([format]));
  });
});

/** A model of which the matrices are nearly everything; its rows are whole superblocks. */
const wide = (): Model =>
  checkSource(`model wide { vocab 512  context 16  width 1024  layers 4  heads 4  embed token
    layer { x += attention(rmsnorm(x))  x += swiglu(rmsnorm(x), hidden: 1024) }
    output linear(rmsnorm(x))  train { batch 1  context 16 } }`).models[0]!;

test("bytes: 16 for a number that is trained, 4 for one that is not, its format's for a matrix", () => {
  const state = (more: CompileOptions): number =>
    planModule(wide(), "train", { targets: ["simd"], ...more })
      .placement.regions.filter(({ name }) => /parameters|gradients|moments/.test(name))
      .reduce((sum, { bytes }) => sum + bytes, 0);
  const numbers = 2 * 512 * 1024 + 1024 + 4 * (4 + 3) * 1024 * 1024 + 4 * 2 * 1024;
  expect(state({})).toBe(16 * numbers);
  const rank = 16; // a cache line
  const lora = { rank, alpha: 4, on: ["attention"] } as const;
  const adapters = 4 * rank * (1024 + 3 * 1024 + 1024 + 1024);
  expect(state({ lora })).toBe(4 * numbers + 16 * adapters);
  const perWeight: Readonly<Record<QuantisedFormat, number>> = { q8_0: 34 / 32, q4_0: 18 / 32, bf16: 2 };
  const vectors = 1024 + 4 * 2 * 1024;
  for (const [format, bytes] of Object.entries(perWeight))
    expect(state({ lora, weights: format as QuantisedFormat }), format).toBe(
      bytes * (numbers - vectors) + 4 * vectors + 16 * adapters,
    );
});

test("a module whose weights are all trained has none in fewer bits", async () => {
  await expect(compileModel(wide(), { modules: ["train"], weights: "q8_0" })).rejects.toThrow(
    "all of them are trained",
  );
});
