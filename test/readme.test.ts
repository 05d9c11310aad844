/**
 * Documents tell the truth: their commands are run. A block marked like this is run by bash, in a folder that looks like the checkout, so that
 * what it writes does not stay; blocks of one document run in order and see each other's files.
 *
 *     <!-- test -->          or <!-- test exit 1 -->, when the command is meant to fail
 *     ```sh
 *     npx sinter check specs/gpt2.sinter
 *     ```
 *
 * `npm ci` has been done and is left out; `npm test` would run this test again.
 */
import { execFile } from "node:child_process";
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));

export interface CodeBlock {
  readonly line: number;
  readonly command: string;
  readonly exit: number;
}

const marked = /<!-- test(?: exit (\d+))? -->\s*\n```sh\n([\s\S]*?)\n```/g;

export const codeBlocks = (text: string): CodeBlock[] => [...text.matchAll(marked)].map((m) => ({
  line: text.slice(0, m.index).split("\n").length,
  command: m[2]!.replaceAll(/^npm ci\s*&&\s*/gm, ""),
  exit: Number(m[1] ?? 0),
}));

/** The checkout by links; what tests and builds write is left out. */
function likeness(): string {
  const folder = mkdtempSync(join(tmpdir(), "sinter-readme-"));
  for (const name of readdirSync(root)) if (![".git", "runs", "out", "generated"].includes(name)) symlinkSync(join(root, name), join(folder, name));
  return folder;
}

interface Outcome {
  readonly exit: number;
  readonly output: string;
}

function run(command: string, cwd: string): Promise<Outcome> {
  const path = `${join(root, "node_modules/.bin")}:${process.env["PATH"]}`;
  return new Promise((resolve) => {
    execFile("bash", ["-euo", "pipefail", "-c", command], { cwd, env: { ...process.env, PATH: path, NO_COLOR: "1" }, timeout: 240_000, maxBuffer: 1 << 26 }, (error, out, err) => {
      const code = error ? error.code : 0;
      resolve({ exit: typeof code === "number" ? code : 255, output: out + err });
    });
  });
}

test("marked blocks are found, npm ci is left out", () => {
  const text = "a\n<!-- test exit 1 -->\n```sh\nnpm ci && npx sinter check x\n```\n```sh\nnot this\n```\n<!-- test -->\n\n```sh\none\ntwo\n```\n";
  expect(codeBlocks(text)).toEqual([{ line: 2, command: "npx sinter check x", exit: 1 }, { line: 9, command: "one\ntwo", exit: 0 }]);
});

const documents = globSync(["*.md", "{compiler,runtime,bench,specs,generated}/**/*.md"], { cwd: root, exclude: (name) => name === "node_modules" }).sort()
  .map((name) => ({ name, blocks: codeBlocks(readFileSync(join(root, name), "utf8")) }));

describe.each(documents.filter((d) => d.blocks.length > 0))("$name", ({ name, blocks }) => {
  let folder = "";
  beforeAll(() => { folder = likeness(); });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  test("its commands do what it says", async () => {
    for (const { line, command, exit } of blocks) {
      const outcome = await run(command, folder);
      expect(outcome.exit, `${name}:${line}  ${command}\n${outcome.output.slice(-2000)}`).toBe(exit);
    }
  }, 600_000);
});
