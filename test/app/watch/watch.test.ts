/** `--watch`: what is served, to whom, and that nobody who is served can hold anything up. */
import { connect } from "node:net";
import { createServer } from "node:http";
import { expect, test } from "vitest";
import { LiveReport, type ReportStart } from "../../../app/watch/live-report.ts";
import { MOST_LISTENERS, watchApp } from "../../../app/watch/watch-app.ts";
import { refuseTaken, startWatch } from "../../../app/watch/watch.ts";
import { stepEvents } from "../../support/logged-runs.ts";

const facts = { stage: "train", model: "m<1>", data: "t.txt", steps: 9, parameters: 5, target: "simd" };
const start: ReportStart = { facts, earlier: [], events: stepEvents(3) };
const script = { code: "", hash: "sha256-x" };
const local = { headers: { host: "127.0.0.1:80" } };

test("names that are not this machine's are refused", async () => {
  const app = watchApp(new LiveReport(start, script));
  for (const path of ["/", "/events", "/nothing"])
    for (const host of ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost@evil", ""])
      expect((await app.request(path, { headers: { host } })).status, `${host}${path}`).toBe(403);
  for (const host of ["127.0.0.1:5", "localhost", "[::1]:80"])
    expect((await app.request("/", { headers: { host } })).status, host).toBe(200);
  expect((await app.request("/nothing", local)).status).toBe(404);
  expect((await app.request("/", { method: "POST", ...local })).status).toBe(404);
});

test("the page is the report as it is now; its script and its server are all that it may use", async () => {
  const report = new LiveReport(start, script);
  const page = async (): Promise<string> => (await watchApp(report).request("/", local)).text();
  const first = await page();
  expect(first).toContain("<dd>3<small>of 9</small></dd>");
  expect(first).toContain("script-src 'sha256-x'; connect-src 'self'");
  report.add(stepEvents(5).slice(3));
  expect(await page()).toContain("<dd>5<small>of 9</small></dd>");
  const { headers } = await watchApp(report).request("/", local);
  expect(headers.get("cache-control")).toBe("no-store");
  expect(headers.get("content-security-policy")).toBe("frame-ancestors 'none'");
});

test("more pages than there is room for are told so, and those that go make room", async () => {
  const app = watchApp(new LiveReport(start, script));
  const listen = async (): Promise<Response> => app.request("/events", local);
  const all = await Promise.all(Array.from({ length: MOST_LISTENERS }, listen));
  expect(all.map(({ status }) => status)).toEqual(all.map(() => 200));
  expect((await listen()).status).toBe(503);
  await all[0]!.body!.cancel();
  await expect.poll(async () => (await listen()).status).toBe(200);
  await Promise.all(all.slice(1).map(({ body }) => body!.cancel()));
});

/** All that a stream says, until it ends. */
const linesOf = async (response: Response): Promise<string[]> =>
  (await response.text()).split("\n").filter((line) => line.startsWith("event: "));

test("a page hears of what is new, and of the end; one that does not read holds nobody up", async () => {
  const watch = await startWatch({ ...start, port: 0 }, () => {});
  const { port } = new URL(watch.url);
  const hanging = connect(Number(port), "127.0.0.1").pause();
  hanging.on("error", () => {}).write("GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  const events = await fetch(`${watch.url}events`);
  const lines = linesOf(events);
  for (const event of stepEvents(9).slice(3)) watch.add(event);
  await expect.poll(async () => (await fetch(watch.url)).text()).toContain("<dd>9<small>of 9</small></dd>");
  await watch.end("done");
  expect(await lines).toEqual(expect.arrayContaining(["event: changed", "event: end"]));
  await expect(fetch(watch.url)).rejects.toThrow();
  hanging.destroy();
});

test("a port that is taken is refused, and the run is told what to do", async () => {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { readonly port: number };
  await expect(refuseTaken(port)).rejects.toThrow(/it is taken/);
  await expect(startWatch({ ...start, port }, () => {})).rejects.toThrow(/port \d+: it is taken/);
  server.close();
});
