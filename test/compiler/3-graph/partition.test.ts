/**
 * A module over several memories computes the same bits as in one: logits, losses, text, for every cut and
 * every number of workers.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { compileModel, planModule, type Compiled } from "../../../compiler/compile.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import type { Manifest } from "../../../runtime/contract/manifest.ts";
import { parseManifest, wasmBytes, type Bundle } from "../../../runtime/engine/bundle.ts";
import { fillParameters } from "../../../runtime/engine/fill.ts";
import { createMemory } from "../../../runtime/engine/partitions.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { createModel } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import { selfCheck } from "../../../runtime/engine/self-check.ts";
import { tensorIn } from "../../../runtime/engine/tensors.ts";
import { bitsOf } from "../../support/fake-model.ts";

const specs = {
  "GPT-2's kind, tied": `model gpt { vocab 301  context 40  width 40  layers 5  heads 5
    embed layernorm(token + position)
    layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), bias: true) }
    output linear(layernorm(x), tied: true)
    tokenizer characters  train { batch 2  context 24 } }`,
  "Llama's kind, untied": `model llama { vocab 67  context 40  width 48  layers 5  heads 6  kv_heads 2
    embed token
    layer { x += attention(rmsnorm(x), rope: rope(theta: 10_000))  x += swiglu(rmsnorm(x), hidden: 80) }
    output linear(rmsnorm(x))
    tokenizer characters  train { batch 2  context 24 } }`,
  "dense and banded layers by turns": `model bands {
    vocab 61  context 40  width 32  layers 5 alternate dense, banded  heads 2
    embed token + position
    layer { x += attention(layernorm(x), window: 7)  x += mlp(layernorm(x)) }
    output linear(layernorm(x), tied: true)
    tokenizer characters  train { batch 2  context 24 } }`,
  "a mixture of experts": `model mix { vocab 61  context 40  width 32  layers 4  heads 2
    embed rmsnorm(token)
    layer { x += attention(rmsnorm(x), rope: rope())  x += experts(rmsnorm(x), count: 4, top: 2, hidden: 48) }
    output linear(rmsnorm(x))
    tokenizer characters  train { batch 2  context 24 } }`,
} as const;

const modelOf = (source: string): Model => {
  const { models, diagnostics } = checkSource(source);
  expect(diagnostics).toEqual([]);
  return models[0]!;
};

/**
 * Limits that give each number of parts that is possible: each is just below what the cut before it needs.
 */
function limits(model: Model, options: CompileOptions): Map<number, number> {
  const found = new Map<number, number>();
  for (let limit = Infinity; ;) {
    const { over, placement } = planModule(model, "infer", { ...options, memoryLimit: limit });
    if (over?.tooLarge) return found;
    const parts = over?.partitions ?? [{ placement }];
    if (!found.has(parts.length)) found.set(parts.length, limit);
    limit = Math.max(...parts.map((p) => p.placement.bytes)) - 1;
  }
}

/** Everything that the model says of fixed tokens, as text: equal texts, equal bits. */
async function answers(bundle: Bundle, workers: number): Promise<string> {
  const model = await createModel(bundle, "infer", { host: nodeHost, workers, target: "relaxed", seed: 11 });
  try {
    const { vocab } = model.manifest.model.sizes;
    const random = randomStream(2, "test");
    const said: unknown[] = [];
    const bits = (values: ArrayLike<number>): string =>
      Buffer.from(Float32Array.from(values).buffer).toString("base64");
    const ids = Array.from({ length: 9 }, () => random.below(vocab));
    for (
      let logits = await model.feed(ids, 0);
      ids.length < 20;
      logits = await model.feed([ids.at(-1)!], ids.length - 1)
    ) {
      said.push(bits(logits));
      ids.push(logits.indexOf(Math.max(...logits)));
    }
    said.push(bits(await model.feed(ids.slice(0, 5), 20)), ids);
    const batch = {
      tokens: Int32Array.from({ length: 48 }, () => random.below(vocab)),
      targets: Int32Array.from({ length: 48 }, (_, i) => (i % 7 === 3 ? -1 : random.below(vocab))),
    };
    said.push(await model.evaluate(batch), bits(model.tokenLosses()));
    return JSON.stringify(said) + bitsOf(model);
  } finally {
    await model.close();
  }
}

describe.each(Object.entries(specs))("%s", (_, source) => {
  it("says the same with weights in four bits", async () => {
    const model = modelOf(source);
    const options: CompileOptions = {
      targets: ["relaxed"],
      modules: ["infer"],
      weights: "q4_0",
      verify: true,
    };
    const expected = await answers(await compileModel(model, options), 1);
    const compiled = await compileModel(model, { ...options, memoryLimit: limits(model, options).get(2)! });
    expect(compiled.manifest.modules.infer!.parts).toHaveLength(2);
    parseManifest(new TextDecoder().decode(compiled.files.get("manifest.json")), "manifest.json");
    expect(await answers(compiled, 2)).toBe(expected);
  });
  const options: CompileOptions = {
    targets: ["relaxed"],
    modules: ["infer"],
    logitBytes: 16 * 320 * 4,
    splitBytes: 4096,
    verify: true,
  };
  it("says the same in 1, 2, 3 and as many parts as can be", async () => {
    const model = modelOf(source);
    const found = limits(model, options);
    expect([...found.keys()]).toEqual(expect.arrayContaining([1, 2, 3]));
    const expected = await answers(await compileModel(model, options), 1);
    for (const parts of [2, 3, Math.max(...found.keys())]) {
      const memoryLimit = found.get(parts)!;
      const compiled = await compileModel(model, { ...options, memoryLimit });
      const { infer } = compiled.manifest.modules;
      expect(infer!.parts).toHaveLength(parts);
      for (const part of infer!.parts!) expect(part.memoryBytes).toBeLessThanOrEqual(memoryLimit);
      parseManifest(new TextDecoder().decode(compiled.files.get("manifest.json")), "manifest.json");
      for (const workers of parts === 2 ? [1, 2, 3] : [1, 2])
        expect(await answers(compiled, workers), `${parts} parts, ${workers} workers`).toBe(expected);
    }
  });
});

describe("a module in parts", () => {
  const source = specs["GPT-2's kind, tied"];
  const options: CompileOptions = { targets: ["wide"], modules: ["infer"], profile: true };
  let cut: Compiled;
  beforeAll(async () => {
    const model = modelOf(source);
    cut = await compileModel(model, { ...options, memoryLimit: limits(model, options).get(3)! });
  });
  const manifest = (): Manifest =>
    JSON.parse(new TextDecoder().decode(cut.files.get("manifest.json"))) as Manifest;

  it("has one file for parts of equal structure, and rows of x between them", () => {
    const { parts, entries, wasm } = cut.manifest.modules.infer!;
    expect(wasm).toEqual({});
    expect(parts!.map((p) => p.holds)[0]).toMatch(/^embedding, .*output$/);
    const files = new Map(parts!.map((p) => [p.wasm.wide!.file, p.entries.map((e) => e.name).join()]));
    expect([...files.values()]).toEqual([
      "evaluate,prefill,decode,generate,evaluate_output,prefill_output,decode_output,generate_output",
      ...Array.from({ length: files.size - 1 }, () => "evaluate,prefill,decode,generate"),
    ]);
    const last = entries.find((e) => e.name === "decode")!.runs!.at(-1);
    expect(last).toEqual({ part: 0, entry: "decode_output" }); // tied: where the table is
    for (const file of files.keys()) expect(cut.files.get(file)).toBeInstanceOf(Uint8Array);
  });

  it("passes the self-check, part by part, without drawn parameters, and padding stays zero", async () => {
    const { parts } = cut.manifest.modules.infer!;
    const one = { shared: false, host: nodeHost };
    for (const part of parts!) {
      const memory = createMemory(part, 1);
      const module = new WebAssembly.Module(await wasmBytes(cut, part.wasm.wide!, one));
      fillParameters({ manifest: part, memory });
      expect(selfCheck(cut.manifest, { manifest: part, memory }, module, module)).toBeUndefined();
      const table = part.tensors.find((t) => t.storage === "parameter" && t.rowFloats !== t.shape.at(-1))!;
      const data = tensorIn(memory.buffer, table).padded();
      const columns = table.shape.at(-1)!;
      expect(data.subarray(0, columns).every((x) => x !== 0) || columns > 4000).toBe(true);
      expect(data.subarray(columns, table.rowFloats).every((x) => x === 0)).toBe(true);
    }
  });

  it("is profiled part by part", async () => {
    const model = await createModel(cut, "infer", { host: nodeHost, workers: 2, target: "wide", seed: 1 });
    await model.feed([1, 2, 3], 0);
    const sites = model.profile()!.filter((s) => s.calls > 0);
    const { parts } = cut.manifest.modules.infer!;
    for (const i of parts!.keys())
      expect(sites.some((s) => s.section.startsWith(`part ${i}: `) && s.entry.startsWith("prefill"))).toBe(
        true,
      );
    await model.close();
  });

  it("stops all workers when one part traps, and says so", async () => {
    const model = await createModel(cut, "infer", { host: nodeHost, workers: 2, target: "wide", seed: 1 });
    const batch = { tokens: new Int32Array(48).fill(1e6), targets: new Int32Array(48) };
    await expect(model.evaluate(batch)).rejects.toThrow(/worker \d stopped in "evaluate"/);
    await expect(model.feed([1], 0)).rejects.toThrow(/stopped in "evaluate"/);
    await model.close();
  });

  it.each<[string, (m: Mutable) => void, RegExp]>([
    [
      "a part is missing",
      (m) => m.parts.pop(),
      /layer \d of layers\..* is missing|has \d of 5 layers|runs "evaluate" of part \d/,
    ],
    ["parts are no list", (m) => (m.parts = 7 as never), /no lists/],
    ["there are none", (m) => (m.parts = []), /no lists/],
    ["layers are there twice", (m) => (m.parts[1] = m.parts[2]!), /layer \d of .* is missing/],
    [
      "a tensor ends beyond its memory",
      (m) => (m.parts[1]!.tensors.at(-1)!.offset = 2 ** 31),
      /part 1: .* is not within its memory/,
    ],
    ["an offset is negative", (m) => (m.parts[1]!.tensors[0]!.offset = -4), /is not within its memory/],
    ["an offset is 1e20", (m) => (m.parts[1]!.tensors[0]!.offset = 1e20), /is not within its memory/],
    ["a memory of too many pages", (m) => (m.parts[0]!.memoryPages = 65537), /part 0 has 65537 pages/],
    ["a memory for no number of workers", (m) => (m.parts[1]!.maxWorkers = 0.5), /for each of 0.5 workers/],
    [
      "workers take less than nothing",
      (m) => (m.parts[1]!.workerBytes = -64),
      /part 1 has -64 bytes for each/,
    ],
    [
      "workers take the place of tensors",
      (m) => (m.parts[1]!.workerBytes = Math.floor(m.parts[1]!.memoryBytes / 8)),
      /part 1: .* is not within its memory/,
    ],
    [
      "a chain names another entry",
      (m) => (m.entries[0]!.runs[1]!.entry = "train"),
      /runs "train" of part 1, which does not exist/,
    ],
    [
      "a chain names another part",
      (m) => (m.entries[0]!.runs[1]!.part = 9),
      /of part 9, which does not exist/,
    ],
    [
      "a run takes what nothing makes",
      (m) => Object.assign(m.entries[0]!.runs![0]!, { takes: "rows" }),
      /takes "rows", which nothing makes/,
    ],
    ["a chain is empty", (m) => (m.entries[0]!.runs = []), /runs nothing/],
    [
      "rows have another width",
      (m) => (m.parts[1]!.tensors.find((t) => t.name === "x_in")!.shape = [48, 41]),
      /x_in is \[48,41\]/,
    ],
    [
      "rows are too few",
      (m) => (m.parts[1]!.tensors.find((t) => t.name === "x_in")!.shape[0] = 3),
      /has no x_in for entry/,
    ],
    [
      "a shape differs",
      (m) => m.parts[0]!.tensors.find((t) => t.name.startsWith("layers."))!.shape.reverse(),
      /not within its memory|other shapes/,
    ],
  ])("is refused when %s", (_, change, message) => {
    const changed = manifest();
    change(changed.modules.infer as unknown as Mutable);
    const error = ((): unknown => {
      try {
        return parseManifest(JSON.stringify(changed), "m.json");
      } catch (cause) {
        return cause;
      }
    })();
    expect(error).toBeInstanceOf(SinterError);
    expect((error as SinterError).kind).toBe("corrupt");
    expect((error as SinterError).message).toMatch(message);
  });
});

interface Mutable {
  parts: {
    memoryPages: number;
    memoryBytes: number;
    maxWorkers: number;
    workerBytes: number;
    tensors: { name: string; offset: number; shape: number[] }[];
  }[];
  entries: { runs: { part: number; entry: string }[] }[];
}
