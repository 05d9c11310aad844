/**
 * Loading a GGUF file straight into a model: the same words as through a run folder, for all formats of file
 * and model, and the errors where the two do not fit.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeRandomGguf } from "../../../bench/measure/random-gguf.ts";
import { checkSource } from "../../../compiler/2-check/check.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { compileModel, type Compiled } from "../../../compiler/compile.ts";
import type { WeightFormat } from "../../../runtime/contract/memory-formats.ts";
import { loadNewest } from "../../../runtime/store/checkpoint.ts";
import type { ReadableFile } from "../../../runtime/base/files.ts";
import { loadPublished } from "../../../runtime/formats/load.ts";
import type { FloatFormat } from "../../../runtime/contract/number-formats.ts";
import { openPublished } from "../../../runtime/formats/published.ts";
import { createModel, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { sinter } from "../../support/command-line.ts";

const scratch = mkdtempSync(join(tmpdir(), "sinter-load-"));
const files = nodeFiles();
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const body = {
  gpt2:
    "layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), hidden: 160, bias: true) }  " +
    "output linear(layernorm(x), tied: true)",
  llama:
    "layer { x += attention(rmsnorm(x), rope: rope(theta: 10000))  x += swiglu(rmsnorm(x), hidden: 96) }  " +
    "output linear(rmsnorm(x))",
};
const source = (family: keyof typeof body, settings = "width 64  heads 4  kv_heads 2"): string =>
  `model m { vocab 256  context 16  layers 2  ${settings}  embed ` +
  `token${family === "gpt2" ? " + position" : ""}  ${body[family]}  tokenizer bytes }`;
const modelOf = (family: keyof typeof body, settings?: string): Model =>
  checkSource(source(family, settings)).models[0]!;
const models = { gpt2: modelOf("gpt2", "width 64  heads 4"), llama: modelOf("llama") } as const;

const compiled = new Map<string, Promise<Compiled>>();
async function open(model: Model, weights: WeightFormat): Promise<RunningModel> {
  const key = JSON.stringify([model, weights]);
  const bundle = compiled.get(key) ?? compileModel(model, { targets: ["simd"], modules: ["infer"], weights });
  compiled.set(key, bundle);
  return createModel(await bundle, "infer", { host: nodeHost, workers: 1, target: "simd" });
}
const words = (model: RunningModel): Map<string, Int32Array> =>
  new Map(
    model.of("parameter").flatMap((t) =>
      Array.from({ length: t.place.slices }, (_, s) => {
        const { buffer, byteOffset, length } = t.padded(s);
        return [
          `${t.place.name} ${s}`,
          new Int32Array(buffer as ArrayBuffer, byteOffset, length).slice(),
        ] as const;
      }),
    ),
  );
const path = (family: string, type: string): string => join(scratch, `${family}-${type}`);
const types = ["F32", "BF16", "Q8_0", "Q4_0"] as const satisfies readonly FloatFormat[];
const formats = ["f32", "bf16", "q8_0", "q4_0"] as const;

beforeAll(async () => {
  for (const family of ["gpt2", "llama"] as const)
    for (const type of types) {
      await writeRandomGguf(files, `${path(family, type)}.gguf`, models[family], byteTokenizer(), type);
      await sinter("import", `${path(family, type)}.gguf`, "-o", path(family, type), "--target", "simd");
    }
});

describe.each(["gpt2", "llama"] as const)("%s", (family) => {
  it.each(types)("from %s, into every format: the words that an imported run gives", async (type) => {
    for (const format of formats) {
      const [direct, imported] = [await open(models[family], format), await open(models[family], format)];
      const published = await openPublished(files, `${path(family, type)}.gguf`);
      await loadPublished(direct, published);
      await published.file.close();
      await loadNewest(files, path(family, type), imported, "weights");
      expect(words(direct), format).toEqual(words(imported));
      await direct.close();
      await imported.close();
    }
  });

  it("is read from front to back", async () => {
    const reads: number[] = [];
    const watched = {
      ...files,
      async open(at: string): Promise<ReadableFile> {
        const file = await files.open(at);
        return { ...file, read: (offset, length) => (reads.push(offset), file.read(offset, length)) };
      },
    };
    const published = await openPublished(watched, `${path(family, "Q8_0")}.gguf`);
    const model = await open(models[family], "q8_0");
    reads.length = 0;
    await loadPublished(model, published);
    expect(reads.length).toBeGreaterThan(20);
    expect(reads).toEqual(reads.toSorted((a, b) => a - b));
    await published.file.close();
    await model.close();
  });
});

const changed = (text: string, from: string, to: string): Model =>
  checkSource(text.replace(from, to)).models[0]!;

describe("what does not go together", () => {
  const scaled = changed(source("llama"), "theta: 10000", "theta: 10000, linear: 4");

  it("as many experts, of which a token goes to more", async () => {
    const mixture = source("llama").replace(
      "swiglu(rmsnorm(x)",
      "experts(rmsnorm(x), count: 3, top: 2, balance: 0.01",
    );
    const at = `${path("mixture", "F32")}.gguf`;
    await writeRandomGguf(files, at, checkSource(mixture).models[0]!, byteTokenizer(), "F32");
    for (const [model, message] of [
      [
        changed(mixture, "top: 2", "top: 1, renormalise: true"),
        /experts is \{"count":3,"top":2\}; the bundle has \{"count":3,"top":1\}/,
      ],
      [changed(mixture, "0.01", "0.5"), undefined],
    ] as const) {
      const published = await openPublished(files, at);
      const running = await open(model, "f32");
      const loading = loadPublished(running, published);
      if (message)
        await expect(loading).rejects.toMatchObject({
          kind: "input",
          message: expect.stringMatching(message) as unknown,
        });
      else await loading;
      await published.file.close();
      await running.close();
    }
  });

  it.each([
    [
      "other shapes",
      modelOf("llama", "width 128  heads 4  kv_heads 2  head_dim 16"),
      /does not fit the model: tensor "token_embd.weight" is \[256,64\]; the model has \[256,128\]/,
    ],
    [
      "other heads of the same width",
      modelOf("llama", "width 64  heads 8  kv_heads 4  head_dim 8"),
      /holds another model than m: heads is 4; the bundle has 8, kvHeads is 2/,
    ],
    ["another family", models.gpt2, /family is llama; the bundle has gpt2/],
    [
      "positions that are divided",
      scaled,
      /rope is \{"theta":10000\}; the bundle has \{"theta":10000,"linear":4\}/,
    ],
  ])("%s", async (_, model, message) => {
    const published = await openPublished(files, `${path("llama", "Q8_0")}.gguf`);
    const running = await open(model, "f32");
    await expect(loadPublished(running, published)).rejects.toMatchObject({
      kind: "input",
      message: expect.stringMatching(message) as unknown,
    });
    await published.file.close();
    await running.close();
  });
});
