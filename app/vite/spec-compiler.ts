/** Compiles specs in a thread of its own, and remembers what it has compiled by what was asked. */
import { Worker } from "node:worker_threads";
import type { Answer, Question, ThreadData } from "./compile-thread.ts";
import type { Asked, Compiled } from "./compile-spec.ts";

/** So many are remembered; an undone edit is one of them. */
const REMEMBERED = 16;

export class SpecCompiler {
  readonly #kernels: string | undefined;
  /** By the text of the question, the oldest first. */
  readonly #remembered = new Map<string, Promise<Compiled>>();
  readonly #waiting = new Map<number, PromiseWithResolvers<Compiled>>();
  #thread: Worker | undefined;
  #asked = 0;

  /** `kernels`: where compiled kernels are kept. */
  constructor(kernels: string | undefined) {
    this.#kernels = kernels;
  }

  compile(asked: Asked): Promise<Compiled> {
    const key = JSON.stringify(asked);
    const known = this.#remembered.get(key);
    if (known) return known;
    const compiled = this.#ask(asked);
    this.#remembered.set(key, compiled);
    compiled.catch(() => this.#remembered.delete(key));
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > REMEMBERED) this.#remembered.delete(oldest!);
    return compiled;
  }

  /** Forgets all: a file beside the specs has changed. */
  forget(): void {
    this.#remembered.clear();
  }

  /** Ends the thread, unless something is being compiled. The next question starts another. */
  async close(): Promise<void> {
    if (this.#waiting.size > 0) return;
    await this.#thread?.terminate();
  }

  #ask(asked: Asked): Promise<Compiled> {
    const id = this.#asked++;
    const waiting = Promise.withResolvers<Compiled>();
    this.#waiting.set(id, waiting);
    this.#thread ??= this.#start();
    this.#thread.ref();
    this.#thread.postMessage({ id, asked } satisfies Question);
    return waiting.promise;
  }

  #start(): Worker {
    const workerData: ThreadData = { kernels: this.#kernels };
    const address = new URL("./compile-thread.ts", import.meta.url);
    const thread = new Worker(address, { workerData, name: "sinter compiler", execArgv: [] });
    thread.on("message", (answer: Answer) => this.#hear(answer));
    thread.on("error", (cause) => this.#ended(thread, String(cause)));
    thread.on("exit", (code) => this.#ended(thread, `it ended with code ${code}`));
    return thread;
  }

  #hear(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (this.#waiting.size === 0) this.#thread?.unref();
    if ("compiled" in answer) waiting?.resolve(answer.compiled);
    else waiting?.reject(new Error(`this is a bug of Sinter's: ${answer.failed}`));
  }

  #ended(thread: Worker, cause: string): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    for (const waiting of this.#waiting.values())
      waiting.reject(new Error(`the thread that compiles specs failed: ${cause}`));
    this.#waiting.clear();
  }
}
