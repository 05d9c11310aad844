/**
 * npm run study -- start [--spec FILE] [--starts 7] [--program sinter.js] [--only train,sample] [--parts]
 *
 * How long a verb takes from the shell to the first thing that a person waits for: `train` to the line of its
 * first step, `sample` to its first token, `compile` to its end; with and without what earlier starts have
 * kept. Medians of the starts, by turns. --program: another launcher, as that of an installed package.
 * --only: rows that begin so. --parts: what the main thread's time goes to, from one more start of each,
 * which V8's profiler makes somewhat slower.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { median } from "../../bench/measure/statistics.ts";
import { timeText } from "../../runtime/contract/amounts.ts";
import { KERNEL_CACHE_VARIABLE } from "../cli/terminal/kernel-folder.ts";
import { sinterProgram } from "./run-verb.ts";
import { partsOfStart } from "./start-profile.ts";

const { values: o } = parseArgs({
  options: {
    spec: { type: "string", default: "specs/quickstart.sinter" },
    starts: { type: "string", default: "7" },
    program: { type: "string", default: sinterProgram },
    only: { type: "string", default: "" },
    parts: { type: "boolean", default: false },
  },
});
const folder = mkdtempSync(join(tmpdir(), "sinter-start-"));
const run = join(folder, "run");
const keeping = join(folder, "kept");
const spec = resolve(o.spec);
const PROMPT = "The";
/** A part of the main thread's time is named from so many milliseconds on. */
const LEAST_PART_MS = 3;

interface Start {
  readonly name: string;
  readonly words: readonly string[];
  /** Whether what the verb has written on standard output so far holds what a person waits for. */
  isThere(written: string): boolean;
  /** What is removed before it starts. */
  readonly anew: readonly string[];
}

const training = ["train", spec, "--steps", "1", "--out", run];
const atFirstStep = (written: string): boolean => /^step 1\b/m.test(written);
const compiling = ["compile", spec, "-o", join(folder, "bundle")];
const atTheEnd = (): boolean => false;
/** In an order in which each finds what it uses. */
const starts: readonly Start[] = [
  { name: "--help", words: ["--help"], isThere: (written) => written !== "", anew: [] },
  { name: "train, nothing kept", words: training, isThere: atFirstStep, anew: [run, keeping] },
  { name: "train", words: training, isThere: atFirstStep, anew: [run] },
  {
    name: "sample",
    words: ["sample", run, "-p", PROMPT, "-n", "8"],
    isThere: (written) => written.length > PROMPT.length,
    anew: [],
  },
  {
    name: "compile, nothing kept",
    words: compiling,
    isThere: atTheEnd,
    anew: [join(folder, "bundle"), keeping],
  },
  { name: "compile", words: compiling, isThere: atTheEnd, anew: [join(folder, "bundle")] },
];

/** Milliseconds until it is there; where it never is, until the program's end. */
async function timed({ words, isThere, anew }: Start, profiler: readonly string[] = []): Promise<number> {
  for (const path of anew) rmSync(path, { recursive: true, force: true });
  const began = performance.now();
  const child = spawn(process.execPath, [...profiler, o.program, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, [KERNEL_CACHE_VARIABLE]: keeping },
  });
  let written = "";
  let said = "";
  let there: number | undefined;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    written += text;
    if (isThere(written)) there ??= performance.now();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const code = await new Promise((ended) => child.on("close", ended));
  if (code !== 0) throw new Error(`sinter ${words.join(" ")} ended with ${String(code)}: ${said}`);
  return (there ?? performance.now()) - began;
}

/** What the main thread does until it is there. */
async function showParts(start: Start): Promise<void> {
  const profiles = mkdtempSync(join(folder, "profile-"));
  const ms = await timed(start, ["--cpu-prof", "--cpu-prof-interval", "200", "--cpu-prof-dir", profiles]);
  const file = readdirSync(profiles).find((name) => /\.0\.\d+\.cpuprofile$/.test(name))!;
  const parts = partsOfStart(join(profiles, file), ms).filter(([, spent]) => spent >= LEAST_PART_MS);
  console.log(`\n${start.name}: ${timeText(ms)} with the profiler`);
  for (const [part, spent] of parts) console.log(`  ${timeText(spent).padStart(8)}  ${part}`);
}

try {
  const asked = starts.filter(({ name }) => o.only.split(",").some((begin) => name.startsWith(begin)));
  const times = new Map(starts.map((start): [Start, number[]] => [start, []]));
  for (let i = 0; i < Number(o.starts); i++)
    for (const start of starts) {
      // others make what those asked for use: once is enough
      if (i === 0 || asked.includes(start)) times.get(start)!.push(await timed(start));
    }
  for (const start of asked) {
    const all = times.get(start)!;
    const range = `${timeText(Math.min(...all))} … ${timeText(Math.max(...all))}`;
    console.log(`${start.name.padEnd(24)}${timeText(median(all)).padStart(8)}   ${range}`);
  }
  if (o.parts) for (const start of asked) await showParts(start);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
