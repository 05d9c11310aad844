/** Who may ask: keys, hosts, origins; and the statuses of paths and methods that there are not. */
import { expect, test } from "vitest";
import { chatPage } from "../../../app/server/page.ts";
import { ask, fakeApp, fakeServing, type Asked } from "../../support/fake-serving.ts";

const rules = { allowedHosts: [], corsOrigins: [], apiKey: undefined };
const appOf = (access: Partial<Parameters<typeof fakeApp>[1] & object>["access"] = rules) =>
  fakeApp(fakeServing(), { access, page: chatPage() }).app;

const statusOf = async (app: ReturnType<typeof appOf>, path: string, asked: Asked = {}): Promise<number> =>
  (await ask(app, path, asked)).status;

test("every answer has an id, and every failure an object", async () => {
  const app = appOf();
  const { headers, json, status } = await ask(app, "/nowhere");
  expect(headers.get("x-request-id")).toMatch(/^req_[\da-f]{32}$/);
  expect([status, json]).toEqual([
    404,
    {
      error: {
        message: 'there is no route GET "/nowhere"',
        type: "not_found_error",
        param: null,
        code: "not_found",
      },
    },
  ]);
  expect((await ask(app, "/health")).headers.get("x-request-id")).not.toBe(headers.get("x-request-id"));
});

test.each([
  ["GET", "/v1/completions", "POST"],
  ["DELETE", "/v1/models", "GET"],
  ["POST", "/health", "GET"],
  ["PUT", "/", "GET"],
])("%s %s is refused, and the answer allows %s", async (method, path, allow) => {
  const { status, headers, json } = await ask(appOf(), path, { method });
  expect([status, headers.get("allow")]).toEqual([405, allow]);
  expect(json).toMatchObject({ error: { code: "method_not_allowed" } });
});

test("a key is asked for where there is one, in either header; some routes are open", async () => {
  const app = appOf({ ...rules, apiKey: "secret" });
  const body = { prompt: "hello" };
  const asked = (headers: Record<string, string>): Promise<number> =>
    statusOf(app, "/v1/completions", { body, headers });
  expect(await asked({})).toBe(401);
  expect(await asked({ authorization: "Bearer wrong" })).toBe(401);
  expect(await asked({ authorization: "secret" })).toBe(401);
  expect(await asked({ authorization: "Bearer secret" })).toBe(200);
  expect(await asked({ "x-api-key": "secret" })).toBe(200);
  for (const path of ["/health", "/v1/health", "/v1/models", "/v1/models/fake", "/"])
    expect(await statusOf(app, path), path).toBe(200);
  for (const path of ["/props", "/slots", "/metrics", "/spec"])
    expect(await statusOf(app, path), path).toBe(401);
});

test("names that a stranger can make mean this machine are refused by naming the flag", async () => {
  const app = appOf({ ...rules, allowedHosts: ["chat.example"] });
  const host = (name: string): Promise<number> => statusOf(app, "/health", { headers: { host: name } });
  for (const name of [
    "localhost",
    "LOCALHOST:80",
    "127.0.0.1:8080",
    "[::1]:1",
    "192.168.1.7",
    "chat.example:1",
  ])
    expect(await host(name), name).toBe(200);
  for (const name of [
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.nip.io:80",
    "",
    "chat.example.evil",
  ])
    expect(await host(name), name).toBe(403);
  const { text } = await ask(app, "/health", { headers: { host: "evil.example" } });
  expect(text).toContain("--allowed-hosts");
});

test("pages elsewhere may not ask unless they are listed", async () => {
  const body = { prompt: "hello" };
  const from = (origin: string, host = "localhost:8080") => ({ body, headers: { origin, host } });
  const closed = appOf();
  const refused = await ask(closed, "/v1/completions", from("https://evil.example"));
  expect([refused.status, refused.text]).toEqual([403, expect.stringContaining("--cors-origins")]);
  expect(await statusOf(closed, "/v1/completions", from("null"))).toBe(403);
  const own = await ask(closed, "/v1/completions", from("http://localhost:8080"));
  expect([own.status, own.headers.get("access-control-allow-origin")]).toEqual([200, null]);
  const open = appOf({ ...rules, corsOrigins: ["https://app.example", "chrome-extension://abc"] });
  for (const origin of ["https://app.example", "chrome-extension://abc"]) {
    const { status, headers } = await ask(open, "/v1/completions", from(origin));
    expect([status, headers.get("access-control-allow-origin"), headers.get("vary")]).toEqual([
      200,
      origin,
      "Origin",
    ]);
    expect(headers.get("access-control-allow-credentials")).toBeNull();
  }
  const preflight = await ask(open, "/v1/completions", {
    method: "OPTIONS",
    headers: { origin: "https://app.example", "access-control-request-headers": "authorization, x-a" },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get("access-control-allow-headers")).toBe("authorization,x-a");
  expect(await statusOf(open, "/v1/completions", from("https://evil.example"))).toBe(403);
  expect(
    await statusOf(appOf({ ...rules, corsOrigins: ["*"] }), "/v1/completions", from("https://any.example")),
  ).toBe(200);
});

test("the page asks nobody else, and only what is in it runs", async () => {
  const { text, headers } = await ask(appOf(), "/");
  const policy = headers.get("content-security-policy")!;
  expect(policy).toContain("default-src 'none'");
  expect(policy).toMatch(/script-src 'sha256-[\w+/=]{44}';/);
  expect(text).not.toMatch(/(?:src|href)="(?!data:)/);
  expect(text).not.toContain("innerHTML");
  expect(await statusOf(fakeApp(fakeServing()).app, "/")).toBe(404);
});
