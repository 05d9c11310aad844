/** A module over several memories computes the same bits as in one: logits, losses, text, for every cut and every number of workers. */
import { describe, expect, it } from "vitest";
import { checkSource } from "../compiler/2-check/check.ts";
import type { Model } from "../compiler/2-check/model.ts";
import { compileModel, planModule, type CompileOptions } from "../compiler/compile.ts";
import { parseManifest, type Bundle } from "../runtime/bundle.ts";
import { createModel } from "../runtime/model.ts";
import { nodeHost } from "../runtime/node/host.ts";
import { randomStream } from "../runtime/random.ts";
import { bitsOf } from "./runtime-fake.ts";

const specs = {
  "GPT-2's kind, tied": `model gpt { vocab 301  context 40  width 40  layers 5  heads 5
    embed token + position
    layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), bias: true) }
    output linear(layernorm(x), tied: true)
    tokenizer characters  train { batch 2  context 24 } }`,
  "Llama's kind, untied": `model llama { vocab 67  context 40  width 48  layers 5  heads 6  kv_heads 2
    embed token
    layer { x += attention(rmsnorm(x), rope: rope(theta: 10_000))  x += swiglu(rmsnorm(x), hidden: 80) }
    output linear(rmsnorm(x))
    tokenizer characters  train { batch 2  context 24 } }`,
  "dense and banded layers by turns": `model bands { vocab 61  context 40  width 32  layers 5 alternate dense, banded  heads 2
    embed token + position
    layer { x += attention(layernorm(x), window: 7)  x += mlp(layernorm(x)) }
    output linear(layernorm(x), tied: true)
    tokenizer characters  train { batch 2  context 24 } }`,
  "a mixture of experts": `model mix { vocab 61  context 40  width 32  layers 4  heads 2
    embed token
    layer { x += attention(rmsnorm(x), rope: rope())  x += experts(rmsnorm(x), count: 4, top: 2, hidden: 48) }
    output linear(rmsnorm(x))
    tokenizer characters  train { batch 2  context 24 } }`,
} as const;

const modelOf = (source: string): Model => {
  const { models, diagnostics } = checkSource(source);
  expect(diagnostics).toEqual([]);
  return models[0]!;
};

/** Limits that give each number of parts that is possible, from 1 up to `most`. */
function limits(model: Model, options: CompileOptions): Map<number, number> {
  const { bytes } = planModule(model, "infer", options).placement, found = new Map<number, number>();
  for (let limit = bytes; limit > bytes / 12; limit -= Math.ceil(bytes / 400)) {
    const { over } = planModule(model, "infer", { ...options, memoryLimit: limit });
    if (over?.tooLarge) break;
    const count = over?.parts?.length ?? 1;
    if (!found.has(count)) found.set(count, limit);
  }
  return found;
}

/** Everything that the model says of fixed tokens, as text: equal texts, equal bits. */
async function answers(bundle: Bundle, workers: number): Promise<string> {
  const model = await createModel(bundle, "infer", { host: nodeHost, workers, target: "relaxed", seed: 11 });
  try {
    const { vocab } = model.manifest.model.sizes, random = randomStream(2, "test"), said: unknown[] = [];
    const bits = (values: ArrayLike<number>): string => Buffer.from(Float32Array.from(values).buffer).toString("base64");
    const ids = Array.from({ length: 9 }, () => random.below(vocab));
    for (let logits = await model.feed(ids, 0); ids.length < 20; logits = await model.feed([ids.at(-1)!], ids.length - 1)) {
      said.push(bits(logits));
      ids.push(logits.indexOf(Math.max(...logits)));
    }
    said.push(bits(await model.feed(ids.slice(0, 5), 20)), ids);
    const batch = { tokens: Int32Array.from({ length: 48 }, () => random.below(vocab)), targets: Int32Array.from({ length: 48 }, (_, i) => (i % 7 === 3 ? -1 : random.below(vocab))) };
    said.push(await model.evaluate(batch), bits(model.tokenLosses()));
    return JSON.stringify(said) + bitsOf(model);
  } finally {
    await model.close();
  }
}

describe.each(Object.entries(specs))("%s", (_, source) => {
  const options: CompileOptions = { targets: ["relaxed"], modules: ["infer"], logitBytes: 16 * 320 * 4, splitBytes: 4096, verify: true };
  it("says the same in 1, 2, 3 and as many parts as can be", async () => {
    const model = modelOf(source), found = limits(model, options);
    expect([...found.keys()]).toEqual(expect.arrayContaining([1, 2, 3]));
    const expected = await answers(await compileModel(model, options), 1);
    for (const parts of [2, 3, Math.max(...found.keys())]) {
      const memoryLimit = found.get(parts)!, compiled = await compileModel(model, { ...options, memoryLimit }), { infer } = compiled.manifest.modules;
      expect(infer!.parts).toHaveLength(parts);
      for (const part of infer!.parts!) expect(part.memoryBytes).toBeLessThanOrEqual(memoryLimit);
      parseManifest(new TextDecoder().decode(compiled.files.get("manifest.json")), "manifest.json");
      for (const workers of parts === 2 ? [1, 2, 3] : [1, 2]) expect(await answers(compiled, workers), `${parts} parts, ${workers} workers`).toBe(expected);
    }
  }, 120_000);
});
