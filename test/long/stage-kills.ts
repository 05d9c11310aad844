/**
 * Stages after pre-training that are killed by SIGKILL at random moments, and where answers are being drawn,
 * and resumed on 1, 2 and 3 workers by turns, end with the bytes of one that was left alone on one worker.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { randomStream } from "../../runtime/base/random.ts";
import type { Campaign, Course } from "./campaign.ts";
import { sinter, type Ended, type Start } from "./sinter.ts";

const KILLS = 5; // of each stage
const SEED = 20261128;
const SAME_BITS = ["--target", "simd", "--keep", "2", "--json"];

const SPEC = `model tiny {
  vocab 64  context 32  width 16  layers 2  heads 2
  embed token + position
  layer {
    x += attention(layernorm(x))
    x += mlp(layernorm(x), hidden: 32, activation: gelu)
  }
  output linear(layernorm(x), tied: true)
  tokenizer characters
  train { batch 4  context 32  steps 60  lr 3e-3  eval_every 0 }
}
`;
const TEXT = "Say one, say two, say three. It is one, it is two, it is three?\n".repeat(100);
const NUMBERS = ["one", "two", "three"];

const settings = (...set: readonly string[]): string[] => set.flatMap((one) => ["--set", one]);

/** Settings of stages whose defaults are for longer runs. */
const OFTEN = settings("steps=60", "batch=4", "eval_every=15", "save_every=5");

interface Stage {
  readonly verb: string;
  /** The run that it begins with. */
  readonly from: string;
  readonly rows: readonly object[];
  readonly more: readonly string[];
  /** Steps after which it draws answers: a second trial is killed as soon as it has made them. */
  readonly drawsAfter?: readonly number[];
}

const rowsOf = (row: (ask: string, number: string, i: number) => object): object[] =>
  Array.from({ length: 40 }, (_, i) => {
    const number = NUMBERS[i % NUMBERS.length]!;
    return row(`say ${number}${" ".repeat(i % 7)}${"?".repeat(1 + (i % 5))}`, number, i);
  });

const pairs = rowsOf((prompt, number, i) => ({
  prompt,
  chosen: `it is ${number}`,
  rejected: `it is ${NUMBERS[(i + 1) % NUMBERS.length]!}`,
}));

const stages: readonly Stage[] = [
  {
    verb: "sft",
    from: "base",
    rows: rowsOf((prompt, number) => ({ prompt, completion: `it is ${number}` })),
    more: OFTEN,
  },
  {
    verb: "prefer",
    from: "sft",
    rows: pairs,
    more: OFTEN,
  },
  { verb: "reward", from: "sft", rows: pairs, more: OFTEN },
  {
    verb: "rl", // most of its time goes into rollouts
    from: "sft",
    rows: rowsOf((prompt, number) => ({ prompt, answer: `it is ${number}` })),
    more: [
      "--reward",
      "exact_answer",
      ...settings(
        "steps=24",
        "prompts=4",
        "group=4",
        "answer=16",
        "truncated=penalty",
        "updates=2",
        "eval_every=8",
        "save_every=3",
      ),
    ],
    drawsAfter: [2, 4, 10, 14, 20], // every second update; neither an evaluation nor a checkpoint comes first
  },
];

export const stageKills: Campaign["run"] = async (course) => {
  const findings: string[] = [];
  let [trials, kills, same] = [0, 0, 0];
  await prepare(course);
  for (const stage of stages) {
    if (course.signal.aborted) break;
    const whole = await wholeRun(stage, course);
    for (const [name, killed] of trialsOf(stage, whole.ms)) {
      const trial = await killedRun(stage, name, killed, course);
      trials++;
      kills += trial.kills;
      if (trial.wrong !== undefined) findings.push(`${name}: ${trial.wrong}`);
      else if (trial.last.equals(whole.last)) same++;
      else findings.push(`${name}: other final weights: ${join(course.out, name)}`);
      course.say(`${name}: ${trial.kills} kills, ${(whole.ms / 1000).toFixed(1)} s when left alone`);
    }
  }
  const counts = [
    ["stages", stages.length],
    ["trials", trials],
    ["kills", kills],
    ["final bytes equal", same],
  ] as const;
  return { counts, findings, complete: !course.signal.aborted };
};

/** When a start is killed that comes after so many kills; undefined: it is left alone. */
type Killed = (kills: number) => Pick<Start, "killAfter" | "killAt"> | undefined;

function trialsOf({ verb, drawsAfter }: Stage, ms: number): readonly (readonly [string, Killed])[] {
  const random = randomStream(SEED, `stage kills ${verb}`);
  const anywhere: Killed = (kills) =>
    kills < KILLS ? { killAfter: Math.ceil(ms * (0.2 + 0.8 * random.unit())) } : undefined;
  if (!drawsAfter) return [[`${verb}-killed`, anywhere]];
  const drawing: Killed = (kills) =>
    kills < drawsAfter.length ? { killAt: `{"kind":"step","step":${drawsAfter[kills]},` } : undefined;
  return [
    [`${verb}-killed`, anywhere],
    [`${verb}-killed-drawing`, drawing],
  ];
}

async function prepare({ out }: Course): Promise<void> {
  for (const name of readdirSync(out)) rmSync(join(out, name), { recursive: true, force: true });
  writeFileSync(join(out, "tiny.sinter"), SPEC);
  writeFileSync(join(out, "text.txt"), TEXT);
  for (const { verb, rows } of stages)
    writeFileSync(join(out, `${verb}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const base = ["train", "tiny.sinter", "--data", "text.txt", "--out", "base", "--workers", "1"];
  mustEnd(await sinter([...base, ...SAME_BITS], { cwd: out }), "base");
}

const begin = ({ verb, from, more }: Stage, name: string, workers: number): string[] => [
  verb,
  "--from",
  from,
  "--data",
  `${verb}.jsonl`,
  "--out",
  name,
  "--workers",
  `${workers}`,
  ...more,
  ...SAME_BITS,
];
const resume = ({ verb }: Stage, name: string, workers: number): string[] => [
  verb,
  "--resume",
  "--out",
  name,
  "--workers",
  `${workers}`,
  ...SAME_BITS,
];

function mustEnd(end: Ended, what: string): void {
  if (end.code !== 0) throw new Error(`${what} ended with ${end.code}: ${end.err}`);
}

/** The last checkpoint of the stage where nobody kills it. Later stages begin with this run. */
async function wholeRun(stage: Stage, { out }: Course): Promise<{ last: Buffer; ms: number }> {
  const end = await sinter(begin(stage, stage.verb, 1), { cwd: out });
  mustEnd(end, stage.verb);
  return { last: lastCheckpoint(join(out, stage.verb)), ms: end.ms };
}

interface Trial {
  readonly kills: number;
  readonly last: Buffer;
  /** Undefined: all starts ended as they should. */
  readonly wrong: string | undefined;
}

async function killedRun(
  stage: Stage,
  name: string,
  killed: Killed,
  { out, signal }: Course,
): Promise<Trial> {
  const folder = join(out, name);
  let kills = 0;
  for (let start = 0; !signal.aborted; start++) {
    const command = existsSync(join(folder, "run.json")) ? resume : begin;
    const workers = 1 + (start % 3);
    const kill = killed(kills);
    const end = await sinter(command(stage, name, workers), { cwd: out, ...kill });
    if (end.signal === "SIGKILL") kills++;
    else if (end.code !== 0)
      return { kills, last: Buffer.alloc(0), wrong: `exit code ${end.code}: ${end.err.trim()}` };
    else if (kill === undefined) break;
    else rmSync(folder, { recursive: true }); // it was faster than the kill: from the beginning
  }
  return { kills, last: lastCheckpoint(folder), wrong: undefined };
}

function lastCheckpoint(folder: string): Buffer {
  const [last] = readdirSync(folder)
    .filter((name) => /^step-\d+\.safetensors$/.test(name))
    .sort()
    .reverse();
  return readFileSync(join(folder, last!));
}
