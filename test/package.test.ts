/**
 * What both package.json promise: the packages that the code imports, one version, one binaryen for us and
 * for asc, and the scripts that workflows run. The packed packages are tested from outside: test/package/.
 */
import { readdirSync, readFileSync, realpathSync } from "node:fs";
import { createRequire, isBuiltin } from "node:module";
import { describe, expect, test } from "vitest";
import { inProject } from "./support/paths.ts";

interface PackageFile {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly engines: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly version: string }>>;
}

const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, "utf8")) as T;
const ours = readJson<PackageFile>(inProject("package.json"));
const runtime = readJson<PackageFile>(inProject("runtime/package.json"));

/** All modules that a text imports by a package's name: static, dynamic and for types alone. */
const packagesOf = (text: string): string[] =>
  [...text.matchAll(/(?:^(?:import|export|\}).*\bfrom |^import |\bimport\()"([@\w][\w@/.:-]*)"/gm)]
    .map(([, name]) => name!)
    .filter((name) => !isBuiltin(name));

/** Packages that the sources in some folders import, each without the path behind its name. */
const importedIn = (...folders: readonly string[]): string[] => {
  const modules = folders.flatMap((folder) =>
    readdirSync(inProject(folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts") && !/\bnode_modules\b|^(?:peers|dist)\b/.test(name))
      .flatMap((name) => packagesOf(readFileSync(inProject(`${folder}/${name}`), "utf8"))),
  );
  const names = modules.map((name) => /^(?:@[^/]+\/)?[^/]+/.exec(name)![0]);
  // our own name is in the text of a bundle's index.d.ts
  return [...new Set(names)].filter((name) => name !== ours.name).sort();
};
const shipped = importedIn("compiler", "app/cli", "app/editor/lsp", "app/server", "bench");

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
  // what fills chat templates comes with sinter, and is a choice of whoever takes the runtime alone
  const { [runtime.name]: same, ...others } = ours.dependencies;
  expect([...shipped, ...importedIn("runtime")].sort()).toEqual(Object.keys(others).sort());
  expect(importedIn("runtime")).toEqual(Object.keys(runtime.peerDependencies));
  expect(runtime.peerDependencies["@huggingface/jinja"]).toBe(others["@huggingface/jinja"]);
  expect(runtime.dependencies).toBeUndefined();
  expect(importedIn("app/vite")).toEqual(Object.keys(ours.peerDependencies));
  expect(same).toBe(runtime.version);
});

test("two packages, one version, ready to be published", () => {
  expect(runtime.version).toBe(ours.version);
  expect(runtime.engines).toEqual(ours.engines);
  for (const { name, version } of [ours, runtime]) {
    expect(readFileSync(inProject("CHANGELOG.md"), "utf8")).toContain(`\n## ${version}\n`);
    expect(readFileSync(inProject("CHANGELOG.md"), "utf8")).toContain(`\`${name}\``);
  }
  expect([ours.private, runtime.private]).toEqual([undefined, undefined]);
});

test("binaryen is imported under its own name", () => {
  expect(shipped).toContain("binaryen");
  const assembling = readFileSync(inProject("compiler/9-bundle/assemble.ts"), "utf8");
  expect(packagesOf(assembling)).not.toContain("assemblyscript/binaryen");
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
    const scripts = [...workflow(name).matchAll(/npm run ([\w:]+)$/gm)].map(([, script]) => script!);
    expect(Object.keys(ours.scripts)).toEqual(expect.arrayContaining(scripts));
  });
  test("whoever has not said how to publish publishes nothing", () => {
    const [, first, second] = workflow("publish").split(/^ {2}(?:test|publish):$/m);
    expect(workflow("publish")).toMatch(/^on:\n {2}push:\n {4}tags: \["v\*"\]\n\n/m);
    expect(first).toMatch(/^ {4}if: vars\.NPM_PUBLISH == /m);
    expect(second).toMatch(/^ {4}needs: test$/m);
  });
});
