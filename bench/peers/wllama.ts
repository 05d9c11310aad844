/**
 * Finds llama.cpp compiled to WebAssembly (npm's @wllama/wllama), and serves it to a page.
 * app/studies/browser.ts runs it beside Sinter.
 */
import { createReadStream, existsSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

const PACKAGE = join(dirname(fileURLToPath(import.meta.url)), "node_modules/@wllama/wllama");
const PREFIX = "/wllama/";
const types: Readonly<Record<string, string>> = { js: "text/javascript", wasm: "application/wasm" };

/** Why it cannot be measured here; undefined: it can. */
export const wllamaMissing = (): string | undefined =>
  existsSync(PACKAGE) ? undefined : "wllama is not installed: npm ci --prefix bench/peers";

export const wllamaVersion = (): string =>
  (JSON.parse(readFileSync(join(PACKAGE, "package.json"), "utf8")) as { version: string }).version;

/** Answers requests for its files: import "/wllama/index.js". */
export function serveWllama(request: IncomingMessage, response: ServerResponse): boolean {
  const path = new URL(request.url!, "http://localhost").pathname;
  const root = join(PACKAGE, "esm");
  const file = join(root, path.slice(PREFIX.length));
  if (!path.startsWith(PREFIX)) return false;
  if (!file.startsWith(root + sep) || !existsSync(file)) response.writeHead(404).end();
  else
    createReadStream(file).pipe(
      response.writeHead(200, {
        "content-type": types[file.slice(file.lastIndexOf(".") + 1)] ?? "application/octet-stream",
      }),
    );
  return true;
}
