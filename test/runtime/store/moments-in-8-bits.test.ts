/**
 * `optimizer adamw8`: a run that goes on from a checkpoint has the bits of one that was not interrupted, on
 * any number of workers; checkpoints hold codes as they are, which other programs read as f32; and moments of
 * the other kind are refused by name.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Compiled } from "../../../compiler/compile.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import { createModel, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { openCheckpoint } from "../../../runtime/store/checkpoint-file.ts";
import { loadCheckpoint, saveCheckpoint } from "../../../runtime/store/checkpoint.ts";
import { readSafetensors } from "../../../runtime/store/safetensors.ts";
import { encodedMoments } from "../../../runtime/store/take-moments.ts";
import { compileSmall } from "../../support/running-models.ts";

const VOCAB = 40;
const spec = (optimizer: string): string => `model small {
  vocab ${VOCAB}  context 8  width 64  layers 2  heads 2
  embed token
  layer {
    x += attention(rmsnorm(x))
    x += mlp(rmsnorm(x), hidden: 96)
  }
  output linear(rmsnorm(x))
  tokenizer ids
  train { optimizer ${optimizer}  batch 2  context 8 }
}`;

const folder = mkdtempSync(join(tmpdir(), "sinter-moments-"));
let in8: Compiled;
let in32: Compiled;
beforeAll(async () => {
  in8 = await compileSmall(spec("adamw8"), { module: "train", target: "simd" });
  in32 = await compileSmall(spec("adamw"), { module: "train", target: "simd" });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function withModel<T>(
  compiled: Compiled,
  workers: number,
  use: (model: RunningModel) => Promise<T>,
): Promise<T> {
  const model = await createModel(compiled, "train", { host: nodeHost, workers, target: "simd", seed: 1 });
  try {
    return await use(model);
  } finally {
    await model.close();
  }
}

async function steps(model: RunningModel, from: number, to: number): Promise<number> {
  const { batch, context } = model.entry("train");
  let loss = NaN;
  for (let step = from; step <= to; step++) {
    const tokens = Int32Array.from({ length: batch * context }, (_, i) => (i * 7 + 3 * step) % VOCAB);
    const targets = tokens.map((t) => (t + 1) % VOCAB);
    ({ loss } = await model.trainStep([{ tokens, targets }], { lr: 1e-2, step }));
  }
  return loss;
}

const bitsOf = (model: RunningModel): string[] =>
  (["parameter", "moment1", "moment2"] as const).flatMap((storage) =>
    model.of(storage).flatMap(({ place, padded }) =>
      Array.from({ length: place.slices }, (_, slice) => {
        const { buffer, byteOffset, byteLength } = padded(slice);
        return `${place.name} ${Buffer.from(buffer, byteOffset, byteLength).toString("base64")}`;
      }),
    ),
  );

const state = (step: number) => ({
  step,
  tokens: 16 * step,
  batches: randomStream(1, "batches").state(),
  identity: { model: "small" },
});

test("it goes on with the same bits, on any number of workers", async () => {
  const whole = await withModel(in8, 1, async (model) => {
    await steps(model, 1, 3);
    await saveCheckpoint(nodeFiles(), folder, model, state(3), 2);
    const loss = await steps(model, 4, 6);
    return { loss, bits: bitsOf(model) };
  });
  const resumed = await withModel(in8, 3, async (model) => {
    await loadCheckpoint(nodeFiles(), join(folder, "step-000003.safetensors"), model, "all");
    const loss = await steps(model, 4, 6);
    return { loss, bits: bitsOf(model) };
  });
  expect(resumed).toEqual(whole);
});

test("a checkpoint holds codes, which are read as f32, and become the same codes again", async () => {
  const path = join(folder, "step-000003.safetensors");
  const { tensors } = readSafetensors(readFileSync(path), path);
  const name = "layers.1.attention.qkv.weight";
  // 64 × 192 numbers are 48 blocks, whose scales take one row more
  expect(tensors.get(`moment1.${name}`)).toMatchObject({ dtype: "U8", shape: [49, 256] });
  expect(tensors.get("moment1.token_embedding.weight")?.dtype, "2560 numbers are few").toBe("F32");
  expect(tensors.get("moment1.layers.0.rmsnorm_1.weight")?.dtype, "vectors").toBe("F32");

  const opened = await openCheckpoint(nodeFiles(), path);
  for (const moment of ["moment1", "moment2"] as const) {
    const { begin, end } = tensors.get(`${moment}.${name}`)!;
    const values = await opened.read(`${moment}.${name}`, [64, 192]);
    expect(values.some((v) => v !== 0)).toBe(true);
    if (moment === "moment2") expect(values.every((v) => v > 0)).toBe(true);
    const again = encodedMoments([64, 192], moment, values);
    const stored = readFileSync(path).subarray(begin, end);
    const other = Array.from({ length: 48 * 256 }, (_, at) => at).filter((at) => again[at] !== stored[at]);
    expect(other, moment).toEqual([]);
  }
  await opened.close();
});

test("moments of the other optimizer are refused by name", async () => {
  const path = join(folder, "step-000003.safetensors");
  await withModel(in32, 1, async (model) => {
    await expect(loadCheckpoint(nodeFiles(), path, model, "all")).rejects.toThrow(
      /moment1\.layers\.0\.attention\.qkv\.weight is kept in 8 bits, and this model keeps it in f32/,
    );
    await loadCheckpoint(nodeFiles(), path, model, "weights"); // the weights alone are of use
    await steps(model, 1, 1);
    await saveCheckpoint(nodeFiles(), folder, model, state(4), 2);
  });
  await withModel(in8, 1, (model) =>
    expect(
      loadCheckpoint(nodeFiles(), join(folder, "step-000004.safetensors"), model, "all"),
    ).rejects.toThrow(/is kept in f32, and this model keeps it in 8 bits \(optimizer adamw8\)/),
  );
});

test("it takes a quarter of the bytes, and learns about as fast", async () => {
  const bytes = (compiled: Compiled): number =>
    compiled.plans[0]!.placement.regions.filter(({ name }) => name.endsWith("moments")).reduce(
      (sum, region) => sum + region.bytes,
      0,
    );
  expect(bytes(in8)).toBeLessThan(bytes(in32) * 0.4); // the embedding and the output are below 4096 numbers
  const [loss8, loss32] = await Promise.all(
    [in8, in32].map((compiled) => withModel(compiled, 1, (model) => steps(model, 1, 40))),
  );
  expect(Math.abs(loss8! - loss32!)).toBeLessThan(0.05 * loss32! + 0.02);
});
