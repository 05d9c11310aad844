/**
 * A text that begins like another one takes over its keys and values by a copy from lane to lane, in every
 * form of cache, and has the bits that it has alone; from a ring only what the ring still has.
 */
import { expect, test } from "vitest";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import { generateTogether, TextBatch } from "../../../runtime/sample/batch.ts";
import { samplerDefaults } from "../../../runtime/sample/sampler.ts";
import { createSession, openSession } from "../../../runtime/sample/session.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { compileSmall, runningModels } from "../../support/running-models.ts";

const LONG = 120_000; // ms
const VOCAB = 256;
const CONTEXT = 250;

const dense = `width 32  layers 2  heads 4  kv_heads 2  embed token
  layer { x += attention(rmsnorm(x), rope: rope())  x += mlp(rmsnorm(x), hidden: 64) }`;
const banded = dense.replace("heads 4", "heads 4  band 20");
const alternate = dense
  .replace("layers 2", "layers 3 alternate banded, dense")
  .replace("heads 4", "heads 4  band 20");

interface Kind {
  readonly spec: string;
  readonly options?: CompileOptions;
  readonly cut?: true;
}
const kinds: Readonly<Record<string, Kind>> = {
  f32: { spec: dense },
  "a cache in q8_0": { spec: dense, options: { cache: "q8_0" } },
  rings: { spec: banded },
  "rings by layer": { spec: alternate },
  "rings by layer in q8_0": { spec: alternate, options: { cache: "q8_0" } },
  "several memories": { spec: dense, cut: true },
};

const run = runningModels();

async function open({ spec, options, cut }: Kind, lanes: number): Promise<RunningModel> {
  const source =
    `model tiny { vocab ${VOCAB}  context ${CONTEXT}  ${spec}  output linear(rmsnorm(x))  train { batch 1  ` +
    "context 32 } }";
  return run(await compileSmall(source, { options: { lanes, ...options }, ...(cut && { cut }) }));
}

const random = randomStream(1, "texts");
const text = Array.from({ length: 230 }, () => random.below(VOCAB));

test.each(Object.entries(kinds))(
  "%s",
  async (name, kind) => {
    const [model, other] = [await open(kind, 3), await open(kind, 1)];
    const alone = async (tokens: readonly number[]): Promise<number[]> => {
      const session = createSession(other);
      session.forget();
      return [...(await session.feed(tokens)).logits];
    };
    const first = await openSession(model);
    await first.feed(text.slice(0, 100));
    const second = await openSession(model);
    const branch = [...text.slice(0, 90), 7];
    const fed = await second.feed(branch);
    expect(fed.reused).toBe(90);
    expect([...fed.logits]).toEqual(await alone(branch));

    await first.feed(text); // now a ring has its last positions alone
    expect([...(await second.next(8))]).toEqual(await alone([...branch, 8]));
    const third = await openSession(model);
    const late = [...text.slice(0, 225), 9];
    expect(await third.feed(late)).toMatchObject({ reused: 225 });
    expect([...(await third.next(1))]).toEqual(await alone([...late, 1]));

    third.close();
    const fourth = await openSession(model);
    const early = [...text.slice(0, 95), 3];
    // a ring has 70 … 229, and 76 … 95 are seen
    expect(await fourth.feed(early)).toMatchObject({ reused: 95 });
    expect([...(await fourth.next(2))]).toEqual(await alone([...early, 2]));

    await second.feed([1]);
    const lost = [...text.slice(0, 80), 4]; // sees 61 … 80
    const back = await second.feed(lost);
    expect(back.reused).toBe(name.includes("rings") ? 0 : 80);
    expect([...back.logits]).toEqual(await alone(lost));
  },
  LONG,
);

test(
  "of texts of one prompt that grow together, one runs it",
  async () => {
    const [model, other] = [await open(kinds["f32"]!, 4), await open(kinds["f32"]!, 1)];
    const tokenizer = byteTokenizer();
    const options = [1, 2, 3, 4].map((seed) => ({
      ...samplerDefaults,
      prompt: text.slice(0, 200),
      tokens: 9,
      temperature: 1,
      seed,
    }));
    const together = await generateTogether(model, tokenizer, options);
    expect(together.map(({ cachedTokens }) => cachedTokens)).toEqual([0, 199, 199, 199]);
    const alone = [];
    for (const o of options) alone.push(...(await generateTogether(other, tokenizer, [o])));
    expect(together.map(({ tokens }) => tokens)).toEqual(alone.map(({ tokens }) => tokens));
    const again = new TextBatch(model, tokenizer);
    const added = again.addText({ ...options[0]!, seed: 5, tokens: 1 });
    while (again.size > 0) await again.step();
    expect(added.made!.cachedTokens).toBe(199); // it is still in a lane that nobody has
  },
  LONG,
);
