/**
 * Texts of a batch whose tokens the module draws by itself are those that each prompt gives alone, from
 * logits; they come and go between two pieces, shift, and end by a stop text as they would.
 */
import { expect, test } from "vitest";
import { randomStream } from "../../../runtime/base/random.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import { generateTogether, TextBatch, type BatchTextOptions } from "../../../runtime/sample/batch.ts";
import { generate, type Generated } from "../../../runtime/sample/generate.ts";
import { samplerDefaults } from "../../../runtime/sample/sampler.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { compileSmall, runningModels } from "../../support/running-models.ts";

const LONG = 180_000; // ms
const CONTEXT = 70;
const source = `model tiny {
  vocab 256  context ${CONTEXT}  width 32  layers 2  heads 4  kv_heads 2  embed token
  layer { x += attention(rmsnorm(x), rope: rope())  x += mlp(rmsnorm(x), hidden: 64) }
  output linear(rmsnorm(x))  train { batch 1  context 32 }
}`;
const tokenizer = { ...byteTokenizer(), stops: new Set([7, 77, 177]), absent: new Set([0, 250]) };
const run = runningModels();

const open = async (lanes: number, workers = 1): Promise<RunningModel> =>
  run(await compileSmall(source, { options: { lanes } }), {}, workers);

const wanted = Array.from({ length: 12 }, (_, i): BatchTextOptions => {
  const random = randomStream(i, "prompts");
  return {
    ...samplerDefaults,
    prompt: Array.from({ length: [1, 30, 9, 50, 17, 70, 2, 40, 33, 5, 1, 64][i]! }, () => random.below(256)),
    tokens: [25, 90, 12, 60, 200, 20, 50, 8, 0, 33, 1, 150][i]!,
    temperature: i % 3 === 0 ? 0 : 2,
    topK: i % 2 === 0 ? 0 : 20,
    topP: 1,
    minP: 0,
    repeatPenalty: i % 4 === 1 ? 1.2 : 1,
    seed: i,
    whenFull: i % 4 === 3 ? "stop" : "shift",
    ...(i === 4 && { stop: ["a", "k", "?"] }),
  };
});
const said = ({ text, tokens, reason }: Generated): unknown => ({ text, tokens, reason });

async function alone(): Promise<unknown[]> {
  const one = await open(1);
  const out: unknown[] = [];
  for (const options of wanted) out.push(said(await generate(one, tokenizer, { ...options, logprobs: 0 })));
  return out;
}

test("each is what it is alone, whoever joins and leaves", { timeout: LONG }, async () => {
  const expected = await alone();
  for (const [lanes, workers] of [
    [8, 1],
    [8, 3],
    [3, 2],
    [1, 1],
  ] as const) {
    const model = await open(lanes, workers);
    const together = await generateTogether(model, tokenizer, wanted);
    expect(together.map(said), `${lanes} lanes`).toEqual(expected);

    const random = randomStream(lanes, "order");
    const batch = new TextBatch(model, tokenizer);
    const texts: ReturnType<TextBatch["addText"]>[] = [];
    const grown = wanted.map((): number[] => []);
    while (texts.length < wanted.length || batch.size > 0) {
      while (texts.length < wanted.length && (batch.size === 0 || random.below(3) === 0))
        texts.push(batch.addText(wanted[texts.length]!));
      const made = random.below(4) === 0 ? await batch.step() : await batch.grow();
      for (const { error, text, token } of made) {
        expect(error).toBeUndefined();
        if (token !== undefined) grown[texts.indexOf(text)]!.push(token);
      }
    }
    expect(texts.map(({ made }) => said(made!))).toEqual(expected);
    expect(grown).toEqual(texts.map(({ made }) => made!.tokens));
  }
});

test("a call of the module has many tokens of all texts", { timeout: LONG }, async () => {
  const model = await open(4);
  let [calls, runs] = [0, 0];
  await model.inTurn(async (lanes) => {
    const { loop } = lanes;
    const [draw, run] = [loop!.draw.bind(loop), lanes.run.bind(lanes)];
    loop!.draw = (...given) => (calls++, draw(...given));
    lanes.run = (...given) => (runs++, run(...given));
  });
  const options = wanted
    .slice(0, 4)
    .map((o, i) => ({ ...o, tokens: 60, prompt: [i + 1], whenFull: "shift" as const }));
  const made = await generateTogether(model, { ...tokenizer, stops: new Set() }, options);
  expect(made.map(({ tokens }) => tokens.length)).toEqual([60, 60, 60, 60]);
  expect(runs).toBe(0); // prompts of one token: nothing is left to be run before the first one is drawn
  expect(calls).toBeLessThan(40);
});

test("what cannot be drawn, and what a listener throws, cost one text alone", async () => {
  const model = await open(3);
  const batch = new TextBatch(model, tokenizer);
  const thrown = new Error("by the listener");
  const options = { ...wanted[0]!, prompt: [65], tokens: 20 };
  const bad = batch.addText({
    ...options,
    onText: () => {
      throw thrown;
    },
  });
  const good = batch.addText(options);
  const grown = [];
  while (batch.size > 0) grown.push(...(await batch.grow()));
  expect(grown.filter(({ error }) => error !== undefined)).toEqual([{ text: bad, error: thrown }]);
  expect(good.made?.tokens.length).toBe(20);

  batch.addText({ ...options, tokens: 1000 });
  await batch.grow();
  const weights = model.tensors.get("output.linear.weight")!;
  weights.write(weights.dense().fill(NaN));
  const [last] = await batch.grow();
  expect(last?.error).toMatchObject({ kind: "corrupt" });
  expect(batch.size).toBe(0);
});
