/** How many workers take part in an entry: which number is found, after how many runs, and kept. */
import { afterEach, describe, expect, test } from "vitest";
import { useWorkerStore, WorkerChoice, WorkerChoices } from "../../../runtime/engine/worker-choice.ts";

afterEach(() => useWorkerStore(undefined));

/** Runs an entry that takes so many milliseconds on each number of workers, and says on how many it ran. */
function ran(choice: WorkerChoice, runs: number, ms: (workers: number, run: number) => number): number[] {
  return Array.from({ length: runs }, (_, run) => {
    const { workers } = choice;
    choice.took(ms(workers, run));
    return workers;
  });
}

describe("the fastest number", () => {
  test("is all of them where work is shared well; that half are slower takes one run to see", () => {
    const choice = new WorkerChoice(16, undefined);
    expect(ran(choice, 7, (workers) => 100 / workers + (workers === 8 ? 5 : 0))).toEqual([
      16, 16, 16, 16, 8, 16, 16,
    ]);
  });

  test("is a few where waiting for all costs more than they help", () => {
    const choice = new WorkerChoice(16, undefined);
    const ms = (workers: number): number => 8 / workers + workers; // least at 2 and 4: 6
    expect(ran(choice, 22, ms).slice(-2)).toEqual([4, 4]);
  });

  test("is one for a token that is over at once", () => {
    const choice = new WorkerChoice(4, undefined);
    expect(ran(choice, 14, (workers) => workers).slice(-2)).toEqual([1, 1]);
  });

  test("is judged by the fastest of its runs: the first ones touch pages", () => {
    const choice = new WorkerChoice(2, undefined);
    expect(ran(choice, 9, (workers, run) => (run === 0 ? 900 : workers === 2 ? 10 : 19)).at(-1)).toBe(2);
  });

  test("is more of them where fewer are as fast", () => {
    const choice = new WorkerChoice(2, undefined);
    expect(ran(choice, 9, () => 10).at(-1)).toBe(2);
  });

  test("is what was found before, and no more than there are", () => {
    expect(ran(new WorkerChoice(8, 2), 6, (workers) => workers)).toEqual([2, 2, 2, 2, 2, 2]);
    expect(new WorkerChoice(4, 8).workers).toBe(4);
  });
});

test("what a run of an entry has found is kept, for that module and that amount of work", () => {
  const kept = new Map<string, number>();
  useWorkerStore({ read: (key) => kept.get(key), write: (key, workers) => kept.set(key, workers) });
  ran(new WorkerChoices(2, "a").of("decode 1"), 8, (workers) => workers);
  expect([...kept]).toEqual([["decode 1, 2 workers, a", 1]]);
  const again = new WorkerChoices(2, "a");
  expect(again.of("decode 1").workers).toBe(1);
  expect(again.of("decode 1")).toBe(again.of("decode 1"));
  expect(again.of("prefill 64").workers).toBe(2);
  expect(new WorkerChoices(2, "b").of("decode 1").workers).toBe(2);
});
