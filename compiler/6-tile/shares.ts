/**
 * How evenly a kernel's tasks are spread over so many workers, by counting: each has its fixed share, and the
 * pieces of the rest go to whoever has least to do. A task counts as much as any other.
 */
import { dynamicTasksOf, tasksOf, turnsOf, type KernelSpec } from "./kernel-spec.ts";

export interface Shares {
  readonly tasks: number;
  /** How many pieces of them are dynamic. */
  readonly pieces: number;
  /** The largest share ÷ the mean one: 1 is even, and as many as there are workers where one does it all. */
  readonly imbalance: number;
}

export function sharesOf(spec: KernelSpec, workers: number): Shares {
  const tasks = tasksOf(spec);
  const dynamic = dynamicTasksOf(spec);
  const { fixed, grain } = dynamic ? turnsOf(dynamic, tasks, workers) : { fixed: tasks, grain: tasks };
  const until = (worker: number): number => Math.floor((fixed * worker) / workers); // as in 8-emit/prelude.ts
  const loads = Array.from({ length: workers }, (_, worker) => until(worker + 1) - until(worker));
  let pieces = 0;
  for (let first = fixed; first < tasks; first += grain, pieces++)
    loads[loads.indexOf(Math.min(...loads))]! += Math.min(grain, tasks - first);
  return { tasks, pieces, imbalance: (Math.max(...loads) * workers) / tasks };
}
