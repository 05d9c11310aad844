/**
 * X2: every objective of the table, compiled, against PyTorch in float64 (posttraining.py): loss, ln p of
 * each row, and the gradients of six tensors and of the scalar head.
 */
import { describe, expect, test } from "vitest";
import { checkSource } from "../../compiler/2-check/check.ts";
import { objectiveOf, type ObjectiveName, type ObjectiveTerms } from "../../compiler/2-check/objectives.ts";
import { compileModel, type Compiled } from "../../compiler/compile.ts";
import type { Model } from "../../runtime/contract/model.ts";
import { createModel, type Batch, type RunningModel } from "../../runtime/engine/model.ts";
import { checkpointName } from "../../runtime/engine/tensors.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { aggregationWeights, aggregations, type Aggregation } from "../../runtime/train/aggregation.ts";
import { readFixture, type FixtureTensor } from "./read-fixture.ts";
import { specText, type SpecName } from "./parity.ts";

const [B, T] = [8, 16];

interface Case {
  readonly objective: ObjectiveName;
  readonly terms?: ObjectiveTerms;
  readonly settings?: Readonly<Record<string, number>>;
  readonly aggregation?: Aggregation;
}
const beta = { beta: 0.3 };
const clip = { clip: 0.2, clip_high: 0.28 };
const pairs = [
  "sigmoid_norm",
  "ipo",
  "ipo_sum",
  "hinge",
  "bco_pair",
  "nca_pair",
  "sppo_hard",
  "apo_zero",
] as const;
/** As in posttraining.py. */
const cases: Readonly<Record<string, Case>> = {
  ...Object.fromEntries(
    [...pairs, "dpo", "apo_down", "cpo"].map((name) => [name, { objective: name, settings: beta }]),
  ),
  cdpo: { objective: "dpo", settings: { ...beta, label_smoothing: 0.1 } },
  dpo_nll: { objective: "dpo", settings: { ...beta, nll: 0.5 } },
  robust: { objective: "robust", settings: { ...beta, label_smoothing: 0.1 } },
  simpo: { objective: "simpo", settings: { ...beta, gamma: 0.4 } },
  orpo: { objective: "orpo", settings: { lambda: 0.2 } },
  kto: { objective: "kto", settings: { ...beta, z: 0.2, desirable: 1.3, undesirable: 0.7 } },
  reward: { objective: "reward" },
  reward_margin: { objective: "reward_margin", settings: { center: 0.05 } },
  ...Object.fromEntries(
    (Object.keys(aggregations) as Aggregation[]).map((aggregation) => [
      `grpo_${aggregation}`,
      { objective: "grpo", settings: clip, aggregation },
    ]),
  ),
  ...Object.fromEntries(
    (["k1", "k2", "k3"] as const).map((kl) => [
      `grpo_${kl}`,
      { objective: "grpo", terms: { kl }, settings: { ...clip, kl: 0.3 } },
    ]),
  ),
  cispo: { objective: "cispo", settings: { clip_high: 0.28, clip: 0.2 } },
  grpo_dual: { objective: "grpo_dual", settings: { ...clip, dual_clip: 3 } },
  gspo: { objective: "gspo", settings: clip },
  rloo: { objective: "rloo", settings: clip },
  ppo: {
    objective: "ppo",
    terms: { entropy: true },
    settings: { ...clip, value_weight: 0.1, entropy_weight: 0.01, value_clip: 0.2 },
  },
};

const compiled = new Map<string, Promise<Compiled>>();
/** Compiled once for all cases of an objective: settings are inputs. */
function compile(model: Model, { objective, terms = {} }: Case): Promise<Compiled> {
  const key = JSON.stringify([model.name, objective, terms]);
  const perRow = { weights: true };
  const made = (): Promise<Compiled> =>
    compileModel(model, {
      targets: ["simd"],
      modules: ["train"],
      objective: objectiveOf(objective, terms),
      perRow,
    });
  if (!compiled.has(key)) compiled.set(key, made());
  return compiled.get(key)!;
}

function load(model: RunningModel, fixture: ReadonlyMap<string, FixtureTensor>): void {
  for (const tensor of model.of("parameter"))
    for (let slice = 0; slice < tensor.place.slices; slice++)
      tensor.write(fixture.get(checkpointName(tensor.place, slice))!.values, slice);
}

/** The worst |got − want| / (1e-6 · max(1, the largest |want|) + 1e-5 · |want|). */
function worst(got: ArrayLike<number>, want: ArrayLike<number>): number {
  const largest = Array.from(want, Math.abs).reduce((a, b) => Math.max(a, b), 1);
  return Array.from(want, (w, i) => Math.abs(got[i]! - w) / (1e-6 * largest + 1e-5 * Math.abs(w))).reduce(
    (a, b) => (b <= a ? a : b),
    0,
  );
}

describe.each(["gpt2", "llama"] as const)("%s", (spec: SpecName) => {
  const fixture = readFixture(new URL(`fixtures/posttraining-${spec}.safetensors`, import.meta.url).pathname);
  const [plain] = checkSource(specText(spec)).models;
  const model: Model = {
    ...plain!,
    head: { name: "value", bias: true },
    train: { ...plain!.train, batch: B, context: T },
  };
  const f32 = (name: string): Float32Array => fixture.get(name)!.values as Float32Array;
  const i32 = (name: string): Int32Array => fixture.get(name)!.values as Int32Array;
  const batch: Batch = {
    tokens: i32("tokens"),
    targets: i32("targets"),
    oldLogprobs: f32("old"),
    referenceLogprobs: f32("reference"),
    advantages: f32("advantages"),
    returns: f32("returns"),
    oldValues: f32("old_values"),
    labels: f32("labels"),
    margins: f32("margins"),
  };
  const known = Object.entries(cases).filter(([name]) => fixture.has(`${name}.loss`));

  test("every case of the fixture is compared", () => {
    const inFixture = [...fixture.keys()]
      .filter((key) => key.endsWith(".loss"))
      .map((key) => key.slice(0, -5));
    expect([...known.map(([name]) => name), "lora"].sort()).toEqual(inFixture.sort());
  });

  function compareGradients(running: RunningModel, name: string): void {
    const gradients = [...fixture.keys()].filter((key) => key.startsWith(`${name}.gradient.`));
    expect(gradients.length).toBeGreaterThanOrEqual(6);
    for (const key of gradients) {
      const parameter = key.slice(`${name}.gradient.`.length);
      const layer = /^layers\.(\d+)\./.exec(parameter)?.[1];
      const tensor = running.tensors.get(`${parameter.replace(/^layers\.\d+\./, "layers.")}.grad`)!;
      expect(worst(tensor.dense(Number(layer ?? 0)), f32(key)), parameter).toBeLessThan(1);
    }
  }

  test.each(known)("%s", async (name, of) => {
    const running = await createModel(await compile(model, of), "train", {
      host: nodeHost,
      workers: 1,
      target: "simd",
    });
    load(running, fixture);
    const weights =
      of.aggregation && aggregationWeights(of.aggregation, [batch], { context: T, longest: 12 })[0]!;
    const { settings = {} } = of;
    const { loss } = await running.trainStep([{ ...batch, ...(weights && { weights }) }], {
      lr: 0,
      step: 1,
      settings,
    });
    expect(worst([loss], f32(`${name}.loss`)), "loss").toBeLessThan(1);
    const made = ["logprobs", "entropies", "values"].filter((row) => running.tensors.has(row));
    for (const row of made as ("logprobs" | "entropies" | "values")[])
      expect(worst(running.rowOutput(row), f32(row)), row).toBeLessThan(1);
    compareGradients(running, name);
    await running.close();
  });

  test("adapters of all maps (X17)", async () => {
    const lora = { rank: 3, alpha: 6, on: ["all"] } as const;
    const { head: _, ...headless } = model;
    const made = await compileModel(headless, { targets: ["simd"], modules: ["train"], lora });
    const running = await createModel(made, "train", { host: nodeHost, workers: 1, target: "simd" });
    load(running, fixture);
    const { loss } = await running.trainStep([{ tokens: batch.tokens, targets: batch.targets }], {
      lr: 0,
      step: 1,
    });
    expect(worst([loss], f32("lora.loss")), "loss").toBeLessThan(1);
    compareGradients(running, "lora");
    await running.close();
  });
});
