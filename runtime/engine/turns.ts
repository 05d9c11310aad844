/**
 * Turns: calls that need something to themselves get it one after the other, in the order in which they came.
 * A call that waits can be given up; one that fails, or that is given up, holds nobody else up.
 */
export interface Turns {
  /**
   * Runs `work` when all calls before it have ended. Rejects with the signal's reason when it comes before
   * that.
   */
  take<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** The call that runs, those that wait and all that come later reject with this error. */
  close(error: Error): void;
}

/** A call that waits or runs. */
interface Call {
  begin(): void;
  refuse(reason: unknown): void;
}

export function createTurns(): Turns {
  const waiting: Call[] = [];
  let running: Call | undefined;
  let closed: Error | undefined;
  const advance = (): void => {
    running = waiting.shift();
    running?.begin();
  };
  return {
    take<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
      if (closed) return Promise.reject(closed);
      if (signal?.aborted) return Promise.reject(signal.reason as Error);
      return new Promise<T>((resolve, reject) => {
        const giveUp = (): void => {
          waiting.splice(waiting.indexOf(call), 1);
          reject(signal!.reason as Error);
        };
        const call: Call = {
          begin() {
            signal?.removeEventListener("abort", giveUp);
            const begun = (async () => work())(); // what it throws at once is its own failure too
            // the caller hears of the end before the next call begins
            void begun.then(resolve, reject).then(advance);
          },
          refuse(reason) {
            signal?.removeEventListener("abort", giveUp);
            reject(reason as Error);
          },
        };
        if (running) {
          waiting.push(call);
          signal?.addEventListener("abort", giveUp, { once: true });
          return;
        }
        running = call;
        call.begin();
      });
    },
    close(error) {
      if (closed) return;
      closed = error;
      running?.refuse(error);
      for (const call of waiting.splice(0)) call.refuse(error);
    },
  };
}
