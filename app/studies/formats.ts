/**
 * npm run study -- formats [--run DIR --data FILE]… [--model SPEC:NAME]… [--formats f32,bf16,q8_0,q4_0]
 * [--mix q4_0,table=q8_0,output=q8_0]… [--workers 2] [--ms 1500]
 *
 * What weights in fewer bits cost and bring. Of runs (a trained or imported model, and a text): the mean
 * loss; and how far the distribution after a prompt is from that of f32 weights: mean KL divergence in nats,
 * largest difference of a logit, how often the likeliest token is another. Integer weights twice: with
 * prompts in integers (token by token it is the same), and with numerics `float`. Of models (numbers at hand
 * instead of trained ones; speed does not depend on them): memory, prefill, tokens per second, and the
 * weights that a token reads as a share of what this machine's memory gives as many workers, read between the
 * tokens.
 */
import { likeliestToken } from "../../runtime/sample/logprobs.ts";
import { median } from "../../bench/measure/statistics.ts";
import { percent } from "../../runtime/contract/amounts.ts";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { limitMeter, MEMORY_BYTES, type LimitMeter } from "../../bench/measure/limits.ts";
import { joinPairs } from "../../bench/measure/kernel-numbers.ts";
import { bundleWithWeights, weightsFrom } from "../cli/options/weights.ts";
import { compileModel } from "../../compiler/compile.ts";
import { numericModes, type Numerics } from "../../runtime/contract/manifest.ts";
import { weightFormats } from "../../runtime/contract/memory-formats.ts";
import { loadNewest } from "../../runtime/store/checkpoint.ts";
import { encodeText } from "../../runtime/train/sources/text-windows.ts";
import { evaluateText } from "../../runtime/train/evaluate.ts";
import { createModel, type RunningModel } from "../../runtime/engine/model.ts";
import { nodeFiles } from "../../runtime/node/files.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { otherJson } from "../../runtime/node/bounded-tokenizer.ts";
import { openRun, textRuleOf } from "../../runtime/store/run-folder.ts";
import { fillTensors } from "../../runtime/engine/fill.ts";
import { PROMPT, promptTokens } from "../../bench/measure/random-tokens.ts";
import { bytesPerToken } from "../../bench/suite/bench-infer.ts";
import { missing, modelIn } from "./asked.ts";

const { values: o } = parseArgs({
  options: {
    run: { type: "string", multiple: true, default: [] },
    data: { type: "string", multiple: true, default: [] },
    model: { type: "string", multiple: true, default: [] },
    formats: { type: "string", default: weightFormats.join() },
    mix: { type: "string", multiple: true, default: [] },
    workers: { type: "string", default: "2" },
    ms: { type: "string", default: "1500" },
  },
});
if (o.run.length + o.model.length === 0)
  throw missing("--run DIR or --model SPEC:NAME says what is measured");
if (o.run.length > 0 && o.data.length === 0) throw missing("--run goes with --data FILE");
const formats = [...o.formats.split(","), ...o.mix];
const workers = Number(o.workers);
const TARGET = "wide";
const formatsOf = weightsFrom;
formats.forEach(formatsOf); // a wrong name is found before anything is measured
joinPairs(TARGET);
const width = Math.max(12, ...formats.map((f) => f.length + 7));
const row = (...cells: readonly string[]): void =>
  console.log(cells.map((cell, i) => (i === 0 ? cell.padEnd(width) : cell.padStart(13))).join(""));

/** Prompts that are compared: the first tokens of the text, one more each time. */
const POSITIONS = 256;
const ROUND_MS = 100;

for (const [i, folder] of o.run.entries()) {
  const files = nodeFiles();
  const run = await openRun(files, folder, otherJson);
  const { vocab, context } = run.bundle.manifest.model.sizes;
  const tokens = encodeText(
    readFileSync(o.data[i] ?? o.data[0]!, "utf8"),
    run.tokenizer,
    vocab,
    textRuleOf(run.record),
  );
  const exact: Float32Array[] = [];
  console.log(
    `\n${run.record.model}: loss over ${tokens.length - 1} tokens; ` +
      `${Math.min(POSITIONS, context, tokens.length)} prompts, against f32`,
  );
  row("", "loss", "KL, nats", "logit off by", "other choice");
  for (const [weights, numerics] of asked()) {
    const model = await createModel(
      await bundleWithWeights(run.bundle, { weights: formatsOf(weights), numerics }, TARGET),
      "infer",
      { host: nodeHost, workers: 1, target: TARGET },
    );
    if (!(await loadNewest(files, run.folder, model, "weights")))
      throw new Error(`${folder} has no checkpoint`);
    const { loss } = await evaluateText(model, tokens, run.tokenizer);
    const logits = await afterPrompts(model, [...tokens.subarray(0, Math.min(POSITIONS, context))]);
    if (weights === "f32") exact.push(...logits);
    const far = logits.map((found, at) => distance(exact[at]!, found));
    row(
      numerics === "float" ? `${weights} float` : weights,
      loss.toFixed(4),
      (far.reduce((sum, d) => sum + d.kl, 0) / far.length).toExponential(1),
      Math.max(...far.map((d) => d.most)).toFixed(3),
      `${((100 * far.filter((d) => d.other).length) / far.length).toFixed(1)} %`,
    );
    await model.close();
  }
}

/** Every format, f32 first; those with integers also with prompts in f32. */
function asked(): readonly (readonly [weights: string, numerics: Numerics])[] {
  return [...new Set(["f32", ...formats])].flatMap((weights) =>
    numericModes
      .filter((mode) => mode === "consistent" || /q[48]_0/.test(weights))
      .map((mode) => [weights, mode] as const),
  );
}

/** The logits after each prompt that the text begins with. */
async function afterPrompts(model: RunningModel, tokens: readonly number[]): Promise<Float32Array[]> {
  const out: Float32Array[] = [];
  for (const i of tokens.keys()) out.push((await model.feed(tokens.slice(0, i + 1), 0)).slice());
  return out;
}

function distance(
  exact: Float32Array,
  found: Float32Array,
): { readonly kl: number; readonly most: number; readonly other: boolean } {
  const [p, q] = [exact, found].map((logits) => {
    const top = Math.max(...logits);
    const total = Math.log(logits.reduce((sum, v) => sum + Math.exp(v - top), 0));
    return Float64Array.from(logits, (v) => v - top - total);
  }) as [Float64Array, Float64Array];
  const kl = p.reduce((sum, v, i) => sum + Math.exp(v) * (v - q[i]!), 0);
  return {
    kl,
    most: exact.reduce((most, v, i) => Math.max(most, Math.abs(v - found[i]!)), 0),
    other: likeliestToken(exact) !== likeliestToken(found),
  };
}

const models = o.model.map((text) => {
  const at = text.lastIndexOf(":");
  const name = text.slice(at + 1);
  const found = modelIn(text.slice(0, at), name);
  // the cache stays short, since it is not what is measured
  return { ...found, sizes: { ...found.sizes, context: Math.min(found.sizes.context, 1024) } };
});
for (const source of models) {
  const meter = limitMeter();
  const fma = await meter.arithmetic("f32", TARGET, workers);
  const memory = await meter.read(MEMORY_BYTES, workers);
  console.log(
    `\n${source.name}, ${workers} workers: memory is read at ${memory.toFixed(1)} GB/s, ` +
      `multiply-adds ${fma.toFixed(0)} GFLOP/s`,
  );
  row("", "MiB", "MiB a token", "prompt tok/s", "of limit", "tok/s", "GB/s", "read limit", "of limit");
  for (const weights of formats) {
    const compiled = await compileModel(source, {
      targets: [TARGET],
      modules: ["infer"],
      weights: formatsOf(weights),
    });
    const model = await createModel(compiled, "infer", { host: nodeHost, workers, target: TARGET });
    fillTensors(model.of("parameter"));
    const prompt = promptTokens(source.sizes.vocab);
    let ms = Infinity;
    let logits = new Float32Array(0);
    for (let round = 0; round < 3; round++) {
      const began = performance.now();
      logits = (await model.feed(prompt, 0)) as typeof logits;
      if (round > 0) ms = Math.min(ms, performance.now() - began);
    }
    if (!logits.every(Number.isFinite)) throw new Error("logits are not finite: not timed");
    const bytes = bytesPerToken(source, { weights: formatsOf(weights) });
    const { tokenMs, readLimit, share } = await decodeSpeed(model, logits, bytes, meter);
    row(
      weights,
      (model.module.memoryBytes / 2 ** 20).toFixed(0),
      (bytes / 2 ** 20).toFixed(0),
      ((1000 * PROMPT) / ms).toFixed(0),
      percent(model.entry("prefill").flops / ms / 1e6 / fma),
      (1000 / tokenMs).toFixed(1),
      (bytes / tokenMs / 1e6).toFixed(1),
      readLimit.toFixed(1),
      percent(share),
    );
    await model.close();
  }
  await meter.close();
}

/**
 * Times tokens one by one, in rounds of a tenth of a second between two measurements of the memory's limit.
 * Gives medians, and the median round's share of the limit.
 */
async function decodeSpeed(
  model: RunningModel,
  logits: Float32Array,
  bytes: number,
  meter: LimitMeter,
): Promise<{ readonly tokenMs: number; readonly readLimit: number; readonly share: number }> {
  const all: number[] = [];
  const limits: number[] = [await meter.read(bytes, workers)];
  const shares: number[] = [];
  let at = 0;
  const token = async (): Promise<number> => {
    const began = performance.now();
    logits = await model.feed([likeliestToken(logits)], PROMPT + (at++ % 64));
    return performance.now() - began;
  };
  for (let i = 0; i < 64; i++) await token(); // touches the pages of the cache for the first time
  for (const until = performance.now() + Number(o.ms); shares.length < 3 || performance.now() < until;) {
    const times: number[] = [];
    for (let i = 0; i < 2; i++) await token(); // wakes the threads
    for (const end = performance.now() + ROUND_MS; times.length < 3 || performance.now() < end;)
      times.push(await token());
    limits.push(await meter.read(bytes, workers));
    all.push(...times);
    shares.push(bytes / median(times) / 1e6 / ((limits.at(-1)! + limits.at(-2)!) / 2));
  }
  return { tokenMs: median(all), readLimit: median(limits), share: median(shares) };
}
