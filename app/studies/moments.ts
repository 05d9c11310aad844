/**
 * npm run study -- moments [--spec specs/nanogpt-cpu.sinter --data FILE] [--seeds 1,2,3] [--steps N]
 *                          [--keep DIR]
 * npm run study -- moments --step gpt2 [--batch 4] [--context 64] [--workers 2] [--target wide] [--rounds 5]
 *
 * The optimizer's moments in f32 (adamw) and in 8 bits (adamw8). Whole trainings of the same seed, one with
 * each: what the held-out text costs in the end, and by how much they differ. With --step: a model's memory,
 * and tokens per second of its steps, by turns; weights and tokens are drawn, since speed does not depend on
 * them.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { bytesFor } from "../../compiler/7-place/place.ts";
import { compileModel, planModule } from "../../compiler/compile.ts";
import { joinPairs, noise, randomTokens } from "../../bench/measure/kernel-numbers.ts";
import { median, timesOf } from "../../bench/measure/statistics.ts";
import { sizeText } from "../../runtime/contract/amounts.ts";
import { optimizers, type Model, type Optimizer } from "../../runtime/contract/model.ts";
import { targets } from "../../runtime/contract/targets.ts";
import { createModel, type Batch, type RunningModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import type { TrainEvent } from "../../runtime/train/events.ts";
import { named } from "../cli/options/option.ts";
import { logOf, runVerb } from "./run-verb.ts";
import { modelIn } from "./asked.ts";

const { values: o } = parseArgs({
  options: {
    spec: { type: "string", default: "specs/quickstart.sinter" },
    data: { type: "string" },
    seeds: { type: "string", default: "1,2,3" },
    steps: { type: "string" },
    keep: { type: "string" },
    step: { type: "string" },
    batch: { type: "string", default: "4" },
    context: { type: "string", default: "64" },
    workers: { type: "string", default: "2" },
    target: { type: "string", default: "wide" },
    rounds: { type: "string", default: "5" },
  },
});

// ---- what is learnt

/** The loss of the held-out text at the end of a training, in nats per token. */
function trained(optimizer: Optimizer, seed: string, folder: string): number {
  const out = join(folder, `${optimizer}-${seed}`);
  const given = { seed, optimizer, ...(o.steps !== undefined && { steps: o.steps }) };
  const set = Object.entries(given).flatMap(([name, value]) => ["--set", `train.${name}=${value}`]);
  runVerb(
    ["train", o.spec, ...(o.data === undefined ? [] : ["--data", o.data]), ...set, "--out", out],
    "hidden",
  );
  return logOf<TrainEvent>(out).findLast((event) => event.kind === "eval")!.loss!;
}

function compareLosses(): void {
  const folder = o.keep ?? mkdtempSync(join(tmpdir(), "sinter-moments-"));
  try {
    const differences = o.seeds.split(",").map((seed) => {
      const [plain, in8] = optimizers.map((optimizer) => trained(optimizer, seed, folder)) as [
        number,
        number,
      ];
      console.log(
        `seed ${seed}: adamw ${plain.toFixed(4)}, adamw8 ${in8.toFixed(4)}, ${signed(in8 - plain)}`,
      );
      return in8 - plain;
    });
    const mean = differences.reduce((a, b) => a + b, 0) / differences.length;
    console.log(`adamw8 − adamw, mean of ${differences.length} seeds: ${signed(mean)} nats per token`);
  } finally {
    if (o.keep === undefined) rmSync(folder, { recursive: true });
  }
}

const signed = (x: number): string => `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(4)}`;

// ---- what a step takes

interface Opened {
  readonly optimizer: Optimizer;
  readonly running: RunningModel;
  /** Milliseconds of steps, round after round. */
  readonly times: number[];
}

function modelWith(name: string, optimizer: Optimizer): Model {
  const train = { batch: o.batch, context: o.context, optimizer };
  const set = Object.entries(train).map(([setting, value]) => `train.${setting}=${value}`);
  return modelIn("specs/gpt2.sinter", name, set);
}

/** Prints what a model takes with an optimizer, and opens it. Undefined: one memory does not hold it. */
async function openWith(optimizer: Optimizer, name: string): Promise<Opened | undefined> {
  const target = named("target", targets, o.target);
  const workers = Number(o.workers);
  const model = modelWith(name, optimizer);
  const { placement, over } = planModule(model, "train", { targets: [target] });
  const regions = placement.regions.filter(({ bytes }) => bytes > 2 ** 19);
  const parts = regions.map((region) => `${region.name} ${sizeText(region.bytes)}`).join(", ");
  const fits = over ? `, more than the ${sizeText(over.limit)} of a memory: it is not run` : "";
  console.log(
    `${optimizer}: ${sizeText(bytesFor(placement, workers))} with ${workers} workers: ${parts}${fits}`,
  );
  if (over) return undefined;
  joinPairs(target);
  const compiled = await compileModel(model, { modules: ["train"], targets: [target] });
  const running = await createModel(compiled, "train", { host: nodeHost, workers, target, seed: 1 });
  return { optimizer, running, times: [] };
}

/** Steps of a round: what they took is kept. The first round of a model begins with two that do not count. */
async function takeSteps({ running, times }: Opened, batch: Batch, round: number): Promise<void> {
  const found = await timesOf({ warm: round === 0 ? 2 : 0, least: 3, ms: 1 }, async (i) => {
    await running.trainStep([batch], { lr: 1e-5, step: 3 * round + i + 1 });
  });
  times.push(...found);
}

async function compareSteps(name: string): Promise<void> {
  const opened: Opened[] = [];
  for (const optimizer of optimizers) {
    const found = await openWith(optimizer, name);
    if (found) opened.push(found);
  }
  const tokens = Number(o.batch) * Number(o.context);
  const next = noise(7);
  const ids = (): Int32Array => randomTokens(next, tokens, modelWith(name, "adamw").sizes.vocab);
  const batch = { tokens: ids(), targets: ids() };
  for (let round = 0; round < Number(o.rounds); round++)
    for (const one of opened) await takeSteps(one, batch, round);
  for (const { optimizer, running, times } of opened) {
    const ms = median(times);
    const rate = (1000 * tokens) / ms;
    console.log(`${optimizer}: ${ms.toFixed(0)} ms, ${rate.toFixed(1)} tok/s (${times.length} steps)`);
    await running.close();
  }
}

if (o.step === undefined) compareLosses();
else await compareSteps(o.step);
