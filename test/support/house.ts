/**
 * What the house looks like in numbers: lines, files, functions, arrows between rooms, repeated code.
 *
 *   npm run house                  a table of this checkout
 *   npm run house -- --against DIR the same beside another checkout: before and after
 *
 * It reads files as text, so a count may be off by a few where code stands in strings; both sides are counted
 * alike.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** Longest line that the formatter leaves alone. */
export const COLUMNS = 110;
/** A function of more lines is a smell. */
export const FUNCTION_LINES = 60;
/** Lines in a row that two places share before they count as repeated. */
const REPEATED_LINES = 6;

const ROOMS = ["compiler", "runtime", "bench", "app", "test"];

export interface SourceFile {
  /** From the root of the checkout, with slashes. */
  readonly path: string;
  readonly lines: readonly string[];
}

/** All TypeScript of a checkout, but for what is generated or installed. */
export function sourcesOf(root: string): SourceFile[] {
  const found: SourceFile[] = [];
  const visit = (folder: string): void => {
    for (const name of readdirSync(folder).sort()) {
      const path = join(folder, name);
      if (name === "node_modules" || name === "dist") continue;
      if (statSync(path).isDirectory()) visit(path);
      else if (name.endsWith(".ts")) found.push({ path: relative(root, path), lines: linesOf(path) });
    }
  };
  for (const room of ROOMS) if (readdirSync(root).includes(room)) visit(join(root, room));
  return found;
}

/** A text file, line by line. */
export const linesOf = (path: string): string[] => readFileSync(path, "utf8").trimEnd().split("\n");

/** The first two folders of a path: the room that a file lives in. */
const roomOf = (path: string): string => dirname(path).split("/").slice(0, 2).join("/");

export interface LongFunction {
  readonly place: string;
  readonly lines: number;
}

/** Functions that begin and end at the same indentation, as formatted code has them. */
export function longFunctions({ path, lines }: SourceFile): LongFunction[] {
  const declared = String.raw`function\*? ?\w*`;
  const assigned = String.raw`(?:const|readonly|static)? ?[\w#]+ ?(?:=|:).*(?:=>|\bfunction\b)`;
  const method = String.raw`(?:async )?[\w#]+`;
  const opens = new RegExp(
    String.raw`^(\s*)(?:export )?(?:async )?(?:${declared}|${assigned}|${method})\s*[(<{].*\{$`,
  );
  // a signature that takes several lines
  const severalLines = /^(\s*)(?:export )?(?:async )?function\*? ?\w+.*\($/;
  return lines.flatMap((line, at) => {
    const found = opens.exec(line) ?? /^(\s*).*=> \{$/.exec(line) ?? severalLines.exec(line);
    if (
      !found ||
      /^\s*(?:if|for|while|switch|else|do|try|catch|return describe|describe|it|test)\b/.test(line)
    )
      return [];
    const indent = found[1]!;
    const end = lines.findIndex((other, i) => i > at && other.startsWith(`${indent}}`));
    const length = end - at + 1;
    return end > at && length > FUNCTION_LINES ? [{ place: `${path}:${at + 1}`, lines: length }] : [];
  });
}

/** How many imports go from one room to another: "a → b" to their number. Types count too. */
export function arrows(files: readonly SourceFile[]): Map<string, number> {
  const count = new Map<string, number>();
  for (const { path, lines } of files) {
    for (const [, target] of lines.join("\n").matchAll(/\b(?:from|import\()\s*"(\.[^"]+)"/g)) {
      const from = roomOf(path).split("/")[0]!;
      const to = normalize(join(dirname(path), target!)).split("/")[0]!;
      if (from !== to) count.set(`${from} → ${to}`, (count.get(`${from} → ${to}`) ?? 0) + 1);
    }
  }
  return count;
}

/** Pairs of rooms that import each other. */
export const twoWay = (count: ReadonlyMap<string, number>): string[] =>
  [...count.keys()].filter((arrow) => {
    const [from, to] = arrow.split(" → ") as [string, string];
    return from < to && count.has(`${to} → ${from}`);
  });

/** Runs of lines that stand in two places, comments, blank lines and imports left out. */
export function repeatedRuns(files: readonly SourceFile[]): number {
  const seen = new Map<string, string>();
  let runs = 0;
  for (const { path, lines: all } of files) {
    const lines = all
      .join("\n")
      .replace(/^(?:import|export) [^;]*? from "[^"]*";$/gm, "")
      .split("\n");
    const isCode = (line: string): boolean => /\w/.test(line) && !/^(?:\/\/|\*|\/\*|import|})/.test(line);
    const code = lines.map((line) => line.trim()).filter(isCode);
    let inRun = false;
    for (let at = 0; at + REPEATED_LINES <= code.length; at++) {
      const text = code.slice(at, at + REPEATED_LINES).join("\n");
      const before = seen.get(text);
      if (before !== undefined && !inRun) runs++;
      inRun = before !== undefined;
      if (before === undefined) seen.set(text, `${path}:${at}`);
    }
  }
  return runs;
}

interface Figures {
  readonly [name: string]: number | string;
}

export function figuresOf(root: string): Figures {
  const files = sourcesOf(root);
  const all = files.flatMap((file) => [...file.lines]);
  const sizes = files.map((file) => file.lines.length).sort((a, b) => a - b);
  const between = arrows(files);
  const long = files.flatMap(longFunctions);
  const share = (most: number): string => {
    const count = all.filter((line) => line.length > most).length;
    return `${count} (${((100 * count) / all.length).toFixed(1)} %)`;
  };
  return {
    files: files.length,
    lines: all.length,
    "median lines of a file": sizes[sizes.length >> 1]!,
    "longest file, lines": sizes.at(-1)!,
    "lines over 110 columns": share(COLUMNS),
    "lines over 140 columns": share(140),
    "longest line, columns": Math.max(...all.map((line) => line.length)),
    "functions over 60 lines": long.length,
    "longest function, lines": Math.max(0, ...long.map((f) => f.lines)),
    "pairs of top folders that import each other": twoWay(between).length,
    "imports from runtime to compiler": between.get("runtime → compiler") ?? 0,
    "runs of 6 repeated lines": repeatedRuns(files),
  };
}

function main(): void {
  const { values } = parseArgs({ options: { against: { type: "string" } } });
  const here = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
  const now = figuresOf(here);
  const before = values.against === undefined ? undefined : figuresOf(resolve(values.against));
  for (const [name, value] of Object.entries(now))
    console.log(
      `${name.padEnd(46)}${before ? String(before[name]).padStart(18) : ""}${String(value).padStart(18)}`,
    );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
