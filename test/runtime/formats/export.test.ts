/**
 * What goes out comes back: the tensors of every format are the same, and other programs compute the same
 * from them.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openGguf } from "../../../runtime/formats/gguf/gguf.ts";
import { numberFormats, type FloatFormat } from "../../../runtime/contract/number-formats.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { openRun } from "../../../runtime/store/run-folder.ts";
import { decode } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { run, sinter, trainSmall } from "../../support/command-line.ts";
import { llamaCppGreedy, llamaCppHere, withoutLlamaCpp } from "../../../app/studies/ask-llama-cpp.ts";
import { greedyOf as ourGreedy, logitsOf as ourLogits, parametersOf as parameters } from "./models.ts";
import { torchHere, torchLogits, withoutTorch } from "./torch.ts";
import { shared } from "./shared.ts";
import { llama3Rope, llamaLayer } from "../../support/small-models.ts";

const scratch = mkdtempSync(join(tmpdir(), "sinter-export-"));
const at = (name: string): string => join(scratch, name);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const files = nodeFiles();

const specs = {
  // odd sizes on purpose: rows of 40 are no multiple of 32
  gpt2: `model out-gpt2 {
    vocab 256  context 24  width 40  layers 2  heads 5
    embed token + position
    layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), hidden: 96, bias: true) }
    output linear(layernorm(x), tied: true)
    tokenizer bytes
    train { batch 2  context 16  steps 3  lr 1e-2  warmup 0 }
  }`,
  plain: `model out-plain {
    vocab 256  context 24  width 32  layers 1  heads 2
    embed token + position
    layer { x += attention(layernorm(x, bias: false))  x += mlp(layernorm(x, bias: false)) }
    output linear(layernorm(x, bias: false))
    tokenizer bytes
    train { batch 2  context 16  steps 3  lr 1e-2  warmup 0 }
  }`,
  llama: `model out-llama {
    vocab 256  context 32  width 64  layers 2  heads 4  kv_heads 2  head_dim 8
    embed token
    ${llamaLayer(llama3Rope(8), 96)}
    output linear(rmsnorm(x))
    tokenizer bytes
    train { batch 2  context 16  steps 3  lr 1e-2  warmup 0 }
  }`,
  mixture: `model out-mixture {
    vocab 256  context 32  width 64  layers 2  heads 4  kv_heads 2
    embed token
    layer {
      x += attention(rmsnorm(x), rope: rope(theta: 10000))
      x += experts(rmsnorm(x), count: 4, top: 2, hidden: 96, balance: 0.02)
    }
    output linear(rmsnorm(x))
    tokenizer bytes
    train { batch 4  context 32  steps 40  lr 1e-2  warmup 0 }
  }`,
  // One expert per token, with a weight of 1. It does not train well, but it is what the published forms
  // would mean by it.
  single: `model out-single {
    vocab 256  context 32  width 32  layers 1  heads 2
    embed token
    layer {
      x += attention(rmsnorm(x), rope: rope(theta: 10000))
      x += experts(rmsnorm(x), count: 3, top: 1, renormalise: true, hidden: 64)
    }
    output linear(rmsnorm(x), tied: true)
    tokenizer bytes
    train { batch 2  context 16  steps 3  lr 1e-2  warmup 0 }
  }`,
} as const;
type Name = keyof typeof specs;
const names = Object.keys(specs) as Name[];

beforeAll(async () => {
  for (const name of names) {
    writeFileSync(at(`${name}.sinter`), specs[name]);
    await trainSmall(at(`${name}.sinter`), at(name));
  }
});

/** Exports a run and imports the result. */
async function thereAndBack(name: Name, to: "hf" | "gguf", dtype: string): Promise<string> {
  const out = at(`${name}-${dtype}.${to}`);
  const back = `${out}.back`;
  await sinter("export", at(name), "--to", to, "--dtype", dtype, "-o", out);
  await sinter("import", out, "-o", back, "--target", "simd");
  return back;
}

describe("there and back", () => {
  it.each(names.flatMap((name) => (["hf", "gguf"] as const).map((to) => [name, to] as const)))(
    "%s as %s, f32: every tensor is equal",
    async (name, to) => {
      const was = await parameters(at(name));
      const is = await parameters(await thereAndBack(name, to, "f32"));
      const zeros = [...is].filter(([key]) => !was.has(key));
      if (name !== "plain") expect(zeros).toEqual([]);
      // GPT-2 has these biases in any case
      for (const [, values] of zeros) expect(values.every((x) => x === 0)).toBe(true);
      for (const [key, values] of was) expect(is.get(key), key).toEqual(values);
    },
  );

  const steps: readonly (readonly ["hf" | "gguf", string, FloatFormat, number])[] = [
    ["hf", "f16", "F16", 2 ** -11],
    ["hf", "bf16", "BF16", 2 ** -8],
    ["gguf", "f16", "F16", 2 ** -11],
    ["gguf", "bf16", "BF16", 2 ** -8],
    ["gguf", "q8_0", "Q8_0", 0],
    ["gguf", "q4_0", "Q4_0", 0],
  ];
  const kinds = (["llama", "mixture"] as const).flatMap((name) =>
    steps.map((step) => [name, ...step] as const),
  );
  it.each(kinds)("%s as %s %s: within the format's error", async (name, to, dtype, format, relative) => {
    const was = await parameters(at(name));
    const is = await parameters(await thereAndBack(name, to, dtype));
    let exact = 0;
    for (const [key, values] of was) {
      const got = is.get(key)!;
      const most = values.reduce((a, x) => Math.max(a, Math.abs(x)), 0);
      const allowed = (x: number): number =>
        relative > 0 ? Math.abs(x) * relative : (most / (format === "Q8_0" ? 127 : 8)) * 1.01;
      values.forEach((x, i) =>
        expect(Math.abs(got[i]! - x), `${key}[${i}]`).toBeLessThanOrEqual(allowed(x) + 1e-7),
      );
      if (got.every((x, i) => x === values[i])) exact++;
    }
    expect(exact).toBeGreaterThanOrEqual(5); // norms
  });

  it.each(["llama", "mixture"] as const)("%s quantised again: the same bytes", async (name) => {
    for (const dtype of ["q8_0", "q4_0"] as const) {
      const first = at(`${name}-${dtype}.gguf`);
      const back = `${first}.back`;
      const second = at(`${name}-again-${dtype}.gguf`);
      if (!existsSync(back)) await thereAndBack(name, "gguf", dtype);
      await sinter("export", back, "--to", "gguf", "--dtype", dtype, "-o", second);
      const [a, b] = [await openGguf(files, first), await openGguf(files, second)];
      const [bytesA, bytesB] = [readFileSync(first), readFileSync(second)];
      for (const [key, tensor] of a.tensors) {
        const other = b.tensors.get(key)!;
        expect(other.type).toBe(tensor.type);
        expect(
          bytesB
            .subarray(other.offset, other.offset + other.bytes)
            .equals(bytesA.subarray(tensor.offset, tensor.offset + tensor.bytes)),
          key,
        ).toBe(true);
      }
      expect(a.tensors.get(name === "llama" ? "blk.0.ffn_up.weight" : "blk.0.ffn_up_exps.weight")!.type).toBe(
        dtype.toUpperCase(),
      );
      if (name === "mixture") expect(a.tensors.get("blk.0.ffn_gate_inp.weight")!.type).toBe("F32");
      expect(Object.hasOwn(numberFormats, "Q8_0")).toBe(true);
      await a.close();
      await b.close();
    }
  });

  it("says what it can not do", async () => {
    writeFileSync(
      at("parallel.sinter"),
      specs.plain
        .replace(/layer \{.*\}/, "layer { h = layernorm(x)  x += attention(h) + mlp(h) }")
        .replace("out-plain", "out-parallel"),
    );
    await sinter(
      "train",
      at("parallel.sinter"),
      "--out",
      at("parallel"),
      "--workers",
      "1",
      "--target",
      "simd",
    );
    expect(await run("export", at("parallel"), "--to", "gguf", "-o", at("x.gguf"))).toMatchObject({
      code: 1,
      err: expect.stringMatching(/out-parallel: .*no published format has a place for it/) as unknown,
    });
    expect(await run("export", at("gpt2"), "--to", "hf", "--dtype", "q8_0", "-o", at("x"))).toMatchObject({
      code: 2,
    });
    expect(await run("export", at("gpt2"), "--to", "onnx", "-o", at("x"))).toMatchObject({ code: 2 });
    expect(await run("export", at("gpt2"), "--to", "hf", "-o", at("gpt2"))).toMatchObject({
      code: 1,
      err: expect.stringContaining("is there already") as unknown,
    });
    expect(existsSync(at("x.gguf"))).toBe(false);
  });

  it("a mixture's settings go there and back: its form, its balance", async () => {
    const out = at("mixture-f32.hf");
    const spec = (folder: string): string => readFileSync(`${folder}/spec.sinter`, "utf8");
    if (!existsSync(`${out}.back`)) await thereAndBack("mixture", "hf", "f32");
    const config = readFileSync(`${out}/config.json`, "utf8");
    expect(config).toContain('"router_jitter_noise": 0.0,'); // transformers 5 refuses 0
    expect(JSON.parse(config)).toMatchObject({
      architectures: ["MixtralForCausalLM"],
      model_type: "mixtral",
      num_local_experts: 4,
      num_experts_per_tok: 2,
      router_aux_loss_coef: 0.02,
      intermediate_size: 96,
    });
    expect(spec(`${out}.back`)).toMatch(
      /experts\(rmsnorm\(x\), count: 4, top: 2, balance: 0\.02, hidden: 96\)/,
    );
    if (!existsSync(at("single-f32.gguf.back"))) await thereAndBack("single", "gguf", "f32");
    expect(spec(at("single-f32.gguf.back"))).toMatch(/top: 1, renormalise: true/);
    writeFileSync(
      at("switch.sinter"),
      specs.single.replace("renormalise: true, ", "").replace("out-single", "out-switch"),
    );
    await sinter("train", at("switch.sinter"), "--out", at("switch"), "--workers", "1", "--target", "simd");
    expect(await run("export", at("switch"), "--to", "hf", "-o", at("y"))).toMatchObject({
      code: 1,
      err: expect.stringContaining("do not add up to 1 (renormalise: false)") as unknown,
    });
  });

  it("a run begins from imported weights", async () => {
    const back = at("llama-f32.gguf.back");
    if (!existsSync(back)) await thereAndBack("llama", "gguf", "f32");
    await sinter(
      "train",
      "--from",
      back,
      "--out",
      at("tuned"),
      "--steps",
      "2",
      "--workers",
      "1",
      "--target",
      "simd",
    );
    const was = await parameters(back);
    const is = await parameters(at("tuned"));
    expect([...is.keys()].toSorted()).toEqual([...was.keys()].toSorted());
    expect([...was].some(([key, values]) => values.some((x, i) => x !== is.get(key)![i]))).toBe(true);
    expect(await run("train", at("plain.sinter"), "--from", back, "--out", at("misfit"))).toMatchObject({
      code: 1,
      err: expect.stringContaining(
        "does not fit out-plain: tensor token_embedding.weight is [256,64]; the model has [256,32]",
      ) as unknown,
    });
    expect(await run("train", "--resume", "--out", back)).toMatchObject({
      code: 1,
      err: expect.stringContaining("--from") as unknown,
    });
    expect(existsSync(at("misfit"))).toBe(false);
  });
});

const prompt = [...new TextEncoder().encode("To be, or not")];

describe("PyTorch", () => {
  it.skipIf(!torchHere).each(names)(
    `computes the same logits from the Hugging Face form: %s ${withoutTorch}`,
    async (name) => {
      const out = at(`${name}-torch`);
      await sinter("export", at(name), "--to", "hf", "-o", out);
      const theirs = torchLogits(out, prompt);
      const ours = await ourLogits(at(name), prompt);
      expect(theirs.length).toBe(prompt.length);
      theirs.forEach((row, i) =>
        row.forEach((x, k) => expect(Math.abs(x - ours[i]![k]!), `${i}, ${k}`).toBeLessThan(2e-5)),
      );
    },
  );
});

describe("llama.cpp", () => {
  it.skipIf(!llamaCppHere).each(["gpt2", "llama"] as const)(
    `runs our GGUF with the same greedy tokens: %s, trained here ${withoutLlamaCpp}`,
    async (name) => {
      const out = at(`${name}-llamacpp.gguf`);
      await sinter("export", at(name), "--to", "gguf", "-o", out);
      const theirs = llamaCppGreedy(out, prompt.slice(0, 8), 10, at("logits"));
      expect(theirs.ids).toEqual(await ourGreedy(at(name), prompt.slice(0, 8), 10));
      expect(theirs.text).toBe(decode((await openRun(files, at(name))).tokenizer, theirs.ids));
    },
  );
  const gpt2 = shared("checkpoints/tiny-random-gpt2");
  const stories = shared("checkpoints/stories260K");
  it.skipIf(!llamaCppHere || !gpt2.there)(
    `tiny-random-gpt2: the published ids ${withoutLlamaCpp}${gpt2.why}`,
    async () => {
      await sinter("import", gpt2.path, "-o", at("tiny"));
      await sinter("export", at("tiny"), "--to", "gguf", "-o", at("tiny.gguf"));
      expect(llamaCppGreedy(at("tiny.gguf"), [0, 0, 195, 731], 6, at("logits")).ids).toEqual([
        731, 114, 114, 114, 114, 114,
      ]);
    },
  );
  it.skipIf(!llamaCppHere || !stories.there)(
    `stories260K, f32 and q8_0: our tokens, and its own text ${withoutLlamaCpp}${stories.why}`,
    async () => {
      await sinter("import", `${stories.path}/stories260K.bin`, "-o", at("stories"));
      for (const dtype of ["f32", "q8_0"]) {
        const out = at(`stories-${dtype}.gguf`);
        const back = at(`stories-${dtype}`);
        await sinter("export", at("stories"), "--to", "gguf", "--dtype", dtype, "-o", out);
        await sinter("import", out, "-o", back);
        const theirs = llamaCppGreedy(out, [1], 40, at("logits"));
        expect(theirs.ids.slice(0, dtype === "f32" ? 40 : 10)).toEqual(
          (await ourGreedy(back, [1], 40)).slice(0, dtype === "f32" ? 40 : 10),
        ); // q8_0 quantises activations too
        expect(theirs.text).toMatch(/^ ?Once upon a time, there was a little/);
      }
    },
  );
});
