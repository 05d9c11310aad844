/** How many workers take part in an entry: which number is found, after how many runs, and kept. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { WorkerChoice, WorkerChoices } from "../../../runtime/engine/worker-choice.ts";
import { keepFindings, nodeFindings } from "../../../runtime/node/findings.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { keptInMemory } from "../../support/kept-in-memory.ts";

afterEach(() => keepFindings(undefined));

/** Runs an entry that takes so many milliseconds on each number of workers, and says on how many it ran. */
function ran(choice: WorkerChoice, runs: number, ms: (workers: number, run: number) => number): number[] {
  return Array.from({ length: runs }, (_, run) => {
    const { workers } = choice;
    choice.took(ms(workers, run));
    return workers;
  });
}

describe("the fastest number", () => {
  test("is all of them where work is shared well; that half are slower takes two runs to see", () => {
    const choice = new WorkerChoice(16, undefined);
    expect(ran(choice, 9, (workers) => 100 / workers)).toEqual([16, 16, 16, 16, 16, 8, 8, 16, 16]);
  });

  test("is a few where waiting for all costs more than they help", () => {
    const choice = new WorkerChoice(16, undefined);
    const ms = (workers: number): number => 8 / workers + workers; // least at 2 and 4: 6
    expect(ran(choice, 30, ms).slice(-2)).toEqual([4, 4]);
  });

  test("is one for a token that is over at once", () => {
    const choice = new WorkerChoice(4, undefined);
    expect(ran(choice, 16, (workers) => workers).slice(-2)).toEqual([1, 1]);
  });

  test("is judged by the middle one of its runs: the first ones touch pages", () => {
    const choice = new WorkerChoice(2, undefined);
    expect(ran(choice, 9, (workers, run) => (run < 2 ? 900 : workers === 2 ? 10 : 19)).at(-1)).toBe(2);
  });

  test("is more of them where fewer are as fast", () => {
    const choice = new WorkerChoice(2, undefined);
    expect(ran(choice, 11, () => 10).at(-1)).toBe(2);
  });

  test("is what was found before, and no more than there are", () => {
    const choice = new WorkerChoice(8, { workers: 2, ms: 5 });
    expect(new Set(ran(choice, 32, () => 5.5))).toEqual(new Set([2]));
    expect(new WorkerChoice(4, { workers: 8, ms: 5 }).workers).toBe(4);
  });

  test("is looked for again where runs take another time: neighbours come, and go", () => {
    const choice = new WorkerChoice(2, undefined);
    const quiet = (workers: number): number => (workers === 2 ? 10 : 18);
    const busy = (workers: number): number => (workers === 2 ? 60 : 30);
    expect(ran(choice, 60, quiet).at(-1)).toBe(2);
    expect(ran(choice, 60, busy).at(-1)).toBe(1);
    expect(ran(choice, 60, quiet).at(-1)).toBe(2);
  });

  test("is doubted where it is not all of them: one alone does not see that a neighbour has gone", () => {
    const choice = new WorkerChoice(2, { workers: 1, ms: 20 });
    const quiet = (workers: number): number => 20 / workers;
    expect(ran(choice, 32, quiet).at(-1)).toBe(1);
    expect(new Set(ran(choice, 100, quiet).slice(-90))).toEqual(new Set([2]));
  });

  test("is doubted less and less: of 10,000 runs of a token that one worker is best for", () => {
    const choice = new WorkerChoice(4, undefined);
    const others = ran(choice, 10_000, (workers) => workers).filter((workers) => workers > 1);
    expect(others.length).toBeLessThan(100);
  });

  test("stays where a run now and then takes long", () => {
    const choice = new WorkerChoice(2, undefined);
    ran(choice, 20, (workers) => 20 / workers);
    expect(new Set(ran(choice, 200, (_, run) => (run % 40 === 0 ? 30 : 10)))).toEqual(new Set([2]));
  });
});

test("what a run of an entry has found is kept, for that module and that amount of work", async () => {
  keepFindings(keptInMemory());
  const choices = (code: string): WorkerChoices => new WorkerChoices(2, "gpt infer", code, nodeFindings);
  ran(await choices("a").of("decode 1"), 10, (workers) => workers);
  await expect.poll(async () => (await choices("a").of("decode 1")).workers).toBe(1);
  const again = choices("a");
  expect(await again.of("decode 1")).toBe(await again.of("decode 1"));
  expect((await again.of("prefill 64")).workers).toBe(2);
  expect((await choices("b").of("decode 1")).workers).toBe(2);
});

describe("SINTER_WORKERS", () => {
  afterEach(() => vi.unstubAllEnvs());

  test("says how many there are", () => {
    vi.stubEnv("SINTER_WORKERS", "3");
    expect(nodeHost.workers).toBe(3);
    vi.stubEnv("SINTER_WORKERS", "");
    expect(nodeHost.workers).toBeUndefined();
  });

  test.each(["two", "0", "65", "1.5"])("is no %s", (said) => {
    vi.stubEnv("SINTER_WORKERS", said);
    expect(() => nodeHost.workers).toThrow(
      `SINTER_WORKERS takes a whole number from 1 to 64, not \`${said}\``,
    );
  });
});
