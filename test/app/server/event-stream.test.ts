/** Server-sent events: silences, clients that go or stand still, errors before and after the first byte. */
import { setTimeout as wait } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { ask, eventsOf, fakeApp, fakeServing, requestOf } from "../../support/fake-serving.ts";

const body = { prompt: "hello", stream: true };

test("what goes wrong before the first byte has a status; afterwards it is the last event", async () => {
  const serving = fakeServing();
  const { app, failures } = fakeApp(serving);
  serving.failsAfter = 0;
  const before = await ask(app, "/v1/completions", { body });
  expect([before.status, before.headers.get("content-type")]).toEqual([500, "application/json"]);
  serving.failsAfter = 2;
  const after = await ask(app, "/v1/completions", { body });
  expect(after.status).toBe(200);
  const events = eventsOf(after.text);
  expect(events).toHaveLength(3);
  expect(JSON.parse(events.at(-1)!)).toMatchObject({ error: { type: "server_error", code: "model_failed" } });
  expect(failures).toHaveLength(2);
});

test("where one of several texts fails, the others are given up", async () => {
  const serving = fakeServing();
  serving.isEndless = true;
  const says = serving.says;
  serving.says = (asked) => {
    if (asked.sampling.seed === 2) throw new Error("this one");
    return says(asked);
  };
  const { app } = fakeApp(serving);
  expect((await ask(app, "/v1/completions", { body: { prompt: "a", n: 2, seed: 1 } })).status).toBe(500);
  await vi.waitFor(() => expect(serving.busy).toBe(0));
});

test.each([true, false])("a client that goes frees its lane (stream: %s)", async (stream) => {
  const serving = fakeServing();
  serving.isEndless = true;
  const { app } = fakeApp(serving);
  const gone = new AbortController();
  const asking = app.fetch(
    requestOf("/v1/completions", { body: { ...body, stream }, signal: gone.signal }),
    {},
  );
  await vi.waitFor(() => expect(serving.busy).toBe(1));
  gone.abort();
  await vi.waitFor(() => expect(serving.busy).toBe(0));
  await (await asking).body?.cancel();
});

test("a reader that cancels frees the lane", async () => {
  const serving = fakeServing();
  serving.isEndless = true;
  const response = await fakeApp(serving).app.fetch(requestOf("/v1/completions", { body }), {});
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();
  await vi.waitFor(() => expect(serving.busy).toBe(0));
});

test("a client that takes nothing is cut off", async () => {
  const serving = fakeServing();
  serving.isEndless = true;
  const { app } = fakeApp(serving, { settings: { stallMs: 20 } });
  const destroyed = vi.fn();
  const outgoing = { destroy: destroyed, once: () => {} } as never;
  const response = await app.fetch(requestOf("/v1/completions", { body }), { outgoing });
  await vi.waitFor(() => expect(destroyed).toHaveBeenCalledOnce());
  await vi.waitFor(() => expect(serving.busy).toBe(0));
  await response.body!.cancel();
});

test("a slow client that goes on taking is not", async () => {
  const serving = fakeServing();
  serving.says = () => "x".repeat(40);
  const { app } = fakeApp(serving, { settings: { stallMs: 200 } });
  const response = await app.fetch(requestOf("/v1/completions", { body }), {});
  let text = "";
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    text += part;
    await wait(5);
  }
  expect(eventsOf(text).at(-1)).toBe("[DONE]");
});

test("a silence has comments, which begin the answer too", async () => {
  const serving = fakeServing();
  let goOn = (): void => {};
  const { complete } = serving;
  serving.complete = async (asked) => {
    await new Promise<void>((done) => (goOn = done));
    return complete(asked);
  };
  const { app } = fakeApp(serving, { settings: { pingMs: 10 } });
  const response = await app.fetch(requestOf("/v1/completions", { body }), {});
  goOn();
  const text = await response.text();
  expect(text).toMatch(/^(?:: ping\n\n)+data: \{/);
  expect(response.headers.get("x-accel-buffering")).toBe("no");
});
