/**
 * Scripts of pages that need nothing else: modules of ours, without types and imports, in one text. Nothing
 * is evaluated at run time, so that a page can name the script's hash in its content security policy, and
 * refuse every other.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { PageScript } from "../report/markup.ts";
import { EXTENSION, asJavaScript, withoutMap } from "./page-server.ts";

/** What each script consists of: a file stands behind those that it imports. Paths are the runtime's. */
const scripts = {
  compare: ["report/smooth", "report/chart", "report/compare/figures", "report/compare/page-script"],
  watch: ["report/watch-script"],
} as const satisfies Readonly<Record<string, readonly string[]>>;

const imports = /^import\b[^;]*;\n?/gm;
const exported = /^export (?=const|function|class)/gm;

export function pageScript(name: keyof typeof scripts): PageScript {
  const code = `\n${scripts[name].map(withoutImports).join("\n")}\n`;
  return { code, hash: `sha256-${createHash("sha256").update(code).digest("base64")}` };
}

function withoutImports(path: string): string {
  const file = readFileSync(fileURLToPath(new URL(`../${path}${EXTENSION}`, import.meta.url)), "utf8");
  const javaScript = EXTENSION === ".ts" ? asJavaScript(file) : withoutMap(file);
  return javaScript
    .replaceAll(imports, "")
    .replaceAll(exported, "")
    .replaceAll(/[ \t]+$/gm, "");
}
