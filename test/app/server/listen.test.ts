/** The server on a real port: clients that are slow, rude, or gone, and its end. */
import { request as httpRequest, type ClientRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, expect, test, vi } from "vitest";
import { listen, type Listening, type ListenOptions } from "../../../app/server/listen.ts";
import { fakeApp, fakeServing, type FakeServing } from "../../support/fake-serving.ts";

const open: Listening[] = [];
afterEach(() => Promise.all(open.splice(0).map((listening) => listening.close(0))));

async function started(
  options: Partial<ListenOptions> & { readonly stallMs?: number } = {},
): Promise<{ readonly serving: FakeServing; readonly listening: Listening }> {
  const serving = fakeServing();
  const { stallMs, ...rest } = options;
  const { app } = fakeApp(serving, { settings: stallMs === undefined ? {} : { stallMs } });
  const listening = await listen(app, { host: "127.0.0.1", port: 0, ...rest });
  open.push(listening);
  return { serving, listening };
}

/** Sends bytes as they are; resolves with all that comes back until the connection ends. */
function raw(
  { port }: Listening,
  text: string,
): { readonly socket: Socket; readonly answer: Promise<string> } {
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.setEncoding("utf8").on("data", (part: string) => (answer += part));
  socket.write(text);
  return {
    socket,
    answer: new Promise((done) => socket.on("error", () => {}).on("close", () => done(answer))),
  };
}

function post({ port }: Listening, body: object): ClientRequest {
  const asked = httpRequest({ host: "127.0.0.1", port, path: "/v1/completions", method: "POST" });
  asked.on("error", () => {}).end(JSON.stringify(body));
  return asked;
}

const statusOf = (answer: string): string => answer.split("\r\n")[0]!;

test("a head that comes drop by drop is given up, and others are answered meanwhile", async () => {
  const { listening } = await started({ headMs: 300 });
  const { socket, answer } = raw(listening, "GET /health HTTP/1.1\r\n");
  const drops = setInterval(() => socket.write("x: y\r\n"), 50);
  expect((await fetch(`${listening.url}/health`)).status).toBe(200);
  expect(statusOf(await answer)).toBe("HTTP/1.1 408 Request Timeout");
  expect(await answer).toContain('"code":"request_timeout"');
  clearInterval(drops);
});

test("so is a body", async () => {
  const { listening } = await started({ headMs: 100, requestMs: 300 });
  const { socket, answer } = raw(
    listening,
    "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{",
  );
  const drops = setInterval(() => socket.write(" "), 50);
  expect(statusOf(await answer)).toBe("HTTP/1.1 408 Request Timeout");
  clearInterval(drops);
});

test.each([
  ["nonsense\r\n\r\n", 400],
  ["GET /health HTTP/1.1\r\n\r\n", 400], // no host
  ["GET /health HTTP/1.1\r\nhost: a b\r\n\r\n", 400],
  ["GET /health HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n", 403],
  [`GET /health HTTP/1.1\r\nhost: localhost\r\nx: ${"y".repeat(20_000)}\r\n\r\n`, 431],
])("%j is answered with %d", async (text, status) => {
  const { listening } = await started();
  const { socket, answer } = raw(listening, text);
  setTimeout(() => socket.end(), 300);
  expect(statusOf(await answer)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
});

test("a body of 2 MiB is refused before it has been sent, told or untold", async () => {
  const { listening, serving } = await started();
  const body = JSON.stringify({ prompt: "x".repeat(2 << 20) });
  const told = await fetch(`${listening.url}/v1/completions`, { method: "POST", body });
  expect(told.status).toBe(413);
  const stream = new Blob([body]).stream();
  const untold = await fetch(`${listening.url}/v1/completions`, {
    method: "POST",
    body: stream,
    duplex: "half",
  } as RequestInit);
  expect(untold.status).toBe(413);
  expect(serving.asks).toEqual([]);
});

test("an untold body of fitting size is read", async () => {
  const { listening } = await started();
  const body = new Blob(['{"prompt": "a", "seed": 3}']).stream();
  const answer = await fetch(`${listening.url}/v1/completions`, {
    method: "POST",
    body,
    duplex: "half",
  } as RequestInit);
  expect(await answer.json()).toMatchObject({ choices: [{ text: " answer 3" }] });
});

test.each([true, false])(
  "a client that closes its connection frees its lane (stream: %s)",
  async (stream) => {
    const { listening, serving } = await started();
    serving.isEndless = true;
    const asked = post(listening, { prompt: "a", stream });
    await vi.waitFor(() => expect(serving.busy).toBe(1));
    asked.destroy();
    await vi.waitFor(() => expect(serving.busy).toBe(0));
  },
);

test("a client that stops reading is cut off, and its lane is free", async () => {
  const { listening, serving } = await started({ stallMs: 200 });
  serving.isEndless = true;
  serving.says = () => "é".repeat(2000);
  const asked = post(listening, { prompt: "a", stream: true, logprobs: 20 });
  asked.on("response", (response) => response.pause());
  await vi.waitFor(() => expect(serving.busy).toBe(1));
  await vi.waitFor(() => expect(serving.busy).toBe(0), { timeout: 60_000 });
  asked.destroy();
});

test("an end lets answers out, and no connection keeps it", async () => {
  const { listening, serving } = await started();
  const says = fetch(`${listening.url}/v1/completions`, {
    method: "POST",
    body: '{"prompt": "a", "seed": 1}',
  });
  await vi.waitFor(() => expect(serving.asks).toHaveLength(1));
  const idle = raw(listening, "");
  open.splice(0);
  const closed = listening.close(2000);
  expect(await (await says).json()).toMatchObject({ choices: [{ text: " answer 1" }] });
  idle.socket.destroy();
  await closed;
  await expect(fetch(`${listening.url}/health`)).rejects.toThrow();
});

test("nothing of a request stays when it has been answered", async () => {
  const { serving, listening } = await started();
  const signals: WeakRef<AbortSignal>[] = [];
  const ask = async (stream: boolean): Promise<void> => {
    const body = JSON.stringify({ prompt: "a", max_tokens: 4, stream });
    const headers = { connection: "close" };
    const answer = await fetch(`${listening.url}/v1/completions`, { method: "POST", body, headers });
    await answer.text();
    for (const { signal } of serving.asks.splice(0)) signals.push(new WeakRef(signal));
  };
  for (let i = 0; i < 20; i++) await ask(i % 2 === 0);
  const isThere = (signal: WeakRef<AbortSignal>): boolean => signal.deref() !== undefined;
  for (let tries = 0; tries < 10 && signals.filter(isThere).length > 2; tries++) {
    await new Promise((resume) => setTimeout(resume, 20)); // connections close, finalizers run
    collectGarbage();
  }
  expect(signals).toHaveLength(20);
  expect(signals.filter(isThere).length, "the last ones may still be in use").toBeLessThanOrEqual(2);
});

/** V8's own collector of garbage, all of it at once. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}
