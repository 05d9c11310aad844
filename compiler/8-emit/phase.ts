/**
 * Which counter each kernel with dynamic tasks gets. Between two barriers every such kernel has a counter of
 * its own; a barrier sets all of them back to zero, so that they can be used again.
 */
import { MAX_TASK_COUNTERS } from "../../runtime/contract/control.ts";
import { taskCounter } from "./prelude.ts";

export class Phase {
  #used = 0;

  /** Has a counter been used since the last barrier? */
  get open(): boolean {
    return this.#used > 0;
  }
  /** No counter is left: a barrier has to come first. */
  get full(): boolean {
    return this.#used === MAX_TASK_COUNTERS;
  }
  /** Address of the next kernel's counter, in generated code. */
  next(): string {
    return taskCounter(this.#used++);
  }
  /** A barrier has been written. */
  close(): void {
    this.#used = 0;
  }
  /** Code that may be skipped: what follows it uses only counters that are free in both cases. */
  perhaps(write: () => void): void {
    const before = this.#used;
    write();
    this.#used = Math.max(before, this.#used);
  }
}
