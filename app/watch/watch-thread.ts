/**
 * The thread that serves a live report. Pages are drawn and sent here, so that whatever they do, the thread
 * that trains has nothing to do with it.
 */
import { parentPort, workerData } from "node:worker_threads";
import { createAdaptorServer } from "@hono/node-server";
import { silenceTypeStripping } from "../../runtime/node/node-warnings.ts";
import { pageScript } from "../../runtime/node/page-script.ts";
import { LiveReport } from "./live-report.ts";
import type { FromServer, ToServer, WatchStart } from "./messages.ts";
import { watchApp } from "./watch-app.ts";

/** What pages have left to hear that the run has ended. */
const LAST_WORDS_MS = 1000;

silenceTypeStripping();
const start = workerData as WatchStart;
const report = new LiveReport(start, pageScript("watch"));
const server = createAdaptorServer({ fetch: watchApp(report).fetch });
const answer = (message: FromServer): void => parentPort!.postMessage(message);

server.once("error", (error: NodeJS.ErrnoException) => {
  answer({ code: error.code ?? error.message });
  process.exit();
});
server.listen(start.port, "127.0.0.1", () => {
  const address = server.address();
  answer({ port: typeof address === "object" && address ? address.port : start.port });
});

parentPort!.on("message", (message: ToServer) => {
  if (message.kind === "events") return report.add(message.events);
  report.end(message.how);
  server.close(() => process.exit());
  setTimeout(() => process.exit(), LAST_WORDS_MS);
});
