/**
 * How many tokens of prompts run in one step beside the tokens of texts that grow, so that these do not wait
 * for long: as many as take so many milliseconds, or as one step without prompts takes, if that is more. It
 * is learnt from the steps before.
 */
import { nextSteps } from "../engine/lane-loop.ts";

/** What the first step has. */
const FIRST_ROWS = 16;

export class PromptPace {
  readonly #pieceMs: number;
  #rows = FIRST_ROWS;
  /** How long the last step without prompts took. */
  #stepMs = 0;

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
    if (prompts === 0 || all === 1) this.#stepMs = ms;
    if (prompts < this.#rows) return; // says nothing of a full piece
    const piece = Math.max(0, ms - this.#stepMs);
    this.#rows = nextSteps(prompts, piece / prompts, Math.max(this.#pieceMs, this.#stepMs));
  }
}
