/** Calls between a page and a thread, over a channel in place of the thread. */
import { afterEach, expect, test, vi } from "vitest";
import { callThread, serveCalls, type Call } from "../../../app/playground/page/thread-call.ts";
import { SinterError } from "../../../runtime/base/errors.ts";

const seen: string[] = [];
const calls = {
  double: (n: number) => 2 * n,
  refuse: () => {
    throw new SinterError("memory", "too large", "take a smaller one");
  },
  count: async (to: number, { report }: Call<number>) => {
    for (let i = 1; i <= to; i++) report(i);
  },
  forever: (_: string, { signal }: Call) =>
    new Promise<void>((done) => signal.addEventListener("abort", () => done(void seen.push("given up")))),
};

/** A thread that serves the calls, as the page sees it. */
function thread() {
  const { port1, port2 } = new MessageChannel();
  const inside = (type: string, listener: (event: MessageEvent) => void): void =>
    port2.addEventListener(type as "message", listener);
  vi.stubGlobal("addEventListener", inside);
  vi.stubGlobal("postMessage", (message: unknown) => port2.postMessage(message));
  serveCalls(calls);
  port1.start();
  port2.start();
  const worker = Object.assign(port1, { terminate: () => port1.close() });
  return callThread<typeof calls>(worker as unknown as Worker);
}
afterEach(() => void vi.unstubAllGlobals());

test("answers, reports, and errors with their kind", async () => {
  const { call, end } = thread();
  const reports: number[] = [];
  expect(await Promise.all([call("double", 4), call("double", 5)])).toEqual([8, 10]);
  await call("count", 3, { onReport: (n) => reports.push(n) });
  expect(reports).toEqual([1, 2, 3]);
  await expect(call("refuse", undefined)).rejects.toMatchObject({
    kind: "memory",
    message: "too large",
    hint: "take a smaller one",
  });
  end();
});

test("a call that is given up ends at once, here and there", async () => {
  const { call, end } = thread();
  const stop = new AbortController();
  const waiting = call("forever", "", { signal: stop.signal });
  stop.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  await vi.waitFor(() => expect(seen).toEqual(["given up"]));
  await expect(call("double", 1, { signal: stop.signal })).rejects.toThrow("enough");
  end();
});

test("whoever waits hears that the thread was ended", async () => {
  const { call, end } = thread();
  const waiting = call("forever", "");
  end();
  await expect(waiting).rejects.toMatchObject({ kind: "interrupted" });
});
