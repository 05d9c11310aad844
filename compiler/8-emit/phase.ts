/**
 * Between two barriers every kernel that hands out tasks by turns has a count of its own, in `control.turns`.
 */
import { control, MAX_TURNS } from "../../runtime/contract/control.ts";

export class Phase {
  #used = 0;

  /** Has a count been used since the last barrier? */
  get open(): boolean {
    return this.#used > 0;
  }
  /** No count is left: a barrier has to come first. */
  get full(): boolean {
    return this.#used === MAX_TURNS;
  }
  /** Byte address of the next kernel's count. */
  next(): number {
    return control.turns + 4 * this.#used++;
  }
  /** A barrier. */
  close(): void {
    this.#used = 0;
  }
  /** A part that may be left out: what follows uses no count that either way has used. */
  perhaps(part: () => void): void {
    const before = this.#used;
    part();
    this.#used = Math.max(before, this.#used);
  }
}
