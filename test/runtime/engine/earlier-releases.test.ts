/**
 * Bundles of earlier releases: one lane, of which the control block says where a run begins (`start`) and how
 * many rows it has; no spans, no positions, nothing of workers' memory. The kernels here are by hand: they
 * keep tokens as a cache, and their logits say what they saw.
 */
import { expect, test } from "vitest";
import { assemble } from "../../../compiler/9-bundle/assemble.ts";
import { control, CONTROL_BYTES, hyper } from "../../../runtime/contract/control.ts";
import type { Manifest, ModuleManifest, TensorPlace } from "../../../runtime/contract/manifest.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { sha256 } from "../../../runtime/contract/sha256.ts";
import { parseManifest, type Bundle } from "../../../runtime/engine/bundle.ts";
import { createModel } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { generate } from "../../../runtime/sample/generate.ts";
import { generateTogether } from "../../../runtime/sample/batch.ts";
import { samplerDefaults } from "../../../runtime/sample/sampler.ts";
import { createSession, openSession } from "../../../runtime/sample/session.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";

const [START, ROWS] = [328, 332];
const VOCAB = 256;
const CONTEXT = 12;
const CHUNK = 5;
const TOKENS = CONTROL_BYTES;
const LOGITS = TOKENS + 64;
const CACHE = LOGITS + 4 * VOCAB;

/**
 * logits[t] = how often token t is in the text, and a half more for the token that is 1 above the last one.
 */
const kernels = `
function run(): void {
  const start = load<i32>(${START}), rows = load<i32>(${ROWS});
  for (let r = 0; r < rows; r++) store<i32>(${CACHE} + 4 * (start + r), load<i32>(${TOKENS} + 4 * r));
  memory.fill(${LOGITS}, 0, ${4 * VOCAB});
  for (let p = 0; p < start + rows; p++) {
    const at = ${LOGITS} + 4 * load<i32>(${CACHE} + 4 * p);
    store<f32>(at, load<f32>(at) + 1);
  }
  const next = ${LOGITS} + 4 * ((load<i32>(${CACHE} + 4 * (start + rows - 1)) + 1) & ${VOCAB - 1});
  store<f32>(next, load<f32>(next) + 0.5);
}
export function prefill(worker: i32): void { run(); }
export function decode(worker: i32): void { run(); }
`;

const place = (
  name: string,
  more: Pick<TensorPlace, "storage" | "dtype" | "shape" | "offset">,
): TensorPlace => ({
  name,
  slices: 1,
  layered: false,
  rowFloats: Math.ceil(more.shape.at(-1)! / 16) * 16,
  stride: 64,
  ...more,
});

async function earlierBundle(): Promise<Bundle> {
  const { wasm, memoryFlagOffset } = await assemble(kernels, "simd", 1);
  const { spanCount, loop, ...fields } = control;
  expect([spanCount, loop].every((field) => field > 0)).toBe(true);
  const entry = (name: string, index: number, context: number) => ({
    name,
    index,
    inputs: ["tokens", "place"],
    outputs: ["logits"],
    batch: 1,
    context,
    flops: 100,
  });
  const module: ModuleManifest = {
    memoryBytes: CACHE + 4 * CONTEXT,
    memoryPages: 1,
    maxWorkers: 8,
    tensors: [
      place("tokens", { storage: "input", dtype: "i32", shape: [CHUNK], offset: TOKENS }),
      place("place", { storage: "input", dtype: "i32", shape: [2], offset: START }),
      place("logits", { storage: "output", dtype: "f32", shape: [1, VOCAB], offset: LOGITS }),
    ],
    entries: [entry("prefill", 0, CHUNK), entry("decode", 1, 1)],
    wasm: { simd: { file: "infer.wasm", bytes: wasm.length, sha256: await sha256(wasm), memoryFlagOffset } },
  };
  const sizes = { vocab: VOCAB, context: CONTEXT, width: 4, layers: 1, heads: 1, kvHeads: 1, headDim: 4 };
  const manifest = {
    version: 1,
    compiler: "0.1.0",
    model: { name: "earlier", sizes, tokenizer: "bytes" } as unknown as Model,
    parameters: 0,
    control: { ...fields, start: START, rows: ROWS } as unknown as Manifest["control"],
    hyper,
    modules: { infer: module },
  } satisfies Manifest;
  return {
    manifest: parseManifest(JSON.stringify(manifest), "manifest.json"),
    files: new Map([["infer.wasm", wasm]]),
  };
}

const openEarlier = async () =>
  createModel(await earlierBundle(), "infer", { host: nodeHost, workers: 1, target: "simd" });

/** What the logits say of a text: how often each token is in it. */
function counts(logits: Float32Array): Record<number, number> {
  const found = [...logits.entries()].filter(([, count]) => count >= 1);
  return Object.fromEntries(found.map(([token, count]) => [token, Math.floor(count)]));
}

test("positions and rows reach the kernels, in chunks and token by token", async () => {
  const model = await openEarlier();
  const text = [7, 7, 8, 9, 9, 9, 4, 4];
  expect(counts(await model.feed(text, 0))).toEqual({ 4: 2, 7: 2, 8: 1, 9: 3 });
  expect(counts(await model.feed([4], text.length))).toEqual({ 4: 3, 7: 2, 8: 1, 9: 3 });
  await model.close();
});

test("two sessions take turns in the one lane, and bring their tokens back", async () => {
  const model = await openEarlier();
  const [a, b] = [createSession(model), createSession(model)];
  await a.feed([1, 1, 2, 3, 3, 3]);
  await b.feed([5, 6]);
  expect(counts(await a.next(2))).toEqual({ 1: 2, 2: 2, 3: 3 });
  expect(counts(await b.next(6))).toEqual({ 5: 1, 6: 2 });
  a.close();
  b.close();
  const own = await openSession(model);
  expect(counts((await own.feed([9])).logits)).toEqual({ 9: 1 });
  await expect(openSession(model, { full: "refuse" })).rejects.toThrow(/all 1 lanes/);
  await model.close();
});

test("texts are generated, alone and one after the other in a batch", async () => {
  const model = await openEarlier();
  const options = [10, 20].map((first) => ({
    ...samplerDefaults,
    prompt: [first, first + 1],
    tokens: 4,
    temperature: 0,
    seed: 1,
  }));
  const alone = [];
  for (const o of options) alone.push((await generate(model, byteTokenizer(), o)).tokens);
  expect(alone).toEqual([10, 20].map((first) => Array(4).fill(first))); // of equal ones, the lowest is drawn
  const together = await generateTogether(model, byteTokenizer(), options);
  expect(together.map(({ tokens }) => tokens)).toEqual(alone);
  await model.close();
});
