/**
 * What documents and comments name is there: files, folders, the test of each invariant. EXPERIMENTS.md is
 * left out, because it says how things were on a day.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";
import { inProject } from "./support/paths.ts";
import { documents } from "./support/wrap-documents.ts";

const TOPS = ["app", "bench", "compiler", "generated", "runtime", "specs", "test"];
/** Names of files here are examples. */
const OURSELVES = "test/documents.test.ts";
const read = (path: string): string => readFileSync(inProject(path), "utf8");

const files = TOPS.flatMap((top) =>
  readdirSync(inProject(top), { recursive: true, encoding: "utf8" }).map(
    (file) => `${top}/${file.replaceAll("\\", "/")}`,
  ),
).filter((file) => !/\/(?:node_modules|dist)\//.test(file));

/** "c.ts", "b/c.ts" and "a/b/c.ts" of every file: what a text may call it by. */
const endings = new Set(
  [...files, "vitest.config.ts"].flatMap((file) => {
    const parts = file.split("/");
    return parts.map((_, i) => parts.slice(i).join("/"));
  }),
);

const isThere = (name: string, from: string): boolean =>
  endings.has(name.startsWith("../") ? normalize(join(dirname(from), name)) : name);

/** TypeScript files that a text names: a document between backticks, a comment in any way. */
const namedIn = (path: string, text: string): string[] =>
  path.endsWith(".md")
    ? [...text.matchAll(/`([\w./-]+\.ts)`/g)].map(([, name]) => name!)
    : [...text.matchAll(/\/\*[\s\S]*?\*\/|(?<!:)\/\/.*/g)].flatMap(([comment]) => [
        ...(comment.match(/(?<![\w./-])(?:[\w-]+\/)*[\w-]+\.ts\b/g) ?? []),
      ]);

test("names of files are found in documents and in comments", () => {
  expect(namedIn("a.md", "`b/c.ts`, `d.ts` and e.ts")).toEqual(["b/c.ts", "d.ts"]);
  const code = `/** See b/c.ts. */ const x = "d.ts"; // and e.ts\nimport "./f.ts";`;
  expect(namedIn("a.ts", code)).toEqual(["b/c.ts", "e.ts"]);
  expect(isThere("8-emit/kernel.ts", "README.md")).toBe(true);
  expect(isThere("../specs/README.md", "test/README.md")).toBe(true);
  expect(isThere("9-emit/kernel.ts", "README.md")).toBe(false);
});

test("files that documents and comments name are there", () => {
  const told = [
    ...documents().filter((path) => !path.endsWith("EXPERIMENTS.md") && path !== "CONTRIBUTING.md"),
    ...files.filter((path) => path.endsWith(".ts") && !path.startsWith("generated/") && path !== OURSELVES),
  ];
  const missing = told.flatMap((path) =>
    namedIn(path, read(path)).flatMap((name) => (isThere(name, path) ? [] : [`${path}: ${name}`])),
  );
  expect(missing).toEqual([]);
});

describe("a folder's README", () => {
  const readmes = documents().filter((path) => /^[^/]+\/README\.md$/.test(path));
  test("is there for every folder", () => {
    expect(readmes.map(dirname).sort()).toEqual(TOPS);
  });
  test.each(readmes)("%s names all its rooms", (path) => {
    const rooms = readdirSync(inProject(dirname(path)), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && entry.name !== "dist")
      .filter((entry) => path !== "generated/README.md" || entry.name === "tiny")
      .map(({ name }) => `\`${name}/\``);
    const text = read(path);
    expect(rooms.filter((room) => !text.includes(room) && !text.includes(room.slice(0, -1)))).toEqual([]);
  });
});

test("every invariant of ARCHITECTURE.md names a test", () => {
  const invariants = read("ARCHITECTURE.md").split("\n## Invariants\n")[1]!.split(/^- /m).slice(1);
  expect(invariants.length).toBeGreaterThan(15);
  for (const invariant of invariants) expect(invariant).toMatch(/`test\/[\w/.-]+\.test\.ts`/);
});
