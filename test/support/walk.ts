/**
 * Recipes of a document, as a test walks through them. A block of code has a comment before it that says what
 * is to be done with it:
 *
 *     <!-- new PATH -->                 a file with this text
 *     <!-- end of PATH -->              goes to the end of a file
 *     <!-- in PATH before: TEXT -->     goes before (after:, instead of:) the one line that begins with TEXT;
 *                                       at the end of: it is the last row of the table that begins there
 *     <!-- walk -->                     commands, which have to succeed
 *
 * A block that goes into a file is indented like the line that it stands beside.
 */
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

/** A block that goes beside, or in the place of, the line of a file that begins with `beside`. */
export interface Insertion {
  readonly kind: "before" | "after" | "instead of" | "at the end of";
  readonly path: string;
  readonly beside: string;
  readonly text: string;
}

export type Action =
  | Insertion
  | { readonly kind: "new" | "end"; readonly path: string; readonly text: string }
  | { readonly kind: "walk"; readonly text: string };

export interface Step {
  /** "Write the file". */
  readonly title: string;
  readonly actions: readonly Action[];
}

export interface Recipe {
  /** "Add an operation". */
  readonly title: string;
  readonly steps: readonly Step[];
}

/** Sections with numbered steps. */
export function recipesOf(text: string): Recipe[] {
  return text
    .split(/^## /m)
    .slice(1)
    .map((section) => ({ title: section.split("\n")[0]!, steps: stepsOf(section) }))
    .filter(({ steps }) => steps.length > 0);
}

const stepsOf = (section: string): Step[] =>
  section
    .split(/^\d+\. \*\*/m)
    .slice(1)
    .map((step) => ({ title: step.split("**")[0]!, actions: actionsOf(step) }));

const marked = /<!-- (.*?) -->\n```\w*\n([\s\S]*?)^```$/gm;

const actionsOf = (step: string): Action[] =>
  [...step.matchAll(marked)].map(([, mark, text]) => actionOf(mark!, text!));

function actionOf(mark: string, text: string): Action {
  if (mark === "walk") return { kind: "walk", text };
  const [, kind, path] = /^(new|end of) (\S+)$/.exec(mark) ?? [];
  if (path !== undefined) return { kind: kind === "new" ? "new" : "end", path, text };
  const [, place, side, beside] = /^in (\S+) (before|after|instead of|at the end of): (.+)$/.exec(mark) ?? [];
  if (place !== undefined) return { kind: side as Insertion["kind"], path: place, beside: beside!, text };
  throw new Error(`a block is marked <!-- ${mark} -->, which means nothing`);
}

/** Does what an action says of a file below `folder`. */
export function edit(folder: string, action: Exclude<Action, { kind: "walk" }>): void {
  const file = join(folder, action.path);
  switch (action.kind) {
    case "new":
      if (existsSync(file)) throw new Error(`${action.path} is there already`);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, action.text);
      break;
    case "end":
      if (!existsSync(file)) throw new Error(`there is no ${action.path}`);
      appendFileSync(file, `\n${action.text}`);
      break;
    default:
      writeFileSync(file, inserted(readFileSync(file, "utf8"), action));
  }
}

export function inserted(text: string, action: Insertion): string {
  const lines = text.split("\n");
  const found = lines.flatMap((line, i) => (line.trimStart().startsWith(action.beside) ? [i] : []));
  if (found.length !== 1)
    throw new Error(`${found.length} lines of ${action.path} begin with ${action.beside}`);
  const indent = /^ */.exec(lines[found[0]!]!)![0];
  const isLast = action.kind === "at the end of";
  const at = isLast ? lines.findIndex((line, i) => i > found[0]! && closes(line, indent)) : found[0]!;
  const block = action.text
    .trimEnd()
    .split("\n")
    .map((line) => (line === "" ? "" : `${indent}${isLast ? "  " : ""}${line}`));
  const from = action.kind === "after" ? at + 1 : at;
  return lines.toSpliced(from, action.kind === "instead of" ? 1 : 0, ...block).join("\n");
}

const closes = (line: string, indent: string): boolean =>
  line.startsWith(indent) && /^[\]})]/.test(line.slice(indent.length));

const COPIED = [
  "app",
  "bench",
  "compiler",
  "generated",
  "runtime",
  "specs",
  "test",
  "package.json",
  "sinter.js",
  "tsconfig.json",
  "vitest.config.ts",
  ".oxfmtrc.json",
  ".oxlintrc.json",
];

/** A copy of the project that may be changed; installed packages are a link. */
export function copyOf(root: string, folder: string): void {
  for (const name of COPIED.filter((one) => existsSync(join(root, one))))
    cpSync(join(root, name), join(folder, name), {
      recursive: true,
      filter: (path) => !/\/(?:node_modules|dist)$/.test(path),
    });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
}
