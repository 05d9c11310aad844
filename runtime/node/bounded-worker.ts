/**
 * A thread for code that a hostile file may keep busy for ever: it has a time for each answer and a memory of
 * its own, and is ended when it takes more.
 */
import {
  MessageChannel,
  receiveMessageOnPort,
  Worker,
  type MessagePort as NodePort,
} from "node:worker_threads";
import { SinterError } from "../base/errors.ts";

/**
 * A time is waited for in so many parts. While the whole process stands still (a suspended laptop, SIGSTOP),
 * no more than one part passes.
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

export const boundedWorker = <Q, A>(plan: BoundedPlan): BoundedWorker<Q, A> => new BoundedThread<Q, A>(plan);

/** A time is waited for in parts, whose end is told by `tick`. */
class Patience {
  #left = PARTS;
  /** Milliseconds of a part. */
  readonly part: number;

  constructor(ms: number) {
    this.part = ms / PARTS;
  }

  /** A part has passed. True: it was the last one. */
  tick(): boolean {
    return --this.#left === 0;
  }
}

class BoundedThread<Q, A> implements BoundedWorker<Q, A> {
  readonly #from: string;
  readonly #port: NodePort;
  readonly #answered = new Int32Array(new SharedArrayBuffer(4));
  readonly #thread: Worker;
  #failure: SinterError | undefined;
  /** Rejects the question that `askLater` waits for. */
  #rejectQuestion: ((error: SinterError) => void) | undefined;

  constructor({ url, from, megabytes }: BoundedPlan) {
    const { port1, port2 } = new MessageChannel();
    this.#from = from;
    this.#port = port1;
    this.#thread = new Worker(url, {
      workerData: { port: port2, answered: this.#answered },
      transferList: [port2],
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: megabytes },
      stdout: true,
      stderr: true,
    });
    this.#thread.on("error", (cause) => this.#fail(cause.message)); // out of memory
    this.#thread.unref();
  }

  ask(question: Q, ms: number): A {
    if (this.#failure) throw this.#failure;
    const before = Atomics.load(this.#answered, 0);
    this.#port.postMessage(question);
    const patience = new Patience(ms);
    // the count decides, not the waking, which may be that of the answer before
    while (Atomics.load(this.#answered, 0) === before)
      if (Atomics.wait(this.#answered, 0, before, patience.part) === "timed-out" && patience.tick())
        throw this.#fail(noAnswer(ms));
    const message = receiveMessageOnPort(this.#port)?.message as BoundedAnswer<A> | undefined;
    if (message === undefined) throw this.#fail("its thread ended");
    return this.#open(message);
  }

  async askLater(question: Q, ms: number): Promise<A> {
    if (this.#failure) throw this.#failure;
    const { promise, resolve, reject } = Promise.withResolvers<BoundedAnswer<A>>();
    const patience = new Patience(ms);
    const timer = setInterval(() => {
      if (patience.tick()) this.#fail(noAnswer(ms));
    }, patience.part);
    this.#rejectQuestion = reject;
    this.#port.on("message", resolve);
    this.#port.ref();
    this.#port.postMessage(question);
    try {
      return this.#open(await promise);
    } finally {
      clearInterval(timer);
      this.#port.off("message", resolve);
      this.#port.unref();
      this.#rejectQuestion = undefined;
    }
  }

  close(): void {
    void this.#thread.terminate();
  }

  #open(message: BoundedAnswer<A>): A {
    if ("error" in message) throw new SinterError("corrupt", `${this.#from}: ${message.error}`);
    return message.answer;
  }

  /** Ends the thread. The first failure is the one that every later question fails with. */
  #fail(why: string): SinterError {
    this.#failure ??= new SinterError(
      "corrupt",
      `${this.#from}: ${why}`,
      "A file that keeps a computer busy for so long may be made for that; " +
        "use one from a source that you trust.",
    );
    void this.#thread.terminate();
    this.#rejectQuestion?.(this.#failure);
    return this.#failure;
  }
}

const noAnswer = (ms: number): string => `no answer within ${ms / 1000} s`;
