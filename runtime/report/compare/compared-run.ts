/** A run as it is compared: what is known of it, and what its log says. */
import type { TrainEvent } from "../../train/events.ts";
import type { StageFacts } from "../chain.ts";
import type { LogRow } from "../log-rows.ts";

/** `began`: before the first step. */
export type RunState = "began" | "in progress" | "stopped" | "done";

export interface ComparedRun {
  /** Tells it from the others: the last folders of its path, as many as it takes. */
  readonly name: string;
  readonly folder: string;
  readonly facts: StageFacts;
  readonly state: RunState;
  /** All that decides its numbers, by name, as texts. */
  readonly settings: ReadonlyMap<string, string>;
  readonly events: readonly TrainEvent[];
  readonly rows: readonly LogRow[];
  /** Lines of the log that hold no event. */
  readonly damaged: number;
}

/** The last parts of each path that tell it from the others. Paths are absolute, and all different. */
export function shortNames(paths: readonly string[]): string[] {
  const parts = paths.map((path) => path.split("/").filter((part) => part !== ""));
  const last = (i: number, count: number): string => parts[i]!.slice(-count).join("/");
  return paths.map((_, i) => {
    let count = 1;
    const isShared = (): boolean => parts.some((__, j) => j !== i && last(j, count) === last(i, count));
    while (count < parts[i]!.length && isShared()) count++;
    return last(i, count);
  });
}
