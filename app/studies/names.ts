/**
 * npm run study -- names --text FILE [--seeds 3] [--folder DIR] [--labels judged|flipped|random]
 *
 * Experiment X7, by the command line's own verbs: a base learns names (a file with one a line), writes two
 * endings to a first letter, and a judge prefers the one with more vowels, with the noise of Bradley and
 * Terry: P = σ(difference). dpo learns from 8,000 such pairs. On 2,000 that were held out it shall be right
 * as often as who knows the judge's rule (± 0.02; an equal number is half right), and its own names shall
 * have 30 % more vowels. The controls: `flipped` labels, after which vowels fall, and `random` ones, of which
 * half are right. --folder keeps the runs: a study that was stopped goes on there.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { randomStream } from "../../runtime/base/random.ts";
import { generate } from "../../runtime/sample/generate.ts";
import { samplerDefaults } from "../../runtime/sample/sampler.ts";
import { meanOf, sumOf } from "../../runtime/train/rl/statistics.ts";
import { oneWord } from "../cli/options/option.ts";
import { loadRun, openRunAt } from "../cli/runs/use-run.ts";
import type { Io } from "../cli/terminal/io.ts";
import { spreadLines } from "./posttraining/seeds.ts";
import { evaluationsOf, runStage, runVerb, setting } from "./run-verb.ts";
import { missing } from "./asked.ts";

const { values: o } = parseArgs({
  options: {
    text: { type: "string" },
    seeds: { type: "string", default: "3" },
    folder: { type: "string" },
    labels: { type: "string", default: "judged" },
    steps: { type: "string", default: "500" },
    lr: { type: "string", default: "3e-4" },
    beta: { type: "string", default: "0.1" },
  },
});
if (o.text === undefined) throw missing("say --text FILE, with a name on each line");
const text = resolve(o.text);
const labels = oneWord(["judged", "flipped", "random"] as const, o.labels, "--labels");
const PAIRS = { learnt: 8000, heldOut: 2000 } as const;
const MEASURED = 2000;

const folder = o.folder ?? mkdtempSync(join(tmpdir(), "sinter-names-"));
mkdirSync(folder, { recursive: true });
const at = (name: string): string => join(folder, name);
const io: Io = {
  out: () => {},
  err: (said) => void process.stderr.write(said),
  tty: false,
  columns: 120,
  cwd: process.cwd(),
};

const names = readFileSync(text, "utf8")
  .trim()
  .split(/\s*\n\s*/);
const firstLetters = names.map((name) => name[0]!);
const letterCount = new Set(names.join("")).size;

/** The sizes of S (POSTTRAINING, section 3): 0.8 M parameters. One letter more, which ends a name. */
const spec = `model names {
  vocab ${letterCount + 1}   context 24   width 128   layers 4   heads 4
  embed token + position
  layer { x += attention(rmsnorm(x))  x += mlp(rmsnorm(x)) }
  output linear(rmsnorm(x))
  tokenizer characters
  train { rows documents  batch 64  steps 1000  lr 1e-3 }
}
`;

/** Endings that a run writes behind first letters, which come as often as in the text. */
async function endings(run: string, letters: readonly string[], seed: number): Promise<readonly string[]> {
  const asItIs = { adapter: undefined, weights: undefined, cache: undefined, numerics: undefined };
  const opened = await openRunAt(run, io);
  const { model } = await loadRun(opened, { ...asItIs, target: undefined, workers: 1 }, io);
  const { tokenizer } = opened;
  const { word } = randomStream(seed, "endings");
  const all: string[] = [];
  try {
    for (const letter of letters) {
      const prompt = [tokenizer.endOfText!, ...tokenizer.encode(letter)];
      const whole = { ...samplerDefaults, temperature: 1, topK: 0, topP: 1, minP: 0 };
      const made = await generate(model, tokenizer, {
        ...whole,
        prompt,
        tokens: 20,
        seed: word(),
        whenFull: "stop",
      });
      all.push(made.text);
    }
  } finally {
    await model.close();
  }
  return all;
}

const lettersOf = (count: number, seed: number, key: string): readonly string[] => {
  const random = randomStream(seed, key);
  return Array.from({ length: count }, () => firstLetters[random.below(firstLetters.length)]!);
};

const vowels = (name: string): number => [...name].filter((letter) => "aeiou".includes(letter)).length;

interface Pair {
  readonly prompt: string;
  readonly chosen: string;
  readonly rejected: string;
}

/** Pairs of the base's endings, as the judge, or the control, has labelled them. */
async function judged(base: string, seed: number): Promise<readonly Pair[]> {
  const count = PAIRS.learnt + PAIRS.heldOut;
  const letters = lettersOf(count, seed, "letters");
  const said = await endings(
    base,
    letters.flatMap((letter) => [letter, letter]),
    seed,
  );
  const random = randomStream(seed, "labels");
  return letters.map((prompt, i) => {
    const [a, b] = [said[2 * i]!, said[2 * i + 1]!];
    const gain = labels === "random" ? 0 : (vowels(a) - vowels(b)) * (labels === "flipped" ? -1 : 1);
    const isFirst = (random.word() + 0.5) / 2 ** 32 < 1 / (1 + Math.exp(-gain));
    return isFirst ? { prompt, chosen: a, rejected: b } : { prompt, chosen: b, rejected: a };
  });
}

/** How often who counts vowels is right. */
const rightByRule = (pairs: readonly Pair[]): number => {
  const sign = labels === "flipped" ? -1 : 1;
  const points = pairs.map(({ chosen, rejected }) => Math.sign(sign * (vowels(chosen) - vowels(rejected))));
  return 0.5 + sumOf(points) / 2 / pairs.length;
};

function written(name: string, pairs: readonly Pair[]): string {
  const file = at(name);
  writeFileSync(file, pairs.map((pair) => `${JSON.stringify(pair)}\n`).join(""));
  return file;
}

writeFileSync(at("names.sinter"), spec);
const results: { readonly excess: number; readonly growth: number }[] = [];
for (let seed = 1; seed <= Number(o.seeds); seed++) {
  const base = at(`base-${seed}`);
  if (!existsSync(base))
    runVerb(["train", at("names.sinter"), "--data", text, "--out", base, "--seed", `${seed}`], "hidden");
  const pairs = await judged(base, seed);
  // An ending may be empty, or both the same: nothing can be learnt of these.
  const kept = pairs.filter(({ chosen, rejected }) => chosen && rejected && chosen !== rejected);
  const heldOut = kept.slice(-PAIRS.heldOut);
  const out = at(`${labels}-${seed}`);
  const data = ["--data", written("learnt.jsonl", kept.slice(0, -PAIRS.heldOut))];
  const asked = ["--eval", written("held-out.jsonl", heldOut), "--chat-format", "none", "--seed", `${seed}`];
  const how = setting("batch=32", `lr=${o.lr}`, `beta=${o.beta}`);
  runStage("prefer", { from: base, out, steps: Number(o.steps) }, [...data, ...asked, ...how]);
  const last = evaluationsOf(out).at(-1)!;
  const right = last["eval_rewards/accuracies"]!;
  const rule = rightByRule(heldOut);
  const letters = lettersOf(MEASURED, seed, "measured");
  const [before, after] = [
    meanOf((await endings(base, letters, seed + 1000)).map(vowels)),
    meanOf((await endings(out, letters, seed + 1000)).map(vowels)),
  ];
  results.push({ excess: right - rule, growth: after / before - 1 });
  console.log(
    `seed ${seed}, ${labels}: ${heldOut.length} held-out pairs, right ${right.toFixed(3)} (the rule ` +
      `${rule.toFixed(3)}), loss ${last["eval_loss"]!.toFixed(3)} nats, ln p of the chosen ` +
      `${last["eval_logps/chosen"]!.toFixed(2)}; vowels a name ${before.toFixed(3)} → ` +
      `${after.toFixed(3)} (${(100 * (after / before - 1)).toFixed(1)} %)`,
  );
}
console.log(
  spreadLines(results, {
    "right above the rule": ({ excess }) => excess,
    "vowels grow by": ({ growth }) => growth,
  }),
);
