/**
 * What `--watch` serves: the report at /, and at /events a line whenever there is something new (server-sent
 * events). Only pages of this machine's own names get an answer: a page elsewhere whose name has come to mean
 * this machine sends its own (DNS rebinding).
 */
import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import { isLocal } from "../../runtime/node/page-server.ts";
import type { LiveReport } from "./live-report.ts";

/** So many pages may listen at a time. */
export const MOST_LISTENERS = 32;
/** A page that has gone without a word is noticed when it is written to. */
const SIGN_OF_LIFE_MS = 15_000;

const headers = {
  "cache-control": "no-store",
  "content-security-policy": "frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "x-content-type-options": "nosniff",
} as const;

export function watchApp(report: LiveReport): Hono {
  const app = new Hono();
  let listeners = 0;
  app.use(async (context, next) => {
    if (!isLocal(context.req.header("host")))
      return context.text("Only pages at 127.0.0.1, localhost and [::1] are answered.\n", 403);
    await next();
    for (const [name, value] of Object.entries(headers)) context.res.headers.set(name, value);
  });
  app.get("/", (context) => context.html(report.html()));
  app.get("/events", (context) => {
    if (listeners >= MOST_LISTENERS) return context.text("Too many pages listen already.\n", 503);
    listeners++;
    return streamSSE(context, async (stream) => {
      const gone = new AbortController();
      stream.onAbort(() => gone.abort());
      try {
        await follow(report, gone.signal, (event, data) => stream.writeSSE({ event, data }));
      } finally {
        gone.abort();
        listeners--;
      }
    });
  });
  return app;
}

/**
 * Writes a line for each change until the run has ended. The next line waits for the one before to be taken:
 * a page that does not read gets fewer lines, and nothing piles up.
 */
async function follow(
  report: LiveReport,
  signal: AbortSignal,
  write: (event: string, data: string) => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    const { version, ended } = report;
    await write("changed", `${version}`);
    if (ended !== undefined) return write("end", ended);
    await pause(report.pauseMs, [signal, report.over]);
    while (report.version === version && report.ended === undefined && !signal.aborted) {
      const how = await report.changed(SIGN_OF_LIFE_MS, signal);
      if (how === "waited") await write("alive", "");
    }
  }
}

/** Resolves after so long, or when one of the signals comes. Nothing of it stays with the signals. */
const pause = (ms: number, signals: readonly AbortSignal[]): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    for (const signal of signals) signal.addEventListener("abort", done);
    if (signals.some(({ aborted }) => aborted)) done();
  });
