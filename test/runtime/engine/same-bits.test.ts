/**
 * A row's bits depend on its text alone: not on the chunks in which it came, nor on the other texts of the
 * run, the lane, the entry, the number of workers, or who had the lane before. Eight lanes run texts of
 * different lengths that join and leave at random, in chunks that are cut at random; the logits after every
 * chunk are those of the same text alone, token by token.
 */
import { describe, expect, test } from "vitest";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import { randomStream, type Random } from "../../../runtime/base/random.ts";
import type { Lane } from "../../../runtime/engine/lane.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import { compileSmall, runningModels } from "../../support/running-models.ts";

const VOCAB = 61;
/** A chunk of prefill has 128 rows, so a window of 20 needs a ring of 160 of these. */
const CONTEXT = 200;
const LANES = 8;

const gpt = `width 48  layers 2  heads 3  embed token + position
  layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), bias: true, hidden: 96) }`;
const llama = `width 64  layers 2  heads 4  kv_heads 2  embed token
  layer {
    x += attention(rmsnorm(x), rope: rope(), qk_norm: rmsnorm())
    x += swiglu(rmsnorm(x), hidden: 96)
  }`;
const mixture = `width 64  layers 2  heads 4  kv_heads 2  embed token
  layer { x += attention(rmsnorm(x), rope: rope())  x += experts(rmsnorm(x), count: 4, hidden: 64) }`;
const banded = `width 64  layers 2  heads 4  kv_heads 1  band 20  embed token
  layer { x += attention(rmsnorm(x), rope: rope())  x += mlp(rmsnorm(x), hidden: 96) }`;
const alternate = `width 64  layers 3 alternate banded, dense  heads 4  kv_heads 2  band 20  embed token
  layer { x += attention(rmsnorm(x), rope: rope())  x += mlp(rmsnorm(x), hidden: 96) }`;

interface Kind {
  readonly spec: string;
  readonly options?: CompileOptions;
  /** The model is cut into as many memories as possible. */
  readonly cut?: true;
  /** Default: relaxed. */
  readonly target?: Target;
}
const q8: CompileOptions = { weights: "q8_0", cache: "q8_0" };
const kinds: Readonly<Record<string, Kind>> = {
  "f32, GPT": { spec: gpt },
  "f32, Llama": { spec: llama },
  "f32, decoding in stretches": { spec: llama, options: { splitBytes: 1 } },
  bf16: { spec: llama, options: { weights: "bf16" } },
  q8_0: { spec: llama, options: { weights: "q8_0" } },
  q4_0: { spec: llama, options: { weights: "q4_0" } },
  "a cache in q8_0": { spec: gpt, options: { cache: "q8_0" } },
  "q8_0, and the cache too": { spec: llama, options: q8 },
  "q4_0, and a cache in q8_0": { spec: llama, options: { weights: "q4_0", cache: "q8_0" } },
  experts: { spec: mixture },
  "experts in q8_0": { spec: mixture, options: { weights: "q8_0" } },
  "experts in q4_0": { spec: mixture, options: { weights: "q4_0" } },
  "experts in bf16": { spec: mixture, options: { weights: "bf16" } },
  windows: { spec: banded },
  "windows by layer": { spec: alternate },
  "windows by layer, a cache in q8_0": { spec: alternate, options: { cache: "q8_0" } },
  "several memories": { spec: llama, cut: true },
  "without multiply-add": { spec: llama, options: q8, target: "simd" },
  "experts without multiply-add": { spec: mixture, options: { splitBytes: 1 }, target: "simd" },
  "joined operations": { spec: llama, options: q8, target: "wide" },
  "joined operations, f32": { spec: alternate, options: { splitBytes: 1 }, target: "wide" },
  "several memories, tied, q8_0": { spec: gpt, options: q8, cut: true },
};

const run = runningModels();

async function open({ spec, options, cut, target }: Kind, workers: number): Promise<RunningModel> {
  const tied = cut && spec === gpt ? ", tied: true" : "";
  const source =
    `model tiny { vocab ${VOCAB}  context ${CONTEXT}  ${spec}  output linear(rmsnorm(x)${tied})  train { ` +
    "batch 1  context 32 } }";
  const on = target && { target };
  const bundle = await compileSmall(source, {
    ...on,
    options: { lanes: LANES, ...options },
    ...(cut && { cut }),
  });
  if (cut) expect(bundle.manifest.modules.infer!.parts!.length).toBeGreaterThan(1);
  return run(bundle, on, workers);
}

const ids = (random: Random, length: number): number[] => Array.from({ length }, () => random.below(VOCAB));

/** Texts of several lengths; two begin alike. */
function textsOf(random: Random): number[][] {
  const texts = [1, 199, 40, 17, 130, 2, 64, 33, 90, 150].map((length) => ids(random, length));
  texts.push([...texts[4]!.slice(0, 100), ...ids(random, 20)]);
  return texts;
}

type Logits = Float32Array[];

/** The logits after each token of a text that has the model to itself, and comes token by token. */
const alone = (model: RunningModel, text: readonly number[]): Promise<Logits> =>
  model.inTurn(async (lanes) => {
    const out: Logits = [];
    const lane = lanes.all[3]!;
    for (const [start, token] of text.entries()) {
      await lanes.run([{ lane, start, tokens: [token] }]);
      const logits = new Float32Array(lanes.classes);
      lanes.readLogits(logits);
      out.push(logits);
    }
    return out;
  });

interface Life {
  readonly text: readonly number[];
  readonly expected: Logits;
  readonly lane: Lane;
  at: number;
}

const sameBits = (a: Float32Array, b: Float32Array): boolean => a.every((v, i) => Object.is(v, b[i]));

/** Runs all texts, as chance has it, and returns what differs from the texts alone. */
const together = (model: RunningModel, texts: readonly number[][], expected: Logits[], random: Random) =>
  model.inTurn(async (lanes) => {
    const wrong: string[] = [];
    const waiting = texts.map((text, i) => ({ text, expected: expected[i]! }));
    let lives: Life[] = [];
    const logits = new Float32Array(lanes.classes);
    for (let run = 0; waiting.length + lives.length > 0; run++) {
      const free = lanes.all.filter((lane) => !lives.some((l) => l.lane === lane));
      if (waiting.length > 0 && free.length > 0 && random.below(3) > 0)
        lives.push({ ...waiting.shift()!, lane: free[random.below(free.length)]!, at: 0 });
      let room = lanes.chunk;
      const some = lives.filter(() => random.below(5) > 0);
      const spans = some.flatMap((life) => {
        const left = life.text.length - life.at;
        const most = Math.min(room, left, random.below(2) === 0 ? 1 : 1 + random.below(lanes.chunk));
        room -= most;
        return most > 0 ? [{ life, start: life.at, tokens: life.text.slice(life.at, life.at + most) }] : [];
      });
      if (spans.length === 0) continue;
      await lanes.run(spans.map(({ life, start, tokens }) => ({ lane: life.lane, start, tokens })));
      for (const [s, { life, start, tokens }] of spans.entries()) {
        lanes.readLogits(logits, s);
        life.at += tokens.length;
        if (!sameBits(logits, life.expected[life.at - 1]!))
          wrong.push(
            `run ${run}, ${spans.length} spans: ${tokens.length} tokens at ${start} in lane ` +
              `${life.lane.number}`,
          );
      }
      lives = lives.filter((life) => life.at < life.text.length);
    }
    return wrong;
  });

describe.each(Object.entries(kinds))("%s", (_, kind) => {
  test("eight lanes, texts that join and leave, chunks cut at random: each as alone", async () => {
    const texts = textsOf(randomStream(1, "texts"));
    const expected: Logits[] = [];
    const one = await open(kind, 1);
    for (const text of texts) expected.push(await alone(one, text));
    for (const workers of [1, 2]) {
      const model = workers === 1 ? one : await open(kind, 2);
      for (const seed of [1, 2])
        expect(
          await together(model, texts, expected, randomStream(seed, "runs")),
          `${workers} workers`,
        ).toEqual([]);
    }
  });
});
