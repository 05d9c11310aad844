/**
 * npm run study -- string-tasks [--seeds 5] [--folder DIR] [--seconds N] [--steps 2400] [--text FILE]
 *                               [--lora 8] [--workers N]
 *
 * Experiment X4: five string tasks, learnt by supervised fine-tuning from a base that has read other text.
 * Prints held-out exact match and the share of answers that end, for each seed, with the negative control,
 * and their spread. `--lora 8`: adapters learn the same answers beside it (X17), at the rate `--lora-lr`.
 * `--folder` keeps checkpoints and what was measured: a study that was stopped, by `--seconds` or Ctrl-C,
 * goes on where it was.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { builtinText } from "../../runtime/train/sources/builtin-text.ts";
import { keepResult, keptResults, spreadLines } from "./posttraining/seeds.ts";
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
    "lora-lr": { type: "string", default: "5e-3" },
    asked: { type: "string", default: "1000" },
    workers: { type: "string" },
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
  ...(o.workers !== undefined && { workers: Number(o.workers) }),
  signal: stop.signal,
});

const file = o.folder === undefined ? undefined : `${o.folder}/results.jsonl`;
const isWhole = ({ adapted }: TaskResult): boolean => o.lora === undefined || adapted !== undefined;
const kept = keptResults<TaskResult>(file).filter(isWhole);
const results: TaskResult[] = [];
for (let seed = 1; seed <= Number(o.seeds); seed++) {
  const earlier = kept.find((result) => result.seed === seed);
  const result = earlier ?? (await runStringTasks(options(seed)));
  results.push(result);
  if (!earlier) keepResult(file, result);
  console.log(lineOf(result));
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

console.log(
  spreadLines(results, {
    "exact match": ({ after }) => after.exactMatch,
    ended: ({ after }) => after.stopped,
    "control ended": ({ control }) => control.stopped,
    adapters: ({ adapted }) => adapted?.exactMatch,
    "adapters ÷ all": ({ adapted, after }) => adapted && adapted.exactMatch / after.exactMatch,
  }),
);
