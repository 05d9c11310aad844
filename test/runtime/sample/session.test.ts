/**
 * Several texts on one model at the same time: each has the same bits as alone, whoever else uses the model;
 * calls wait in their order and can be given up. Tested for f32 and q8_0 weights, caches that are rings or
 * int8, several memories, and the training module, on one worker and on two.
 */
import { describe, expect, test } from "vitest";
import type { Compiled } from "../../../compiler/compile.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import type { ModuleName } from "../../../runtime/contract/manifest.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { generate, type Generated, type GenerateOptions } from "../../../runtime/sample/generate.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import { randomStream, type Random } from "../../../runtime/base/random.ts";
import { samplerDefaults } from "../../../runtime/sample/sampler.ts";
import { createSession, type Session } from "../../../runtime/sample/session.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { fakeModel } from "../../support/fake-model.ts";
import { compileSmall, runningModels } from "../../support/running-models.ts";

const LONG = 180_000; // ms
const VOCAB = 256;
/** A chunk of prefill has 128 rows, so a window of 20 needs a ring of 160 of these 250. */
const CONTEXT = 250;

const dense = `width 32  layers 2  heads 4  kv_heads 2  embed token
  layer { x += attention(rmsnorm(x), rope: rope())  x += mlp(rmsnorm(x), hidden: 64) }`;
const banded = `width 32  layers 3 alternate banded, dense  heads 2  band 20  embed token + position
  layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), hidden: 64) }`;
interface Kind {
  readonly spec: string;
  readonly module: ModuleName;
  readonly options: CompileOptions;
  /** The model is cut into as many memories as possible. */
  readonly cut?: true;
}
const kinds = {
  "f32 weights": { spec: dense, module: "infer", options: {} },
  "q8_0 weights": { spec: dense, module: "infer", options: { weights: "q8_0" } },
  "prompts in f32": { spec: dense, module: "infer", options: { weights: "q8_0", numerics: "float" } },
  "caches that are rings": { spec: banded, module: "infer", options: {} },
  "rings in int8": { spec: banded, module: "infer", options: { cache: "q8_0" } },
  "several memories": { spec: dense, module: "infer", options: {}, cut: true },
  "the training module": { spec: dense, module: "train", options: {} },
} as const satisfies Record<string, Kind>;

const bundles = new Map<Kind, Promise<Compiled>>();
const run = runningModels();

function compiled(kind: Kind): Promise<Compiled> {
  const found = bundles.get(kind);
  if (found) return found;
  const source =
    `model tiny { vocab ${VOCAB}  context ${CONTEXT}  ${kind.spec}  output linear(rmsnorm(x))  train { ` +
    "batch 2  context 40 } }";
  const made = compileSmall(source, kind);
  bundles.set(kind, made);
  return made;
}

const open = async (kind: Kind, workers: number): Promise<RunningModel> =>
  run(await compiled(kind), kind, workers);

const tokenizer = byteTokenizer();
const ids = (random: Random, length: number): number[] => Array.from({ length }, () => random.below(VOCAB));
/**
 * Texts of several lengths: single tokens, chunks, chunks with a token left over, and texts that fill the
 * context and shift.
 */
const wanted = Array.from({ length: 8 }, (_, i): GenerateOptions => ({
  ...samplerDefaults,
  prompt: ids(randomStream(i, "prompts"), [1, 60, 129, 200, 17, 240, 2, 150][i]!),
  tokens: [25, 40, 12, 60, 30, 20, 50, 8][i]!,
  temperature: 1,
  topK: 0,
  topP: 1,
  minP: 0,
  seed: i,
  logprobs: 2,
}));
const said = ({ text, tokens, reason, logprobs }: Generated): unknown => ({ text, tokens, reason, logprobs });
const alone = async (kind: Kind, list: readonly GenerateOptions[]): Promise<unknown[]> => {
  const out: unknown[] = [];
  for (const options of list) {
    const model = await open(kind, 1);
    out.push(said(await generate(model, tokenizer, options)));
    await model.close();
  }
  return out;
};

describe.each(Object.entries<Kind>(kinds))("%s", (name, kind) => {
  test(
    "two and eight texts at once, on one worker and on two: each as alone",
    async () => {
      const expected = await alone(kind, wanted);
      if (name === "several memories")
        expect((await compiled(kind)).manifest.modules.infer!.parts!.length).toBeGreaterThan(1);
      for (const workers of [1, 2]) {
        const model = await open(kind, workers);
        for (const count of [2, 8]) {
          const made = await Promise.all(
            wanted.slice(0, count).map((options) => generate(model, tokenizer, options)),
          );
          expect(made.map(said), `${count} texts, ${workers} workers`).toEqual(expected.slice(0, count));
        }
      }
    },
    LONG,
  );

  test(
    "sessions in turns, call by call: the bits of each alone",
    async () => {
      const shared = await open(kind, 1);
      const lives = await Promise.all(
        [1, 2, 3].map(async (seed) => {
          const model = await open(kind, 1);
          return {
            ours: createSession(shared),
            own: createSession(model),
            random: randomStream(seed, "calls"),
            text: [] as number[],
          };
        }),
      );
      for (let round = 0; round < 24; round++) {
        // All calls of a round are asked for at once; then the result of each is compared with what it is
        // alone.
        const asked = lives.map((life) => ({ life, call: drawCall(life.random, life) }));
        const got = await Promise.all(asked.map(({ life, call }) => call(life.ours)));
        for (const [i, { life, call }] of asked.entries())
          expect([...got[i]!], `round ${round}, session ${i}`).toEqual([...(await call(life.own))]);
        if (round % 8 === 7) await shared.feed(ids(lives[0]!.random, 9), 0); // a user without a session
      }
    },
    LONG,
  );
});

/** Continues by a token, or with another text that shares a beginning of any length with the last one. */
function drawCall(random: Random, life: { text: number[] }): (session: Session) => Promise<Float32Array> {
  const { text } = life;
  if (text.length > 0 && text.length < CONTEXT && random.below(3) > 0) {
    const token = random.below(VOCAB);
    life.text = [...text, token];
    return (session) => session.next(token);
  }
  const common =
    random.below(2) === 0 ? random.below(text.length + 1) : Math.max(0, text.length - random.below(30));
  const more = 1 + random.below(Math.min(CONTEXT - common, random.below(2) === 0 ? 6 : CONTEXT));
  const next = [...text.slice(0, common), ...ids(random, more)].slice(0, CONTEXT);
  life.text = next;
  return async (session) => (await session.feed(next)).logits;
}

test(
  "a session goes back twice within a ring's rows, and does not find what later tokens have overwritten",
  async () => {
    const model = await open(kinds["caches that are rings"], 1);
    const session = createSession(model);
    const text = ids(randomStream(7, "text"), 240);
    await session.feed(text);
    // the positions that 120 sees, 100 … 119, are there: the ring has 80 … 239
    expect((await session.feed([...text.slice(0, 120), 1])).reused).toBe(120);
    const twice = [...text.slice(0, 90), 2];
    const { logits, reused } = await session.feed(twice); // it sees 70 … 89, and 70 … 79 are overwritten
    expect(reused).toBe(0);
    const found = logits.slice();
    expect([...(await createSession(model).feed(twice)).logits]).toEqual([...found]);
  },
  LONG,
);

describe("waiting", () => {
  const kind = kinds["f32 weights"];
  const long: GenerateOptions = { ...wanted[1]!, tokens: 150 };

  test.each([1, 2])(
    "can be given up, also in the middle of a prompt, and holds nobody up (%i workers)",
    async (workers) => {
      const expected = await alone(kind, wanted.slice(0, 3));
      const model = await open(kind, workers);
      const [before, waits, inPrompt] = [new AbortController(), new AbortController(), new AbortController()];
      before.abort();
      const made = [
        generate(model, tokenizer, wanted[0]!),
        generate(model, tokenizer, { ...long, signal: before.signal }),
        generate(model, tokenizer, { ...long, signal: waits.signal }),
        generate(model, tokenizer, wanted[1]!),
        generate(model, tokenizer, {
          ...long,
          prompt: ids(randomStream(1, "p"), 240),
          signal: inPrompt.signal,
        }),
        generate(model, tokenizer, wanted[2]!),
      ];
      waits.abort();
      void made[3]!.then(() => inPrompt.abort()); // before its second chunk
      const [first, gone, given, second, cut, third] = await Promise.all(made);
      expect([first, second, third].map((text) => said(text!))).toEqual(expected);
      for (const text of [gone, given, cut])
        expect(text).toMatchObject({ reason: "aborted", text: "", tokens: [] });
    },
    LONG,
  );

  test(
    "rejects with the signal's reason in single calls",
    async () => {
      const model = await open(kind, 1);
      const stop = new AbortController();
      const session = createSession(model);
      const turn = model.inTurn(async () => stop.abort(new Error("no more")));
      const calls = [
        session.feed([1, 2], stop.signal),
        session.next(1, stop.signal),
        model.feed([1], 0, stop.signal),
        model.inTurn(async () => 1, stop.signal),
      ];
      await turn;
      for (const call of calls) await expect(call).rejects.toThrow("no more");
      expect((await session.feed([1, 2])).reused).toBe(0);
    },
    LONG,
  );

  test.each([1, 2])(
    "a call that fails is its own failure only (%i workers)",
    async (workers) => {
      const expected = await alone(kind, wanted.slice(0, 2));
      const model = await open(kind, workers);
      const failing = { ...wanted[4]!, prompt: [3, VOCAB, 5] };
      const tooLong = {
        ...wanted[4]!,
        prompt: ids(randomStream(2, "p"), CONTEXT + 1),
        whenFull: "stop",
      } as const;
      const thrown = new Error("by the listener");
      const made = await Promise.allSettled([
        generate(model, tokenizer, wanted[0]!),
        generate(model, tokenizer, failing),
        generate(model, tokenizer, tooLong),
        generate(model, tokenizer, wanted[4]!, () => {
          throw thrown;
        }),
        model.inTurn(() => {
          throw thrown;
        }),
        generate(model, tokenizer, wanted[1]!),
      ]);
      expect(
        [made[0], made[5]].map((end) => end!.status === "fulfilled" && said(end!.value as Generated)),
      ).toEqual(expected);
      const reasons = made.slice(1, 5).map((end) => (end as PromiseRejectedResult).reason as SinterError);
      expect(reasons[0]).toMatchObject({
        kind: "input",
        message: "token 256 is outside of the model's vocabulary of 256",
      });
      expect(reasons[1]).toMatchObject({
        kind: "input",
        message: "251 tokens do not fit into a context of 250",
      });
      expect(reasons.slice(2)).toEqual([thrown, thrown]);
    },
    LONG,
  );

  test.each([1, 2])(
    "ends with an error when the model is closed (%i workers)",
    async (workers) => {
      const model = await open(kind, workers);
      const calls = [
        generate(model, tokenizer, long),
        generate(model, tokenizer, wanted[0]!),
        createSession(model).feed([1]),
      ];
      const ends = Promise.allSettled(calls);
      await model.close();
      for (const end of await ends)
        expect(end).toMatchObject({
          status: "rejected",
          reason: { kind: "input", message: "tiny was closed before this call had ended" },
        });
      await expect(model.feed([1], 0)).rejects.toThrow("tiny was closed");
    },
    LONG,
  );

  test(
    "lets timers in, on one worker too",
    async () => {
      const model = await open(kind, 1);
      const stop = new AbortController();
      setTimeout(() => stop.abort(), 30);
      const made = await generate(model, tokenizer, { ...wanted[0]!, tokens: 1e6, signal: stop.signal });
      expect(made.reason).toBe("aborted");
      expect(made.tokens.length).toBeLessThan(100_000);
    },
    LONG,
  );
});

describe("weights that change", () => {
  test(
    "between a session's calls: its tokens come back with the new ones",
    async () => {
      const kind = kinds["the training module"];
      const [model, other] = [await open(kind, 1), await open(kind, 2)];
      const batch = (of: RunningModel) => {
        const { batch: rows, context } = of.entry("train");
        const tokens = Int32Array.from(ids(randomStream(3, "batch"), rows * context));
        return { tokens, targets: tokens.map((t) => (t + 1) % VOCAB) };
      };
      const text = ids(randomStream(4, "text"), 50);
      const session = createSession(model);
      await session.feed(text);
      const before = (await session.next(7)).slice();
      // A step and two calls are asked for at once; the second call uses the new weights.
      const [, after, told] = await Promise.all([
        model.trainStep([batch(model)], { lr: 1e-2, step: 1 }),
        session.next(8).then((logits) => logits.slice()),
        model.evaluate(batch(model)),
      ]);
      await other.trainStep([batch(other)], { lr: 1e-2, step: 1 });
      const fresh = createSession(other);
      await fresh.feed(text);
      await fresh.next(7);
      expect([...after]).toEqual([...(await fresh.next(8))]);
      expect([...after]).not.toEqual([...before]);
      expect(told).toEqual(await other.evaluate(batch(other)));
      await expect(model.feed([1], 52)).rejects.toThrow(/a session has used it, or the weights have changed/);
    },
    LONG,
  );

  test("are not saved half-way through a step, and a session of another model is refused", async () => {
    const model = fakeModel();
    const order: string[] = [];
    await Promise.all([
      model.inTurn(async () => {
        await Promise.resolve();
        order.push("first");
      }),
      model.inTurn(async () => void order.push("second")),
    ]);
    expect(order).toEqual(["first", "second"]);
    const options = { ...wanted[0]!, session: createSession(fakeModel()) };
    await expect(generate(model, tokenizer, options)).rejects.toThrow("a session of another model");
  });
});
