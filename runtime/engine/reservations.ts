/** Lanes that somebody has for themselves, and who waits for one: in the order of the calls. */
import { CallQueue } from "./call-queue.ts";
import { NoLaneError, type Lanes, type ReservedLane } from "./lanes.ts";

export interface OpenLane extends ReservedLane {
  /** What happens when others own all lanes. Default: wait. */
  readonly full?: "wait" | "refuse" | undefined;
  /** The text that will be in it. Of free lanes, one is given that has its beginning. */
  readonly text?: readonly number[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class Reservations {
  readonly #lanes: Lanes;
  /** The model's calls: a lane is given between two of them, since a session may just be using it. */
  readonly #calls: CallQueue;
  /** Those who wait for a lane: only the first of them looks for one. */
  readonly #waiting = new CallQueue();
  #waiters = 0;
  /** How many lanes were given back, and who hears of the next one. */
  #given = 0;
  #released: (() => void) | undefined;

  constructor(lanes: Lanes, calls: CallQueue) {
    this.#lanes = lanes;
    this.#calls = calls;
  }

  async open(owner: object, wanted: OpenLane = {}): Promise<void> {
    if (wanted.full !== "refuse") {
      this.#waiters++;
      return this.#waiting
        .run(() => this.#reserve(owner, wanted), wanted.signal)
        .finally(() => this.#waiters--);
    }
    if (this.#waiters > 0 || !(await this.#tryReserve(owner, wanted)))
      throw new NoLaneError(this.#lanes.all.length);
  }

  close(owner: object): void {
    this.#lanes.release(owner);
    this.#given++;
    this.#released?.();
  }

  /** Nobody gets a lane any more. */
  refuse(error: Error): void {
    this.#waiting.close(error);
  }

  async #reserve(owner: object, wanted: OpenLane): Promise<void> {
    for (let given = this.#given; !(await this.#tryReserve(owner, wanted)); given = this.#given)
      if (given === this.#given) await this.#release(wanted.signal); // else one was given back meanwhile
  }

  #tryReserve(owner: object, wanted: OpenLane): Promise<boolean> {
    const { text, signal } = wanted;
    return this.#calls.run(async () => this.#lanes.reserve(owner, text, wanted) !== undefined, signal);
  }

  /** Resolves when a lane is given back; rejects with the signal's reason. */
  #release(signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    return new Promise<void>((resolve, reject) => {
      const giveUp = (): void => reject(signal!.reason as Error);
      this.#released = () => {
        signal?.removeEventListener("abort", giveUp);
        resolve();
      };
      signal?.addEventListener("abort", giveUp, { once: true });
    });
  }
}
