/**
 * Parameters that are not trained do not change in a step, and have no moments, in memory or in a checkpoint.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { compileModel, type Compiled } from "../../../compiler/compile.ts";
import { createModel, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { loadCheckpoint, saveCheckpoint } from "../../../runtime/store/checkpoint.ts";
import { readSafetensors } from "../../../runtime/store/safetensors.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import { shippedSpec } from "../../support/paths.ts";

const trains = (name: string): boolean => /^output\.|attention\.qkv/.test(name);
const spec = checkSource(shippedSpec("tiny")).models[0]!;
const compile = (options: Parameters<typeof compileModel>[1]): Promise<Compiled> =>
  compileModel(spec, { targets: ["simd"], modules: ["train"], verify: true, ...options });

const folder = mkdtempSync(join(tmpdir(), "sinter-frozen-"));
let compiled: Compiled;
beforeAll(async () => {
  compiled = await compile({ trains });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const open = (seed: number): Promise<RunningModel> =>
  createModel(compiled, "train", { host: nodeHost, workers: 1, target: "simd", seed });

function bitsOf(model: RunningModel, trained: boolean): Record<string, string> {
  const entries = model
    .of("parameter")
    .filter((t) => trains(t.place.name) === trained)
    .map((t) => {
      const slices = Array.from({ length: t.place.slices }, (_, i) => t.dense(i));
      return [
        t.place.name,
        slices.map((s) => Buffer.from(s.buffer, s.byteOffset, s.byteLength).toString("hex")),
      ];
    });
  return Object.fromEntries(entries) as Record<string, string>;
}

async function step(model: RunningModel, n: number): Promise<void> {
  const { batch, context } = model.entry("train");
  const tokens = Int32Array.from({ length: batch * context }, (_, i) => (i * 7 + n) % spec.sizes.vocab);
  await model.trainStep([{ tokens, targets: tokens.map((t) => (t + 1) % spec.sizes.vocab) }], {
    lr: 1e-2,
    step: n,
  });
}

test("steps change what is trained and nothing else, after a checkpoint too", async () => {
  const model = await open(1);
  const frozen = bitsOf(model, false);
  const before = bitsOf(model, true);
  expect(Object.keys(frozen).length).toBeGreaterThan(2);
  await step(model, 1);
  await step(model, 2);
  expect(bitsOf(model, false)).toEqual(frozen);
  for (const [name, bits] of Object.entries(bitsOf(model, true)))
    expect(bits, name).not.toEqual(before[name]);

  const state = {
    step: 2,
    tokens: 32,
    batches: randomStream(1, "batches").state(),
    identity: { model: "tiny" },
  };
  const file = await saveCheckpoint(nodeFiles(), folder, model, state, 1);
  const { tensors } = readSafetensors(readFileSync(join(folder, file)), "x");
  const moments = [...tensors.keys()].filter((name) => name.startsWith("moment1."));
  const named = model.of("moment1").flatMap((t) => Array.from({ length: t.place.slices }, () => t.place.of!));
  expect(moments.length).toBe(named.length);
  expect(named.every(trains)).toBe(true);
  expect(tensors.has("token_embedding.weight")).toBe(true);

  const resumed = await open(2);
  await loadCheckpoint(nodeFiles(), join(folder, file), resumed, "all");
  await step(model, 3);
  await step(resumed, 3);
  expect(bitsOf(resumed, true)).toEqual(bitsOf(model, true));
  expect(bitsOf(resumed, false)).toEqual(frozen);
  await model.close();
  await resumed.close();
});

test("the manifest says which are not trained, and nothing of it where all are", async () => {
  const { tensors, memoryBytes } = compiled.manifest.modules.train!;
  for (const { name, storage, trained } of tensors)
    expect(trained, name).toBe(storage === "parameter" && !trains(name) ? false : undefined);
  const all = await compile({});
  expect(JSON.stringify(all.manifest.modules)).not.toContain("trained");
  expect(memoryBytes).toBeLessThan(all.manifest.modules.train!.memoryBytes);
});
