/**
 * Calls that need something to themselves run one after the other, in the order in which they came. A model
 * has such a queue, because all of its calls use one memory. A call that waits can be given up; one that
 * fails, or that is given up, holds nobody else up.
 */

/** A call that waits or runs. */
interface Call {
  begin(): void;
  refuse(reason: unknown): void;
}

export class CallQueue {
  readonly #waiting: Call[] = [];
  #running: Call | undefined;
  #closed: Error | undefined;

  /**
   * Runs `work` when all calls before it have ended. Rejects with the signal's reason when the signal comes
   * before `work` begins.
   */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#closed) return Promise.reject(this.#closed);
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    return new Promise<T>((resolve, reject) => {
      const giveUp = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(call), 1);
        reject(signal!.reason as Error);
      };
      const call: Call = {
        begin: () => {
          signal?.removeEventListener("abort", giveUp);
          const begun = (async () => work())(); // what it throws at once is its own failure too
          // the caller hears of the end before the next call begins
          void begun.then(resolve, reject).then(() => this.#advance());
        },
        refuse(reason) {
          signal?.removeEventListener("abort", giveUp);
          reject(reason as Error);
        },
      };
      if (!this.#running) {
        this.#running = call;
        call.begin();
        return;
      }
      this.#waiting.push(call);
      signal?.addEventListener("abort", giveUp, { once: true });
    });
  }

  /** The call that runs, those that wait and all that come later reject with this error. */
  close(error: Error): void {
    if (this.#closed) return;
    this.#closed = error;
    this.#running?.refuse(error);
    for (const call of this.#waiting.splice(0)) call.refuse(error);
  }

  #advance(): void {
    this.#running = this.#waiting.shift();
    this.#running?.begin();
  }
}
