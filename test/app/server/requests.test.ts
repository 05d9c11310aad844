/** What a request may hold: wrong types in every field, what cannot be done, bodies that are none. */
import { expect, test } from "vitest";
import { MOST_BODY_BYTES } from "../../../app/server/app.ts";
import { errorKinds } from "../../../app/server/api/errors.ts";
import { refusedFields } from "../../../app/server/api/refusals.ts";
import { routes } from "../../../app/server/api/routes.ts";
import { templateChat } from "../../../runtime/node/chat-template.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { ask, CONTEXT, fakeApp, fakeServing, type Answer } from "../../support/fake-serving.ts";
import { wrongBodies } from "./wrong-types.ts";

const { app, failures } = fakeApp(fakeServing());
const messages = [{ role: "user", content: "hello" }];
/** A body that is right for each route, with an object in each field that has fields. */
const valid: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "/v1/completions": { prompt: "hello" },
  "/v1/chat/completions": { messages },
  "/v1/embeddings": { input: "hello" },
  "/completion": { prompt: "hello" },
  "/tokenize": { content: "hello" },
  "/detokenize": { tokens: [1] },
  "/apply-template": { messages },
};

const errorOf = ({ json }: Answer): Record<string, unknown> =>
  (json as { error: Record<string, unknown> }).error;

test.each(routes.filter((route) => route.schema).map((route) => [route.paths[0]!, route] as const))(
  "%s refuses wrong types in every field by their names",
  async (path, route) => {
    const right = await ask(app, path, { body: valid[path] });
    expect(right.status, right.text).toBe(200);
    const wrong = wrongBodies(route.schema!, valid[path]!);
    expect(wrong.length).toBeGreaterThan(4);
    for (const { param, body } of wrong) {
      const answer = await ask(app, path, { body });
      expect([answer.status, errorOf(answer)["param"]], JSON.stringify(body)).toEqual([
        400,
        expect.stringContaining(param),
      ]);
    }
    expect(failures).toEqual([]);
  },
);

test.each([
  ["temperature", -1],
  ["temperature", 1e9],
  ["top_p", 1.5],
  ["n", 9],
  ["n", 0],
  ["max_tokens", -2],
  ["max_tokens", 1.5],
  ["logprobs", 21],
  ["seed", -2],
  ["stop", Array.from({ length: 17 }, () => "x")],
  ["stop", "x".repeat(257)],
  ["logit_bias", [[1e6, 1]]],
  ["logit_bias", { a: "b" }],
  ["logit_bias", [["a"]]],
  ["prompt", []],
  ["prompt", [[]]],
  ["prompt", [300]],
  ["prompt", [-1]],
  ["prompt", Array.from({ length: 129 }, () => "x")],
  ["samplers", ["temperature", "top_k"]],
])("/v1/completions refuses %s %j", async (field, value) => {
  const answer = await ask(app, "/v1/completions", { body: { prompt: "hello", [field]: value } });
  expect([answer.status, errorOf(answer)["param"]], answer.text).toEqual([400, field]);
});

test.each([
  [{ messages: [] }, "messages"],
  [{ messages: [{ role: "wizard", content: "" }] }, "messages[0].role"],
  [{ messages: [{ role: "user" }] }, "messages[0].content"],
  [{ messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] }, "messages[0].content"],
  [{ messages: [{ role: "assistant", content: "", tool_calls: ["f"] }] }, "messages[0].tool_calls[0]"],
  // the plain format has no place for tools
  [{ messages: [{ role: "assistant", content: "", tool_calls: [{}] }] }, "messages"],
  [{ messages, tools: [{ type: "function", function: { name: "f" } }] }, "tools"],
  [{ messages, tools: [{ type: "function", function: {} }] }, "tools[0]"],
  [{ messages, tool_choice: { type: "function", function: { name: "f" } } }, "tool_choice"],
  [{ messages, top_logprobs: 21, logprobs: true }, "top_logprobs"],
  [{ messages, top_logprobs: 2 }, "top_logprobs"],
  [{ messages, stream_options: { include_usage: true } }, "stream_options"],
])("a chat refuses %j", async (body, param) => {
  const answer = await ask(app, "/v1/chat/completions", { body });
  expect([answer.status, errorOf(answer)["param"]], answer.text).toEqual([400, param]);
});

test("what cannot be done is refused by name, and neutral values are taken", async () => {
  for (const field of Object.keys(refusedFields)) {
    // conversations have tools
    const [path, valued] =
      field === "tools" ? ["/v1/completions", { prompt: "a" }] : ["/v1/chat/completions", { messages }];
    const answer = await ask(app, path, { body: { ...valued, [field]: { wanted: true } } });
    expect([answer.status, errorOf(answer)["type"], errorOf(answer)["param"]], field).toEqual([
      400,
      "not_supported_error",
      field,
    ]);
  }
  const neutral = {
    tool_choice: "auto",
    response_format: { type: "text" },
    grammar: "",
    best_of: 2,
    n: 2,
    mirostat: 0,
    typical_p: 1,
    lora: [],
    suffix: null,
    user: "somebody",
    no_such_field: { at: "all" },
  };
  expect((await ask(app, "/v1/chat/completions", { body: { messages, ...neutral } })).status).toBe(200);
  const required = await ask(app, "/v1/chat/completions", { body: { messages, tool_choice: "required" } });
  expect([required.status, errorOf(required)["param"]]).toEqual([400, "tool_choice"]);
});

test("a template that has a place for tools is filled with them", async () => {
  const template =
    "{% for t in tools or [] %}[{{ t.function.name }}]{% endfor %}{% for m in messages %}<{{ m.role }}>" +
    "{{ m.content }}{% for c in m.tool_calls or [] %}={{ c.function.name }}{% endfor %}" +
    "{{ m.tool_call_id or '' }}{% endfor %}";
  const format = templateChat(byteTokenizer(), template);
  const serving = fakeServing(format);
  const { app: templated } = fakeApp(serving);
  const tools = [{ type: "function", function: { name: "sky", parameters: { type: "object" } } }];
  const called = [
    ...messages,
    { role: "assistant", content: null, tool_calls: [{ id: "c1", function: { name: "sky" } }] },
    { role: "tool", content: "rain", tool_call_id: "c1" },
  ];
  const filled = await ask(templated, "/apply-template", { body: { messages: called, tools } });
  expect(filled.json).toEqual({ prompt: "[sky]<user>hello<assistant>=sky<tool>rainc1" });
  for (const choice of ["auto", "none"]) {
    const body = { messages, tools, tool_choice: choice };
    expect((await ask(templated, "/v1/chat/completions", { body })).status).toBe(200);
  }
  const prompts = serving.asks.map(({ tokens }) => Buffer.from(tokens).toString());
  expect(prompts).toEqual(["[sky]<user>hello", "<user>hello"]);
  format.close();
});

test.each([
  ["{", "invalid_json"],
  ["", "invalid_json"],
  ['"text"', "invalid_value"],
  ["[]", "invalid_value"],
  ["null", "invalid_value"],
  ["12", "invalid_value"],
])("the body %j is refused", async (body, code) => {
  const answer = await ask(app, "/v1/completions", { body, method: "POST" });
  expect([answer.status, errorOf(answer)["code"]]).toEqual([400, code]);
});

test("a body of 2 MiB is not read", async () => {
  const body = JSON.stringify({ prompt: "x".repeat(2 * MOST_BODY_BYTES) });
  const told = await ask(app, "/v1/completions", { body, headers: { "content-length": `${body.length}` } });
  expect([told.status, errorOf(told)["code"]]).toEqual([413, "request_too_large"]);
  const untold = await ask(app, "/v1/completions", { body });
  expect([untold.status, errorOf(untold)["code"]]).toEqual([413, "request_too_large"]);
});

test("each refusal of the pool has its status", async () => {
  const serving = fakeServing();
  const other = fakeApp(serving);
  const refused = async (refusal: (typeof serving)["refusal"]): Promise<Answer> => {
    serving.refusal = refusal;
    return ask(other.app, "/v1/completions", { body: { prompt: "hello" } });
  };
  const full = await refused({ kind: "queue full", retryAfterSeconds: 2.5 });
  expect([full.status, full.headers.get("retry-after"), errorOf(full)["code"]]).toEqual([
    503,
    "3",
    "queue_full",
  ]);
  expect((await refused({ kind: "draining" })).status).toBe(503);
  expect((await refused({ kind: "loading" })).status).toBe(503);
  expect((await refused({ kind: "bad token" })).status).toBe(400);
  expect(errorOf(await refused({ kind: "bad lane" }))["param"]).toBe("id_slot");
  expect(errorOf(await refused({ kind: "not built" }))["type"]).toBe("not_supported_error");
  const failed = await refused({ kind: "model failed" });
  expect([failed.status, errorOf(failed)["type"]]).toEqual([500, "server_error"]);
  serving.refusal = undefined;
  const long = await ask(other.app, "/v1/completions", { body: { prompt: "x".repeat(CONTEXT) } });
  expect(errorOf(long)).toMatchObject({
    type: "exceed_context_size_error",
    code: "context_length_exceeded",
    n_prompt_tokens: CONTEXT,
    n_ctx: CONTEXT,
    message: expect.stringContaining("exceeds the available context size") as unknown,
  });
});

test("what is nobody's fault says nothing of its inside", async () => {
  const serving = fakeServing();
  const other = fakeApp(serving);
  serving.says = () => {
    throw new Error("secret path");
  };
  const answer = await ask(other.app, "/v1/completions", { body: { prompt: "hello" } });
  expect([answer.status, errorOf(answer)["code"]]).toEqual([500, "internal_error"]);
  expect(answer.text).not.toContain("secret");
  expect(String((other.failures[0] as Error).cause)).toContain("secret path");
});

test("statuses that clients repeat are for what can succeed later, but for what is off", () => {
  const again = Object.entries(errorKinds).filter(([, { status }]) => status === 408 || status >= 500);
  expect(again.map(([kind]) => kind)).toEqual([
    "too slow",
    "bug",
    "model failed",
    "switched off",
    "loading",
    "draining",
    "queue full",
    "no free slot",
    "out of time",
  ]);
});
