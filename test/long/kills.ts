/**
 * A run that is killed, and resumed, and killed again, ends with the bytes of one that was left alone.
 *
 * Every trial begins from nothing or from a run that has just begun, on 1 or 2 workers by turns. Each of its
 * starts but the last is killed: at
 * a file operation (before it, in its middle, after it: fault.ts), or at a random time. The last one runs to
 * its end. Lanes run side by side and
 * are each other's load. What differs stays in the evidence folder, with every start and how it ended.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { randomStream, type Random } from "../../runtime/base/random.ts";
import type { Campaign, Course, Outcome } from "./campaign.ts";
import type { Fault } from "./fault.ts";
import { sinter } from "./sinter.ts";

const GOAL = 1000; // kills
const MOST_KILLS = 8; // in one trial
const LANES = availableParallelism();
const STEPS = 60;
const LAST = `step-${String(STEPS).padStart(6, "0")}.safetensors`;
const SEED = 20261127;

const SPEC = `model tiny {
  vocab 32  context 16  width 16  layers 2  heads 2
  embed token + position
  layer {
    x += attention(layernorm(x))
    x += mlp(layernorm(x), hidden: 32, activation: gelu)
  }
  output linear(layernorm(x), tied: true)
  tokenizer characters
  train {
    batch 4  accumulate 2  context 16  steps ${STEPS}  lr 3e-3
    eval_every 20  sample_every 30  save_every 5
  }
}
`;
const TEXT = "The quick brown fox jumps over the lazy dog, and runs.\n".repeat(200);

/** What is kept between starts of the campaign. */
interface Tally {
  trials: number;
  starts: number;
  /** Number of kills of each kind. */
  kills: Record<string, number>;
  /** Number of kills at each kind of file operation. */
  operations: Record<string, number>;
  same: number;
  findings: string[];
}

interface Ground {
  readonly course: Course;
  readonly tally: Tally;
  readonly reference: Buffer;
  /** How many operations a run from nothing has, and its time. */
  readonly operations: number;
  readonly ms: number;
}

export const kills: Campaign["run"] = async (course) => {
  const tally = readTally(course.out);
  const ground = await prepare(course, tally);
  const lanes = Array.from({ length: LANES }, async () => {
    while (!course.signal.aborted && killsOf(tally) < GOAL) {
      const number = tally.trials++;
      await trial(ground, number);
      writeTally(course.out, tally);
      if (number % 10 === 9)
        course.say(
          `${tally.trials} runs, ${killsOf(tally)} kills, ${tally.findings.length} findings, load ` +
            `${loadavg()[0]!.toFixed(1)}`,
        );
    }
  });
  await Promise.all(lanes);
  return outcome(tally);
};

const killsOf = ({ kills: byKind }: Tally): number => Object.values(byKind).reduce((a, b) => a + b, 0);

function outcome(tally: Tally): Outcome {
  const byOperation = Object.entries(tally.operations)
    .sort(([, a], [, b]) => b - a)
    .map(([name, n]) => `${name} ${n}`)
    .join(", ");
  return {
    counts: [
      ["runs, killed and resumed to their end", tally.same + tally.findings.length],
      ["starts", tally.starts],
      ["kills", killsOf(tally)],
      ...Object.entries(tally.kills)
        .sort()
        .map(([kind, n]) => [`  ${kind}`, n] as const),
      ["  at operations", byOperation],
      ["final bytes equal", tally.same],
    ],
    findings: tally.findings,
    complete: killsOf(tally) >= GOAL,
  };
}

/** The run that is left alone, and one that has just begun. */
async function prepare(course: Course, tally: Tally): Promise<Ground> {
  const { out } = course;
  const whole = join(out, "whole");
  const tell = join(out, "whole.jsonl");
  writeFileSync(join(out, "tiny.sinter"), SPEC);
  writeFileSync(join(out, "text.txt"), TEXT);
  for (const path of [whole, tell, join(out, "begun")]) rmSync(path, { recursive: true, force: true });
  const end = await sinter(begin("whole", 1), {
    cwd: out,
    fault: { under: whole, at: 0, how: "before", tell },
  });
  if (end.code !== 0) throw new Error(`the run that is left alone ended with ${end.code}: ${end.err}`);
  const { count } = JSON.parse(readFileSync(tell, "utf8").trim()) as { count: number };
  mkdirSync(join(out, "begun"));
  for (const part of ["run.json", "spec.sinter", "bundle", "tokenizer"])
    cpSync(join(whole, part), join(out, "begun", part), { recursive: true });
  course.say(`a run has ${count} file operations and takes ${(end.ms / 1000).toFixed(1)} s`);
  return { course, tally, reference: readFileSync(join(whole, LAST)), operations: count, ms: end.ms };
}

const begin = (name: string, workers: number): string[] => [
  "train",
  "tiny.sinter",
  "--data",
  "text.txt",
  "--resume",
  "--out",
  name,
  "--workers",
  `${workers}`,
  "--keep",
  "2",
  "--json",
];
const resume = (name: string, workers: number): string[] => [
  "train",
  "--resume",
  "--data",
  "text.txt",
  "--out",
  name,
  "--workers",
  `${workers}`,
  "--keep",
  "2",
  "--json",
];

async function trial(ground: Ground, number: number): Promise<void> {
  const {
    course: { out, signal },
    tally,
  } = ground;
  const random = randomStream(SEED, `kills ${number}`);
  const name = `run-${number}`;
  const folder = join(out, name);
  const history: unknown[] = [];
  const fromNothing = random.below(4) === 0;
  const args = fromNothing ? begin : resume;
  rmSync(folder, { recursive: true, force: true });
  if (!fromNothing) cpSync(join(out, "begun"), folder, { recursive: true });
  let left = 1 + random.below(MOST_KILLS);
  for (let start = 0; ; start++) {
    if (signal.aborted) return rmSync(folder, { recursive: true, force: true });
    const workers = 1 + ((number + start) % 2);
    const plan = left-- > 0 ? planOf(ground, random, folder, fromNothing && start === 0) : {};
    const end = await sinter(args(name, workers), { cwd: out, ...plan });
    tally.starts++;
    history.push({ workers, ...plan, load: loadavg()[0], ...end });
    if (end.signal === "SIGKILL") count(tally, plan);
    else if (end.code !== 0)
      return finding(
        ground,
        folder,
        history,
        `a start ended with exit code ${end.code}: ${end.err.trim().split("\n").at(-2)}`,
      );
    else if (existsSync(join(folder, LAST)) && left < 0) break;
  }
  if (!readFileSync(join(folder, LAST)).equals(ground.reference))
    return finding(ground, folder, history, "other final weights");
  tally.same++;
  rmSync(folder, { recursive: true, force: true });
  rmSync(`${folder}.jsonl`, { force: true });
}

type Plan = { readonly fault?: Fault; readonly killAfter?: number };

/**
 * Where to kill: at an operation six times of ten, else at a time. Early ones are more frequent, because they
 * cost less, and every operation of a checkpoint comes early, too.
 */
function planOf({ operations, ms }: Ground, random: Random, folder: string, whole: boolean): Plan {
  const share = (whole ? 1 : 0.7) * random.unit() ** 2; // what was done already is not done again
  if (random.below(10) < 6) {
    const how = (["before", "half", "after"] as const)[random.below(3)]!;
    return { fault: { under: folder, at: Math.ceil(operations * share) || 1, how, tell: `${folder}.jsonl` } };
  }
  return { killAfter: Math.ceil(ms * share) };
}

function count(tally: Tally, { fault }: Plan): void {
  const kind = fault ? `${fault.how === "half" ? "in" : fault.how} a file operation` : "at a random time";
  tally.kills[kind] = (tally.kills[kind] ?? 0) + 1;
  if (!fault) return;
  const { name } = JSON.parse(readFileSync(fault.tell, "utf8").trim().split("\n").at(-1)!) as {
    name: string;
  };
  tally.operations[name] = (tally.operations[name] ?? 0) + 1;
}

function finding({ course, tally }: Ground, folder: string, history: readonly unknown[], what: string): void {
  writeFileSync(`${folder}.history.json`, JSON.stringify(history, null, 1));
  tally.findings.push(`${what}: ${folder}, ${folder}.history.json`);
  course.say(`FINDING ${tally.findings.at(-1)}`);
}

const tallyFile = (out: string): string => join(out, "tally.json");

function readTally(out: string): Tally {
  const empty: Tally = { trials: 0, starts: 0, kills: {}, operations: {}, same: 0, findings: [] };
  return existsSync(tallyFile(out)) ? (JSON.parse(readFileSync(tallyFile(out), "utf8")) as Tally) : empty;
}

function writeTally(out: string, tally: Tally): void {
  writeFileSync(`${tallyFile(out)}.tmp`, JSON.stringify(tally, null, 1));
  renameSync(`${tallyFile(out)}.tmp`, tallyFile(out));
}
