/**
 * npm run study -- cache [--run DIR --data FILE] [--model SPEC:NAME:WEIGHTS]… [--tokens 10000] [--position
 * 1000] [--workers 2] [--ms 4000]
 *
 * Keys and values in q8_0 against f32 (ops/attention/kit/cache-layout.ts).
 *
 * With a run, it feeds a text token by token, as sampling does, a context at a time, and prints the mean
 * loss, the mean KL divergence from f32's distribution, and how often the likeliest token is another. With
 * models, whose weights are drawn at random, it times single tokens at a position far into the context, the
 * two caches by turns, and prints what a token reads, weights and cache, as a share of what memory gives as
 * many workers in the same run.
 */
import { likeliestToken } from "../../runtime/sample/logprobs.ts";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { measureLimits } from "../../bench/measure/limits.ts";
import { joinPairs } from "../../bench/measure/kernel-numbers.ts";
import { bundleWithWeights } from "../cli/options/weights.ts";
import { compileModel } from "../../compiler/compile.ts";
import { cacheFormats, weightFormats, type WeightFormat } from "../../runtime/contract/memory-formats.ts";
import { loadNewest } from "../../runtime/store/checkpoint.ts";
import { encodeText } from "../../runtime/train/sources/text-windows.ts";
import { createModel, type RunningModel } from "../../runtime/engine/model.ts";
import { nodeFiles } from "../../runtime/node/files.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { otherJson } from "../../runtime/node/bounded-tokenizer.ts";
import { sizeText } from "../../runtime/contract/amounts.ts";
import { openRun, textRuleOf } from "../../runtime/store/run-folder.ts";
import { fillTensors } from "../../runtime/engine/fill.ts";
import { PROMPT, promptTokens } from "../../bench/measure/random-tokens.ts";
import { bytesPerToken } from "../../bench/suite/bench-infer.ts";
import { missing, modelIn } from "./asked.ts";

const { values: o } = parseArgs({
  options: {
    run: { type: "string" },
    data: { type: "string" },
    tokens: { type: "string", default: "10000" },
    model: { type: "string", multiple: true, default: [] },
    position: { type: "string", default: "1000" },
    workers: { type: "string", default: "2" },
    ms: { type: "string", default: "4000" },
  },
});
const TARGET = "wide";
const workers = Number(o.workers);
const position = Number(o.position);
joinPairs(TARGET);
if (o.run === undefined && o.model.length === 0) throw missing("--run DIR or --model says what is measured");
if (o.run !== undefined) {
  if (o.data === undefined) throw missing("--run goes with --data FILE");
  await accuracy(o.run, o.data, Number(o.tokens));
}
for (const text of o.model) await speed(text);

/** log p of every token. */
function logProbabilities(logits: Float32Array): Float64Array {
  const top = Math.max(...logits);
  const total = top + Math.log(logits.reduce((sum, v) => sum + Math.exp(v - top), 0));
  return Float64Array.from(logits, (v) => v - total);
}

async function accuracy(folder: string, data: string, most: number): Promise<void> {
  const files = nodeFiles();
  const run = await openRun(files, folder, otherJson);
  const { vocab, context } = run.bundle.manifest.model.sizes;
  const tokens = encodeText(
    readFileSync(data, "utf8"),
    run.tokenizer,
    vocab,
    textRuleOf(run.record),
  ).subarray(0, most + 1);
  const found = { f32: { loss: 0 }, q8_0: { loss: 0, kl: 0, other: 0 } };
  const models = await Promise.all(
    cacheFormats.map(async (cache) => {
      const model = await createModel(
        await bundleWithWeights(run.bundle, { weights: "f32", cache }, TARGET),
        "infer",
        { host: nodeHost, workers: 1, target: TARGET },
      );
      if (!(await loadNewest(files, run.folder, model, "weights")))
        throw new Error(`${folder} has no checkpoint`);
      return model;
    }),
  );
  const total = tokens.length - 1;
  for (let i = 0; i < total; i++) {
    const [exact, fewer] = (await Promise.all(
      models.map(async (m) => logProbabilities(await m.feed([tokens[i]!], i % context))),
    )) as [Float64Array, Float64Array];
    found.f32.loss -= exact[tokens[i + 1]!]! / total;
    found.q8_0.loss -= fewer[tokens[i + 1]!]! / total;
    found.q8_0.kl += exact.reduce((sum, v, n) => sum + Math.exp(v) * (v - fewer[n]!), 0) / total;
    if (likeliestToken(Float32Array.from(exact)) !== likeliestToken(Float32Array.from(fewer)))
      found.q8_0.other++;
  }
  console.log(
    `${run.record.model}, ${total} tokens one by one: loss ${found.f32.loss.toFixed(5)} with a cache in ` +
      `f32, ${found.q8_0.loss.toFixed(5)} in q8_0; ` +
      `KL ${found.q8_0.kl.toExponential(1)} nats, another likeliest token ` +
      `${((100 * found.q8_0.other) / total).toFixed(2)} %`,
  );
  for (const model of models) await model.close();
}

async function speed(text: string): Promise<void> {
  const [spec, name, weights] = text.split(":") as [string, string, WeightFormat];
  if (!weightFormats.includes(weights)) throw missing(`--model ${text} is not SPEC:NAME:WEIGHTS`);
  const source = modelIn(spec, name);
  const model = {
    ...source,
    sizes: { ...source.sizes, context: Math.min(source.sizes.context, Math.max(1024, position + 64)) },
  };
  const read = (await measureLimits([TARGET], [workers])).read[workers]!;
  const running: RunningModel[] = [];
  for (const cache of cacheFormats) {
    const made = await createModel(
      await compileModel(model, { targets: [TARGET], modules: ["infer"], weights, cache }),
      "infer",
      { host: nodeHost, workers, target: TARGET },
    );
    fillTensors(made.of("parameter"));
    running.push(made);
  }
  const prefills: number[][] = [[], []];
  const times: number[][] = [[], []];
  const prompt = promptTokens(model.sizes.vocab);
  for (let round = 0; round < 2; round++)
    for (const [i, m] of running.entries()) {
      const began = performance.now();
      const logits = await m.feed(prompt, position - PROMPT);
      prefills[i]!.push(performance.now() - began);
      if (!logits.every(Number.isFinite)) throw new Error("logits are not finite: not timed");
    }
  for (const end = performance.now() + Number(o.ms); performance.now() < end || times[0]!.length < 12;)
    for (const [i, m] of running.entries()) {
      const began = performance.now();
      await m.feed([times[0]!.length % model.sizes.vocab], position + (times[0]!.length % 16));
      times[i]!.push(performance.now() - began);
    }
  const bytes = bytesPerToken(model, { weights });
  for (const [i, cache] of cacheFormats.entries()) {
    const sorted = times[i]!.toSorted((a, b) => a - b);
    const ms = sorted[sorted.length >> 1]!;
    const kept = running[i]!.module.cache!.bytes;
    const moved = bytes + kept * (position / model.sizes.context);
    console.log(
      [
        name.padEnd(14),
        weights.padEnd(5),
        cache.padEnd(5),
        `cache ${sizeText(kept).padStart(8)}`,
        `${ms.toFixed(2).padStart(7)} ms`,
        `${(1000 / ms).toFixed(1).padStart(6)} tok/s`,
        `${(moved / ms / 1e6).toFixed(1)} GB/s, ${((100 * moved) / ms / 1e6 / read).toFixed(0)} % of ` +
          `${read.toFixed(0)}`,
        `${PROMPT} rows before it ${Math.min(...prefills[i]!).toFixed(0)} ms`,
      ].join("  "),
    );
  }
  for (const m of running) await m.close();
}
