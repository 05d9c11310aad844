/**
 * Flips one bit of one file of a run, and looks at what eval, sample and resume do. They may refuse it, or
 * take an older checkpoint and say so, or do what they would have done without the flip. Another result
 * without a message is a finding, and so is "a bug of ours" (exit code 70).
 */
import { cpSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { randomStream, type Random } from "../../runtime/base/random.ts";
import type { Campaign, Outcome } from "./campaign.ts";
import { inside, type Said } from "../support/inside.ts";
import { checkpointName, resumeArgs, smallRun, STEPS } from "./small-run.ts";

/**
 * Kinds of files, and how many flips each gets in the campaign. Half of the flips in a checkpoint hit its
 * header.
 */
const kinds = [
  { kind: "run.json", files: /^run\.json$/, flips: 500 },
  { kind: "manifest", files: /^bundle\/manifest\.json$/, flips: 400 },
  { kind: "wasm", files: /\.wasm$/, flips: 200 },
  { kind: "spec", files: /^spec\.sinter$/, flips: 150 },
  { kind: "tokenizer", files: /^tokenizer\//, flips: 300 },
  { kind: "newest checkpoint", files: /^step-000006/, flips: 500 },
  { kind: "older checkpoints", files: /^step-00000[24]/, flips: 100 },
  { kind: "log", files: /^log\.jsonl$/, flips: 100 },
] as const;

const verbs = ["eval", "sample", "resume"] as const;
type Verb = (typeof verbs)[number];

/** What became of a flip. */
const verdicts = [
  "as without it",
  "refused",
  "older checkpoint, said",
  "WRONG, SILENTLY",
  "EXIT 70",
] as const;
type Verdict = (typeof verdicts)[number];

export type Tally = Record<string, Record<Verdict, number>>;

export interface Flips {
  readonly tally: Tally;
  readonly tried: number;
  readonly findings: readonly string[];
}

const args: Readonly<Record<Verb, (name: string) => string[]>> = {
  eval: (name) => ["eval", name, "--workers", "1", "--json"],
  sample: (name) => ["sample", name, "-p", "The", "--seed", "5", "--workers", "1"],
  resume: resumeArgs,
};

/** `share`: the share of the campaign's flips to do. `at`: a folder to work in. */
export async function flipAll(
  at: string,
  share: number,
  signal: AbortSignal,
  say: (line: string) => void = () => {},
): Promise<Flips> {
  const { whole, half } = await smallRun(at);
  const name = "flipped";
  const folder = join(at, name);
  const last = readFileSync(join(whole, checkpointName(STEPS)));
  const right = await rightAnswers(at, half);
  const random = randomStream(7, "flips");
  const tally: Tally = {};
  const findings: string[] = [];
  let tried = 0;
  for (const { kind, files, flips } of kinds) {
    const paths = allFiles(half).filter((path) => files.test(path));
    const counts = (tally[kind] = Object.fromEntries(verdicts.map((v) => [v, 0])) as Record<Verdict, number>);
    for (let i = 0; i < Math.ceil(flips * share) && !signal.aborted; i++) {
      const path = paths[i % paths.length]!;
      const { bytes, place } = flipped(readFileSync(join(half, path)), path, random);
      for (const verb of verbs) {
        rmSync(folder, { recursive: true, force: true });
        cpSync(half, folder, { recursive: true });
        writeFileSync(join(folder, path), bytes);
        const said = await inside(args[verb](name), at);
        const verdict = judge(verb, said, right, () =>
          readFileSync(join(folder, checkpointName(STEPS))).equals(last),
        );
        counts[verdict]++;
        tried++;
        if (verdict === "WRONG, SILENTLY" || verdict === "EXIT 70")
          findings.push(
            `${verdict}: ${verb}, ${path}, ${place}: ${said.err.trim() || said.out.trim().slice(-200)}`,
          );
      }
    }
    say(`${kind}: ${JSON.stringify(counts)}`);
  }
  return { tally, tried, findings };
}

type Right = Readonly<Record<"eval" | "sample", readonly string[]>>;

/** The reference results with the newest checkpoint, and with the older ones. */
async function rightAnswers(at: string, half: string): Promise<Right> {
  const right: Record<"eval" | "sample", string[]> = { eval: [], sample: [] };
  for (const step of [6, 4, 2]) {
    cpSync(half, join(at, "older"), { recursive: true });
    for (const newer of [6, 4].filter((n) => n > step)) rmSync(join(at, "older", checkpointName(newer)));
    for (const verb of ["eval", "sample"] as const) {
      const { code, out, err } = await inside(args[verb]("older"), at);
      if (code !== 0 || err !== "") throw new Error(`${verb} of an undamaged run: ${code} ${err}`);
      right[verb].push(out);
    }
    rmSync(join(at, "older"), { recursive: true });
  }
  return right;
}

function judge(verb: Verb, { code, out, err }: Said, right: Right, sameEnd: () => boolean): Verdict {
  if (code === 70) return "EXIT 70";
  if (code !== 0) return "refused";
  const skipped = err.includes("skipped a checkpoint");
  if (verb === "resume")
    return !sameEnd() ? "WRONG, SILENTLY" : skipped ? "older checkpoint, said" : "as without it";
  if (out === right[verb][0]) return "as without it";
  return skipped && right[verb].includes(out) ? "older checkpoint, said" : "WRONG, SILENTLY";
}

function flipped(
  bytes: Buffer,
  path: string,
  random: Random,
): { readonly bytes: Buffer; readonly place: string } {
  const header = path.startsWith("step-") ? 8 + bytes.readUInt32LE(0) : bytes.length;
  const at = random.below(random.below(2) === 0 ? header : bytes.length);
  const bit = random.below(8);
  bytes[at]! ^= 1 << bit;
  return { bytes, place: `byte ${at}, bit ${bit}` };
}

const allFiles = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();

export const flips: Campaign["run"] = async ({ out, say, signal }): Promise<Outcome> => {
  const { tally, tried, findings } = await flipAll(join(out, "run"), 1, signal, say);
  const rows = Object.entries(tally).map(
    ([kind, counts]) => [kind, verdicts.map((v) => `${v} ${counts[v]}`).join(", ")] as const,
  );
  writeFileSync(join(out, "tally.json"), JSON.stringify({ tried, tally, findings }, null, 1));
  return { counts: [["flips × verbs", tried], ...rows], findings, complete: !signal.aborted };
};
