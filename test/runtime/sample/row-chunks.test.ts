/**
 * What is said of every row of a text: its scores are those of the logits that come token by token, its
 * vector is the mean of its rows; the same bits in whatever chunks, beside texts that grow, in any format and
 * number of memories.
 */
import { describe, expect, test } from "vitest";
import { rowEntries } from "../../../runtime/contract/entries.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import { generateTogether, type BatchTextOptions } from "../../../runtime/sample/batch.ts";
import { embedTokens } from "../../../runtime/sample/embed.ts";
import { logprobReader, type TokenLogprob } from "../../../runtime/sample/logprobs.ts";
import { samplerDefaults } from "../../../runtime/sample/sampler.ts";
import { scoreTokens } from "../../../runtime/sample/score.ts";
import { openSession } from "../../../runtime/sample/session.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { compileSmall, runningModels } from "../../support/running-models.ts";

const CONTEXT = 180;
const VOCAB = 256;
/** The context of a batch. */
const TRAINED = 32;
/** More than a chunk of either entry. */
const LONG = 150;

const gpt = `width 48  layers 2  heads 3  embed token + position
  layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), bias: true, hidden: 96) }
  output linear(layernorm(x), tied: true)`;
const llama = `width 64  layers 2  heads 4  kv_heads 2  band 20  embed token
  layer { x += attention(rmsnorm(x), rope: rope())  x += swiglu(rmsnorm(x), hidden: 96) }
  output linear(rmsnorm(x))`;
const mixture = `width 64  layers 2  heads 4  kv_heads 2  embed token
  layer { x += attention(rmsnorm(x), rope: rope())  x += experts(rmsnorm(x), count: 4, hidden: 64) }
  output linear(rmsnorm(x))`;

interface Kind {
  readonly spec: string;
  readonly options?: CompileOptions;
  /** The model is cut into as many memories as possible. */
  readonly cut?: true;
}
const kinds: Readonly<Record<string, Kind>> = {
  "f32, tied": { spec: gpt },
  "bf16, and a cache in q8_0": { spec: llama, options: { weights: "bf16", cache: "q8_0" } },
  "experts in q4_0": { spec: mixture, options: { weights: "q4_0" } },
  "several memories, tied, q8_0": { spec: gpt, options: { weights: "q8_0" }, cut: true },
};

const run = runningModels();
const bundleOf = ({ spec, options, cut }: Kind, entries: CompileOptions["entries"] = rowEntries) =>
  compileSmall(
    `model tiny { vocab ${VOCAB}  context ${CONTEXT}  ${spec}  train { batch 1  context ${TRAINED} } }`,
    { options: { lanes: 3, entries, ...options }, ...(cut && { cut }) },
  );
const open = async (kind: Kind, workers = 1): Promise<RunningModel> => run(await bundleOf(kind), {}, workers);

const ids = (seed: number, length: number): number[] => {
  const random = randomStream(seed, "texts");
  return Array.from({ length }, () => random.below(VOCAB));
};
const text = ids(1, LONG);

/** The logits after each token of a text that comes token by token. */
const decoded = (model: RunningModel, tokens: readonly number[]): Promise<Float32Array[]> =>
  model.inTurn(async (lanes) => {
    const out: Float32Array[] = [];
    for (const [start, token] of tokens.entries()) {
      await lanes.run([{ lane: lanes.all[1]!, start, tokens: [token] }]);
      const logits = new Float32Array(lanes.classes);
      lanes.readLogits(logits);
      out.push(logits);
    }
    return out;
  });

const idsOf = (score: TokenLogprob | null): unknown => score && [score.id, ...score.top.map(({ id }) => id)];
const logprobsOf = (score: TokenLogprob | null): number[] =>
  score ? [score.logprob, ...score.top.map(({ logprob }) => logprob)] : [];

describe.each(Object.entries(kinds))("%s", (_, kind) => {
  test("scores are those of the logits token by token; vectors do not depend on chunks", async () => {
    const model = await open(kind);
    const logits = await decoded(model, text);
    const expected = text.map((id, i) => (i === 0 ? null : logprobReader(logits[i - 1]!, 3)(id)));
    const scores = await scoreTokens(model, text, { top: 3 });
    expect(scores.map(idsOf)).toEqual(expected.map(idsOf));
    for (const [i, score] of scores.entries())
      for (const [n, logprob] of logprobsOf(score).entries())
        expect(Math.abs(logprob - logprobsOf(expected[i]!)[n]!)).toBeLessThan(1e-5);
    const vector = await embedTokens(model, text);
    expect(vector.length).toBe(model.manifest.model.sizes.width);
    expect(Math.hypot(...vector)).toBeCloseTo(1, 6);
    const two = await open(kind, 2);
    for (const [other, chunk] of [
      [model, 7],
      [two, 50],
    ] as const) {
      expect(await scoreTokens(other, text, { top: 3, chunk })).toEqual(scores);
      expect(await embedTokens(other, text, { chunk })).toEqual(vector);
    }
  });
});

const drawn = (i: number): BatchTextOptions => ({
  ...samplerDefaults,
  prompt: ids(10 + i, [5, 140, 60][i]!),
  tokens: 30,
  temperature: 1,
  seed: i,
});

test("texts that grow meanwhile are as they are alone, and so are scores and vectors", async () => {
  const model = await open(kinds["bf16, and a cache in q8_0"]!);
  const prompts = [0, 1, 2].map(drawn);
  const grow = () => generateTogether(model, byteTokenizer(), prompts);
  const score = () => scoreTokens(model, text, { top: 2, chunk: 9 });
  const embed = () => embedTokens(model, text, { chunk: 11 });
  const said = (texts: Awaited<ReturnType<typeof grow>>) => texts.map(({ tokens }) => tokens);
  const alone = [said(await grow()), await score(), await embed()];
  const [grown, scored, embedded] = await Promise.all([grow(), score(), embed()]);
  expect([said(grown), scored, embedded]).toEqual(alone);
});

describe("one model", async () => {
  const model = await open({ spec: gpt });

  test("a text that is given up lets go of its lane between two chunks", async () => {
    const stop = new AbortController();
    const given = scoreTokens(model, text, { chunk: 1, signal: stop.signal });
    await model.inTurn(async () => {});
    stop.abort(new Error("enough"));
    await expect(given).rejects.toThrow("enough");
    const sessions = await Promise.all([1, 2, 3].map(() => openSession(model, { full: "refuse" })));
    for (const session of sessions) session.close();
  });

  test("what was scored need not run again to be gone on from", async () => {
    await scoreTokens(model, text);
    const session = await openSession(model);
    expect((await session.feed(text)).reused).toBe(LONG - 1);
    session.close();
  });

  test("weights that change meanwhile: all of it is said by the new ones", async () => {
    const changed = await open({ spec: gpt });
    const [weight] = changed.of("parameter");
    const whole = embedTokens(changed, text, { chunk: 40 });
    await changed.inTurn(async () => {
      weight!.padded().set([3], 0);
      changed.weightsChanged();
    });
    expect(await whole).toEqual(await embedTokens(changed, text));
    expect(await whole).not.toEqual(await embedTokens(model, text));
  });

  test("scores are the losses of the entry evaluate", async () => {
    const part = text.slice(0, TRAINED + 1);
    const [tokens, targets] = [part.slice(0, -1), part.slice(1)].map((row) => Int32Array.from(row));
    await model.evaluate({ tokens: tokens!, targets: targets! });
    const losses = model.tokenLosses();
    for (const [i, score] of (await scoreTokens(model, part)).slice(1).entries())
      expect(Math.abs(score!.logprob + losses[i]!)).toBeLessThan(1e-5);
  });

  test("a text of one token has no score, and a vector", async () => {
    expect(await scoreTokens(model, [7], { top: 2 })).toEqual([null]);
    expect(await embedTokens(model, [7])).not.toEqual(await embedTokens(model, [8]));
  });

  test("what does not fit or is not there is refused, and says what to do", async () => {
    await expect(scoreTokens(model, [])).rejects.toThrow("needs a token");
    await expect(embedTokens(model, ids(1, CONTEXT + 1))).rejects.toThrow("do not fit into a context of 180");
    await expect(scoreTokens(model, [1, VOCAB])).rejects.toThrow("vocabulary of 256");
    const without = await run(await bundleOf({ spec: gpt }, ["score"]));
    await expect(embedTokens(without, [1])).rejects.toThrow("without the entry `embed`");
  });
});
