/**
 * What is asked of texts that are there already: their scores, their vectors. One is read after the other, in
 * pieces between the steps of texts that grow.
 */
import { CallQueue } from "../../../runtime/engine/call-queue.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import { PromptPace } from "../../../runtime/sample/prompt-pace.ts";
import type { RowChunkOptions } from "../../../runtime/sample/row-chunks.ts";
import { PROMPT_MS } from "./open-texts.ts";

export type Read<T> = (model: RunningModel, options: RowChunkOptions) => Promise<T>;

export class Readings {
  readonly #inOrder = new CallQueue();
  readonly #pace = new PromptPace(PROMPT_MS);
  readonly #all = new Set<Promise<unknown>>();
  #running: Promise<unknown> | undefined;

  /** How many have not ended, and how many of them run. */
  get size(): number {
    return this.#all.size;
  }

  get running(): number {
    return this.#running ? 1 : 0;
  }

  /** Resolves when the one that runs has ended. */
  async idle(): Promise<void> {
    await this.#running?.catch(() => {}); // whoever asked hears of it
  }

  /** Resolves when those that there are have ended. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#all);
  }

  /**
   * Reads by the model that is there when its turn comes. Rejects with the signal's reason when the signal
   * comes, and with what `modelFor` and `read` reject with.
   */
  async read<T>(
    modelFor: (signal: AbortSignal) => Promise<RunningModel>,
    read: Read<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const reading = this.#inOrder.run(async () => {
      const model = await modelFor(signal);
      const running = read(model, { signal, pace: this.#pace });
      this.#running = running;
      return running.finally(() => (this.#running = undefined));
    }, signal);
    this.#all.add(reading);
    return reading.finally(() => this.#all.delete(reading));
  }
}

/** Resolves with the promise; rejects with the signal's reason, if that comes first. */
export function unlessAborted(settled: Promise<unknown>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", giveUp, { once: true });
    void settled.then(() => {
      signal.removeEventListener("abort", giveUp);
      resolve();
    });
  });
}
