/**
 * A text whose tokens the module draws by itself is the one whose tokens are drawn from logits, in all that
 * can be seen of it: text, tokens, why it ends, what is in the cache, and what a later text makes of that.
 */
import { describe, expect, test } from "vitest";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import type { ModuleName } from "../../../runtime/contract/manifest.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import { generate, type GenerateOptions } from "../../../runtime/sample/generate.ts";
import { samplerDefaults } from "../../../runtime/sample/sampler.ts";
import { createSession, type Session } from "../../../runtime/sample/session.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { compileSmall, runningModels } from "../../support/running-models.ts";

const LONG = 120_000; // ms
const CONTEXT = 60;
const dense = `width 32  layers 2  heads 4  kv_heads 2  embed token
  layer { x += attention(rmsnorm(x), rope: rope())  x += mlp(rmsnorm(x), hidden: 64) }`;
const banded = `width 32  layers 3 alternate banded, dense  heads 2  band 10  embed token + position
  layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), hidden: 64) }`;

interface Kind {
  readonly spec: string;
  readonly module: ModuleName;
  readonly options?: CompileOptions;
  /** The model is cut into as many memories as possible: its tokens are drawn from logits. */
  readonly cut?: true;
}
const kinds = {
  "f32 weights": { spec: dense, module: "infer" },
  "q4_0 weights, rings in int8": {
    spec: banded,
    module: "infer",
    options: { weights: "q4_0", cache: "q8_0" },
  },
  "the training module": { spec: dense, module: "train" },
  "several memories": { spec: dense, module: "infer", cut: true },
} as const satisfies Record<string, Kind>;

const run = runningModels();

async function open({ spec, ...how }: Kind, workers: number): Promise<RunningModel> {
  const source =
    `model tiny { vocab 256  context ${CONTEXT}  ${spec}  output linear(rmsnorm(x)) train { batch 2 ` +
    "context 40 } }";
  return run(await compileSmall(source, how), how, workers);
}

/** The model, which counts the tokens that are drawn from logits. */
function counted(model: RunningModel): { readonly model: RunningModel; fromLogits: number } {
  const out = { fromLogits: 0, model };
  out.model = {
    ...model,
    inTurn: (work, signal) =>
      model.inTurn((lanes) => {
        const read = lanes.readLogits.bind(lanes);
        lanes.readLogits = (into, span) => {
          out.fromLogits++;
          read(into, span);
        };
        return work(lanes);
      }, signal),
  };
  return out;
}

const plain = byteTokenizer();
/** Bytes, of which some end a text, and some are no tokens. */
const tokenizer = { ...plain, size: 250, stops: new Set([7, 77, 177]), absent: new Set([0, 1, 249]) };

const texts: Record<string, Partial<GenerateOptions>> = {
  plain: { tokens: 30 },
  "one token": { tokens: 1 },
  "two tokens": { tokens: 2 },
  greedy: { temperature: 0, tokens: 40 },
  "ends by itself": { temperature: 3, topK: 0, topP: 1, minP: 0, tokens: 500 },
  "a stop text": { temperature: 2, topK: 0, tokens: 200, stop: ["a", "\u0080", "z", "Q", "%", "5", "e"] },
  shifts: { tokens: 170, prompt: Array.from({ length: 75 }, (_, i) => 20 + i) },
  "shifts, and remembers more than is left": {
    tokens: 150,
    repeatPenalty: 1.5,
    repeatLast: 55,
    prompt: Array.from({ length: 60 }, (_, i) => 20 + i),
  },
  "a full context ends it": { tokens: 100, whenFull: "stop" },
  "a prompt that fills the context": { tokens: 9, whenFull: "stop", prompt: Array(60).fill(9) as number[] },
  "no token": { tokens: 0 },
};
const options = (one: Partial<GenerateOptions>, seed: number): GenerateOptions => ({
  ...samplerDefaults,
  prompt: [65, 66, 67],
  tokens: 20,
  seed,
  ...one,
});

interface Said {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly reason: string;
  readonly cached: readonly number[];
}
async function say(model: RunningModel, session: Session, o: GenerateOptions): Promise<Said> {
  const shown: string[] = [];
  const made = await generate(model, tokenizer, { ...o, session }, (piece) => shown.push(piece));
  const { text, tokens, reason } = made;
  expect(shown.join("")).toBe(text);
  return { text, tokens, reason, cached: [...session.cached] };
}

describe.each(Object.entries<Kind>(kinds))("%s", (_, kind) => {
  test("each text as from logits, and what follows it", { timeout: LONG }, async () => {
    const reference = await open(kind, 1);
    for (const workers of [1, 3]) {
      const model = await open(kind, workers);
      const reasons = new Set<string>();
      for (const [what, one] of Object.entries(texts))
        for (const seed of [1, 2]) {
          const [ours, theirs] = [createSession(model), createSession(reference)];
          const o = options(one, seed);
          const found = await say(model, ours, o);
          const expected = await say(reference, theirs, { ...o, logprobs: 0 });
          expect(found, `${what}, ${workers} workers`).toEqual(expected);
          reasons.add(found.reason);
          // a later text goes on from the same cache
          const next = { ...options({}, seed), prompt: [...found.cached, 100, 101].slice(-CONTEXT + 8) };
          expect(await say(model, ours, next), `after ${what}`).toEqual(
            await say(reference, theirs, { ...next, logprobs: 0 }),
          );
        }
      expect(reasons).toEqual(new Set(["tokens", "end of text", "stop", "context"]));
    }
  });

  test("logits are read once a text", { timeout: LONG }, async () => {
    const count = counted(await open(kind, 1));
    await say(count.model, createSession(count.model), options({ temperature: 0, tokens: 40 }, 1));
    expect(count.fromLogits).toBe(1);
  });
});

test("a signal ends it", async () => {
  const model = await open(kinds["f32 weights"], 2);
  const abort = new AbortController();
  const o = { ...options({ tokens: 1e6, temperature: 0 }, 1), signal: abort.signal };
  const made = await generate(model, { ...tokenizer, stops: new Set() }, o, () => abort.abort());
  expect(made.reason).toBe("aborted");
});

test("a logit that is no number is an error that names it", async () => {
  const model = await open(kinds["f32 weights"], 1);
  const session = createSession(model);
  const random = randomStream(1, "x");
  await session.feed([random.below(250)]);
  const weights = model.tensors.get("output.linear.weight")!;
  let seen = 0;
  const break_ = (): void => {
    if (++seen === 2) weights.write(weights.dense().map((v, i) => (i % 256 === 5 ? NaN : v)));
  };
  const made = generate(model, tokenizer, { ...options({ tokens: 50, temperature: 0 }, 1), session }, break_);
  await expect(made).rejects.toMatchObject({ kind: "corrupt", message: /the logit of token 5 is NaN/ });
});
