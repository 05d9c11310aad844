/**
 * Calls have the model one after the other, in their order; one that is given up or fails holds nobody up.
 */
import { describe, expect, it } from "vitest";
import { CallQueue } from "../../../runtime/engine/call-queue.ts";

/** Work that ends when it is told to, and says when it begins. */
function work(log: string[], name: string) {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  return {
    begin: () => {
      log.push(`${name} begins`);
      return promise;
    },
    end: () => resolve(name),
    fail: (error: Error) => reject(error),
  };
}

/** Lets everything run that can. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("a queue of calls", () => {
  it("begins a call when the one before it has ended, in the order in which they came", async () => {
    const log: string[] = [];
    const queue = new CallQueue();
    const works = ["a", "b", "c"].map((name) => work(log, name));
    const results = works.map(({ begin }) => queue.run(begin));
    await settle();
    expect(log).toEqual(["a begins"]);
    works[2]!.end();
    works[0]!.end();
    await settle();
    expect(log).toEqual(["a begins", "b begins"]);
    works[1]!.end();
    expect(await Promise.all(results)).toEqual(["a", "b", "c"]);
    expect(log).toEqual(["a begins", "b begins", "c begins"]);
  });

  it("goes on after a call that fails, at once or later", async () => {
    const log: string[] = [];
    const queue = new CallQueue();
    const failing = work(log, "a");
    const first = queue.run(failing.begin);
    const second = queue.run(() => {
      throw new Error("at once");
    });
    const third = queue.run(async () => "c");
    failing.fail(new Error("later"));
    await expect(first).rejects.toThrow("later");
    await expect(second).rejects.toThrow("at once");
    expect(await third).toBe("c");
  });

  it("leaves out a call whose signal comes before its turn, and not one that has begun", async () => {
    const log: string[] = [];
    const queue = new CallQueue();
    const [first, second] = [work(log, "a"), work(log, "b")];
    const stop = new AbortController();
    const running = queue.run(first.begin, stop.signal);
    const waiting = queue.run(second.begin, stop.signal);
    stop.abort(new Error("no more"));
    await expect(waiting).rejects.toThrow("no more");
    await expect(queue.run(second.begin, stop.signal)).rejects.toThrow("no more");
    first.end();
    expect(await running).toBe("a");
    expect(log).toEqual(["a begins"]);
  });

  it(
    "rejects everything when it is closed: the call that runs, those that wait and all that " + "come later",
    async () => {
      const queue = new CallQueue();
      const log: string[] = [];
      const results = [work(log, "a"), work(log, "b")].map(({ begin }) => queue.run(begin));
      queue.close(new Error("closed"));
      queue.close(new Error("closed again"));
      for (const result of [...results, queue.run(async () => "c")])
        await expect(result).rejects.toThrow(/^closed$/);
      expect(log).toEqual(["a begins"]);
    },
  );
});
