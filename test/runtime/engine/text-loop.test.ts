/**
 * The loop inside a module: several texts with settings of their own, each byte for byte what the loop in
 * JavaScript makes of it alone (a run of `decode`, a token by the sampler, and so on), on one worker and on
 * several, in one call and in pieces between which texts come and go.
 */
import { afterAll, describe, expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { compileModel, type Compiled } from "../../../compiler/compile.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import type { TextEnd } from "../../../runtime/contract/entries.ts";
import { randomStream, type RandomState } from "../../../runtime/base/random.ts";
import { Entries } from "../../../runtime/engine/entries.ts";
import { callingThread, type Pool } from "../../../runtime/engine/host.ts";
import { initParameters } from "../../../runtime/engine/init.ts";
import { loadCode } from "../../../runtime/engine/code.ts";
import { allocatePartitions, tensorsOf } from "../../../runtime/engine/partitions.ts";
import { writeRun } from "../../../runtime/engine/run-inputs.ts";
import { TextLoop, type LoopText } from "../../../runtime/engine/text-loop.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { drawToken, type SamplerSettings } from "../../../runtime/sample/sampler.ts";
import { logSumExp } from "../../../runtime/sample/logprobs.ts";

const LONG = 120_000; // ms
const [VOCAB, CONTEXT, LANES] = [61, 40, 8];
const layers = {
  dense: `width 32  layers 2  heads 4  kv_heads 2  embed token
    layer { x += attention(rmsnorm(x), rope: rope())  x += mlp(rmsnorm(x), hidden: 64) }`,
  banded: `width 32  layers 3 alternate banded, dense  heads 2  band 9  embed token + position
    layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), hidden: 64) }`,
};

const pools: Pool[] = [];
afterAll(() => Promise.all(pools.map((pool) => pool.close())));

function compiled(spec: string, options: CompileOptions): Promise<Compiled> {
  const source =
    `model tiny { vocab ${VOCAB}  context ${CONTEXT}  ${spec}  output linear(rmsnorm(x)) train { batch 2 ` +
    "context 8 } }";
  const { models, diagnostics } = checkSource(source);
  expect(diagnostics).toEqual([]);
  return compileModel(models[0]!, { targets: ["relaxed"], modules: ["infer"], ...options });
}

async function open(bundle: Compiled, workers: number): Promise<Entries> {
  const { manifest } = bundle;
  const module = manifest.modules.infer!;
  const shared = workers > 1;
  const partitions = allocatePartitions(module, workers);
  const tensors = tensorsOf(module, partitions);
  initParameters(
    [...tensors.values()].filter((t) => t.place.storage === "parameter"),
    5,
  );
  for (const tensor of tensors.values())
    // so that some tokens are much likelier than others
    if (tensor.place.name === "output.linear.weight") tensor.write(tensor.dense().map((v) => 40 * v));
  const code = await loadCode(bundle, partitions, { host: nodeHost, shared, wanted: "relaxed", drawn: true });
  const loaded = partitions.map((partition, i) => ({ ...partition, module: code.modules[i]! }));
  const pool = shared
    ? await nodeHost.startPool({ partitions: loaded, control: manifest.control, workers, cores: 2 })
    : callingThread(loaded);
  pools.push(pool);
  const entries = new Entries({ manifest, module, partitions, tensors, pool });
  entries.setControl(manifest.control.workers, workers);
  return entries;
}

interface Wanted {
  readonly prompt: readonly number[];
  readonly settings: SamplerSettings;
  readonly most: number;
  readonly ends: readonly number[];
  readonly absent: ReadonlySet<number>;
  readonly seed: number;
}

interface Made {
  readonly tokens: readonly number[];
  readonly logprobs: readonly number[];
  readonly choiceLogprobs: readonly number[];
  readonly end: TextEnd;
  readonly random: RandomState;
}

/** The loop in JavaScript, in one lane; its runs are those of the entry that `generate` is made of. */
async function byScript(entries: Entries, lane: number, wanted: Wanted): Promise<Made> {
  const { prompt, settings, most, ends, absent, seed } = wanted;
  const random = randomStream(seed, "loop");
  const text = [...prompt];
  const [logprobs, choiceLogprobs]: [number[], number[]] = [[], []];
  let end: TextEnd = "none";
  await prefill(entries, lane, wanted);
  for (let at = prompt.length - 1; end === "none"; at++) {
    writeRun(entries, [{ lane, start: at, tokens: [text[at]!] }]);
    await entries.run(entries.get(entries.module.lanes === 1 ? "decode" : "prefill"), 1);
    const logits = (entries.tensor("logits").padded() as Float32Array).slice(0, VOCAB);
    const { token, logprob } = drawToken(logits.slice(), settings, text, random, VOCAB - 1, absent);
    text.push(token);
    logprobs.push(Math.fround(logits[token]! - logSumExp(logits)));
    choiceLogprobs.push(Math.fround(logprob) + 0);
    if (ends.includes(token)) end = "end of text";
    else if (text.length - prompt.length === most) end = "tokens";
    else if (at + 1 === CONTEXT) end = "context";
  }
  return { tokens: text.slice(prompt.length), logprobs, choiceLogprobs, end, random: random.state() };
}

const loopText = (lane: number, { prompt, settings, most, ends, absent, seed }: Wanted): LoopText => ({
  lane,
  tokens: prompt,
  most,
  draw: { ...settings, ids: VOCAB - 1, logprobs: true },
  absent,
  ends,
  random: randomStream(seed, "loop").state(),
});

/** Runs all tokens of the text but the last one. */
async function prefill(entries: Entries, lane: number, { prompt }: Wanted): Promise<void> {
  if (prompt.length === 1) return;
  const tokens = prompt.slice(0, -1);
  writeRun(entries, [{ lane, start: 0, tokens }]);
  await entries.run(entries.get(tokens.length === 1 ? "decode" : "prefill"), tokens.length);
}

const wanted = Array.from({ length: 12 }, (_, i): Wanted => {
  const random = randomStream(i, "wanted");
  return {
    prompt: Array.from({ length: [1, 2, 7, 20, 33, CONTEXT, 3, 5, 12, 1, 18, 9][i]! }, () =>
      random.below(VOCAB),
    ),
    settings: {
      temperature: [1, 0.7, 0, 1.5][i % 4]!,
      topK: [0, 5, 0, 40, 0][i % 5]!,
      topP: [1, 0.9, 1][i % 3]!,
      minP: [0, 0, 0.05][i % 3]!,
      repeatPenalty: i % 2 === 0 ? 1 : 1.3,
      repeatLast: 6,
    },
    most: [60, 5, 60, 9, 60, 60, 1, 60, 25, 60, 60, 11][i]!,
    ends: i % 3 === 1 ? Array.from({ length: 15 }, (_, k) => 4 * k + 1) : [],
    absent: new Set(i % 4 === 3 ? [0, 5, 60] : []),
    seed: i,
  };
});

/** What each text is alone, in lane 0 of a model of its own. */
const alone = async (bundle: Compiled): Promise<Made[]> => {
  const out: Made[] = [];
  for (const one of wanted) out.push(await byScript(await open(bundle, 1), 0, one));
  return out;
};

class Texts {
  readonly made = new Map<number, Made>();
  readonly #loop: TextLoop;
  readonly #entries: Entries;
  readonly #lanes = new Map<number, number>(); // lane → text
  constructor(entries: Entries) {
    this.#entries = entries;
    this.#loop = TextLoop.of(entries)!;
  }
  get live(): number {
    return this.#lanes.size;
  }
  async begin(lane: number, text: number): Promise<void> {
    await prefill(this.#entries, lane, wanted[text]!);
    this.#loop.begin(loopText(lane, wanted[text]!));
    this.#lanes.set(lane, text);
    this.made.set(text, { tokens: [], logprobs: [], choiceLogprobs: [], end: "none", random: [0, 0, 0, 0] });
  }
  async run(steps: number): Promise<void> {
    await this.#loop.run([...this.#lanes.keys()], steps);
    for (const [lane, text] of this.#lanes) {
      const { tokens, logprobs, choiceLogprobs, end, random } = this.#loop.added(lane);
      const before = this.made.get(text)!;
      this.made.set(text, {
        tokens: [...before.tokens, ...tokens],
        logprobs: [...before.logprobs, ...logprobs],
        choiceLogprobs: [...before.choiceLogprobs, ...choiceLogprobs].map((v) => v + 0),
        end,
        random,
      });
      if (end !== "none") this.#lanes.delete(lane);
    }
  }
}

const kinds = {
  f32: [layers.dense, {}],
  "a cache in int8, rings": [layers.banded, { cache: "q8_0" }],
} as const satisfies Record<string, readonly [string, CompileOptions]>;

describe.each(Object.entries(kinds))("%s", (_, [spec, options]) => {
  test("one lane: as the loop in JavaScript", { timeout: LONG }, async () => {
    const bundle = await compiled(spec, options);
    const expected = await alone(bundle);
    expect(new Set(expected.map(({ end }) => end))).toEqual(new Set(["tokens", "end of text", "context"]));
    for (const workers of [1, 2, 3]) {
      const entries = await open(bundle, workers);
      for (const [i, made] of expected.entries()) {
        const texts = new Texts(entries);
        await texts.begin(0, i);
        while (texts.live > 0) await texts.run(i % 2 === 0 ? 1000 : 3);
        expect(texts.made.get(i), `text ${i}, ${workers} workers`).toEqual(made);
      }
    }
  });

  test("eight lanes: each text as alone, whoever is beside it", { timeout: LONG }, async () => {
    const bundle = await compiled(spec, { ...options, lanes: LANES });
    const expected = await alone(bundle);
    for (const workers of [1, 2, 3])
      for (const together of [1, 2, 5, 8]) {
        const entries = await open(bundle, workers);
        const texts = new Texts(entries);
        const random = randomStream(together, "pieces");
        const free = Array.from({ length: LANES }, (_, lane) => lane);
        const waiting = [...wanted.keys()];
        const lanesOf = new Map<number, number>();
        while (waiting.length > 0 || texts.live > 0) {
          while (waiting.length > 0 && texts.live < together) {
            const lane = free.splice(random.below(free.length), 1)[0]!;
            const text = waiting.shift()!;
            lanesOf.set(text, lane);
            await texts.begin(lane, text);
          }
          await texts.run(1 + random.below(12));
          for (const [text, lane] of lanesOf)
            if (texts.made.get(text)!.end !== "none") {
              lanesOf.delete(text);
              free.push(lane);
            }
        }
        for (const [i, made] of expected.entries())
          expect(texts.made.get(i), `text ${i}, ${together} together, ${workers} workers`).toEqual(made);
      }
  });
});

describe("a call ends early", () => {
  const open2 = async (): Promise<{ entries: Entries; loop: TextLoop }> => {
    const entries = await open(await compiled(layers.dense, { lanes: 2 }), 1);
    const loop = TextLoop.of(entries)!;
    for (const lane of [0, 1]) loop.begin({ ...loopText(lane, { ...wanted[0]!, ends: [] }), tokens: [lane] });
    return { entries, loop };
  };

  test("where no token can be drawn: the text says so, and its logits are there", async () => {
    const { entries, loop } = await open2();
    await loop.run([0, 1], 3);
    expect(loop.added(1)).toMatchObject({ tokens: { length: 3 }, end: "none" });
    const table = entries.tensor("output.linear.weight" as "logits");
    table.write(table.dense().fill(NaN));
    await loop.run([0, 1], 3);
    expect(loop.added(1)).toMatchObject({ tokens: [], ran: { length: 1 }, end: "corrupt", logitsRow: 1 });
    const logits = entries.tensor("logits").padded() as Float32Array;
    expect(() => drawToken(logits.slice(0, VOCAB), wanted[0]!.settings, [], randomStream(1, "x"))).toThrow(
      /the logit of token 0 is NaN/,
    );
  });

  test("where the host asks for it: after the step that it is at", async () => {
    const entries = await open(await compiled(layers.dense, {}), 2);
    const loop = TextLoop.of(entries)!;
    loop.begin(loopText(0, { ...wanted[0]!, most: 10_000, ends: [] }));
    const running = loop.run([0], 10_000);
    loop.stop();
    await running;
    const { tokens, end } = loop.added(0);
    expect(tokens.length).toBeGreaterThan(0);
    expect([end, tokens.length < CONTEXT]).toEqual(["none", true]);
  });
});
