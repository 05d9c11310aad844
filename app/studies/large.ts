/**
 * npm run study -- large SPEC [--model NAME] [--set width=256]… [--tokens 48] [--workers 2] [--target wide]
 * [--weights q4_0] [--memory-limit BYTES]
 *
 * A model that takes several memories: weights drawn tensor by tensor, then a prompt of 128 tokens and tokens
 * one by one. Says what the parts are, how long each step took, tok/s, and GB/s of weights beside the limit
 * of this machine's memory.
 */
import { stdOf } from "../../runtime/contract/storage.ts";
import { likeliestToken } from "../../runtime/sample/logprobs.ts";
import { parseArgs } from "node:util";
import { measureLimits } from "../../bench/measure/limits.ts";
import { joinPairs } from "../../bench/measure/kernel-numbers.ts";
import { bytesText } from "../cli/options/memory-plan.ts";
import type { TensorPlace } from "../../runtime/contract/manifest.ts";
import { compileModel } from "../../compiler/compile.ts";
import type { WeightFormat } from "../../runtime/contract/memory-formats.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { createModel, type RunningModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { rowWriter, wordsOf } from "../../runtime/engine/quantise.ts";
import { normalNumbers } from "../../bench/measure/drawn-weights.ts";
import { sizeText, thousands } from "../../runtime/contract/amounts.ts";
import { PROMPT, promptTokens } from "../../bench/measure/random-tokens.ts";
import { bytesPerToken } from "../../bench/suite/bench-infer.ts";
import { missing, modelIn } from "./asked.ts";

const {
  values: o,
  positionals: [path],
} = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: "string" },
    set: { type: "string", multiple: true },
    tokens: { type: "string", default: "48" },
    workers: { type: "string", default: "2" },
    target: { type: "string", default: "wide" },
    "memory-limit": { type: "string" },
    weights: { type: "string", default: "f32" },
  },
});
const workers = Number(o.workers);
const target = o.target as Target;
const began = performance.now();
const say = (text: string): void =>
  console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${text}`);

/**
 * Normal numbers are drawn once, and every tensor begins at another place among them; so a tensor costs no
 * more than touching its memory.
 */
function draw(model: RunningModel): void {
  const normal = normalNumbers(1, "large");
  const scaled = new Map<number, Float32Array>();
  const parameters = model.of("parameter");
  const slices = parameters.reduce((n, t) => n + t.place.slices, 0);
  let done = 0;
  let shown = performance.now();
  for (const { elements, place, write, padded } of parameters) {
    const { init, slices: count, quantised, rowFloats } = place;
    const values = quantised ? normal : new Float32Array(elements);
    for (let slice = 0; slice < count; slice++) {
      if (quantised) layRows(padded(slice) as Int32Array, encoded(place, normal, done), rowFloats);
      else if (init?.kind === "constant") values.fill(init.value);
      else {
        const std = stdOf(init!);
        const pool = scaled.get(std) ?? normal.map((x) => x * std);
        scaled.set(std, pool);
        for (
          let at = 0, from = (done * 7919) % pool.length;
          at < elements;
          at += pool.length - from, from = 0
        )
          values.set(pool.subarray(from, from + elements - at), at);
      }
      if (!quantised) write(values, slice);
      done++;
      if (performance.now() - shown < 3000) continue;
      say(`weights: ${done} of ${slices} tensors`);
      shown = performance.now();
    }
  }
}

/**
 * Quantised rows as they lie in memory: drawn in that form, since encoding billions of numbers would take
 * minutes.
 */
function encoded(
  { quantised, shape, rowFloats, init }: TensorPlace,
  normal: Float32Array,
  from: number,
): Int32Array[] {
  const K = shape[quantised!.transposed ? 0 : 1]!;
  const encode = rowWriter(quantised!.format, K);
  const std = init!.kind === "normal" ? init!.std : 0;
  return Array.from({ length: 61 }, (_, n) => {
    const row = new Int32Array(rowFloats);
    const start = (from * 61 + n) * 7919;
    encode(
      Float32Array.from({ length: K }, (_, k) => std * normal[(start + k) % normal.length]!),
      wordsOf(row),
    );
    return row;
  });
}

function layRows(data: Int32Array, rows: readonly Int32Array[], ld: number): void {
  for (let at = 0; at < data.length; at += ld) data.set(rows[(at / ld) % rows.length]!, at);
}

if (path === undefined) throw missing("SPEC says what is measured");
const source = modelIn(path, o.model, o.set);
const weights = o.weights as WeightFormat;
const options = {
  targets: [target],
  modules: ["infer"],
  weights,
  ...(o["memory-limit"] !== undefined && { memoryLimit: Number(o["memory-limit"]) }),
} as const;
joinPairs(target);
const compiled = await compileModel(source, options);
say(
  `${source.name}: ${thousands(compiled.manifest.parameters)} parameters, ${weights}, infer ` +
    `${bytesText(source, compiled.plans[0]!)}`,
);
const limits = await measureLimits([target], [1, workers]);
const readLimit = limits.read[workers]!;
const fmaLimit = limits.fma[target]![workers]!;
say(
  `limits with ${workers} workers: read ${readLimit.toFixed(1)} GB/s, multiply-adds ` +
    `${fmaLimit.toFixed(0)} GFLOP/s`,
);

const model = await createModel(compiled, "infer", { host: nodeHost, workers, target });
draw(model);
say("weights drawn");
const tokens = Number(o.tokens);
const decodeMs: number[] = [];
const ids: number[] = [];
for (const round of ["first", "second"]) {
  const from = performance.now();
  let logits = await model.feed(promptTokens(source.sizes.vocab), 0);
  const prefillMs = performance.now() - from;
  if (!logits.every(Number.isFinite)) throw new Error("logits are not finite: not timed");
  say(
    `${round} prompt of ${PROMPT} tokens: ${prefillMs.toFixed(0)} ms, ` +
      `${((1000 * PROMPT) / prefillMs).toFixed(1)} tok/s, ` +
      `${((model.entry("prefill").flops / prefillMs / 1e6 / fmaLimit) * 100).toFixed(0)} % of the ` +
      "multiply-add limit",
  );
  if (round === "first") continue;
  for (let i = 0; i < tokens; i++) {
    ids.push(likeliestToken(logits));
    const start = performance.now();
    logits = await model.feed([ids.at(-1)!], PROMPT + i);
    decodeMs.push(performance.now() - start);
  }
}
const sorted = decodeMs.toSorted((a, b) => a - b);
const ms = sorted[sorted.length >> 1]!;
const bytes = bytesPerToken(source, options);
const rate = bytes / ms / 1e6;
say(
  `${tokens} tokens one by one: median ${ms.toFixed(1)} ms (${sorted[0]!.toFixed(1)} … ` +
    `${sorted.at(-1)!.toFixed(1)}), ${(1000 / ms).toFixed(2)} tok/s; ` +
    `${sizeText(bytes)} of weights a token, ${rate.toFixed(1)} GB/s, ` +
    `${((100 * rate) / readLimit).toFixed(0)} % of the read limit`,
);
const after = (await measureLimits([target], [1, workers])).read[workers]!;
say(`the read limit is ${after.toFixed(1)} GB/s now: ${((100 * rate) / after).toFixed(0)} %`);
say(`ids ${ids.slice(0, 16).join(" ")} …`);
await model.close();
