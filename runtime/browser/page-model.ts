/**
 * A model for a page: it lives in a thread of its own, and its text comes in pieces.
 *
 *   const files = { bundle: "gpt2/", weights: "gpt2-q8_0.gguf" }; // or { bundle: model }, imported
 *   const model = await openModel(files, { onProgress: (part) => (bar.value = part) });
 *   const text = model.generate("Once upon a time", { tokens: 200 });
 *   for await (const piece of text) out.append(piece); // to break out of the loop stops it
 *   await model.close();
 */
import { SinterError } from "../base/errors.ts";
import type { Generated } from "../sample/generate.ts";
import {
  sinterError,
  type FromModel,
  type ModelFacts,
  type OpenOptions,
  type PageGenerateOptions,
  type ToModel,
} from "./messages.ts";

export interface PageModel extends ModelFacts {
  /**
   * The text that follows `prompt` (a text or its ids), piece by piece. Texts wait for each other. What a
   * text has in common with the last one is not run again. Rejects with a SinterError. A signal, or leaving
   * the loop, ends the text after the token at hand, or at once while it waits.
   */
  generate(
    prompt: string | readonly number[],
    options?: PageGenerateOptions & { readonly signal?: AbortSignal | undefined },
  ): TextStream;
  /** Ends all threads and gives the memory back. */
  close(): Promise<void>;
}

export interface TextStream extends AsyncIterable<string> {
  /** All of the text with its tokens and times, when it is complete. */
  readonly result: Promise<Generated>;
}

export interface Opening {
  /** Hears which share of the weights is here: 0 … 1. */
  readonly onProgress?: ((part: number, loaded: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How long the thread has for closing its pool before it is ended. */
const PATIENCE_MS = 1500;

/**
 * Loads bundle, weights and tokenizer in a new thread. Rejects with a SinterError that says what is wrong and
 * what to do.
 */
export async function openModel(options: OpenOptions, opening: Opening = {}): Promise<PageModel> {
  opening.signal?.throwIfAborted();
  const thread = new ModelThread(opening);
  const facts = await thread.open(options);
  return {
    ...facts,
    generate: (prompt, { signal, ...rest } = {}) => thread.generate(prompt, rest, signal),
    close: () => thread.close(),
  };
}

/** The page's side of the model's thread (model-worker.ts). */
class ModelThread {
  readonly #worker = new Worker(new URL("./model-worker.ts", import.meta.url), {
    type: "module",
    name: "sinter model",
  });
  readonly #opening: Opening;
  readonly #opened = Promise.withResolvers<ModelFacts>();
  readonly #closed = Promise.withResolvers<void>();
  /** Texts that are being made, by their number. */
  readonly #streams = new Map<number, Feeder>();
  #nextStream = 0;
  /** Why nothing can be asked of the thread any more. */
  #failure: unknown;

  constructor(opening: Opening) {
    this.#opening = opening;
    this.#worker.onmessage = ({ data }: MessageEvent<FromModel>) => this.#listener(data);
    this.#worker.onerror = ({ message }) => {
      const why = message || "its program could not be loaded";
      this.#fail(new SinterError("bug", `the model's thread failed: ${why}`));
    };
  }

  /** Until the model is open, the signal ends the thread; afterwards `close` does. */
  async open(options: OpenOptions): Promise<ModelFacts> {
    const { signal } = this.#opening;
    const giveUp = (): void => this.#fail(signal!.reason);
    signal?.addEventListener("abort", giveUp, { once: true });
    const { bundle, weights, tokenizer } = options;
    this.#tell({
      kind: "open",
      options: {
        ...options,
        bundle: typeof bundle === "string" ? absolute(bundle) : bundle,
        weights: absolute(weights),
        ...(tokenizer !== undefined && { tokenizer: absolute(tokenizer) }),
      },
    });
    try {
      return await this.#opened.promise;
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
  }

  generate(
    prompt: string | readonly number[],
    options: PageGenerateOptions,
    signal: AbortSignal | undefined,
  ): TextStream {
    const id = this.#nextStream++;
    const stop = (): void => this.#tell({ kind: "stop", id });
    const feeder = createFeeder(stop);
    if (this.#failure !== undefined) {
      feeder.fail(this.#failure);
      return feeder.stream;
    }
    this.#streams.set(id, feeder);
    this.#tell({ kind: "generate", id, prompt, options });
    if (signal?.aborted) stop();
    else if (signal) {
      const forget = (): void => signal.removeEventListener("abort", stop);
      signal.addEventListener("abort", stop);
      feeder.stream.result.then(forget, forget);
    }
    return feeder.stream;
  }

  async close(): Promise<void> {
    if (this.#failure !== undefined) return;
    const { name } = await this.#opened.promise;
    const closed = new SinterError("input", `${name} is closed`, "Open it again.");
    this.#failure = closed;
    this.#tell({ kind: "close" });
    const patience = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
    await Promise.race([this.#closed.promise, patience]);
    this.#end(closed);
  }

  #tell(message: ToModel): void {
    this.#worker.postMessage(message);
  }

  #listener(message: FromModel): void {
    switch (message.kind) {
      case "progress": {
        const { loaded, total } = message;
        return this.#opening.onProgress?.(loaded / total, loaded, total);
      }
      case "open":
        return this.#opened.resolve(message.facts);
      case "text":
        return this.#streams.get(message.id)?.text(message.text);
      case "closed":
        return this.#closed.resolve();
      case "failed":
        if (message.id === undefined) return this.#fail(sinterError(message.error));
        this.#streams.get(message.id)?.fail(sinterError(message.error));
        return void this.#streams.delete(message.id);
      case "done":
        this.#streams.get(message.id)?.done(message.result);
        return void this.#streams.delete(message.id);
    }
  }

  #fail(error: unknown): void {
    this.#failure = error;
    this.#opened.reject(error);
    this.#end(error);
  }

  /** Ends the thread, and every text that is being made with this error. */
  #end(error: unknown): void {
    this.#worker.terminate();
    for (const stream of this.#streams.values()) stream.fail(error);
    this.#streams.clear();
  }
}

const absolute = (url: string): string => new URL(url, globalThis.location.href).href;

interface Feeder {
  readonly stream: TextStream;
  text(piece: string): void;
  done(result: Generated): void;
  fail(error: unknown): void;
}

/** Holds pieces of text until they are asked for. `stop` is called when nobody will ask for more. */
function createFeeder(stop: () => void): Feeder {
  const pieces: string[] = [];
  let wake: () => void = () => {};
  let ended = false;
  let error: unknown;
  const { promise: result, resolve, reject } = Promise.withResolvers<Generated>();
  result.catch(() => {}); // who reads the pieces hears of it there
  const end = (): void => {
    ended = true;
    wake();
  };
  async function* read(): AsyncGenerator<string> {
    try {
      for (;;) {
        if (pieces.length > 0) yield pieces.splice(0).join("");
        else if (error !== undefined) throw error;
        else if (ended) return;
        else await new Promise<void>((go) => (wake = go));
      }
    } finally {
      if (!ended) stop();
    }
  }
  return {
    stream: { result, [Symbol.asyncIterator]: read },
    text(piece) {
      pieces.push(piece);
      wake();
    },
    done(value) {
      resolve(value);
      end();
    },
    fail(cause) {
      error = cause;
      reject(cause);
      end();
    },
  };
}
