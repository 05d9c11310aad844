/**
 * Texts that grow together: each is the text that its prompt gives alone, token by token and probability by
 * probability, whoever joins and leaves meanwhile; what two have in common runs once.
 */
import { describe, expect, test } from "vitest";
import { randomStream, type Random } from "../../../runtime/base/random.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import {
  generateTogether,
  TextBatch,
  type BatchTextOptions,
  type PromptProgress,
} from "../../../runtime/sample/batch.ts";
import { generate, type Generated } from "../../../runtime/sample/generate.ts";
import { PromptPace } from "../../../runtime/sample/prompt-pace.ts";
import { samplerDefaults } from "../../../runtime/sample/sampler.ts";
import { openSession } from "../../../runtime/sample/session.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { fakeModel } from "../../support/fake-model.ts";
import { compileSmall, runningModels } from "../../support/running-models.ts";

const LONG = 180_000; // ms
const VOCAB = 256;
const CONTEXT = 160;
const source = `model tiny {
  vocab ${VOCAB}  context ${CONTEXT}  width 32  layers 2  heads 4  kv_heads 2  embed token
  layer { x += attention(rmsnorm(x), rope: rope())  x += mlp(rmsnorm(x), hidden: 64) }
  output linear(rmsnorm(x))  train { batch 1  context 32 }
}`;
const tokenizer = byteTokenizer();
const run = runningModels();

const open = async (lanes: number, workers = 1): Promise<RunningModel> =>
  run(await compileSmall(source, { options: { lanes } }), {}, workers);

const ids = (random: Random, length: number): number[] => Array.from({ length }, () => random.below(VOCAB));
/** Short prompts and long ones, some that fill the context and shift or stop; each with its own settings. */
const wanted = Array.from({ length: 12 }, (_, i): BatchTextOptions => ({
  ...samplerDefaults,
  prompt: ids(randomStream(i, "prompts"), [1, 60, 129, 150, 17, 158, 2, 90, 33, 5, 140, 64][i]!),
  tokens: [25, 40, 12, 60, 30, 20, 50, 8, 0, 33, 1, 70][i]!,
  temperature: i % 3 === 0 ? 0 : 1,
  topK: i % 2 === 0 ? 0 : 20,
  topP: 1,
  minP: 0,
  seed: i,
  logprobs: 2,
  whenFull: i % 4 === 3 ? "stop" : "shift",
}));
const said = ({ text, tokens, reason, logprobs }: Generated): unknown => ({ text, tokens, reason, logprobs });

/** Steps until all have ended; texts join as chance has it. */
async function inAnyOrder(model: RunningModel, random: Random): Promise<unknown[]> {
  const batch = new TextBatch(model, tokenizer);
  const waiting = wanted.map((options, i) => ({ options, i }));
  const made: unknown[] = [];
  while (waiting.length > 0 || batch.size > 0) {
    while (waiting.length > 0 && (batch.size === 0 || random.below(4) === 0)) {
      const { options, i } = waiting.shift()!;
      const heard: string[] = [];
      const text = batch.addText({ ...options, onText: (piece) => heard.push(piece) });
      made[i] = () => {
        expect(heard.join("")).toBe(text.made!.text);
        return said(text.made!);
      };
    }
    for (const { error, text, token } of await batch.step()) {
      expect(error).toBeUndefined();
      if (token !== undefined) expect(text.tokens.at(-1)).toBe(token);
    }
  }
  return made.map((of) => (of as () => unknown)());
}

test(
  "texts that join and leave at random are what they are alone",
  async () => {
    const one = await open(1);
    const expected: unknown[] = [];
    for (const options of wanted) expected.push(said(await generate(one, tokenizer, options)));
    for (const [lanes, workers] of [
      [8, 1],
      [8, 2],
      [3, 1],
      [1, 1],
    ] as const) {
      const model = await open(lanes, workers);
      expect(await inAnyOrder(model, randomStream(lanes, "order")), `${lanes} lanes`).toEqual(expected);
      expect((await generateTogether(model, tokenizer, wanted)).map(said), `${lanes} lanes`).toEqual(
        expected,
      );
    }
  },
  LONG,
);

test(
  "sessions use the lanes that a batch leaves, and wait for none",
  async () => {
    const [model, other] = [await open(3), await open(1)];
    const batch = new TextBatch(model, tokenizer);
    const texts = wanted.slice(0, 2).map((options) => batch.addText(options));
    const session = await openSession(model);
    const prompt = ids(randomStream(9, "prompts"), 40);
    while (batch.size > 0) {
      await Promise.all([batch.step(), session.feed(prompt)]);
      prompt.push(prompt.length);
    }
    const alone = [];
    for (const options of wanted.slice(0, 2)) alone.push(said(await generate(other, tokenizer, options)));
    expect(texts.map(({ made }) => said(made!))).toEqual(alone);
  },
  LONG,
);

/** A model without kernels: every run as its spans, "lane: start: tokens". */
function watched(lanes: number) {
  const runs: string[] = [];
  const model = fakeModel(1, {
    lanes,
    onRun: (start, tokens, lane) => runs.push(`${lane}: ${start}: ${tokens.join(" ")}`),
  });
  return { model, since: () => runs.splice(0) };
}
const options = (prompt: readonly number[], tokens: number): BatchTextOptions => ({
  ...samplerDefaults,
  prompt,
  tokens,
  temperature: 0,
  seed: 1,
});

describe("steps", () => {
  test("one run has a token of each text, and a piece of a prompt that is new", async () => {
    const { model, since } = watched(3);
    const batch = new TextBatch(model, tokenizer);
    const first = batch.addText(options([1, 2], 3));
    expect(await batch.step()).toEqual([{ text: first, token: 3 }]);
    const second = batch.addText(options([5, 6, 7], 2));
    expect(await batch.step()).toEqual([
      { text: first, token: 4 },
      { text: second, token: 8 },
    ]);
    expect(since()).toEqual(["0: 0: 1 2", "0: 2: 3", "1: 0: 5 6 7"]);
    const ended = await batch.step();
    expect(ended.map(({ token, made }) => [token, made?.reason])).toEqual([
      [5, "tokens"],
      [9, "tokens"],
    ]);
    expect(batch.size).toBe(0);
    expect(await batch.step()).toEqual([]);
  });

  test("a text waits for a lane, and gets that of one that leaves", async () => {
    const { model, since } = watched(1);
    const batch = new TextBatch(model, tokenizer);
    const [first, second] = [batch.addText(options([1], 9)), batch.addText(options([5], 1))];
    await batch.step();
    batch.removeText(first);
    expect(first.made).toMatchObject({ reason: "aborted", tokens: [2] });
    expect((await batch.step()).map(({ text, token }) => [text, token])).toEqual([[second, 6]]);
    expect(since()).toEqual(["0: 0: 1", "0: 0: 5"]);
  });

  test("the weights change between two steps: the text comes back with the new ones", async () => {
    const { model, since } = watched(2);
    const batch = new TextBatch(model, tokenizer);
    batch.addText(options([1, 2], 5));
    await batch.step();
    model.weightsChanged();
    await batch.step();
    expect(since()).toEqual(["0: 0: 1 2", "0: 0: 1 2 3"]);
  });

  test("a listener that throws costs its own text alone; no prompt is refused at once", async () => {
    const { model } = watched(2);
    const batch = new TextBatch(model, tokenizer);
    const thrown = new Error("by the listener");
    const bad = batch.addText({
      ...options([6], 3),
      onText: () => {
        throw thrown;
      },
    });
    const good = batch.addText(options([3], 1));
    const grown = await batch.step();
    expect(grown.map(({ text, error, token }) => [text === bad, error, token])).toEqual([
      [true, thrown, undefined],
      [false, undefined, 4],
    ]);
    expect(good.made?.reason).toBe("tokens");
    expect(() => batch.addText(options([], 1))).toThrow(/a token to start from/);
    expect(() => batch.addText(options([16], 1))).toThrow(/token 16 is outside/);
    expect(() => batch.addText({ ...options(Array(9).fill(1), 1), whenFull: "stop" })).toThrow(
      /9 tokens do not fit into a context of 8/,
    );
  });

  test("a text waits for the lane that it wants, and holds nobody else up", async () => {
    const { model, since } = watched(2);
    const batch = new TextBatch(model, tokenizer);
    const first = batch.addText({ ...options([1, 2], 2), lane: 1 });
    const second = batch.addText({ ...options([5, 6], 1), lane: 1 });
    const third = batch.addText(options([9], 2));
    expect(second.phase).toBe("waiting");
    while (batch.size > 0) await batch.step();
    expect(since()).toEqual(["0: 0: 9", "1: 0: 1 2", "1: 2: 3", "0: 1: 10", "1: 0: 5 6"]);
    expect([first.lane, second.lane, third.lane]).toEqual([1, 1, 0]);
    expect(batch.held).toEqual([2, 2]);
    expect(() => batch.addText({ ...options([1], 1), lane: 2 })).toThrow(/no lane 2: they are 0 … 1/);
  });

  test("a text that is not to reuse what is there runs all of its prompt", async () => {
    const { model, since } = watched(2);
    const heard: unknown[] = [];
    for (const reuse of [true, true, false]) {
      const batch = new TextBatch(model, tokenizer);
      const onPrompt = ({ total, cached, processed }: PromptProgress): void =>
        void heard.push([total, cached, processed]);
      const text = batch.addText({ ...options([1, 2, 3, 4], 1), reuse, onPrompt });
      await batch.step();
      expect([text.lane, text.phase]).toEqual([0, "text"]);
    }
    expect(since()).toEqual(["0: 0: 1 2 3 4", "0: 3: 4", "0: 0: 1 2 3 4"]);
    expect(heard).toEqual([
      [4, 0, 4],
      [4, 3, 4],
      [4, 0, 4],
    ]);
  });

  test("a lane that has little of a text keeps what it has, where another lane is empty", async () => {
    const { model, since } = watched(2);
    for (const prompt of [
      [1, 2, 3, 4],
      [1, 9],
      [1, 2, 3, 4, 5],
    ]) {
      const batch = new TextBatch(model, tokenizer);
      batch.addText(options(prompt, 1));
      await batch.step();
    }
    expect(since()).toEqual(["0: 0: 1 2 3 4", "1: 0: 1 9", "0: 4: 5"]);
  });

  test("prompts share a step, whose size follows the time that it takes", async () => {
    const { model, since } = watched(4);
    const batch = new TextBatch(model, tokenizer, { promptMs: 100 });
    for (const prompt of [
      [1, 2, 3, 4, 5, 6, 7],
      [8, 9],
      [3, 3, 3],
    ])
      batch.addText(options(prompt, 1));
    await batch.step();
    await batch.step();
    // of the eight rows of a run, the shorter prompts leave three for the longest one
    expect(since()).toEqual(["1: 0: 8 9", "2: 0: 3 3 3", "0: 0: 1 2 3", "0: 3: 4 5 6 7"]);
  });

  test("the pieces of prompts follow the time that they take", () => {
    const pace = new PromptPace(100);
    const rowsAfter = (...step: Parameters<PromptPace["ran"]>): number => (pace.ran(...step), pace.rows);
    expect(rowsAfter(16, 20, 40)).toBe(32); // never more than twice as many
    expect(rowsAfter(32, 36, 64)).toBe(50); // 2 ms a token
    expect(rowsAfter(50, 54, 1000)).toBe(50); // something else held the machine up
    expect(rowsAfter(4, 8, 500)).toBe(50); // was no full piece
    for (let i = 0; i < 7; i++) pace.ran(pace.rows, 60, 200);
    expect(pace.rows).toBe(25); // it is as slow as that all the time
    pace.ran(0, 8, 400); // a step without prompts takes longer than 100 ms
    expect(rowsAfter(25, 33, 600)).toBe(50);
    for (let i = 0; i < 9; i++) pace.ran(pace.rows, 60, 9999);
    expect(pace.rows).toBe(8); // as many as that step has
  });

  test("whoever is removed while a lane is looked for leaves it to others", async () => {
    const { model } = watched(1);
    const session = await openSession(model);
    const batch = new TextBatch(model, tokenizer);
    const text = batch.addText(options([1], 1));
    const step = batch.step();
    batch.removeText(text);
    session.close();
    expect(await step).toEqual([]);
    expect(await openSession(model, { full: "refuse" })).toBeDefined();
  });

  test("whoever has opened the only lane is waited for", async () => {
    const { model } = watched(1);
    const session = await openSession(model);
    const batch = new TextBatch(model, tokenizer);
    batch.addText(options([1], 1));
    const stop = new AbortController();
    const given = batch.step(stop.signal);
    stop.abort(new Error("no more"));
    await expect(given).rejects.toThrow("no more");
    const step = batch.step();
    session.close();
    expect((await step)[0]).toMatchObject({ token: 2 });
  });
});
