/** How fast a run has learnt. */
import type { TrainEvent } from "../train/events.ts";

/**
 * Tokens per second of the steps of a log, as a mean over all of them; undefined: it has none. A log that
 * lacks steps says nothing of their tokens either, so that a step's share is that of all.
 */
export function tokenRate(events: readonly TrainEvent[]): number | undefined {
  const steps = events.filter((e) => e.kind === "step");
  const last = steps.at(-1);
  const seconds = steps.reduce((sum, e) => sum + e.ms, 0) / 1000;
  return last && seconds > 0 ? ((last.tokens / Math.max(1, last.step)) * steps.length) / seconds : undefined;
}
