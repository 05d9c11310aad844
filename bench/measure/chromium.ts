/**
 * Runs a program in a page of Chromium and returns its result. For tests and benches: one browser, one page,
 * one answer.
 *
 *     const found = await inChromium({ folder, program: "export default async () => crossOriginIsolated" });
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { startPageServer } from "../../runtime/node/page-server.ts";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) =>
  existsSync(path),
);

/** Why Chromium is not here; undefined: it is. */
export const chromiumMissing = (): string | undefined =>
  CHROMIUM === undefined ? "no Chromium here: apt-get install chromium" : undefined;

export interface PageRun {
  /**
   * JavaScript whose default export is called. What it resolves to is the answer, as JSON. `say(text)` sends
   * a line.
   */
  readonly program: string;
  /** What the page may fetch, at /. */
  readonly folder: string;
  readonly isolated?: boolean;
  readonly ranges?: boolean;
  /** V8's flags: "--wasm-revectorize". Those that it does not know are left out. */
  readonly v8?: string;
  readonly limitMs?: number;
  readonly say?: (line: string) => void;
  /** Answers requests before the folder does. */
  readonly handle?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-background-timer-throttling",
  "--disable-renderer-backgrounding",
  "--disable-dev-shm-usage",
  "--remote-debugging-pipe",
]; // Chromium ends when the pipe closes: it cannot outlive this process

const PAGE = `<!doctype html><meta charset="utf-8"><title>Sinter</title><script type="module">
const post = (path, value) => fetch(path, { method: "POST", body: JSON.stringify(value) });
try {
  const { default: run } = await import("/program.js");
  await post("/answer", { value: (await run((line) => void post("/say", line))) ?? null });
} catch (error) {
  await post("/answer", { error: String(error?.stack ?? error) });
}
</script>`;

/** What the page reports when its program has ended. */
interface Answer {
  readonly value?: unknown;
  readonly error?: string;
}

/** Hands on the JSON that a request brings. */
function took(request: IncomingMessage, response: ServerResponse, take: (value: unknown) => void): boolean {
  const chunks: Buffer[] = [];
  request
    .on("data", (chunk: Buffer) => chunks.push(chunk))
    .on("end", () => {
      response.end();
      take(JSON.parse(Buffer.concat(chunks).toString()));
    });
  return true;
}

/**
 * Starts the browser with a profile of its own; `gone` fails when it ends by itself. `input` and `output` are
 * the pipe of its DevTools protocol.
 */
export function startBrowser(url: string, v8?: string) {
  const profile = mkdtempSync(join(tmpdir(), "sinter-chromium-"));
  const flags = [...FLAGS, ...(v8 === undefined ? [] : [`--js-flags=${v8}`]), `--user-data-dir=${profile}`];
  const browser = spawn(CHROMIUM!, [...flags, url], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    detached: true,
  });
  const gone = new Promise<never>((_, reject) =>
    browser
      .once("exit", (code) => reject(new Error(`Chromium ended with code ${code}`)))
      .once("error", reject),
  );
  const [, , , input, output] = browser.stdio;
  return {
    gone,
    input: input as Writable,
    output: output as Readable,
    async end(): Promise<void> {
      try {
        process.kill(-browser.pid!, "SIGKILL");
      } catch {
        // it has ended
      }
      await new Promise((done) => setTimeout(done, 200));
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Throws when the program throws, the browser ends, or the time is over. */
export async function inChromium({
  program,
  folder,
  isolated,
  ranges,
  v8,
  limitMs = 900_000,
  say = () => {},
  handle,
}: PageRun): Promise<unknown> {
  const { promise: answer, resolve } = Promise.withResolvers<Answer>();
  const { url, server } = await startPageServer({
    folder,
    port: 0,
    ...(isolated !== undefined && { isolated }),
    ...(ranges !== undefined && { ranges }),
    handle(request, response) {
      switch (request.url) {
        case "/":
          response.writeHead(200, { "content-type": "text/html" }).end(PAGE);
          return true;
        case "/program.js":
          response.writeHead(200, { "content-type": "text/javascript" }).end(program);
          return true;
        case "/answer":
          return took(request, response, (value) => resolve(value as Answer));
        case "/say":
          return took(request, response, (value) => say(String(value)));
        default:
          return handle?.(request, response) ?? false;
      }
    },
  });
  const browser = startBrowser(url, v8);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>(
    (_, reject) =>
      (timer = setTimeout(() => reject(new Error(`no answer within ${limitMs / 1000} s`)), limitMs)),
  );
  for (const promise of [browser.gone, late]) promise.catch(() => {});
  try {
    const { value, error } = await Promise.race([answer, browser.gone, late]);
    if (error !== undefined) throw new Error(`in the page: ${error}`);
    return value;
  } finally {
    clearTimeout(timer);
    server.close();
    server.closeAllConnections();
    await browser.end();
  }
}
