/**
 * Commands of documents, as tests run them. A block of shell stands between ```sh and ```; a comment before
 * it may say how it is run:
 *
 *     <!-- test -->                      in `npm test`, and in the tour (`npm run test:long -- tour`)
 *     <!-- test exit 1 -->               the same, and it is meant to fail with this code
 *     <!-- test with --steps 100 -->     likewise; `npm test` adds this to the command, the tour does not
 *     <!-- tour server -->               in the tour: it is ended by Ctrl-C once it says that it serves
 *     <!-- tour stdin: Hello -->         in the tour: what it reads, "\n" between lines
 *     <!-- not in the tour: why -->      not run
 *     <!-- walk -->                      in a recipe, which has a test of its own (walk.ts)
 *     <!-- package --> <!-- esbuild -->  run by the tests of the packed packages (test/package)
 *
 * A block of README without a comment is run in the tour alone. `npm ci` has been done and is left out.
 */
import { cpSync, mkdtempSync, readdirSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { root } from "./paths.ts";

export interface CodeBlock {
  readonly line: number;
  readonly command: string;
  readonly exit: number;
  /** "quick": in `npm test` too. */
  readonly when: "quick" | "tour" | "server" | "never";
  readonly stdin: string;
  /** What `npm test` adds to the command, which would take too long. */
  readonly added: string;
}

const fence = /(?:<!-- (.*?) -->\s*\n)?```sh\n([\s\S]*?)\n```/g;

export const codeBlocks = (text: string): CodeBlock[] =>
  [...text.matchAll(fence)].map((m) => ({
    line: text.slice(0, m.index).split("\n").length,
    command: m[2]!.replaceAll(/^npm ci\s*&&\s*/gm, ""),
    ...howToRun(m[1] ?? ""),
  }));

function howToRun(mark: string): Omit<CodeBlock, "line" | "command"> {
  const quick = /^test(?: exit (\d+))?(?: with (.+))?$/.exec(mark);
  const [, code = "0", added = ""] = quick ?? [];
  const stdin = /^tour stdin: (.*)$/.exec(mark)?.[1]?.replaceAll("\\n", "\n") ?? "";
  const how = (when: CodeBlock["when"]) => ({ when, exit: Number(code), stdin, added });
  if (quick) return how("quick");
  if (mark === "tour server") return how("server");
  if (["walk", "package", "esbuild"].includes(mark) || mark.startsWith("not in the tour: "))
    return how("never");
  if (mark !== "" && !mark.startsWith("tour stdin: "))
    throw new Error(`a block of shell is marked <!-- ${mark} -->, which means nothing`);
  return how("tour");
}

/** The chain from a text to rewards: its data, and its commands. */
export const chainBlocks = (readme: string): readonly string[] =>
  codeBlocks(readme)
    .map(({ command }) => command)
    .filter((command) => command.includes("sums"));

/** Lines that look like commands, and that no test would find: indented instead of between ```sh and ```. */
export const strayCommands = (text: string): string[] =>
  text.split("\n").filter((line) => /^ {4}(?:npx|npm|node|sinter) /.test(line));

/**
 * The checkout by links; what tests and builds write is left out, and specs/ is a copy, because files are
 * written beside specs.
 */
export function likeness(): string {
  const folder = mkdtempSync(join(tmpdir(), "sinter-readme-"));
  for (const name of readdirSync(root)) {
    if ([".git", "dist", "runs", "out", "generated"].includes(name)) continue;
    if (name === "specs") cpSync(join(root, name), join(folder, name), { recursive: true });
    else symlinkSync(join(root, name), join(folder, name));
  }
  return folder;
}

/**
 * The environment of a reader's shell: without the Node that npm puts first for its scripts, so that `node`
 * is the machine's. The certificates of the machine's network stay: a registry is reached with them.
 */
export function readersEnvironment(): NodeJS.ProcessEnv {
  const path = (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => !folder.includes("node_modules"));
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(npm_|NODE_(?!EXTRA_CA_CERTS)|VITEST|TEST$)/.test(name),
  );
  return { ...Object.fromEntries(own), PATH: path.join(delimiter), NO_COLOR: "1" };
}
