/**
 * Runs README from top to bottom: every command in it, in order, in one folder, on real data. What a command
 * prints is kept as evidence.
 */
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runPatiently } from "../support/patient.ts";
import { root } from "../support/paths.ts";
import { codeBlocks, likeness, readersEnvironment, type CodeBlock } from "../support/readme-blocks.ts";
import type { Course, Outcome } from "./campaign.ts";

const SHARED = join(root, "../shared/data");
/** Files that README names, and what stands for them here. */
const inputs: readonly { readonly name: string; readonly from: string; readonly bytes?: number }[] = [
  { name: "shakespeare.txt", from: "corpora/tinyshakespeare.txt" },
  { name: "model.gguf", from: "checkpoints/stories260K/stories260K.gguf" },
  { name: "names.txt", from: "corpora/names.txt" },
  { name: "stories.txt", from: "corpora/tinystories.txt", bytes: 300_000 },
];

/** Returns the names of the files that are not here. */
function layOut(folder: string): string[] {
  return inputs
    .filter(({ name, from, bytes }) => {
      const source = join(SHARED, from);
      if (!existsSync(source)) return true;
      if (bytes === undefined) copyFileSync(source, join(folder, name));
      else
        writeFileSync(
          join(folder, name),
          readFileSync(source)
            .subarray(0, bytes)
            .toString()
            .replace(/\uFFFD+$/, ""),
        );
      return false;
    })
    .map(({ name }) => name);
}

/** Files that a command writes; later commands that name them need them. */
const products = (command: string): string[] =>
  [...command.matchAll(/(?:-o|--out|>) +(\S+)/g)].map((m) => m[1]!.split("/").slice(0, 2).join("/"));

interface Ran {
  readonly block: CodeBlock;
  readonly exit: number;
  readonly seconds: number;
  readonly output: string;
  readonly stalled: boolean;
}

async function runBlock(block: CodeBlock, folder: string): Promise<Ran> {
  const began = performance.now();
  let stopped = false;
  const { exit, output, stalled } = await runPatiently(block.command, {
    cwd: folder,
    env: readersEnvironment(),
    stdin: block.stdin,
    onOutput: (text, stop) => {
      if (block.when !== "server" || stopped || !text.includes("Serving")) return;
      stopped = true;
      stop();
    },
  });
  return { block, exit, output, stalled, seconds: (performance.now() - began) / 1000 };
}

/**
 * A server ends with code 0 at Ctrl-C; with npx the code is 130, because the shell that npx puts between ends
 * by the signal.
 */
const STOPPED = [0, 130];

/** Lines that are not blank, comments or the rest of a line that ends in "\\". */
const commandsIn = (block: string): number =>
  block
    .replaceAll("\\\n", " ")
    .split("\n")
    .filter((line) => /^\s*[^\s#]/.test(line)).length;

const firstLine = (command: string): string => command.split("\n")[0]!;

export async function tour({ out, say, signal }: Course): Promise<Outcome> {
  const blocks = codeBlocks(readFileSync(join(root, "README.md"), "utf8")).filter((b) => b.when !== "never");
  const folder = likeness();
  const findings: string[] = [];
  const missing = layOut(folder);
  const skipped: string[] = [];
  let ran = 0;
  let commands = 0;
  try {
    for (const block of blocks) {
      if (signal.aborted) break;
      const lacks = missing.find((name) => block.command.includes(name));
      if (lacks !== undefined) {
        missing.push(...products(block.command));
        skipped.push(`README.md:${block.line}`);
        say(`skipped, ${lacks} is not here: README.md:${block.line}  ${firstLine(block.command)}`);
        continue;
      }
      const done = await runBlock(block, folder);
      ran++;
      commands += commandsIn(block.command);
      const evidence = join(out, `line-${block.line}.txt`);
      writeFileSync(
        evidence,
        `${block.command}\n\nexit ${done.exit} after ${done.seconds.toFixed(1)} s\n\n${done.output}`,
      );
      say(
        `${done.seconds.toFixed(1).padStart(7)} s  exit ${done.exit}  README.md:${block.line}  ` +
          `${firstLine(block.command)}`,
      );
      const right = block.when === "server" ? STOPPED : [block.exit];
      const why = done.stalled ? "it did not get on" : `exit ${done.exit} instead of ${right.join(" or ")}`;
      if (done.stalled || !right.includes(done.exit))
        findings.push(`README.md:${block.line}: ${why}: ${evidence}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const counts = [
    ["blocks of README", blocks.length],
    ["run", ran],
    ["commands in them", commands],
    ["skipped for want of data", skipped.length],
  ] as const;
  return { counts, findings, complete: ran + skipped.length === blocks.length };
}
