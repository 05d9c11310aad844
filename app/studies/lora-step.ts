/**
 * npm run study -- lora-step [--weights q8_0,f32] [--batch 4] [--context 256] [--rank 8] [--workers 2]
 * [--target wide] [--rounds 3] [--seconds 1] [--python /usr/bin/python3] [--profile]
 *
 * Steps that train adapters on the attention of GPT-2 124M, whose own weights stay as they are: the memory
 * that each way of keeping these takes, and tokens per second by turns with PyTorch (bench/peers/pytorch.py,
 * base in f32). Weights are drawn at random, since speed does not depend on them. With --profile also where
 * the time of a step goes, kernel by kernel.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { checkSource } from "../../compiler/2-check/check.ts";
import { compileModel, planModule } from "../../compiler/compile.ts";
import type { CompileOptions } from "../../compiler/compile-options.ts";
import { bytesFor } from "../../compiler/7-place/place.ts";
import { joinPairs, noise, randomTokens } from "../../bench/measure/kernel-numbers.ts";
import { limitMeter } from "../../bench/measure/limits.ts";
import { profileModel } from "../../bench/measure/profile.ts";
import { profileLines } from "../../bench/measure/profile-lines.ts";
import { median, timesOf } from "../../bench/measure/statistics.ts";
import { startPeer } from "../../bench/suite/peer-process.ts";
import { sizeText } from "../../runtime/contract/amounts.ts";
import { weightFormats, type WeightFormat } from "../../runtime/contract/memory-formats.ts";
import { targets } from "../../runtime/contract/targets.ts";
import { createModel, type RunningModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { named } from "../cli/options/option.ts";

const { values: o } = parseArgs({
  options: {
    weights: { type: "string", default: "q8_0,f32" },
    batch: { type: "string", default: "4" },
    context: { type: "string", default: "256" },
    rank: { type: "string", default: "8" },
    workers: { type: "string", default: "2" },
    target: { type: "string", default: "wide" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "1" },
    python: { type: "string", default: "/usr/bin/python3" },
    profile: { type: "boolean", default: false },
  },
});
const formats = o.weights.split(",").map((word) => named("weights", weightFormats, word));
const target = named("target", targets, o.target);
const [rank, workers, seconds] = [o.rank, o.workers, o.seconds].map(Number) as [number, number, number];
const tokens = Number(o.batch) * Number(o.context);

const set = { "train.batch": o.batch, "train.context": o.context };
const { models } = checkSource(readFileSync("specs/gpt2.sinter", "utf8"), { set });
const model = models.find(({ name }) => name === "gpt2")!;
const lora = { rank, alpha: 2 * rank, on: ["attention"] } as const;

function printMemory(weights: WeightFormat): void {
  const { placement } = planModule(model, "train", { weights, lora, targets: [target] });
  const regions = placement.regions.slice(0, -1).filter(({ bytes }) => bytes > 2 ** 19);
  console.log(
    `${weights}: ${sizeText(bytesFor(placement, workers))} with ${workers} workers: ` +
      regions.map(({ name, bytes }) => `${name} ${sizeText(bytes)}`).join(", "),
  );
}

interface Opened {
  readonly weights: WeightFormat;
  readonly running: RunningModel;
  /** Milliseconds of steps, round after round. */
  readonly times: number[];
}

async function open(weights: WeightFormat): Promise<Opened> {
  const options: CompileOptions = { weights, lora, modules: ["train"], targets: [target] };
  const how = { host: nodeHost, workers, target, seed: 1 };
  return { weights, running: await createModel(await compileModel(model, options), "train", how), times: [] };
}

/** Steps of one model for a while. */
async function steps({ running, times }: Opened): Promise<void> {
  const next = noise(7);
  const ids = (): Int32Array => randomTokens(next, tokens, model.sizes.vocab);
  const batch = { tokens: ids(), targets: ids() };
  const found = await timesOf({ warm: 1, least: 3, ms: 1000 * seconds }, async (i) => {
    const { loss } = await running.trainStep([batch], { lr: 1e-4, step: i + 1 });
    if (!Number.isFinite(loss)) throw new Error(`the loss is ${loss}: not timed`);
  });
  times.push(...found);
}

joinPairs(target);
formats.forEach(printMemory);
const peer = await startPeer(o.python, ["bench/peers/pytorch.py", "serve"]);
const which = `gpt2:${o.batch}x${o.context}:${o.rank}`;
const theirs: number[] = [];
const ours: Opened[] = [];
for (const weights of formats) ours.push(await open(weights));
for (let round = 0; round < Number(o.rounds); round++) {
  const [rate] = await peer.ask({ what: "lora", which, threads: workers, seconds });
  theirs.push(rate!.median);
  for (const opened of ours) await steps(opened);
}
console.log(`${peer.about}, base in f32: ${median(theirs).toFixed(1)} tok/s`);
for (const { weights, times } of ours) {
  const rate = (1000 * tokens) / median(times);
  const ratio = (rate / median(theirs)).toFixed(2);
  console.log(`base in ${weights}: ${rate.toFixed(1)} tok/s, ${ratio} × (${times.length} steps)`);
}
await peer.close();
for (const { running } of ours) await running.close();

if (o.profile)
  for (const weights of formats) {
    const meter = limitMeter();
    const compile = { lora, weights };
    const found = await profileModel(model, { entry: "train", target, workers, meter, ms: 4000, compile });
    await meter.close();
    console.log([`base in ${weights}:`, ...profileLines(found)].join("\n"));
  }
