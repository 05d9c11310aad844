/** What a built page loads, by what its files name. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

/** Files of the folder that are loaded before the page is first shown: itself, its style, its script. */
export function firstFiles(folder: string): string[] {
  const html = readFileSync(join(folder, "index.html"), "utf8");
  const named = [...html.matchAll(/<(?:script|link)[^>]* (?:src|href)="\.\/([^"]+\.(?:js|css))"/g)];
  return ["index.html", ...withImports(folder, ...named.map(([, file]) => file!))];
}

/** Scripts with all that they import statically; paths from the folder, each once. */
export function withImports(folder: string, ...files: readonly string[]): string[] {
  const found = new Set<string>();
  const add = (file: string): void => {
    if (found.has(file)) return;
    found.add(file);
    if (!file.endsWith(".js")) return;
    const text = readFileSync(join(folder, file), "utf8");
    for (const [, name] of text.matchAll(/\b(?:from|import)\s*["'`]\.\/([^"'`]+\.js)["'`]/g))
      add(join(file, "..", name!));
  };
  files.forEach(add);
  return [...found];
}

/** What a server sends that packs with gzip. */
export const packedBytes = (folder: string, files: readonly string[]): number =>
  files.reduce((bytes, file) => bytes + gzipSync(readFileSync(join(folder, file)), { level: 9 }).length, 0);
