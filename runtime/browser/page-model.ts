/**
 * A model for a page: it lives in a thread of its own, and its text comes in pieces.
 *
 *   const model = await openModel({ bundle: "gpt2/", weights: "gpt2-q8_0.gguf" }, { onProgress: (part) =>
 *   (bar.value = part) });
 *   for await (const piece of model.generate("Once upon a time", { tokens: 200 })) out.append(piece); // to
 *   break out of the loop stops it
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
   * The text that follows `prompt` (or its ids), piece by piece. Texts wait for each other. What a text has
   * in common with the last one is not run again. Rejects with a SinterError; a signal, or leaving the loop,
   * ends it after the token at hand, or at once while it waits.
   */
  generate(
    prompt: string | readonly number[],
    options?: PageGenerateOptions & { readonly signal?: AbortSignal | undefined },
  ): TextStream;
  /** Ends all threads and gives the memory back. */
  close(): Promise<void>;
}

export interface TextStream extends AsyncIterable<string> {
  /** All of the text, its tokens and times; when it is complete. */
  readonly result: Promise<Generated>;
}

export interface Opening {
  /** The share of the weights that is here: 0 … 1. */
  readonly onProgress?: ((part: number, loaded: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** For the thread to close its pool, before it is ended. */
const PATIENCE_MS = 1500;

/**
 * Loads bundle, weights and tokenizer in a new thread. Rejects with a SinterError that says what is wrong and
 * what to do.
 */
export async function openModel(
  options: OpenOptions,
  { onProgress, signal }: Opening = {},
): Promise<PageModel> {
  signal?.throwIfAborted();
  const thread = new Worker(new URL("./model-worker.ts", import.meta.url), {
    type: "module",
    name: "sinter model",
  });
  const streams = new Map<number, Feeder>();
  const tell = (message: ToModel): void => thread.postMessage(message);
  let failure: SinterError | undefined;
  let closed: () => void = () => {};
  let next = 0;
  const absolute = (url: string): string => new URL(url, globalThis.location.href).href;

  const facts = await new Promise<ModelFacts>((resolve, reject) => {
    const fail = (error: unknown): void => {
      failure = error as SinterError;
      thread.terminate();
      reject(error);
      for (const stream of streams.values()) stream.fail(error);
      streams.clear();
    };
    const given = (): void => fail(signal!.reason);
    signal?.addEventListener("abort", given, { once: true });
    thread.onerror = (event) =>
      fail(
        new SinterError(
          "bug",
          `the model's thread failed: ${event.message || "its program could not be loaded"}`,
        ),
      );
    thread.onmessage = ({ data }: MessageEvent<FromModel>) => {
      switch (data.kind) {
        case "progress":
          return onProgress?.(data.loaded / data.total, data.loaded, data.total);
        case "open":
          signal?.removeEventListener("abort", given); // from here on `close` ends it
          return resolve(data.facts);
        case "text":
          return streams.get(data.id)?.text(data.text);
        case "closed":
          return closed();
        case "failed":
          if (data.id === undefined) return fail(sinterError(data.error));
          streams.get(data.id)?.fail(sinterError(data.error));
          return void streams.delete(data.id);
        case "done":
          streams.get(data.id)?.done(data.result);
          return void streams.delete(data.id);
      }
    };
    const { tokenizer } = options;
    tell({
      kind: "open",
      options: {
        ...options,
        bundle: absolute(options.bundle),
        weights: absolute(options.weights),
        ...(tokenizer !== undefined && { tokenizer: absolute(tokenizer) }),
      },
    });
  });

  return {
    ...facts,
    generate(prompt, { signal: stop, ...rest } = {}) {
      const id = next++;
      const feeder = createFeeder(() => tell({ kind: "stop", id }));
      if (failure) feeder.fail(failure);
      else {
        streams.set(id, feeder);
        tell({ kind: "generate", id, prompt, options: rest });
        if (stop?.aborted) tell({ kind: "stop", id });
        else stop?.addEventListener("abort", () => tell({ kind: "stop", id }), { once: true });
      }
      return feeder.stream;
    },
    async close() {
      if (failure) return;
      failure = new SinterError("input", `${facts.name} is closed`, "Open it again.");
      const end = new Promise<void>((resolve) => (closed = resolve));
      tell({ kind: "close" });
      await Promise.race([end, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
      thread.terminate();
      for (const stream of streams.values()) stream.fail(failure);
      streams.clear();
    },
  };
}

interface Feeder {
  readonly stream: TextStream;
  text(piece: string): void;
  done(result: Generated): void;
  fail(error: unknown): void;
}

/** Pieces wait here until they are asked for. `stop`: nobody will ask for more. */
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
