/**
 * npm run study -- llama-cpp [--gguf FILE]… [--model NAME --formats bf16,q8_0,q4_0] [--tokenizer DIR]
 * [--tokens 64] [--threads 2] [--context 512] [--time] [--prompt 128,512] [--as-it-comes] [--keep DIR]
 *
 * Sinter beside llama.cpp (node-llama-cpp) on the same GGUF file. Without --time: llama.cpp writes greedily
 * after each prompt, Sinter computes the logits of the same prefixes, and it is said where they part, by how
 * much the reference preferred its token there, and how far logits are apart (agreement.ts). With --time:
 * both read prompts of so many tokens and then go on one by one, by turns in the same run.
 *
 * --model: of specs/llama3.sinter or specs/gpt2.sinter, with drawn weights (drawn-weights.ts) and the
 * family's tokenizer. llama.cpp keeps keys and values in f32, without fused attention, unless --as-it-comes.
 */
import { likeliestToken } from "../../runtime/sample/logprobs.ts";
import { median } from "../../bench/measure/statistics.ts";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { checkSource } from "../../compiler/2-check/check.ts";
import { measureLimits, type Limits } from "../../bench/measure/limits.ts";
import { joinPairs } from "../../bench/measure/kernel-numbers.ts";
import { specOf } from "../cli/runs/spec-of.ts";
import { weightsFrom } from "../cli/options/weights.ts";
import { compileModel } from "../../compiler/compile.ts";
import type { GgufFile } from "../../runtime/formats/gguf/gguf.ts";
import { tokenizerOfGguf } from "../../runtime/formats/gguf/gguf-tokenizer.ts";
import { loadPublished } from "../../runtime/formats/load.ts";
import { openPublished } from "../../runtime/formats/published.ts";
import { createModel, type RunningModel } from "../../runtime/engine/model.ts";
import { nodeFiles } from "../../runtime/node/files.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { agreement } from "./agreement.ts";
import { askLlamaCpp, llamaCppGreedy } from "./ask-llama-cpp.ts";
import { drawnGguf } from "./drawn-gguf.ts";
import { PROMPT, promptTokens } from "../../bench/measure/random-tokens.ts";
import { bytesPerToken } from "../../bench/suite/bench-infer.ts";
import { missing } from "./asked.ts";

const { values: o } = parseArgs({
  options: {
    gguf: { type: "string", multiple: true, default: [] },
    model: { type: "string" },
    formats: { type: "string", default: "bf16,q8_0,q4_0" },
    tokenizer: { type: "string" },
    tokens: { type: "string", default: "64" },
    threads: { type: "string", default: "2" },
    context: { type: "string", default: "512" },
    time: { type: "boolean", default: false },
    prompt: { type: "string", default: `${PROMPT}` },
    "as-it-comes": { type: "boolean", default: false },
    keep: { type: "string" },
  },
});
if (o.gguf.length === 0 && o.model === undefined)
  throw missing(
    "--gguf FILE, or --model NAME of specs/llama3.sinter or specs/gpt2.sinter, says what is compared",
  );
const tokens = Number(o.tokens);
const threads = Number(o.threads);
const context = Number(o.context);
const exact = !o["as-it-comes"];
const TARGET = "wide";
const files = nodeFiles();
const scratch = o.keep ?? mkdtempSync(join(tmpdir(), "sinter-llama-cpp-"));
const began = performance.now();
const say = (text: string): void =>
  console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${text}`);
const prompts = ["Once upon a time, there was a little", "The history of the city begins", "def add(a, b):"];
const RUNS = 3;

/** The format of most matrices of a file; f32 where Sinter does not have it. */
const weightsOf = (type: number): string => ({ 2: "q4_0", 7: "q8_0", 32: "bf16" })[type] ?? "f32";

async function opened(path: string) {
  const published = await openPublished(files, path);
  const { file, architecture, index, options } = published;
  const found = await tokenizerOfGguf(file as GgufFile);
  const weights = weightsOf(Number(file.metadata.get("general.file_type")));
  const parameters = [...index].reduce(
    (sum, [name, { elements }]) => sum + (options.naming.ignored.test(name) ? 0 : elements),
    0,
  );
  const spec = specOf(
    { ...architecture, context: Math.min(context, architecture.context) },
    { source: path, tokenizer: "tokenizer" in found ? found.tokenizer.name : "ids", parameters },
  );
  const model = checkSource(spec).models[0]!;
  const modules = { targets: [TARGET], modules: ["infer"], weights: weightsFrom(weights) } as const;
  const running = await createModel(await compileModel(model, modules), "infer", {
    host: nodeHost,
    workers: threads,
    target: TARGET,
  });
  await loadPublished(running, published);
  await file.close();
  return { running, weights, model, tokenizer: "tokenizer" in found ? found.tokenizer : undefined };
}

async function compare(path: string): Promise<void> {
  const { running, tokenizer, weights } = await opened(path);
  say(`${path}: loaded, weights in ${weights}`);
  for (const text of prompts) {
    const prompt = tokenizer
      ? [...(tokenizer.beginOfText === undefined ? [] : [tokenizer.beginOfText]), ...tokenizer.encode(text)]
      : [1, 2, 3];
    const theirs = llamaCppGreedy(path, prompt, tokens, join(scratch, "logits"), { exact, threads, context });
    const whole = await logitsOf(running, prompt, theirs.ids, true);
    const single = await logitsOf(running, prompt, theirs.ids, false);
    for (const [how, rows] of [
      ["prompt at once ", whole],
      ["token by token ", single],
    ] as const) {
      const a = agreement(theirs.logits, rows);
      const [first] = a.apart;
      const where = first
        ? `; first apart at ${first.at}, margin ${first.margin.toFixed(4)}, noise there ` +
          `${first.noise.toFixed(4)}`
        : "";
      say(
        `  ${how} ${a.equal} of ${a.positions} tokens equal${where}; noise ${a.noise.toExponential(1)}, ` +
          `in the middle ${a.medianNoise.toExponential(1)}, of a spread of ${a.spread.toFixed(2)}`,
      );
    }
    say(`  "${text}" → ${JSON.stringify(theirs.text.slice(0, 60))}`);
  }
  await running.close();
}

/** Logits after the prompt, and after each of `ids` but the last. */
async function logitsOf(
  model: RunningModel,
  prompt: readonly number[],
  ids: readonly number[],
  atOnce: boolean,
): Promise<Float32Array[]> {
  let logits = atOnce ? await model.feed(prompt, 0) : new Float32Array(0);
  if (!atOnce) for (const [i, id] of prompt.entries()) logits = (await model.feed([id], i)) as typeof logits;
  const rows = [logits.slice()];
  for (const [i, id] of ids.slice(0, -1).entries())
    rows.push((await model.feed([id], prompt.length + i)).slice());
  return rows;
}

async function time(path: string): Promise<void> {
  const limits = await measureLimits([TARGET], [threads]);
  const found = await opened(path);
  for (const length of o.prompt.split(",")) await timePrompt(path, Number(length), found, limits);
  await found.running.close();
}

async function timePrompt(
  path: string,
  length: number,
  { running, weights, model }: Awaited<ReturnType<typeof opened>>,
  limits: Limits,
): Promise<void> {
  const prompt = promptTokens(model.sizes.vocab, length);
  const ours = { prefill: [] as number[], decode: [] as number[] };
  const [theirs] = askLlamaCpp<typeof ours & { readonly vectors: string }>(
    path,
    [{ do: "time", prompt, count: tokens, runs: RUNS }],
    {
      exact: false,
      threads,
      context,
    },
  );
  for (let run = 0; run <= RUNS; run++) {
    let from = performance.now();
    let logits = await running.feed(prompt, 0);
    if (run > 0) ours.prefill.push((1000 * length) / (performance.now() - from));
    from = performance.now();
    for (let i = 0; i < tokens; i++) logits = await running.feed([likeliestToken(logits)], length + i);
    if (run > 0) ours.decode.push((1000 * tokens) / (performance.now() - from));
  }
  const bytes = bytesPerToken(model, { weights: weightsFrom(weights) });
  const rate = (what: "prefill" | "decode"): string =>
    `${what} ${median(ours[what]).toFixed(1)} tok/s, llama.cpp ${median(theirs![what]).toFixed(1)} ` +
    `(${(median(ours[what]) / median(theirs![what])).toFixed(2)} ×)`;
  say(
    `${path}, ${length} tokens: ${rate("prefill")}; ${rate("decode")}; ` +
      `${((100 * bytes * median(ours.decode)) / 1e9 / limits.read[threads]!).toFixed(0)} % of the read ` +
      `limit of ${limits.read[threads]!.toFixed(0)} GB/s; llama.cpp has ${theirs!.vectors}`,
  );
}

joinPairs(TARGET);
try {
  const paths = [
    ...o.gguf,
    ...(o.model === undefined
      ? []
      : await o.formats
          .split(",")
          .reduce(
            async (before, format) => [
              ...(await before),
              await drawnGguf(o.model!, format, { folder: scratch, context, tokenizer: o.tokenizer }),
            ],
            Promise.resolve<string[]>([]),
          )),
  ];
  for (const path of paths) await (o.time ? time : compare)(path);
} finally {
  if (o.keep === undefined) rmSync(scratch, { recursive: true });
}
