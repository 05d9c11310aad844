/**
 * Adapters: a model begins with them as it was without, bit for bit, and switched off it is so again after
 * training; only they are trained, their gradients are those of the graph in f64; merged, they change
 * nothing.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { compileModel, type Compiled } from "../../../compiler/compile.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import { addAdapters } from "../../../compiler/3-graph/adapters.ts";
import { buildGraph } from "../../../compiler/3-graph/build.ts";
import { freeze } from "../../../compiler/3-graph/freeze.ts";
import { differentiate } from "../../../compiler/4-grad/differentiate.ts";
import { saveForBackward } from "../../../compiler/4-grad/save.ts";
import { hyper } from "../../../runtime/contract/control.ts";
import { isAdapter } from "../../../runtime/contract/parameter-names.ts";
import { createModel, type Batch, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { addTo } from "../../../runtime/store/adapter.ts";
import { interpret } from "../../support/interpret.ts";
import { valuesOf } from "../../support/running-models.ts";
import { noise } from "../../../bench/measure/kernel-numbers.ts";

const body = {
  gpt2: "layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), hidden: 40, bias: true) }",
  llama:
    "layer { x += attention(rmsnorm(x), rope: rope(theta: 10000))  x += swiglu(rmsnorm(x), hidden: 40) }",
} as const;
const specOf = (kind: keyof typeof body) =>
  checkSource(`model small { vocab 40  context 16  width 24  layers 2  heads 2  embed token + position
    ${body[kind]}
    output linear(layernorm(x))  tokenizer characters  train { batch 2  context 16  decay 0 } }`).models[0]!;

const lora = { rank: 4, alpha: 8, on: ["all"] } as const;
const R = 32;
const batch: Batch = {
  tokens: Int32Array.from({ length: R }, (_, i) => (i * 11 + 5) % 40),
  targets: Int32Array.from({ length: R }, (_, i) => (i % 9 === 4 ? -1 : (i * 7 + 2) % 40)),
};
const perRow = { logprobs: true, adapters: true };

type Numbers = Map<string, Float32Array[]>;
const load = (model: RunningModel, numbers: Numbers): void => {
  for (const t of model.of("parameter"))
    numbers.get(t.place.name)?.forEach((values, slice) => t.write(values, slice));
  model.weightsChanged();
};

describe.each(["gpt2", "llama"] as const)("%s", (kind) => {
  const spec = specOf(kind);
  const compile = (options: CompileOptions): Promise<Compiled> =>
    compileModel(spec, { targets: ["relaxed"], verify: true, ...options });
  const open = (
    compiled: Compiled,
    module: "train" | "infer" = "train",
    workers = 1,
  ): Promise<RunningModel> =>
    createModel(compiled, module, { host: nodeHost, workers, target: "relaxed", seed: 3 });
  let base: Compiled;
  let adapted: Compiled;
  beforeAll(async () => {
    base = await compile({ perRow: { logprobs: true } });
    adapted = await compile({ lora, perRow });
  });

  const tokens = [3, 1, 4, 1, 5, 9, 2, 6];
  const said = async (model: RunningModel): Promise<number[][]> => {
    const prefilled = [...(await model.feed(tokens, 0))];
    const decoded = [...(await model.feed([7], tokens.length))];
    await model.evaluate(batch);
    return [prefilled, decoded, [...model.logprobs().subarray(0, R)]];
  };

  test.each(["train", "infer"] as const)("module %s begins as it was, bit for bit (X17)", async (module) => {
    const [one, other] = [await open(base, module), await open(adapted, module)];
    expect(await said(other)).toEqual(await said(one));
    await one.close();
    await other.close();
  });

  test("adapters alone are trained: 16 bytes for each of their numbers, 4 for each other", async () => {
    const { tensors } = adapted.manifest.modules.train!;
    const trained = tensors
      .filter((t) => t.storage === "parameter" && t.trained !== false)
      .map((t) => t.name);
    expect(trained.every(isAdapter)).toBe(true);
    const maps = kind === "gpt2" ? ["attention.qkv", "attention.out", "mlp.up", "mlp.down"] : undefined;
    if (maps)
      expect(trained.sort()).toEqual(
        maps.flatMap((map) => [`layers.${map}.lora_a`, `layers.${map}.lora_b`]).sort(),
      );
    for (const storage of ["gradient", "moment1", "moment2"] as const)
      expect(
        tensors
          .filter((t) => t.storage === storage)
          .map((t) => t.of!)
          .sort(),
      ).toEqual(trained.sort());
    const a = tensors.find((t) => t.name === "layers.attention.qkv.lora_a")!;
    expect(a).toMatchObject({
      shape: [24, 4],
      slices: 2,
      init: { kind: "uniform", bound: 1 / Math.sqrt(24) },
    });
  });

  test("gradients of the adapters are those of the graph in f64", async () => {
    const model = await open(adapted);
    const draw = noise(9);
    for (const t of model.of("parameter"))
      if (t.place.name.endsWith("lora_b"))
        for (let slice = 0; slice < t.place.slices; slice++) t.fill(slice, () => 0.2 * draw());
    const start = freeze(
      addAdapters(buildGraph(spec, { entry: "train", batch: 2, context: 16, logprobs: true }), spec, lora),
      isAdapter,
    );
    const scales = new Float64Array(16);
    const counted = batch.targets.filter((t) => t >= 0).length;
    scales[hyper.scale] = 1 / counted;
    scales[hyper.lora] = lora.alpha / lora.rank;
    const want = interpret(
      saveForBackward(differentiate(start)),
      new Map([
        ...[...valuesOf(model, "parameter")].map(
          ([n, s]) => [n, s.map((v) => Float64Array.from(v))] as const,
        ),
        ["tokens", [Float64Array.from(batch.tokens)]],
        ["targets", [Float64Array.from(batch.targets)]],
        ["hyper", [scales]],
      ]),
    );
    await model.trainStep([batch], { lr: 0, step: 1 });
    let largest = 0;
    for (const [name, slices] of valuesOf(model, "gradient"))
      for (const [slice, values] of slices.entries())
        values.forEach((v, i) => {
          const w = want.get(name)![slice]![i]!;
          largest = Math.max(largest, Math.abs(w));
          expect(Math.abs(v - w), `${name}[${slice}][${i}]`).toBeLessThan(1e-6 + 1e-4 * Math.abs(w));
        });
    expect(largest).toBeGreaterThan(1e-3);
    await model.close();
  });

  test("after training: the rest is as it was, off is the reference, merged is unmerged", async () => {
    const model = await open(adapted, "train", 2);
    const before = valuesOf(model, "parameter");
    const reference = await said(model);
    const losses: number[] = [];
    for (let step = 1; step <= 12; step++)
      losses.push((await model.trainStep([batch], { lr: 2e-2, step })).loss);
    expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.3);
    const after = valuesOf(model, "parameter");
    for (const [name, values] of after)
      if (isAdapter(name)) expect(values, name).not.toEqual(before.get(name));
      else expect(values, name).toEqual(before.get(name));

    const trained = await said(model);
    expect(trained).not.toEqual(reference);
    await model.evaluate(batch, { adapters: false });
    expect([...model.logprobs().subarray(0, R)]).toEqual(reference[2]);
    await model.evaluate(batch); // as it was left
    expect([...model.logprobs().subarray(0, R)]).toEqual(trained[2]);
    await model.useAdapters(false);
    expect(await said(model)).toEqual(reference);
    await model.useAdapters(true);

    // policy and reference in one forward: each row says (N8)
    const rows = Float32Array.from({ length: R }, (_, r) => (r < R / 2 ? 1 : 0));
    await model.evaluate({ ...batch, adapters: rows });
    const mixed = [...model.logprobs().subarray(0, R)];
    expect(mixed).toEqual([...trained[2]!.slice(0, R / 2), ...reference[2]!.slice(R / 2)]);

    // the same weights in a module that has none
    const merged: Numbers = new Map(
      [...after]
        .filter(([name]) => !isAdapter(name))
        .map(([name, slices]) => [name, slices.map((s) => s.slice())]),
    );
    const { rank, alpha } = lora;
    for (const [name, slices] of after) {
      if (!name.endsWith(".lora_a")) continue;
      const stem = name.slice(0, -".lora_a".length);
      slices.forEach((a, slice) => {
        const b = after.get(`${stem}.lora_b`)![slice]!;
        const shape = [a.length / rank, b.length / rank] as const;
        addTo(merged.get(`${stem}.weight`)![slice]!, { shape, rank, a, b }, alpha / rank);
      });
    }
    const plain = await open(base);
    load(plain, merged);
    const got = await said(plain);
    const inferred = await open(adapted, "infer");
    load(inferred, after);
    for (const numbers of [got, await said(inferred)])
      numbers.forEach((row, i) =>
        row.forEach((v, j) => expect(Math.abs(v - trained[i]![j]!)).toBeLessThan(1e-5)),
      );
    for (const m of [model, plain, inferred]) await m.close();
  });
});

test("a module without adapters says so", async () => {
  const compiled = await compileModel(specOf("gpt2"), { targets: ["simd"], modules: ["train"] });
  const model = await createModel(compiled, "train", { host: nodeHost, workers: 1, seed: 1 });
  await expect(model.useAdapters(false)).rejects.toThrow("has no adapters");
  await model.close();
});
