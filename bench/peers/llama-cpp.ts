/**
 * llama.cpp itself (npm's node-llama-cpp), on the CPU:
 *
 *   node llama-cpp.ts FILE.gguf [options] < requests      prints a JSON list of answers, on the last line
 *
 *   { do: "tokenize", texts, special }       → { ids: [texts][ids] }
 *     With `special`, names of special tokens in the texts become these tokens.
 *   { do: "greedy", prompt, count, logits }  → { ids, text }
 *     The likeliest token each time. `logits` names the file that gets [count, vocab] as f32.
 *   { do: "time", prompt, count, runs }      → { prefill, decode, vectors }
 *     Tokens per second of each run: the prompt at once, then tokens one by one.
 *   { do: "clients", prompts, count }        → { ms, firstMs: [prompts] }
 *     A text after each prompt at once, each in a sequence of its own: until the last one's last token, and
 *     until the first token of each.
 *
 * Requests are a JSON list; the options are JSON, too. With the option `exact`, keys and values are f32 and
 * attention is not fused; llama.cpp's default are f16 keys and values.
 */
import { createWriteStream } from "node:fs";
import { once } from "node:events";
import { text as textOf } from "node:stream/consumers";

export interface LlamaCppOptions {
  readonly exact?: boolean;
  readonly threads?: number;
  readonly context?: number;
  readonly vocabOnly?: boolean;
  /** Texts that there is room for at once, each with the whole context. Default: 1. */
  readonly sequences?: number;
}
export type LlamaCppRequest =
  | { readonly do: "tokenize"; readonly texts: readonly string[]; readonly special?: boolean }
  | {
      readonly do: "greedy";
      readonly prompt: readonly number[];
      readonly count: number;
      readonly logits?: string;
    }
  | {
      readonly do: "time";
      readonly prompt: readonly number[];
      readonly count: number;
      readonly runs: number;
    }
  | {
      readonly do: "clients";
      readonly prompts: readonly (readonly number[])[];
      readonly count: number;
    };

interface Next {
  readonly next: { readonly logits?: ReadonlyMap<number, number>; readonly token?: number };
}
interface Sequence {
  controlledEvaluate(
    input: readonly (number | readonly [number, object])[],
  ): Promise<readonly (Next | undefined)[]>;
  evaluateWithoutGeneratingNewTokens(tokens: readonly number[]): Promise<void>;
  clearHistory(): Promise<void>;
}
/** What is used of node-llama-cpp. */
interface Peer {
  getLlama(options: object): Promise<{
    readonly systemInfo: string;
    loadModel(options: object): Promise<{
      createContext(options: object): Promise<{ getSequence(): Sequence }>;
      tokenize(text: string, special: boolean, options: "trimLeadingSpace" | undefined): readonly number[];
      detokenize(tokens: readonly number[], special: boolean): string;
    }>;
  }>;
}

const [path, options = "{}"] = process.argv.slice(2);
const {
  exact = false,
  threads = 1,
  context = 512,
  vocabOnly = false,
  sequences = 1,
} = JSON.parse(options) as LlamaCppOptions;
const { getLlama } = (await import("node-llama-cpp" as string)) as Peer;
const llama = await getLlama({
  gpu: false,
  build: "never",
  skipDownload: true,
  logLevel: "error",
  maxThreads: threads,
});
const model = await llama.loadModel({ modelPath: path, gpuLayers: 0, useMmap: false, vocabOnly });
const cache = exact
  ? { experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32", flashAttention: false }
  : {};
const opened = vocabOnly
  ? undefined
  : await model.createContext({
      contextSize: context,
      batchSize: context,
      sequences,
      threads: { ideal: threads, min: threads },
      ...cache,
    });
const all = opened ? Array.from({ length: sequences }, () => opened.getSequence()) : [];
const [sequence] = all;

/** Logits after the last of these tokens. */
async function logitsAfter(tokens: readonly number[]): Promise<ReadonlyMap<number, number>> {
  const out = await sequence!.controlledEvaluate([
    ...tokens.slice(0, -1),
    [tokens.at(-1)!, { generateNext: { logits: true } }],
  ]);
  return out.at(-1)!.next.logits!;
}

async function greedy(prompt: readonly number[], count: number, file: string | undefined): Promise<unknown> {
  await sequence!.clearHistory();
  const ids: number[] = [];
  const to = file === undefined ? undefined : createWriteStream(file);
  for (let next = prompt; ids.length < count; next = [ids.at(-1)!]) {
    const logits = await logitsAfter(next);
    const row = new Float32Array(logits.size);
    for (const [id, value] of logits) row[id] = value;
    ids.push(row.indexOf(row.reduce((a, b) => Math.max(a, b), -Infinity)));
    if (to && !to.write(new Uint8Array(row.buffer))) await once(to, "drain");
  }
  if (to) await new Promise<void>((done) => to.end(done));
  return { ids, text: model.detokenize(ids, true) };
}

/** The next token is always given, because choosing one is not part of the time. */
async function time(prompt: readonly number[], count: number, runs: number): Promise<unknown> {
  const prefill: number[] = [];
  const decode: number[] = [];
  for (let run = 0; run <= runs; run++) {
    await sequence!.clearHistory();
    let began = performance.now();
    await sequence!.controlledEvaluate([
      ...prompt.slice(0, -1),
      [prompt.at(-1)!, { generateNext: { token: true, options: { temperature: 0 } } }],
    ]);
    if (run > 0) prefill.push((1000 * prompt.length) / (performance.now() - began));
    began = performance.now();
    for (let i = 0; i < count; i++)
      await sequence!.controlledEvaluate([
        [prompt[i % prompt.length]!, { generateNext: { token: true, options: { temperature: 0 } } }],
      ]);
    if (run > 0) decode.push((1000 * count) / (performance.now() - began));
  }
  return { prefill, decode, vectors: vectorsIn(llama.systemInfo) };
}

/** "AVX2, AVX512, AVX512_VNNI": of what it says that it was built with and has found here. */
const vectorsIn = (systemInfo: string): string =>
  [...systemInfo.matchAll(/\b(AVX\w*) = 1\b/g)].map(([, name]) => name).join(", ");

const likeliest = { generateNext: { token: true, options: { temperature: 0 } } };

/** One token after the other; an end of text is a token like others. */
async function clients(prompts: readonly (readonly number[])[], count: number): Promise<unknown> {
  for (const own of all) await own.clearHistory();
  const began = performance.now();
  const firstMs = await Promise.all(
    prompts.map(async (prompt, i) => {
      const own = all[i]!;
      let out = await own.controlledEvaluate([...prompt.slice(0, -1), [prompt.at(-1)!, likeliest]]);
      const first = performance.now() - began;
      for (let n = 1; n < count; n++)
        out = await own.controlledEvaluate([[out.at(-1)!.next.token!, likeliest]]);
      return first;
    }),
  );
  return { ms: performance.now() - began, firstMs };
}

const answers: unknown[] = [];
for (const request of JSON.parse(await textOf(process.stdin)) as readonly LlamaCppRequest[])
  switch (request.do) {
    case "tokenize":
      answers.push({
        ids: request.texts.map((text) => [...model.tokenize(text, request.special === true, undefined)]),
      });
      break;
    case "greedy":
      answers.push(await greedy(request.prompt, request.count, request.logits));
      break;
    case "time":
      answers.push(await time(request.prompt, request.count, request.runs));
      break;
    case "clients":
      answers.push(await clients(request.prompts, request.count));
      break;
  }
// llama.cpp's threads would keep the process alive
process.stdout.write(`\n${JSON.stringify(answers)}\n`, () => process.exit(0));
