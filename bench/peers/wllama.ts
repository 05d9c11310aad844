/**
 * llama.cpp compiled to WebAssembly (@wllama/wllama), in Chromium: tokens a second of a GGUF file. A page with a server of its own, because
 * threads need cross-origin isolation; the figures are llama.cpp's own timings.
 *
 *   node bench/peers/wllama.ts MODEL.gguf [--threads 2] [--tokens 64] [--prompt TEXT]     one line of JSON
 */
import { spawn } from "node:child_process";
import { createReadStream, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

export interface WllamaRates {
  readonly about: string;
  readonly threads: number;
  /** Tokens per second: of the prompt, and of what came after it. */
  readonly prefill: number;
  readonly decode: number;
  readonly promptTokens: number;
  readonly text: string;
}

const PACKAGE = join(dirname(fileURLToPath(import.meta.url)), "node_modules/@wllama/wllama");
const CHROMIUM = "/usr/bin/chromium";
const LIMIT_MS = 300_000;

/** Why it cannot be measured here; undefined: it can. */
export function wllamaMissing(): string | undefined {
  if (!existsSync(PACKAGE)) return "npm ci --prefix bench/peers";
  return existsSync(CHROMIUM) ? undefined : "apt-get install chromium";
}

const page = (threads: number, tokens: number, prompt: string): string => `<!doctype html><script type="module">
const post = (value) => fetch("/result", { method: "POST", body: JSON.stringify(value) });
try {
  const { Wllama } = await import("/wllama/index.js");
  const wllama = new Wllama({ default: "/wllama/wasm/wllama.wasm" }, { suppressNativeLog: true });
  const model = await (await fetch("/model.gguf")).blob();
  await wllama.loadModel([model], { n_threads: ${threads}, n_ctx: 512, n_batch: 512, n_gpu_layers: 0, seed: 1, warmup: true });
  const ask = () => wllama.createCompletion({ prompt: ${JSON.stringify(prompt)}, max_tokens: ${tokens}, temperature: 0, top_k: 1, ignore_eos: true, cache_prompt: false, logit_bias: undefined });
  await ask();
  const answers = [await ask(), await ask(), await ask()];
  const timings = answers.map((a) => a.timings).sort((a, b) => a.predicted_per_second - b.predicted_per_second)[1];
  await post({ threads: wllama.getNumThreads(), isolated: crossOriginIsolated, timings, text: answers[0].choices[0].text, version: Wllama.getLibllamaVersion() });
} catch (error) {
  await post({ error: String(error?.stack ?? error) });
}
</script>`;

const types: Readonly<Record<string, string>> = { ".js": "text/javascript", ".wasm": "application/wasm" };

/** Throws when Chromium, the package or the model fail, or five minutes have passed. */
export async function measureWllama(model: string, threads: number, tokens: number, prompt: string): Promise<WllamaRates> {
  let answered: (value: Record<string, unknown>) => void = () => {};
  const answer = new Promise<Record<string, unknown>>((resolve) => (answered = resolve));
  const send = (response: ServerResponse, path: string, type: string): void => {
    response.writeHead(200, { "content-type": type, "content-length": statSync(path).size });
    createReadStream(path).pipe(response);
  };
  const server = createServer((request, response) => {
    for (const [name, value] of [["cross-origin-opener-policy", "same-origin"], ["cross-origin-embedder-policy", "require-corp"]] as const) response.setHeader(name, value);
    const { pathname } = new URL(request.url!, "http://localhost"), file = join(PACKAGE, "esm", pathname.replace("/wllama/", ""));
    if (pathname === "/") response.writeHead(200, { "content-type": "text/html" }).end(page(threads, tokens, prompt));
    else if (pathname === "/model.gguf") send(response, model, "application/octet-stream");
    else if (pathname === "/result") {
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString())).on("end", () => {
        response.end();
        answered(JSON.parse(body) as Record<string, unknown>);
      });
    } else if (pathname.startsWith("/wllama/") && existsSync(file)) send(response, file, types[file.slice(file.lastIndexOf("."))] ?? "application/octet-stream");
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const profile = mkdtempSync(join(tmpdir(), "sinter-wllama-"));
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  const browser = spawn(CHROMIUM, [...flags, `--user-data-dir=${profile}`, `http://localhost:${(server.address() as AddressInfo).port}/`], { stdio: "ignore", detached: true });
  const gone = new Promise<never>((_, reject) => browser.once("exit", (code) => reject(new Error(`Chromium ended with code ${code}`))).once("error", reject));
  gone.catch(() => undefined);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Error("no answer within five minutes")), LIMIT_MS)));
  late.catch(() => undefined);
  try {
    const got = (await Promise.race([answer, gone, late])) as { error?: string; threads: number; text: string; version: string; timings: { prompt_per_second: number; predicted_per_second: number; prompt_n: number } };
    if (got.error !== undefined) throw new Error(`wllama: ${got.error}`);
    return { about: `@wllama/wllama, libllama ${got.version}, in Chromium`, threads: got.threads, prefill: got.timings.prompt_per_second, decode: got.timings.predicted_per_second, promptTokens: got.timings.prompt_n, text: got.text };
  } finally {
    clearTimeout(timer);
    server.close();
    try {
      process.kill(-browser.pid!, "SIGKILL");
    } catch {
      // it has ended
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { threads: { type: "string", default: "2" }, tokens: { type: "string", default: "64" }, prompt: { type: "string", default: "Once upon a time" } } });
  const missing = wllamaMissing();
  if (missing !== undefined) throw new Error(`not installed: ${missing}`);
  console.log(JSON.stringify(await measureWllama(positionals[0]!, Number(values.threads), Number(values.tokens), values.prompt)));
  process.exit(0);
}
