/**
 * Wraps the prose of documents at 110 columns (`npm run format`). A paragraph or an item of a list that has a
 * longer line is filled anew; tables, code, headings, comments, and whatever is short enough stay as they
 * are. Words do not change, so what a page shows does not.
 */
import { globSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { COLUMNS, linesOf } from "./house.ts";
import { inProject, root } from "./paths.ts";

/** The project's documents; the reference of the language is made from tables. */
export const documents = (): string[] =>
  globSync(["*.md", "{app,bench,compiler,generated,runtime,specs,test}/**/*.md"], {
    cwd: root,
    exclude: (name) => name === "node_modules" || name === "LANGUAGE.md",
  }).sort();

/** A line that begins a block of its own, or is one: never part of the paragraph before it. */
const BEGINS = /^\s*(?:(?:[-*+]|\d+[.)])\s|[|#>]|```|<!--)/;
/** Never filled anew: tables, headings, quotations, fences, comments. */
const STAYS = /^\s*(?:[|#>]|```|<!--)/;

export function wrapped(lines: readonly string[]): string[] {
  const out: string[] = [];
  let isCode = false;
  for (let at = 0; at < lines.length;) {
    const line = lines[at]!;
    if (/^\s*```/.test(line)) isCode = !isCode;
    const isIndentedCode = /^ {4}/.test(line) && (out.at(-1) ?? "") === "";
    if (isCode || isIndentedCode || line.trim() === "" || STAYS.test(line)) {
      out.push(line);
      at++;
      continue;
    }
    let end = at + 1;
    while (end < lines.length && lines[end]!.trim() !== "" && !BEGINS.test(lines[end]!)) end++;
    const block = lines.slice(at, end);
    out.push(...(block.some((one) => one.length > COLUMNS) ? filled(block) : block));
    at = end;
  }
  return out;
}

/** A paragraph or an item in lines of at most 110 columns; further lines stand under the first one's text. */
function filled(block: readonly string[]): string[] {
  const [head = ""] = /^\s*(?:(?:[-*+]|\d+[.)])\s+)?/.exec(block[0]!) ?? [];
  const text = [block[0]!.slice(head.length), ...block.slice(1)].map((line) => line.trim()).join(" ");
  const rest = " ".repeat(head.length);
  const lines: string[] = [];
  let line = "";
  for (const word of unbreakable(text)) {
    const indent = lines.length === 0 ? head : rest;
    if (line === "") line = indent + word;
    else if (line.length + 1 + word.length <= COLUMNS) line += ` ${word}`;
    else {
      lines.push(line);
      line = rest + word;
    }
  }
  return [...lines, line];
}

/** What would begin a list, a table or a quotation at the start of a line, and signs that follow a number. */
const CLINGS = /^(?:[-+*>|#=·×→<≤≥–/%]|\d+[.)])[).,;:]*$/;

/** Words; code between backticks is one of them, and a sign that would mean something clings to its word. */
function unbreakable(text: string): string[] {
  const words: string[] = [];
  let open = "";
  for (const word of text.split(/ +/).filter(Boolean)) {
    open = open === "" ? word : `${open} ${word}`;
    if (open.split("`").length % 2 === 0) continue; // a backtick is not closed yet
    if (words.length > 0 && CLINGS.test(open)) words.push(`${words.pop()!} ${open}`);
    else words.push(open);
    open = "";
  }
  return open === "" ? words : [...words, ...open.split(" ")];
}

function main(): void {
  for (const path of documents()) {
    const before = linesOf(inProject(path));
    const after = wrapped(before);
    if (after.join("\n") !== before.join("\n")) writeFileSync(inProject(path), `${after.join("\n")}\n`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
