/**
 * A thread for code that a hostile file may send round in circles: it has a time for each answer and a memory
 * of its own, and is ended when it takes more.
 */
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import { SinterError } from "../base/errors.ts";

/**
 * A time is waited for in so many parts: while the whole process stands still (a suspended laptop, SIGSTOP),
 * one part passes at most.
 */
const PARTS = 10;

export interface BoundedPlan {
  /** File of the thread: it serves `workerData` as a BoundedData, with `serveBounded`. */
  readonly url: URL;
  /** What it works on, for messages: a path. */
  readonly from: string;
  readonly megabytes: number;
}

export interface BoundedData {
  readonly port: MessagePort;
  /** Raised when an answer is there. */
  readonly answered: Int32Array;
}

export type BoundedAnswer<A> = { readonly answer: A } | { readonly error: string };

export interface BoundedWorker<Q, A> {
  /**
   * Waits for the answer; the event loop stands still. Throws SinterError when the thread fails, or takes
   * longer than `ms`: it is ended then, and later questions fail too.
   */
  ask(question: Q, ms: number): A;
  /** The same while the event loop goes on. One question at a time, and not together with `ask`. */
  askLater(question: Q, ms: number): Promise<A>;
  close(): void;
}

export function boundedWorker<Q, A>({ url, from, megabytes }: BoundedPlan): BoundedWorker<Q, A> {
  const { port1, port2 } = new MessageChannel();
  const answered = new Int32Array(new SharedArrayBuffer(4));
  const thread = new Worker(url, {
    workerData: { port: port2, answered },
    transferList: [port2],
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: megabytes },
    stdout: true,
    stderr: true,
  });
  let failed: SinterError | undefined;
  let waiting: ((error: SinterError) => void) | undefined;
  const fail = (why: string): SinterError => {
    failed ??= new SinterError(
      "corrupt",
      `${from}: ${why}`,
      "A file that keeps a computer busy for so long may be made for that; use one from a source that " +
        "you trust.",
    );
    void thread.terminate();
    waiting?.(failed);
    return failed;
  };
  const open = (message: BoundedAnswer<A>): A => {
    if ("error" in message) throw new SinterError("corrupt", `${from}: ${message.error}`);
    return message.answer;
  };
  thread.on("error", (cause) => fail(cause.message)); // out of memory
  thread.unref();
  return {
    ask(question, ms) {
      if (failed) throw failed;
      const before = Atomics.load(answered, 0);
      port1.postMessage(question);
      let waited = 0;
      // the count decides, not the waking, which may be that of the answer before
      while (Atomics.load(answered, 0) === before)
        if (Atomics.wait(answered, 0, before, ms / PARTS) === "timed-out" && ++waited === PARTS)
          throw fail(`no answer within ${ms / 1000} s`);
      const message = receiveMessageOnPort(port1)?.message as BoundedAnswer<A> | undefined;
      if (message === undefined) throw fail("its thread ended");
      return open(message);
    },
    askLater(question, ms) {
      if (failed) return Promise.reject(failed);
      return new Promise<BoundedAnswer<A>>((resolve, reject) => {
        let waited = 0;
        const timer = setInterval(() => {
          if (++waited === PARTS) fail(`no answer within ${ms / 1000} s`);
        }, ms / PARTS);
        const done = (): void => {
          clearInterval(timer);
          port1.off("message", heard);
          port1.unref();
          waiting = undefined;
        };
        const heard = (message: BoundedAnswer<A>): void => {
          done();
          resolve(message);
        };
        waiting = (error) => {
          done();
          reject(error);
        };
        port1.on("message", heard);
        port1.ref();
        port1.postMessage(question);
      }).then(open);
    },
    close: () => void thread.terminate(),
  };
}
