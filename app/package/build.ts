/**
 * `npm run build`: two packages from one run of tsc.
 *
 *   compiler/, app/cli/ and what it uses, app/vite/, bench/  → dist/           package `sinter`
 *   runtime/                                                 → runtime/dist/   package `@sinter/runtime`
 *
 * In the checkout everything imports TypeScript by relative paths. What tsc leaves of that is changed here:
 * an import that leads from one package into the other becomes an import by name, and file names that end in
 * .ts (in declarations, and where a thread is started) end in .js. Nothing is bundled: a module stays a file.
 * The page (app/playground) is a program of its own, which Vite bundles; it goes along as a folder of files.
 */
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { buildPage } from "../playground/site/built-page.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const DIST = join(root, "dist");
const RUNTIME_DIST = join(root, "runtime/dist");
/** Where `sinter playground` finds the page (app/playground/site/built-page.ts). */
const PAGE = join(DIST, "app/playground/page");
/** Where tsc puts the runtime, before it moves. */
const RUNTIME = join(DIST, "runtime");

/** Modules of the runtime that programs import; the others are for `sinter` alone. */
const publicEntries: Readonly<Record<string, string>> = {
  "index.js": "@sinter/runtime",
  "node/index.js": "@sinter/runtime/node",
  "browser/index.js": "@sinter/runtime/browser",
};
const INTERNAL = "@sinter/runtime/internal/";

/** `from "./x"`, `import("./x")` and `import "./x"`. */
const relativeImport = /(\bfrom |\bimport\(|^import )"(\.{1,2}\/[^"\n]+)"/gm;
const threadFile = /(new URL\("\.{1,2}\/[^"\n]+)\.ts(", import\.meta\.url\))/g;

async function build(): Promise<void> {
  for (const folder of [DIST, RUNTIME_DIST]) rmSync(folder, { recursive: true, force: true });
  execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", join(root, "app/package")], { stdio: "inherit" });
  for (const file of filesIn(DIST)) rewrite(file);
  renameSync(RUNTIME, RUNTIME_DIST);
  copyBeside();
  const wrong = [
    ...[...filesIn(DIST), ...filesIn(RUNTIME_DIST)].flatMap(flawsOf),
    ...[DIST, RUNTIME_DIST].flatMap((folder) => (existsSync(folder) ? [] : [`${folder} is not there`])),
  ];
  if (wrong.length > 0) throw new Error(`what was built is not right:\n${wrong.join("\n")}`);
  await buildPage(PAGE, console.log);
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

function rewrite(file: string): void {
  const text = readFileSync(file, "utf8");
  if (file.endsWith(".map")) writeFileSync(file, withPlainSources(text));
  else if (/\.(?:js|d\.ts)$/.test(file)) writeFileSync(file, asPackaged(file, text));
}

/** A file of `dist/` as it is packaged. */
function asPackaged(file: string, text: string): string {
  return text
    .replaceAll(relativeImport, (_, before: string, name: string) => `${before}"${packagedName(file, name)}"`)
    .replaceAll(threadFile, "$1.js$2");
}

/** What an import of a file is called in the package: its path, or the other package's name. */
function packagedName(file: string, name: string): string {
  const javaScript = name.replace(/\.ts$/, ".js");
  const target = resolve(dirname(file), javaScript);
  if (!isInside(target, RUNTIME) || isInside(file, RUNTIME)) return javaScript;
  const path = relative(RUNTIME, target).replaceAll("\\", "/");
  return publicEntries[path] ?? INTERNAL + path;
}

const isInside = (path: string, folder: string): boolean => !relative(folder, path).startsWith("..");

/** Maps hold the sources themselves; their paths are those of the repository. */
function withPlainSources(map: string): string {
  const parsed = JSON.parse(map) as { readonly sources: readonly string[] };
  return JSON.stringify({
    ...parsed,
    sources: parsed.sources.map((path) => path.replace(/^(?:\.\.\/)+/, "")),
  });
}

/** What is no TypeScript and belongs to the packages. */
function copyBeside(): void {
  cpSync(join(root, "bench/specs"), join(DIST, "bench/specs"), { recursive: true });
  copyFileSync(join(root, "compiler/LANGUAGE.md"), join(DIST, "compiler/LANGUAGE.md"));
  copyFileSync(join(root, "app/server/chat-page.html"), join(DIST, "app/server/chat-page.html"));
  copyFileSync(join(root, "app/vite/client.d.ts"), join(DIST, "app/vite/client.d.ts"));
  mkdirSync(join(RUNTIME_DIST, "browser"), { recursive: true });
  copyFileSync(join(root, "runtime/browser/example.html"), join(RUNTIME_DIST, "browser/example.html"));
  for (const name of ["LICENSE", "CHANGELOG.md"]) copyFileSync(join(root, name), join(root, "runtime", name));
}

/** Imports that lead to TypeScript, out of the package, or to nothing. */
function flawsOf(file: string): string[] {
  if (!/\.(?:js|d\.ts)$/.test(file)) return [];
  const folder = isInside(file, DIST) ? DIST : RUNTIME_DIST;
  const text = readFileSync(file, "utf8");
  const names = [
    ...[...text.matchAll(relativeImport)].map((match) => match[2]!),
    ...[...text.matchAll(/new URL\("(\.{1,2}\/[^"\n]+\.[jt]s)", import\.meta\.url\)/g)].map(
      (match) => match[1]!,
    ),
  ];
  return names
    .filter((name) => name !== "./manifest.json" && !name.includes(".sinter")) // in texts, and for users
    .filter((name) => {
      const target = resolve(dirname(file), name);
      return name.endsWith(".ts") || !isInside(target, folder) || !existsSync(target);
    })
    .map((name) => `${relative(root, file)} imports ${name}`);
}

await build();
