/**
 * How many tokens of prompts run in one step beside the tokens of texts that grow, so that these do not wait
 * for long: as many as take so many milliseconds, or as one step without prompts takes, if that is more. It
 * is learnt from the steps before; of the last ones the fastest count, since what a busy machine adds to a
 * step says nothing of its tokens.
 */
import { nextSteps } from "../engine/lane-loop.ts";

/** What the first step has. */
const FIRST_ROWS = 16;
/** So many of the last steps count. */
const LAST = 8;

export class PromptPace {
  readonly #pieceMs: number;
  #rows = FIRST_ROWS;
  /** How long the last steps without prompts took, and how many tokens the very last one had. */
  #stepMs: readonly number[] = [0];
  #stepRows = 1;
  /** How long a token of a prompt took, in the last full pieces. */
  #rowMs: readonly number[] = [];

  /** `pieceMs`: Infinity = prompts need not be cut. */
  constructor(pieceMs: number) {
    this.#pieceMs = pieceMs;
  }

  /** Most tokens of prompts in the next step. */
  get rows(): number {
    return this.#pieceMs === Infinity ? Infinity : this.#rows;
  }

  /** A step with so many tokens of prompts took so long. `all`: its tokens altogether. */
  ran(prompts: number, all: number, ms: number): void {
    if (prompts === 0 || all === 1) {
      this.#stepMs = [...this.#stepMs.filter((step) => step > 0), ms].slice(-LAST);
      this.#stepRows = all;
    }
    if (prompts < this.#rows) return; // says nothing of a full piece
    const stepMs = Math.min(...this.#stepMs);
    this.#rowMs = [...this.#rowMs, Math.max(0, ms - stepMs) / prompts].slice(-LAST);
    const rows = nextSteps(prompts, Math.min(...this.#rowMs), Math.max(this.#pieceMs, stepMs));
    this.#rows = Math.max(this.#stepRows, rows); // as many as a step without prompts take no longer than it
  }
}
