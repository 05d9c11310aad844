/**
 * npm run study -- string-tasks [--seeds 5] [--folder DIR] [--seconds N] [--steps 2400] [--text FILE]
 *
 * Experiment X4: five string tasks, learnt by supervised fine-tuning from a base that has read other text.
 * Prints held-out exact match and the share of answers that end, for each seed, with the negative control,
 * and their spread. `--lora 8`: adapters learn the same answers beside it (X17), at the rate `--lora-lr`.
 * `--folder` keeps checkpoints and what was measured: a study that was stopped, by `--seconds` or Ctrl-C,
 * goes on where it was.
 */
import { existsSync, readFileSync, appendFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { builtinText } from "../../runtime/train/sources/builtin-text.ts";
import {
  runStringTasks,
  stringTasks,
  type StringTask,
  type TaskOptions,
  type TaskResult,
} from "./posttraining/string-tasks.ts";

const { values: o } = parseArgs({
  options: {
    seeds: { type: "string", default: "5" },
    folder: { type: "string" },
    seconds: { type: "string" },
    steps: { type: "string", default: "2400" },
    "base-steps": { type: "string", default: "100" },
    lr: { type: "string", default: "3e-3" },
    words: { type: "string", default: "150000" },
    text: { type: "string" },
    lora: { type: "string" },
    "lora-lr": { type: "string", default: "1e-2" },
    asked: { type: "string", default: "1000" },
  },
});

const stop = new AbortController();
process.once("SIGINT", () => stop.abort());
if (o.seconds !== undefined) setTimeout(() => stop.abort(), Number(o.seconds) * 1000).unref();

const options = (seed: number): TaskOptions => ({
  tasks: Object.keys(stringTasks) as StringTask[],
  letters: "abcdefghijklmnopqrstuvwxyz",
  lengths: [3, 6],
  words: Number(o.words),
  text: o.text === undefined ? builtinText() : readFileSync(o.text, "utf8"),
  size: { width: 128, layers: 4, heads: 4 },
  base: { steps: Number(o["base-steps"]), lr: 3e-3 },
  sft: { steps: Number(o.steps), lr: Number(o.lr) },
  ...(o.lora !== undefined && { lora: { rank: Number(o.lora), lr: Number(o["lora-lr"]) } }),
  endless: Number(o.steps) / 5,
  batch: 16,
  asked: Number(o.asked),
  seed,
  ...(o.folder !== undefined && { folder: o.folder }),
  signal: stop.signal,
});

const file = o.folder === undefined ? undefined : `${o.folder}/results.jsonl`;
const kept = (): readonly TaskResult[] =>
  file !== undefined && existsSync(file)
    ? readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as TaskResult)
    : [];

const results = [...kept()];
for (let seed = 1; seed <= Number(o.seeds); seed++) {
  if (results.some((result) => result.seed === seed)) continue;
  const began = performance.now();
  const result = await runStringTasks(options(seed));
  results.push(result);
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(result)}\n`);
  console.log(`${lineOf(result)}  (${((performance.now() - began) / 1000).toFixed(0)} s)`);
}

function lineOf({ seed, before, after, byTask, control, adapted }: TaskResult): string {
  const tasks = Object.entries(byTask).map(([task, { exactMatch }]) => `${task} ${exactMatch.toFixed(3)}`);
  return [
    `seed ${seed}: exact match ${before.exactMatch.toFixed(3)} → ${after.exactMatch.toFixed(3)}`,
    `(${tasks.join(", ")})`,
    `ended ${after.stopped.toFixed(3)}, control ${control.stopped.toFixed(3)}`,
    ...(adapted ? [`adapters ${adapted.exactMatch.toFixed(3)}, ended ${adapted.stopped.toFixed(3)}`] : []),
  ].join("  ");
}

/** Mean, standard deviation over the seeds, and mean − 4 SD, which is the bar that a test may hold. */
function spreadOf(name: string, values: readonly number[]): string {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, values.length - 1);
  const sd = Math.sqrt(variance);
  return (
    `${name.padEnd(14)}mean ${mean.toFixed(4)}  SD ${sd.toFixed(4)}  mean − 4 SD ` +
    `${(mean - 4 * sd).toFixed(4)}`
  );
}

console.log(
  [
    `${results.length} seeds`,
    spreadOf(
      "exact match",
      results.map(({ after }) => after.exactMatch),
    ),
    spreadOf(
      "ended",
      results.map(({ after }) => after.stopped),
    ),
    spreadOf(
      "control ended",
      results.map(({ control }) => control.stopped),
    ),
  ].join("\n"),
);
