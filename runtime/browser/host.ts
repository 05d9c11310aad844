/**
 * A page, or a worker of a page, as a host. Several workers need a shared memory, which a page has when it is
 * cross-origin isolated; a single one needs nothing. A page cannot ask V8 to join pairs of operations. So
 * `wide` runs only where it is asked for by name, in a browser that was started with
 * --js-flags=--wasm-revectorize (the name in Chromium 156; before that, and in Node 24, it is
 * --experimental-wasm-revectorize).
 */
import { SinterError } from "../base/errors.ts";
import { fetchFiles } from "./fetch-files.ts";
import type { Host, Pool, PoolPlan } from "../engine/host.ts";
import { startPool as start, type StartThread, type WorkerReport } from "../engine/pool.ts";

/** How long workers have for ending by themselves before they are ended. */
const PATIENCE_MS = 1000;

/** Whether this is a worker, which may sleep, and so be one of the pool itself. */
const inWorker = (): boolean => typeof document === "undefined";

export const browserHost: Host = {
  get cores() {
    return navigator.hardwareConcurrency || 1;
  },
  enableWide: () => false,
  compile: (bytes) => new WebAssembly.Module(bytes),
  startPool: (plan: PoolPlan): Promise<Pool> => start(plan, startThread, inWorker()),
  breathe: () =>
    new Promise((resolve) => {
      waiting.push(resolve);
      port1.postMessage(undefined);
    }),
  readUrl: (url) => fetchFiles().read(url),
};

/** `breathe` sends a message to this thread itself, because timers wait 4 ms. */
const { port1, port2 } = new MessageChannel();
const waiting: (() => void)[] = [];
port2.onmessage = () => waiting.shift()?.();

const startThread: StartThread = (plan, { report, died }) => {
  const thread = new Worker(new URL("./pool-worker.ts", import.meta.url), {
    type: "module",
    name: `sinter worker ${plan.worker}`,
  });
  let ended: () => void = () => {};
  const end = new Promise<void>((resolve) => (ended = resolve));
  thread.onmessage = ({ data }: MessageEvent<WorkerReport | "ended">) => {
    if (data !== "ended") return report(data);
    ended();
    died("it ended");
  };
  thread.onerror = (event) => died(event.message || "its program could not be loaded");
  thread.postMessage(plan);
  return {
    busy() {},
    async end() {
      await Promise.race([end, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
      thread.terminate();
    },
  };
};

export const ISOLATION =
  "Serve the page with these headers: Cross-Origin-Opener-Policy: same-origin, and " +
  "Cross-Origin-Embedder-Policy: require-corp (or credentialless).";

/**
 * Throws `input` where nothing can run: a browser without WebAssembly, or a page that is neither https nor
 * localhost.
 */
export function checkPage(): void {
  if (typeof WebAssembly !== "object")
    throw new SinterError("input", "this browser has no WebAssembly", "Use a browser of 2021 or later.");
  if (!globalThis.crypto?.subtle)
    throw new SinterError(
      "input",
      "this page cannot check what it loads: it has no WebCrypto",
      "Serve it over https, or from localhost.",
    );
}
