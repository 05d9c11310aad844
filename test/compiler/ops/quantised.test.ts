/**
 * Weights in fewer bits, end to end: what the runtime writes is what the kernels read; a small model at each
 * format stays near f32's, on every target and for any number of workers, at once and token by token. The
 * operations themselves are in ops.test.ts and integer-products.variants.test.ts.
 */
import { describe, expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { compileModel } from "../../../compiler/compile.ts";
import { rowFloats } from "../../../runtime/contract/tensor-layout.ts";
import type { WeightFormat, WeightMix, Weights } from "../../../runtime/contract/memory-formats.ts";
import { numericModes, type Numerics } from "../../../runtime/contract/manifest.ts";
import { targets, type Target } from "../../../runtime/contract/targets.ts";
import { decodeWeights, weightWords } from "../../../runtime/contract/weight-rows.ts";
import { parseManifest } from "../../../runtime/engine/bundle.ts";
import { createModel, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { rowWriter, wordsOf } from "../../../runtime/engine/quantise.ts";
import { tensorIn } from "../../../runtime/engine/tensors.ts";
import { noise } from "../../../bench/measure/kernel-numbers.ts";

const LONG = 180_000; // ms
const formats = ["bf16", "q8_0", "q4_0"] as const;
/** Largest error of one weight, as a part of the largest of its group. */
const STEP: Readonly<Record<(typeof formats)[number], number>> = {
  bf16: 2 ** -8,
  q8_0: 0.5 / 127 + 2 ** -11,
  q4_0: 1 / 8 + 2 ** -11,
};

describe.each(formats)("rows of %s", (format) => {
  test.each([1, 31, 32, 33, 96, 128, 129, 161, 256, 300, 384, 513, 768, 1100, 2048])(
    "of %i weights: the runtime writes what kernels read",
    (K) => {
      const next = noise(K);
      const values = Float32Array.from({ length: K }, next);
      const words = new Int32Array(rowFloats(weightWords(format, K)));
      rowWriter(format, K)(values, wordsOf(words));
      const back = decodeWeights(format, new DataView(words.buffer), 0, new Float32Array(K));
      for (let from = 0; from < K; from += 32) {
        const most = Math.max(...values.subarray(from, from + 32).map(Math.abs));
        for (let k = from; k < Math.min(K, from + 32); k++)
          expect(Math.abs(back[k]! - values[k]!)).toBeLessThanOrEqual(STEP[format] * most);
      }
      const again = new Int32Array(words.length);
      rowWriter(format, K)(back, wordsOf(again));
      expect(
        Buffer.from(again.buffer).equals(Buffer.from(words.buffer)),
        "what was quantised once stays as it is",
      ).toBe(true);
    },
  );
  test.each([[], [3]])("a transposed matrix %j, slice by slice", (...experts) => {
    const shape = [...experts, 70, 37];
    const ld = rowFloats(weightWords(format, 70));
    const matrices = experts[0] ?? 1;
    const stride = matrices * 37 * ld * 4;
    const buffer = new ArrayBuffer(2 * stride + 64);
    const tensor = tensorIn(buffer, {
      name: "w",
      storage: "parameter",
      dtype: "i32",
      shape,
      slices: 2,
      layered: true,
      rowFloats: ld,
      offset: 64,
      stride,
      quantised: { format, transposed: true },
    });
    const values = Float32Array.from({ length: matrices * 70 * 37 }, noise(3));
    tensor.write(values, 1);
    const found = tensor.dense(1);
    const most = Math.max(...values.map(Math.abs));
    for (const [i, v] of values.entries())
      expect(Math.abs(found[i]! - v)).toBeLessThanOrEqual(STEP[format] * most);
    expect(tensor.dense(0).every((v) => v === 0)).toBe(true);
    const drawn = noise(3);
    tensor.fill(0, drawn);
    expect([...tensor.padded(0)]).toEqual([...tensor.padded(1)]);
    expect(() => tensor.write(values.subarray(1), 0)).toThrow("as a whole");
  });
});

const specs = {
  gpt: `model tiny { vocab 61  context 40  width 48  layers 2  heads 3  embed token + position
    layer {
      x += attention(layernorm(x), bias: true)
      x += mlp(layernorm(x), hidden: 160, activation: gelu_tanh, bias: true)
    }
    output linear(layernorm(x), tied: true)  train { batch 2  context 12 } }`,
  llama: `model tiny { vocab 75  context 40  width 64  layers 2  heads 4  kv_heads 2  embed token
    layer { x += attention(rmsnorm(x), rope: rope(theta: 10000))  x += swiglu(rmsnorm(x), hidden: 172) }
    output linear(rmsnorm(x))  train { batch 2  context 12 } }`,
  mixture: `model tiny { vocab 75  context 40  width 64  layers 2  heads 4  kv_heads 2  embed token
    layer {
      x += attention(rmsnorm(x), rope: rope(theta: 10000))
      x += experts(rmsnorm(x), count: 5, top: 2, hidden: 150)
    }
    output linear(rmsnorm(x))  train { batch 2  context 12 } }`,
};

async function modelOf(
  spec: keyof typeof specs,
  weights: Weights,
  target: Target,
  workers: number,
  numerics?: Numerics,
): Promise<RunningModel> {
  const { models, diagnostics } = checkSource(specs[spec]);
  expect(diagnostics).toEqual([]);
  return createModel(
    await compileModel(models[0]!, {
      modules: ["infer"],
      weights,
      numerics,
      targets: [target],
      verify: true,
    }),
    "infer",
    { host: nodeHost, workers, target, seed: 3 },
  );
}

const TOKENS = [3, 10, 17, 24, 31, 38, 45, 52, 59, 5, 12, 19];

/** Logits after all tokens at once, after them one by one; loss of a batch. */
async function run(
  model: RunningModel,
): Promise<{ atOnce: Float32Array; oneByOne: Float32Array; loss: number }> {
  const atOnce = (await model.feed(TOKENS, 0)).slice();
  let oneByOne = atOnce;
  for (const [i, token] of TOKENS.entries()) oneByOne = (await model.feed([token], i)).slice();
  const batch = {
    tokens: Int32Array.from([...TOKENS, ...TOKENS]),
    targets: Int32Array.from([...TOKENS.slice(1), -1, ...TOKENS.slice(2), 1, -1]),
  };
  const { sum, count } = await model.evaluate(batch);
  await model.close();
  return { atOnce, oneByOne, loss: sum / count };
}

/** Loss of the model in f32 that has the same, rounded weights. */
async function lossInF32(rounded: RunningModel, exact: RunningModel): Promise<number> {
  for (const [i, tensor] of rounded.of("parameter").entries())
    for (let slice = 0; slice < tensor.place.slices; slice++) {
      expect(exact.of("parameter")[i]!.place.name).toBe(tensor.place.name);
      exact.of("parameter")[i]!.write(tensor.dense(slice), slice);
    }
  await rounded.close();
  return (await run(exact)).loss;
}

const rms = (values: Float32Array): number => Math.hypot(...values) / Math.sqrt(values.length);
const distance = (a: Float32Array, b: Float32Array): number => rms(a.map((v, i) => v - b[i]!)) / rms(b);
/**
 * Of logits to f32's, relative, for random weights. A normal weight of q4_0 is off by 7 % of its deviation,
 * and products follow one another.
 */
const LOGITS: Readonly<Record<(typeof formats)[number], number>> = { bf16: 0.005, q8_0: 0.015, q4_0: 0.4 };
/**
 * What integers of activations add to that: measured up to 0.01 of the logits, and 0.001 of the loss, and
 * nothing where the prompt is multiplied in f32.
 */
const ACTIVATIONS = { logits: 0.01, loss: 0.003 };
const isInteger = (format: WeightFormat, numerics: Numerics): boolean =>
  (format === "q8_0" || format === "q4_0") && numerics === "consistent";
/** Of decoding to prefill: integers of activations, f32 otherwise. Measured: 1e-6, 0.01, 0.01. */
const DECODING: Readonly<Record<(typeof formats)[number], number>> = { bf16: 1e-5, q8_0: 0.025, q4_0: 0.025 };

describe.each(["gpt", "llama", "mixture"] as const)("a small %s", (spec) => {
  test.each(formats.flatMap((format) => numericModes.map((mode) => [format, mode] as const)))(
    "with weights in %s, numerics %s, is near the one in f32",
    async (format, numerics) => {
      const exact = await run(await modelOf(spec, "f32", "wide", 1));
      const found = await run(await modelOf(spec, format, "wide", 1, numerics));
      const integers = isInteger(format, numerics);
      const most = LOGITS[format] + (integers ? ACTIVATIONS.logits : 0);
      expect(distance(found.atOnce, exact.atOnce)).toBeLessThan(most);
      expect(distance(found.atOnce, exact.atOnce)).toBeGreaterThan(0);
      expect(
        Math.abs(
          found.loss -
            (await lossInF32(await modelOf(spec, format, "wide", 1), await modelOf(spec, "f32", "wide", 1))),
        ),
      ).toBeLessThan(integers ? ACTIVATIONS.loss : 1e-6);
      expect(distance(found.oneByOne, found.atOnce)).toBeLessThan(DECODING[format]);
      if (integers && spec !== "mixture") expect([...found.oneByOne]).toEqual([...found.atOnce]);
      // rounded rows may choose other experts
      expect(Math.abs(found.loss - exact.loss)).toBeLessThan(most / (spec === "mixture" ? 4 : 5));
      const several = await run(await modelOf(spec, format, "wide", 2, numerics));
      expect([...several.atOnce, ...several.oneByOne, several.loss]).toEqual([
        ...found.atOnce,
        ...found.oneByOne,
        found.loss,
      ]);
      for (const target of targets.filter((t) => t !== "wide")) {
        const other = await run(await modelOf(spec, format, target, 1, numerics));
        // an activation between two integers may go either way
        const either = DECODING[format] / 2;
        expect(distance(other.atOnce, found.atOnce)).toBeLessThan(integers ? either : 1e-5);
        expect(distance(other.oneByOne, found.oneByOne)).toBeLessThan(either);
      }
    },
    LONG,
  );
});

test.each(formats)(
  "weights in %s that will be loaded: the engine is checked with others first",
  async (format) => {
    const { models } = checkSource(specs.llama);
    const bundle = await compileModel(models[0]!, { modules: ["infer"], weights: format });
    const model = await createModel(bundle, "infer", { host: nodeHost, workers: 1 });
    expect(model.target, model.notes.join()).toBe("wide");
    const drawn = await modelOf("llama", "f32", "wide", 1);
    const exact = await run(await modelOf("llama", "f32", "wide", 1));
    for (const [i, tensor] of drawn.of("parameter").entries())
      for (let slice = 0; slice < tensor.place.slices; slice++)
        model.of("parameter")[i]!.write(tensor.dense(slice), slice);
    await drawn.close();
    expect(distance((await run(model)).atOnce, exact.atOnce)).toBeLessThan(
      LOGITS[format] + ACTIVATIONS.logits,
    );
  },
  LONG,
);

test("the manifest says what is kept how; parameters are counted as before", async () => {
  const { models } = checkSource(specs.gpt);
  const of = async (weights: WeightFormat) =>
    (await compileModel(models[0]!, { weights, targets: ["simd"] })).manifest;
  const [exact, fewer, bytes] = [await of("f32"), await of("q4_0"), await of("q8_0")];
  expect(fewer.parameters).toBe(exact.parameters);
  expect(fewer.modules.train).toEqual(exact.modules.train);
  const shapes = (m: typeof exact): unknown =>
    m.modules.infer!.tensors.filter((t) => t.storage === "parameter").map((t) => [t.name, t.slices, t.shape]);
  expect(shapes(fewer)).toEqual(shapes(exact));
  const quantised = fewer.modules.infer!.tensors.flatMap((t) =>
    t.quantised ? [[t.name, t.quantised.transposed]] : [],
  );
  expect(quantised).toEqual([
    ["token_embedding.weight", false],
    ["layers.attention.qkv.weight", true],
    ["layers.attention.out.weight", true],
    ["layers.mlp.up.weight", true],
    ["layers.mlp.down.weight", true],
  ]);
  const older = (m: typeof exact): string =>
    JSON.stringify({ ...m, modules: { infer: { ...m.modules.infer, cache: undefined } } });
  const ofPairs = (m: typeof exact): string => JSON.stringify(m).replaceAll(',"laneBytes":4', "");
  for (const m of [fewer, bytes]) expect(parseManifest(JSON.stringify(m), "m.json")).toEqual(m);
  for (const text of [older(fewer), ofPairs(bytes)])
    expect(() => parseManifest(text, "m.json")).toThrow(
      /m\.json is of an earlier release: rows of token_embedding\.weight lie in another order/,
    );
  expect(parseManifest(older(exact), "m.json").modules.infer!.cache).toBeUndefined();
});

const mixes: readonly (readonly [keyof typeof specs, WeightMix, Readonly<Record<string, WeightFormat>>])[] = [
  [
    "gpt",
    { others: "q4_0", table: "q8_0" },
    {
      "token_embedding.weight": "q8_0",
      "layers.attention.qkv.weight": "q4_0",
      "layers.mlp.down.weight": "q4_0",
    },
  ],
  // gate and up read the same rows, which become integers in two orders
  [
    "llama",
    {
      others: "q4_0",
      table: "bf16",
      output: "q8_0",
      tensors: { "layers.swiglu.gate.weight": "q8_0", "layers.attention.out.weight": "f32" },
    },
    {
      "token_embedding.weight": "bf16",
      "output.linear.weight": "q8_0",
      "layers.swiglu.gate.weight": "q8_0",
      "layers.swiglu.up.weight": "q4_0",
      "layers.attention.qkv.weight": "q4_0",
    },
  ],
];
test.each(mixes)(
  "a small %s with matrices that are not all alike",
  async (spec, weights, wanted) => {
    const model = await modelOf(spec, weights, "wide", 1);
    const kept = new Map(model.module.tensors.map((t) => [t.name, t.quantised?.format ?? "f32"]));
    for (const [name, format] of Object.entries(wanted)) expect(kept.get(name), name).toBe(format);
    if (spec === "llama") expect(kept.get("layers.attention.out.weight")).toBe("f32");
    const found = await run(model);
    expect(
      Math.abs(
        found.loss -
          (await lossInF32(await modelOf(spec, weights, "wide", 1), await modelOf(spec, "f32", "wide", 1))),
      ),
    ).toBeLessThan(ACTIVATIONS.loss);
    expect(distance(found.oneByOne, found.atOnce)).toBeLessThan(DECODING.q4_0);
    const several = await run(await modelOf(spec, weights, "wide", 2));
    expect([...several.atOnce, ...several.oneByOne, several.loss]).toEqual([
      ...found.atOnce,
      ...found.oneByOne,
      found.loss,
    ]);
  },
  LONG,
);
