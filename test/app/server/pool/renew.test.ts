/** New weights between two requests: who is still answered by the old ones, and who by the new ones. */
import { expect, test } from "vitest";
import { openPool } from "../../../../app/server/pool/pool.ts";
import { ServingError } from "../../../../app/server/pool/serving.ts";
import { asking, opened, poolOf, turn, watchedModel } from "./served.ts";

const facts = { fingerprint: "new", step: 7, created: 1 };

test("those that run end first; those that have not begun are answered by the new weights", async () => {
  const order: string[] = [];
  const { model, runs } = watchedModel(2);
  const pool = await poolOf(model);
  const ask = async (name: string, most: number): Promise<void> => {
    await pool.complete(asking({ tokens: [1, 2], most }));
    order.push(name);
  };
  const before = [ask("first", 5), ask("second", 3), ask("waits for a lane", 2)];
  while (pool.counts().running < 2) await turn();
  const renewed = pool.renew(async (loaded) => {
    expect(loaded).toBe(model);
    expect(pool.counts()).toMatchObject({ running: 0, waiting: 2 });
    await turn();
    order.push(`new weights after ${runs.length} runs`);
    return facts;
  });
  const meanwhile = ask("came meanwhile", 1);
  await expect(pool.renew(() => Promise.reject(new Error("one at a time")))).resolves.toBeUndefined();
  await Promise.all([...before, renewed, meanwhile]);
  expect(order.slice(0, 2).sort()).toEqual(["first", "second"]);
  expect(order[2]).toMatch(/^new weights after/);
  expect(order.slice(3).sort()).toEqual(["came meanwhile", "waits for a lane"]);
  expect(pool.facts).toMatchObject({ ...facts, name: "tiny", lanes: 2 });
});

test("weights that cannot be loaded: the model is opened anew, and nobody is refused", async () => {
  const models = [watchedModel(1).model, watchedModel(1).model];
  let openings = 0;
  const pool = openPool({ open: async () => opened(models[openings++]!) });
  await pool.ready;
  const first = pool.complete(asking({ most: 4 }));
  while (pool.counts().running < 1) await turn();
  const renewed = pool.renew(() => Promise.reject(new Error("half of a checkpoint")));
  const second = pool.complete(asking({ most: 2 }));
  await renewed;
  expect([(await first).tokens, (await second).tokens, openings]).toEqual([[2, 3, 4, 5], [2, 3], 2]);
  expect(pool.counts()).toMatchObject({ restarts: 1, running: 0, waiting: 0 });
});

test("a model that fails while new weights wait is opened anew, which needs no others", async () => {
  let fails = false;
  const broken = watchedModel(1, () => {
    if (fails) throw new Error("a worker has ended");
  }).model;
  const models = [broken, watchedModel(1).model];
  let openings = 0;
  const pool = openPool({ open: async () => opened(models[openings++]!) });
  await pool.ready;
  const running = pool.complete(asking({ most: 6 }));
  running.catch(() => {});
  while (pool.counts().running < 1) await turn();
  const loaded: unknown[] = [];
  const renewed = pool.renew(async (model) => {
    loaded.push(model);
    return facts;
  });
  fails = true;
  await expect(running).rejects.toThrow(ServingError);
  await renewed;
  expect((await pool.complete(asking({ most: 2 }))).tokens).toEqual([2, 3]);
  expect([loaded, openings]).toEqual([[], 2]);
});

test("while a pool drains, and before there is a model, nothing is changed", async () => {
  const pool = await poolOf(watchedModel(1).model);
  await pool.drain(0);
  await pool.renew(() => Promise.reject(new Error("not asked for")));
  expect(pool.counts().restarts).toBe(0);
});
