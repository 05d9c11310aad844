/**
 * What package.json promises: the packages that the code imports, one binaryen for it and for asc, and the
 * scripts that workflows run.
 */
import { readdirSync, readFileSync, realpathSync } from "node:fs";
import { createRequire, isBuiltin } from "node:module";
import { describe, expect, test } from "vitest";
import { inProject } from "./support/paths.ts";

interface PackageFile {
  readonly name: string;
  readonly version: string;
  readonly files: readonly string[];
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly version: string }>>;
}

const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, "utf8")) as T;
const ours = readJson<PackageFile>(inProject("package.json"));

/** All modules that a text imports by a package's name: static, dynamic and for types alone. */
const packagesOf = (text: string): string[] =>
  [...text.matchAll(/(?:^(?:import|export|\}).*\bfrom |^import |\bimport\()"([@\w][\w@/.:-]*)"/gm)]
    .map(([, name]) => name!)
    .filter((name) => !isBuiltin(name));

const shipped = ours.files
  .filter((name) => !name.includes("."))
  .flatMap((folder) =>
    readdirSync(inProject(folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .flatMap((name) => packagesOf(readFileSync(inProject(`${folder}/${name}`), "utf8"))),
  );

test("imports of packages are found in every form", () => {
  const text = [
    'import { a } from "chevrotain";',
    'import type { B } from "@huggingface/jinja";',
    'const c = await import("binaryen");',
    'import { readFileSync } from "node:fs";',
    'export { d } from "./d.ts";',
  ];
  expect(packagesOf(text.join("\n"))).toEqual(["chevrotain", "@huggingface/jinja", "binaryen"]);
});

test("the shipped code imports its dependencies, all of them and nothing else", () => {
  const names = shipped
    .map((name) => /^(?:@[^/]+\/)?[^/]+/.exec(name)![0])
    .filter((name) => name !== ours.name); // in the text of a bundle's index.d.ts
  expect([...new Set(names)].sort()).toEqual(Object.keys(ours.dependencies).sort());
});

test("binaryen is imported under its own name", () => {
  expect(shipped).toContain("binaryen");
  expect(shipped).not.toContain("assemblyscript/binaryen");
});

test("our binaryen is the one that assemblyscript depends on", () => {
  const asc = readJson<PackageFile>(inProject("node_modules/assemblyscript/package.json"));
  expect(asc.version).toBe(ours.dependencies["assemblyscript"]);
  expect(ours.dependencies["binaryen"]).toBe(asc.dependencies["binaryen"]);
});

test("one copy of binaryen is locked, and one is installed", () => {
  const { packages } = readJson<LockFile>(inProject("package-lock.json"));
  const copies = Object.entries(packages).filter(([path]) => /(?:^|\/)node_modules\/binaryen$/.test(path));
  expect(copies.map(([path, { version }]) => [path, version])).toEqual([
    ["node_modules/binaryen", ours.dependencies["binaryen"]],
  ]);
  const from = (place: string): string =>
    realpathSync(createRequire(`${realpathSync(inProject(place))}/`).resolve("binaryen"));
  expect(from("node_modules/assemblyscript")).toBe(from("."));
});

describe("workflows", () => {
  const workflow = (name: string): string => readFileSync(inProject(`.github/workflows/${name}.yml`), "utf8");
  test.each(["test", "publish"])("%s runs scripts that there are", (name) => {
    const scripts = [...workflow(name).matchAll(/npm run (?!build --if-present)([\w:]+)$/gm)].map(
      ([, script]) => script!,
    );
    expect(Object.keys(ours.scripts)).toEqual(expect.arrayContaining(scripts));
  });
  test("whoever has not said how to publish publishes nothing", () => {
    const [, first, second] = workflow("publish").split(/^ {2}(?:test|publish):$/m);
    expect(workflow("publish")).toMatch(/^on:\n {2}push:\n {4}tags: \["v\*"\]\n\n/m);
    expect(first).toMatch(/^ {4}if: vars\.NPM_PUBLISH == /m);
    expect(second).toMatch(/^ {4}needs: test$/m);
  });
});
