/** `--watch`: the report of a run that is training, as a page of this machine that follows it. */
import { createServer } from "node:net";
import { Worker } from "node:worker_threads";
import { SinterError } from "../../runtime/base/errors.ts";
import type { TrainEvent } from "../../runtime/train/events.ts";
import type { FromServer, ToServer, WatchStart } from "./messages.ts";

export interface Watch {
  readonly url: string;
  /** Never waits for anybody. */
  add(event: TrainEvent): void;
  /** Resolves when the server has gone. `how` the run has ended, for people. */
  end(how: string): Promise<void>;
}

/** Events are handed over together, so that a step of a small model has next to nothing to do with it. */
const TOGETHER_MS = 250;
/** A server that has not gone by then is ended. */
const MOST_MS = 3000;
/** It holds a run's events and its page. MiB */
const MOST_MEMORY = 512;

/**
 * Starts the server, in a thread of its own. Throws `input` where the port is taken. Should the server fail
 * later, `failed` hears of it once, and the run goes on.
 */
export async function startWatch(start: WatchStart, failed: (why: string) => void): Promise<Watch> {
  const thread = new Worker(new URL("./watch-thread.ts", import.meta.url), {
    workerData: start,
    resourceLimits: { maxOldGenerationSizeMb: MOST_MEMORY },
  });
  const gone = new Promise<void>((done) => thread.once("exit", () => done()));
  thread.unref();
  const answer = await firstAnswer(thread);
  if ("code" in answer) throw cannotListen(start.port, answer.code);
  let isThere = true;
  thread.on("error", (error) => {
    isThere = false;
    failed(error.message);
  });
  const send = (message: ToServer): void => {
    if (isThere) thread.postMessage(message);
  };
  let waiting: TrainEvent[] = [];
  let timer: NodeJS.Timeout | undefined;
  const handOver = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (waiting.length > 0) send({ kind: "events", events: waiting });
    waiting = [];
  };
  return {
    url: `http://127.0.0.1:${answer.port}/`,
    add(event) {
      waiting.push(event);
      timer ??= setTimeout(handOver, TOGETHER_MS).unref();
    },
    async end(how) {
      handOver();
      send({ kind: "end", how });
      const late = setTimeout(() => void thread.terminate(), MOST_MS);
      await gone;
      clearTimeout(late);
    },
  };
}

/** Throws `input` where nothing can be served at a port. */
export async function refuseTaken(port: number): Promise<void> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", (error: NodeJS.ErrnoException) => reject(cannotListen(port, error.code ?? "")));
  server.listen(port, "127.0.0.1", resolve);
  await promise;
  await new Promise((done) => server.close(done));
}

const firstAnswer = (thread: Worker): Promise<FromServer> =>
  new Promise((done, failed) => {
    thread.once("message", done);
    thread.once("error", failed);
  });

function cannotListen(port: number, code: string): SinterError {
  const why = { EADDRINUSE: "it is taken", EACCES: "it is not ours to use" }[code] ?? code;
  return new SinterError(
    "input",
    `cannot serve the report at port ${port}: ${why}`,
    "Choose another --watch-port, or leave it out for one that is free.",
  );
}
