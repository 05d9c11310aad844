/** Any number of workers computes the same bits, in the memory that is planned for so many. */
import { beforeAll, describe, expect, it } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { bytesFor, type Placement } from "../../../compiler/7-place/place.ts";
import { compileModel, planModule, type Compiled } from "../../../compiler/compile.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import type { ModuleManifest, ModuleName } from "../../../runtime/contract/manifest.ts";
import { PAGE_BYTES } from "../../../runtime/contract/memory-import.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { defaultWorkers, memoryBytesFor, mostWorkers } from "../../../runtime/contract/worker-memory.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import type { Bundle } from "../../../runtime/engine/bundle.ts";
import { workersFor } from "../../../runtime/engine/choose-workers.ts";
import { createModel, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { bitsOf } from "../../support/fake-model.ts";

const counts = [1, 2, 3, 5, 16, 33, 64] as const;
const target = "relaxed";

const modelOf = (source: string): Model => checkSource(source).models[0]!;

const gpt = modelOf(`model gpt { vocab 301  context 40  width 40  layers 3  heads 5
  embed layernorm(token + position)
  layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), bias: true) }
  output linear(layernorm(x), tied: true)
  tokenizer characters  train { batch 2  context 24 } }`);

const llama = modelOf(`model llama { vocab 67  context 40  width 64  layers 3  heads 4  kv_heads 2
  embed token
  layer { x += attention(rmsnorm(x), rope: rope(theta: 10_000))  x += swiglu(rmsnorm(x), hidden: 96) }
  output linear(rmsnorm(x))
  tokenizer characters  train { batch 2  context 24 } }`);

const mixture = modelOf(`model mixture {
  vocab 61  context 40  width 32  layers 4 alternate dense, banded  heads 2
  embed rmsnorm(token)
  layer {
    x += attention(rmsnorm(x), rope: rope(), window: 7)
    x += experts(rmsnorm(x), count: 4, top: 2, hidden: 48)
  }
  output linear(rmsnorm(x))
  tokenizer characters  train { batch 2  context 24 } }`);

interface Case {
  readonly model: Model;
  readonly module: ModuleName;
  readonly options?: CompileOptions;
  readonly memories?: number;
}

/** Just too little for one memory. */
const limit = (model: Model): number => planModule(model, "infer", { targets: [target] }).placement.bytes - 1;

const cases: Readonly<Record<string, Case>> = {
  "a GPT that trains": { model: gpt, module: "train" },
  "a GPT, its table read in stretches": { model: gpt, module: "infer", options: { splitBytes: 4096 } },
  "a Llama that trains": { model: llama, module: "train" },
  "a Llama in int8": { model: llama, module: "infer", options: { weights: "q8_0", cache: "q8_0" } },
  "a mixture with windows that trains": { model: mixture, module: "train", options: { logitBytes: 4096 } },
  "a mixture with windows in two memories": {
    model: mixture,
    module: "infer",
    options: { memoryLimit: limit(mixture) },
    memories: 2,
  },
};

const bits = (values: ArrayLike<number>): string =>
  Buffer.from(Float32Array.from(values).buffer).toString("base64");

/** Losses, logits, and what is in the parameters at the end, as text: equal texts, equal bits. */
async function answers(model: RunningModel): Promise<string> {
  const { vocab } = model.manifest.model.sizes;
  const random = randomStream(3, "test");
  const drawn = (n: number): number[] => Array.from({ length: n }, () => random.below(vocab));
  const batch = () => ({ tokens: Int32Array.from(drawn(48)), targets: Int32Array.from(drawn(48)) });
  const said: unknown[] = [];
  if (model.manifest.modules.train === model.module)
    for (let step = 1; step <= 2; step++)
      said.push(await model.trainStep([batch(), batch()], { lr: 1e-2, step }));
  said.push(await model.evaluate(batch()), bits(model.tokenLosses()));
  said.push(bits(await model.feed(drawn(11), 0)));
  for (let position = 11; position < 14; position++) said.push(bits(await model.feed(drawn(1), position)));
  return JSON.stringify(said) + bitsOf(model);
}

const memoriesOf = (module: ModuleManifest): readonly ModuleManifest[] => module.parts ?? [module];

describe.each(Object.entries(cases))("%s", (_, { model, module: name, options, memories = 1 }) => {
  let bundle: Compiled;
  let planned: readonly Placement[];
  let expected: string;
  const open = (workers: number) => createModel(bundle, name, { host: nodeHost, workers, target, seed: 11 });

  beforeAll(async () => {
    bundle = await compileModel(model, { targets: [target], modules: [name], ...options });
    const { over, placement } = planModule(model, name, { targets: [target], ...options });
    planned = over?.partitions?.map((p) => p.placement) ?? [placement];
    expect(planned).toHaveLength(memories);
    const alone = await open(1);
    expected = await answers(alone);
    await alone.close();
  });

  it.each(counts)("%i workers, and the memory that is planned for them", async (workers) => {
    const running = await open(workers);
    expect(running.workers).toBe(workers);
    const bytes = planned.map((p) => bytesFor(p, workers));
    expect(memoriesOf(running.module).map((m) => memoryBytesFor(m, workers))).toEqual(bytes);
    expect(running.memoryBytes).toBe(bytes.reduce((a, b) => a + b));
    expect(memoryBytesFor(running.module, workers)).toBe(running.memoryBytes);
    const pages = running.of("parameter").map((t) => t.padded().buffer.byteLength / PAGE_BYTES);
    expect([...new Set(pages)].sort()).toEqual(
      [...new Set(bytes.map((b) => Math.ceil(b / PAGE_BYTES)))].sort(),
    );
    expect(await answers(running)).toBe(expected);
    await running.close();
  });
});

describe("the number of workers", () => {
  let bundle: Compiled;
  beforeAll(async () => {
    bundle = await compileModel(gpt, { targets: ["simd"], modules: ["infer"] });
  });
  const module = (): ModuleManifest => bundle.manifest.modules.infer!;
  const opened = (from: Bundle, workers: number) =>
    createModel(from, "infer", { host: nodeHost, workers, target: "simd", seed: 1 });

  it.each([0, -1, 1.5, NaN, 65, 1000])("is not %d", async (workers) => {
    await expect(opened(bundle, workers)).rejects.toMatchObject({
      kind: "input",
      message: `${workers} workers: there can be 1 to 64`,
    });
  });

  it("is that of the cores where nothing else is said, up to 64", () => {
    const on = (cores: number): number => workersFor(module(), { ...nodeHost, cores }, undefined);
    expect([1, 2, 48, 64, 192].map(on)).toEqual([1, 2, 48, 64, 64]);
  });

  it("is as large as the memory has room for", () => {
    const [GIB, MIB] = [2 ** 30, 2 ** 20];
    const full = { ...module(), memoryBytes: 4 * GIB - 2 * MIB, maxWorkers: 8, workerBytes: MIB };
    expect(mostWorkers([full])).toBe(9);
    expect(mostWorkers([module(), full])).toBe(9);
    expect(defaultWorkers([full], 64)).toBe(9);
    expect(workersFor(full, nodeHost, 9)).toBe(9);
    expect(() => workersFor(full, nodeHost, 12)).toThrow(
      "12 workers need 4,297,064,448 bytes of one memory, which ends at 4,293,918,720",
    );
    expect(() => workersFor(full, nodeHost, 12)).toThrow(expect.objectContaining({ kind: "memory" }));
  });

  it("is at most 8 for a bundle of an earlier release, whose memory is the same for any number", async () => {
    const { workerBytes: _, ...before } = module();
    const old = { ...bundle, manifest: { ...bundle.manifest, modules: { infer: before } } };
    await expect(opened(old, 9)).rejects.toThrow("9 workers, but this module was compiled for at most 8");
    const answersOf = async (from: Bundle, workers: number): Promise<string> => {
      const running = await opened(from, workers);
      const said = await answers(running);
      expect(running.memoryBytes).toBe(memoryBytesFor(module(), from === old ? 8 : workers));
      await running.close();
      return said;
    };
    expect(await answersOf(old, 8)).toBe(await answersOf(bundle, 1));
    expect(workersFor(before, { ...nodeHost, cores: 16 }, undefined)).toBe(8);
  });
});
