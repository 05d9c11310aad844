/** What tests of the server's pool share: a model that is served, and what is asked of it. */
import { openPool, type Opened, type PoolOptions } from "../../../../app/server/pool/pool.ts";
import type { Serving, TextAsk } from "../../../../app/server/pool/serving.ts";
import type { Compiled } from "../../../../compiler/compile.ts";
import { rowEntries } from "../../../../runtime/contract/entries.ts";
import type { RunningModel } from "../../../../runtime/engine/model.ts";
import { samplerDefaults } from "../../../../runtime/sample/sampler.ts";
import type { Tokenizer } from "../../../../runtime/tokenizers/base/tokenizer.ts";
import { byteTokenizer } from "../../../../runtime/tokenizers/plain/bytes.ts";
import { fakeModel } from "../../../support/fake-model.ts";
import { compileSmall } from "../../../support/running-models.ts";

export const LANES = 4;
export const servedSpec = `model tiny {
  vocab 256  context 120  width 32  layers 2  heads 4  kv_heads 2  embed token
  layer { x += attention(rmsnorm(x), rope: rope())  x += mlp(rmsnorm(x), hidden: 64) }
  output linear(rmsnorm(x))  train { batch 1  context 32 }
}`;

/** The same for all tests, so that it is compiled once. */
export const compileServed = (): Promise<Compiled> =>
  compileSmall(servedSpec, { options: { lanes: LANES, entries: rowEntries } });

export const opened = (model: RunningModel, tokenizer: Tokenizer = byteTokenizer()): Opened => ({
  model,
  facts: {
    tokenizer,
    name: "tiny",
    weightsBytes: 1,
    fingerprint: "f",
    spec: "model tiny { … }",
    created: 0,
  },
});

/** A pool whose model is there. */
export async function poolOf(model: RunningModel, options: Partial<PoolOptions> = {}): Promise<Serving> {
  const pool = openPool({ open: async () => opened(model), ...options });
  await pool.ready;
  return pool;
}

/**
 * Up to eight positions of ids 0 … 15, of which each is followed by the next one. Between two runs timers and
 * signals are let in. `runs`: "lane: start: tokens" of each.
 */
export function watchedModel(
  lanes: number,
  onRun: (start: number, tokens: readonly number[]) => void = () => {},
): { readonly model: RunningModel; readonly runs: string[] } {
  const runs: string[] = [];
  const fake = fakeModel(1, {
    lanes,
    onRun(start, tokens, lane) {
      onRun(start, tokens);
      runs.push(`${lane}: ${start}: ${tokens.join(" ")}`);
    },
  });
  return { runs, model: { ...fake, inTurn: (work, signal) => turn().then(() => fake.inTurn(work, signal)) } };
}

/** One round of the event loop. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

type Asked = Partial<Omit<TextAsk, "sampling"> & Omit<TextAsk["sampling"], "tokens">> & {
  readonly most?: number;
};

/** At temperature 0 unless said otherwise; `tokens` is the prompt, and `most` tokens are to be added. */
export function asking({
  tokens,
  lane,
  reuse,
  signal,
  deadlineMs,
  onProgress,
  onText,
  most,
  ...sampling
}: Asked): TextAsk {
  return {
    tokens: tokens ?? [1],
    sampling: { ...samplerDefaults, temperature: 0, ...sampling, tokens: most ?? 4 },
    signal: signal ?? new AbortController().signal,
    lane,
    reuse,
    deadlineMs,
    onProgress,
    onText,
  };
}
