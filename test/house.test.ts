/** The house's figures may only improve: whoever makes one better lowers its number here. */
import { expect, test } from "vitest";
import { arrows, COLUMNS, linesOf, longFunctions, repeatedRuns, sourcesOf, twoWay } from "./support/house.ts";
import { inProject, root } from "./support/paths.ts";
import { documents, wrapped } from "./support/wrap-documents.ts";

const files = sourcesOf(root);

/** Signatures of operations, whose types need one literal, and regular expressions. */
const LONG_LINES = 13;
const LONG_FUNCTIONS = 0;

test(`at most ${LONG_LINES} lines are longer than ${COLUMNS} columns`, () => {
  const long = files.flatMap(({ path, lines }) =>
    lines.flatMap((line, i) => (line.length > COLUMNS ? [`${path}:${i + 1}`] : [])),
  );
  expect(long.length, long.slice(0, 20).join("\n")).toBeLessThanOrEqual(LONG_LINES);
});

test(`documents can be read raw: ${COLUMNS} columns, but for addresses (npm run format)`, () => {
  expect(documents()).toContain("README.md");
  const long = documents().flatMap((path) =>
    linesOf(inProject(path)).flatMap((line, i) =>
      line.length > COLUMNS && !/^\S+$/.test(line.trim()) ? [`${path}:${i + 1}`] : [],
    ),
  );
  expect(long).toEqual([]);
});

test("documents are wrapped without a change of what they show", () => {
  const long = "word ".repeat(21).trim(); // 104 columns
  const code = `\`${"c ".repeat(10)}\``;
  const kept = [
    "# ".concat(long, long),
    `| ${long} | ${long} |`,
    "```",
    long + long,
    "```",
    "",
    "    " + long + long,
  ];
  expect(wrapped(kept)).toEqual(kept);
  expect(wrapped([`- ${long} two three`, "  four", `- ${long}`])).toEqual([
    `- ${long} two`,
    "  three four",
    `- ${long}`,
  ]);
  expect(wrapped([`${long} ${code} ${long}`])).toEqual([
    long,
    `${code} ${"word ".repeat(17).trim()}`,
    "word word word word",
  ]);
  expect(wrapped([`${long} 12 - 3 5 % of it`])).toEqual([`${long} 12 -`, "3 5 % of it"]);
  expect(wrapped([`${long} abcde - 3`])).toEqual([long, "abcde - 3"]); // not "- 3": that is a list
});

test(`at most ${LONG_FUNCTIONS} functions are longer than 60 lines`, () => {
  const long = files.flatMap(longFunctions);
  expect(long.length, JSON.stringify(long, null, 1)).toBeLessThanOrEqual(LONG_FUNCTIONS);
});

test("no two top folders import each other", () => {
  expect(twoWay(arrows(files))).toEqual([]);
});

test("figures are told from text", () => {
  const body = Array.from({ length: 60 }, (_, i) => `  const a${i} = ${i};`);
  const path = "runtime/example.ts";
  const sample = { path, lines: ['import { a } from "../compiler/a.ts";', "function f() {", ...body, "}"] };
  expect(longFunctions(sample)).toEqual([{ place: `${path}:2`, lines: 62 }]);
  expect([...arrows([sample])]).toEqual([["runtime → compiler", 1]]);
  expect(repeatedRuns([sample, { path: "bench/b.ts", lines: sample.lines }])).toBe(1);
});
