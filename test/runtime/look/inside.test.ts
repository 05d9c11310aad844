/**
 * What is seen of a model inside is what the fused kernels compute: the same logits, the same effect of a
 * head that is switched off, layers that add what their neurons write.
 */
import { expect, test } from "vitest";
import { headMap, headSummaries, withoutHeads } from "../../../runtime/look/heads.ts";
import { nearestTokens } from "../../../runtime/look/embeddings.ts";
import { lookInside, lookLimit, type Inside } from "../../../runtime/look/inside.ts";
import {
  answersOf,
  excitingTokens,
  layerNeurons,
  neuronScores,
  strongest,
} from "../../../runtime/look/neurons.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import { compileSmall, runningModels, type Compiling } from "../../support/running-models.ts";

const sizes = (layers: string): string => `vocab 61  context 160  width 48  layers ${layers}`;
const windows = `model windows { ${sizes("3 alternate dense, banded")}  heads 6  kv_heads 2  band 5
  embed token
  layer { x += attention(rmsnorm(x), rope: rope(), qk_norm: rmsnorm())  x += swiglu(rmsnorm(x)) }
  output linear(rmsnorm(x), tied: true)  train { batch 2  context 16 } }`;
const twice = `model twice { ${sizes("2")}  heads 3  embed token + position
  layer {
    h = layernorm(x)
    x += attention(h) + mlp(h, hidden: 40)
    x = layernorm(x + attention(x))
  }
  output linear(x)  train { batch 2  context 16 } }`;
const mixture = `model mixture { ${sizes("1")}  heads 3  embed token
  layer { x += experts(rmsnorm(x), count: 5, top: 2, hidden: 24) }
  output linear(rmsnorm(x))  train { batch 2  context 16 } }`;

const run = runningModels();
const look: Compiling["options"] = { entries: ["look"], verify: true };
const compiled = new Map<string, ReturnType<typeof compileSmall>>();
async function open(spec: string, how: Compiling = {}): Promise<RunningModel> {
  const bundle = compiled.get(spec) ?? compileSmall(spec, { ...how, options: { ...look, ...how.options } });
  compiled.set(spec, bundle);
  return run(await bundle, how);
}
const text = Array.from({ length: 23 }, (_, i) => (i * i * 5 + 3) % 61);

const farthest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0);

/** Each token's weights are a distribution over what it may see. */
function expectDistributions({ tokens, heads, layers }: Inside, windowOf = (_: number) => Infinity): void {
  const T = tokens.length;
  for (const [layer, { attention }] of layers.entries())
    for (let row = 0; row < heads * T; row++) {
      const t = row % T;
      const weights = attention.subarray(row * T, (row + 1) * T);
      expect(weights.reduce((sum, w) => sum + w, 0)).toBeCloseTo(1, 5);
      for (const [n, weight] of weights.entries()) {
        const isSeen = n <= t && n > t - windowOf(layer);
        expect(weight > 0, `layer ${layer}, row ${row}, ${n}`).toBe(isSeen);
      }
    }
}

test("layers of different windows, grouped heads, weights in q8_0: the same logits", async () => {
  const model = await open(windows, { options: { weights: "q8_0" } });
  expect(lookLimit(model)).toBe(128);
  const fused = (await model.feed(text, 0)).slice();
  const inside = await lookInside(model, text, { lens: { top: 3 } });
  expect(farthest(inside.logits, fused)).toBeLessThan(1e-4);
  expectDistributions(inside, (layer) => (layer % 2 === 1 ? 5 : Infinity));
  const { rows, positions } = inside.lens!;
  expect(rows.map((cells) => cells.length)).toEqual(Array(4).fill(text.length));
  expect(positions).toEqual([...text.keys()]);
  const last = rows[3]!.at(-1)!;
  expect(last.next).toBeUndefined();
  for (const { id, logprob } of last.top) expect(logprob).toBeCloseTo(inside.logprobs[id]!, 5);
  expect(rows[1]![4]!.next).toBeLessThan(0);
  await expect(lookInside(model, Array(129).fill(1) as number[])).rejects.toThrow("1 to 128");
  await expect(lookInside(model, [61])).rejects.toThrow("vocabulary");
});

test("two attentions in a layer, in the module that trains: heads are switched off one by one", async () => {
  const model = await open(twice, { module: "train" });
  const inside = await lookInside(model, text);
  expect(inside.heads).toBe(6);
  expectDistributions(inside);
  expect(farthest(inside.logits, (await model.feed(text, 0)).slice())).toBeLessThan(1e-5);

  const effect = await withoutHeads(model, inside, [{ layer: 1, head: 4 }], { count: 61 });
  expect(effect.divergence).toBeGreaterThan(1e-7);
  // head 4 is the second of the second attention: without its rows of the projection it adds nothing
  const weight = model.tensors.get("layers.attention_2.out.weight")!;
  const values = Float32Array.from(weight.dense(1));
  weight.write(
    values.map((v, i) => (Math.floor(i / 48) >= 16 && Math.floor(i / 48) < 32 ? 0 : v)),
    1,
  );
  model.weightsChanged();
  const without = await lookInside(model, text);
  for (const { id, after } of effect.changes)
    expect(Math.abs(Math.exp(without.logprobs[id]!) - after)).toBeLessThan(1e-6);
  await expect(withoutHeads(model, inside, [{ layer: 2, head: 0 }])).rejects.toThrow("no head 0 in layer 2");
});

test("a mixture's layer adds what its neurons write", async () => {
  const model = await open(mixture);
  const { layers, embedded, width } = await lookInside(model, text);
  const down = model.tensors.get("layers.experts.down.weight")!.dense(0); // [experts, 24, width]
  const { values, size, mixture: routed } = layers[0]!.hidden[0]!;
  const { choice, weights, top } = routed!;
  for (const [t] of text.entries()) {
    const added = new Float64Array(width);
    for (let k = t * top; k < (t + 1) * top; k++)
      for (let n = 0; n < size; n++)
        for (let c = 0; c < width; c++)
          added[c]! += weights[k]! * values[k * size + n]! * down[(choice[k]! * size + n) * width + c]!;
    const found = added.map((_, c) => layers[0]!.residual[t * width + c]! - embedded[t * width + c]!);
    expect(farthest(found, added)).toBeLessThan(1e-5);
  }
});

test("what a neuron writes, and what excites it; neighbours of a token", async () => {
  const model = await open(mixture);
  const inside = await lookInside(model, text);
  const [found] = strongest(inside, 7, { count: 1 });
  const { layer, neuron } = found!;
  expect(answersOf(inside, { layer, neuron })[7]).toBe(found!.value);
  expect(layerNeurons(inside, 0)).toBe(5 * 24);
  const width = 48;
  const down = model.tensors.get("layers.experts.down.weight")!.dense(0);
  const output = model.tensors.get("output.linear.weight")!.dense(); // [width, 61]
  const scores = Array.from({ length: 61 }, (_, id) =>
    Array.from({ length: width }, (_, c) => down[neuron * width + c]! * output[c * 61 + id]!).reduce(
      (sum, v) => sum + v,
    ),
  );
  expect(farthest(neuronScores(model, { layer, neuron }), scores)).toBeLessThan(1e-6);

  // the text's 23 tokens are 6 times in a longer one, which is read in two pieces
  const long = Array.from({ length: 138 }, (_, i) => text[i % 23]!);
  const read: number[] = [];
  const progress = (tokens: number): void => void read.push(tokens);
  const exciting = await excitingTokens(model, long, { layer, neuron }, { count: 3, progress });
  expect(read).toEqual([128, 138]);
  expect(exciting.map(({ value }) => value)).toEqual(
    exciting.map(({ value }) => value).toSorted((a, b) => b - a),
  );
  expect(new Set(exciting.map(({ at }) => long[at])).size).toBe(1); // no attention: the token alone decides

  const table = model.tensors.get("token_embedding.weight")!;
  const values = Float32Array.from(table.dense());
  for (let c = 0; c < width; c++) values[9 * width + c] = 3 * values[4 * width + c]!;
  table.write(values);
  const [nearest, ...others] = nearestTokens(model, 4, { count: 61 });
  expect(nearest!.id).toBe(9);
  expect(nearest!.cosine).toBeCloseTo(1, 6);
  expect(others).toHaveLength(59);
  expect(() => nearestTokens(model, 61, { count: 1 })).toThrow("no token 61");
  expect(() => answersOf(inside, { layer: 0, neuron: 120 })).toThrow("no neuron 120");
});

test("summaries of heads add up to the whole", () => {
  const attention = Float32Array.of(1, 0, 0, 0.75, 0.25, 0, 0.5, 0.25, 0.25);
  const layer = { attention, hidden: [], residual: new Float32Array(0) };
  const inside = { tokens: [1, 2, 3], heads: 1, layers: [layer] } as unknown as Inside;
  expect(headMap(inside, { layer: 0, head: 0 })).toEqual(attention);
  expect(headSummaries(inside)).toEqual([
    { layer: 0, head: 0, same: 0.25, previous: 0.5, first: 0.25, other: 0, distance: 1 },
  ]);
});

test("a model that was not compiled for it says so", async () => {
  const model = { module: { entries: [] }, inTurn: (work: (lanes: object) => unknown) => work({}) };
  expect(lookLimit(model as unknown as RunningModel)).toBeUndefined();
  await expect(lookInside(model as unknown as RunningModel, text)).rejects.toThrow(
    "without the entry `look`",
  );
});
