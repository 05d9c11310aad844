/**
 * Who gets which lane, on a model without kernels: a session goes on in its own, takes a free one, else the
 * one used least recently; what others have of its text is copied; lanes that are opened are taken from
 * nobody, and whoever wants one waits in order, or is refused.
 */
import { describe, expect, test } from "vitest";
import { NoLaneError } from "../../../runtime/engine/lanes.ts";
import { createSession, openSession } from "../../../runtime/sample/session.ts";
import { fakeModel } from "../../support/fake-model.ts";

/** A run of one span, as the model's memory sees it. */
type Run = readonly [lane: number, start: number, tokens: string];

function watched(lanes: number) {
  const runs: Run[] = [];
  const model = fakeModel(1, {
    lanes,
    onRun: (start, tokens, lane) => runs.push([lane, start, tokens.join(" ")]),
  });
  const since = (): Run[] => runs.splice(0);
  return { model, since };
}

test("three sessions go on each in its own lane; a fourth takes the least recently used one", async () => {
  const { model, since } = watched(3);
  const [a, b, c, d] = [1, 2, 3, 4].map(() => createSession(model));
  await a!.feed([1, 1]);
  await b!.feed([2, 2]);
  await c!.feed([3, 3]);
  await a!.next(4);
  expect(since()).toEqual([
    [0, 0, "1 1"],
    [1, 0, "2 2"],
    [2, 0, "3 3"],
    [0, 2, "4"],
  ]);
  await d!.feed([5]);
  await c!.next(6);
  await b!.next(7); // its lane went to d; the least recently used is a's now
  expect(since()).toEqual([
    [1, 0, "5"],
    [2, 2, "6"],
    [0, 0, "2 2 7"],
  ]);
  expect([a, b, c, d].map((s) => s!.cached)).toEqual([[1, 1, 4], [2, 2, 7], [3, 3, 6], [5]]);
});

test("with one lane sessions take turns, and bring their tokens back", async () => {
  const { model, since } = watched(1);
  const [a, b] = [createSession(model), createSession(model)];
  await a.feed([1, 2, 3]);
  await b.feed([4, 5]);
  await a.next(6);
  await b.next(7);
  expect(since().map(([, ...run]) => run)).toEqual([
    [0, "1 2 3"],
    [0, "4 5"],
    [0, "1 2 3"],
    [3, "6"],
    [0, "4 5"],
    [2, "7"],
  ]);
});

describe("a text that begins like another one", () => {
  const long = Array.from({ length: 7 }, (_, i) => i);

  test("goes on from a free lane, and from its own when it changes its mind", async () => {
    const { model, since } = watched(2);
    const first = createSession(model);
    await first.feed(long);
    expect((await first.feed([...long.slice(0, 5), 9])).reused).toBe(5);
    first.close();
    since();
    const second = createSession(model);
    expect((await second.feed([...long.slice(0, 5), 9, 8])).reused).toBe(6);
    expect(since().map(([, ...run]) => run)).toEqual([[6, "8"]]);
  });

  test("begins anew after `forget`", async () => {
    const { model } = watched(2);
    const session = createSession(model);
    await session.feed(long);
    session.forget();
    expect((await session.feed(long)).reused).toBe(0);
  });
});

describe("lanes that are opened", () => {
  test("are taken from nobody; a session without a lane is refused", async () => {
    const { model, since } = watched(2);
    const shared = createSession(model);
    await shared.feed([1, 2]);
    const [a, b] = [await openSession(model), await openSession(model)];
    await expect(shared.next(3)).rejects.toThrow(NoLaneError);
    await expect(shared.next(3)).rejects.toMatchObject({ kind: "memory", message: /all 2 lanes/ });
    await expect(openSession(model, { full: "refuse" })).rejects.toThrow(NoLaneError);
    await expect(model.feed([1], 0)).rejects.toThrow(NoLaneError);
    await a.feed([5]);
    await b.feed([6]);
    since();
    a.close();
    await shared.next(3);
    await b.next(7);
    expect(since()).toEqual([
      [1, 0, "1 2 3"],
      [0, 1, "7"],
    ]);
  });

  test("are waited for in order; who gives up holds nobody up", async () => {
    const { model } = watched(1);
    const first = await openSession(model);
    const order: number[] = [];
    const stop = new AbortController();
    const wait = (n: number, signal?: AbortSignal): Promise<void> =>
      openSession(model, { signal }).then((session) => {
        order.push(n);
        session.close();
      });
    const waiting = [wait(1), wait(2, stop.signal), wait(3)];
    await new Promise((done) => setTimeout(done, 5));
    await expect(openSession(model, { full: "refuse" })).rejects.toThrow(NoLaneError);
    expect(order).toEqual([]);
    stop.abort(new Error("no more"));
    first.close();
    await expect(waiting[1]).rejects.toThrow("no more");
    await Promise.all([waiting[0], waiting[2]]);
    expect(order).toEqual([1, 3]);
    await (await openSession(model, { full: "refuse" })).feed([1]);
  });

  test("whoever waits hears that the model was closed", async () => {
    const { model } = watched(1);
    await openSession(model);
    const waiting = openSession(model);
    const refused = expect(waiting).rejects.toThrow("fake was closed");
    await model.close();
    await refused;
  });
});

test("a run that fails costs its lanes their texts, and no other", async () => {
  const { model, since } = watched(2);
  const [a, b] = [createSession(model), createSession(model)];
  await a.feed([1, 2]);
  await b.feed([3, 4]);
  since();
  const failing = model.inTurn((lanes) => {
    const spans = lanes.all.map((lane) => ({ lane, start: lane.tokens.length, tokens: [99] }));
    return lanes.run(spans);
  });
  await expect(failing).rejects.toThrow("token 99 is outside");
  await a.next(5); // a run that is refused changes nothing
  expect(since()).toEqual([[0, 2, "5"]]);
});
