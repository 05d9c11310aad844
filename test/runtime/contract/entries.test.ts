/** What the contract says of entries and their tensors is what a compiled module has. */
import { expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { objectiveOf } from "../../../compiler/2-check/objectives.ts";
import { compileModel, planModule } from "../../../compiler/compile.ts";
import { legsOf } from "../../../compiler/6-tile/legs.ts";
import {
  entriesOfModule,
  inputTensors,
  insideNames,
  LAYERS_RESIDUAL,
  lookEntries,
  outputNames,
  rowEntries,
  segmentEntry,
} from "../../../runtime/contract/entries.ts";

import { codeOf, moduleNames } from "../../../runtime/contract/manifest.ts";

const source = `model tiny { vocab 61  context 16  width 32  layers 4  heads 2  embed token
  layer {
    x += attention(rmsnorm(x), rope: rope(theta: 10000))
    x += experts(rmsnorm(x), count: 4, top: 2, hidden: 48)
  }
  output linear(rmsnorm(x), tied: true)  train { batch 2  context 8 } }`;
const model = checkSource(source).models[0]!;

test("a module has its entries, and their tensors have the names and types of the table", async () => {
  const perRow = { weights: true, logprobs: true };
  const { manifest } = await compileModel(model, {
    targets: ["simd"],
    perRow,
    entries: [...rowEntries, "look"],
  });
  const used = new Set<string>();
  for (const name of moduleNames) {
    const { entries, tensors } = manifest.modules[name]!;
    const asked = [...(name === "infer" ? rowEntries : []), ...lookEntries];
    expect(entries.map((entry) => entry.name)).toEqual([...entriesOfModule[name], ...asked]);
    for (const { inputs, outputs, mixtures = [], look } of entries) {
      const inside = [...(look?.attention ?? []), ...(look?.feedForward ?? [])].map(insideNames);
      const scales = inside.map((of) => of.scales);
      const ofMixtures = mixtures.flatMap(({ starts, balance }) => [starts, balance]);
      for (const input of inputs.filter((i) => !scales.includes(i))) {
        expect(Object.keys(inputTensors)).toContain(input);
        const { dtype } = inputTensors[input as keyof typeof inputTensors];
        expect(tensors.find((t) => t.name === input)?.dtype, input).toBe(dtype);
      }
      for (const output of outputs)
        expect(
          [
            ...outputNames,
            ...ofMixtures,
            ...(look ? [LAYERS_RESIDUAL, ...inside.flatMap((of) => Object.values(of))] : []),
          ].includes(output),
          output,
        ).toBe(true);
      for (const tensor of [...inputs, ...outputs]) used.add(tensor);
    }
  }
  const withHead = { ...model, head: { name: "value", bias: false } };
  for (const [name, terms] of [
    ["ppo", { kl: "k3", entropy: true }],
    ["reward_margin", {}],
    ["kto", {}],
  ] as const) {
    const lora = { rank: 2, alpha: 2, on: ["attention"] } as const;
    const options = { objective: objectiveOf(name, terms), lora, perRow: { adapters: true }, packed: true };
    const { placement } = planModule(withHead, "train", options);
    for (const { value } of placement.persistent.values()) used.add(value.name);
  }
  const infer = planModule(model, "infer", { lora: { rank: 2, alpha: 2, on: ["attention"] } });
  for (const name of infer.placement.persistent.keys()) used.add(name);
  // a module in one memory has none
  const ends = ["d_x_out", "next_tokens", "norm_partial", "x_out", "d_x_in"];
  expect([...Object.keys(inputTensors), ...outputNames].filter((name) => !used.has(name))).toEqual(ends);
});

test("partitions that train have legs, and ends for rows and cotangents", () => {
  const options = { targets: ["simd"] } as const;
  const limit = planModule(model, "train", options).placement.bytes - 1;
  const { partitions } = planModule(model, "train", { ...options, memoryLimit: limit }).over!;
  const [first, last] = partitions!.map(({ programs }) => {
    const train = programs.get("simd")!.find(({ graph }) => graph.entry === "train")!;
    return legsOf(train).map(({ name, takes }) => [name, takes]);
  });
  expect(first).toEqual([
    ["train", undefined],
    ["train_2", "x"],
    ["train_3", "cotangent"],
    ["train_4", "norm"],
  ]);
  expect(last).toEqual([
    ["train", "x"],
    ["train_2", "cotangent"],
    ["train_3", "norm"],
  ]);
  const names = partitions!.flatMap(({ placement }) => [...placement.persistent.keys()]);
  expect(names).toEqual(
    expect.arrayContaining(["x_in", "x_out", "d_x_in", "d_x_out", "next_tokens", "norm_partial"]),
  );
});

test("partitions have the entries of their segments, and ends for the rows", async () => {
  const whole = await compileModel(model, { targets: ["simd"], modules: ["infer"] });
  const memoryLimit = Math.ceil(whole.manifest.modules.infer!.memoryBytes * 0.8);
  const { manifest } = await compileModel(model, { targets: ["simd"], modules: ["infer"], memoryLimit });
  const partitions = codeOf(manifest.modules);
  expect(partitions.length).toBeGreaterThan(1);
  const wanted = [0, 1].flatMap((segment) =>
    entriesOfModule.infer.map((name) => segmentEntry(name, segment)),
  );
  expect(partitions[0]!.entries.map((entry) => entry.name).sort()).toEqual([...wanted].sort());
  expect(wanted).toContain("decode_output");
  const names = partitions.flatMap(({ tensors }) => tensors.map((tensor) => tensor.name));
  expect(names).toEqual(expect.arrayContaining(["x_in", "x_out"]));
});
