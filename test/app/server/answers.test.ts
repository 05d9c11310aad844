/** What the routes answer, of a model that says what it is told to say. */
import { describe, expect, test } from "vitest";
import { ask, eventsOf, fakeApp, fakeServing } from "../../support/fake-serving.ts";

const messages = [{ role: "user", content: "hello" }];

interface Chunk {
  readonly choices: readonly {
    readonly index: number;
    readonly text?: string;
    readonly delta?: { readonly role?: string; readonly content?: string | null };
    readonly logprobs?: {
      readonly tokens?: string[];
      readonly content?: { readonly token: string }[];
    } | null;
    readonly finish_reason: string | null;
  }[];
  readonly id: string;
  readonly usage?: object;
  readonly timings?: object;
}

function fresh(says?: string) {
  const serving = fakeServing();
  if (says !== undefined) serving.says = () => says;
  return { serving, ...fakeApp(serving) };
}

async function chunksOf(path: string, body: object, says?: string): Promise<Chunk[]> {
  const { text } = await ask(fresh(says).app, path, { body: { ...body, stream: true } });
  const events = eventsOf(text);
  expect(events.pop()).toBe("[DONE]");
  return events.map((event) => JSON.parse(event) as Chunk);
}

describe("completions", () => {
  test("n texts of several prompts, each with a seed that can be told", async () => {
    const { serving, app } = fresh();
    const body = { prompt: ["ab", "c"], n: 2, seed: 7, max_tokens: 20 };
    const { json } = await ask(app, "/v1/completions", { body });
    expect(json).toMatchObject({
      object: "text_completion",
      model: "fake",
      system_fingerprint: "fp_0123456789ab",
      choices: [7, 8, 7, 8].map((seed, index) => ({
        text: ` answer ${seed}`,
        index,
        logprobs: null,
        finish_reason: "stop",
      })),
      usage: { prompt_tokens: 3, completion_tokens: 36, total_tokens: 39 },
    });
    expect(serving.asks.map(({ tokens }) => tokens)).toEqual([[97, 98], [97, 98], [99], [99]]);
  });

  test("settings reach the sampler by any of their names", async () => {
    const { serving, app } = fresh();
    const body = {
      prompt: "a",
      temperature: 0,
      top_k: -1,
      repetition_penalty: 1.5,
      repeat_last_n: -1,
      presence_penalty: 0.5,
      frequency_penalty: 0.25,
      stop: "END",
      ignore_eos: true,
      id_slot: 1,
      cache_prompt: false,
      logit_bias: [
        [98, 2],
        ["cd", false],
      ],
      max_tokens: -1,
    };
    await ask(app, "/v1/completions", { body });
    await ask(app, "/v1/completions", { body: { prompt: "a", logit_bias: { 98: -1, ab: 3 } } });
    await ask(app, "/v1/completions", { body: { prompt: "a", samplers: ["top_k", "temperature"] } });
    const [first, second, third] = serving.asks;
    expect(first).toMatchObject({ lane: 1, reuse: false });
    expect(first!.sampling).toMatchObject({
      temperature: 0,
      topK: 0,
      repeatPenalty: 1.5,
      repeatLast: 64,
      presencePenalty: 0.5,
      frequencyPenalty: 0.25,
      stop: ["END"],
      ignoreEnd: true,
      tokens: 64,
      continues: true,
    });
    const never = -Infinity;
    expect([...first!.sampling.bias!]).toEqual([
      [98, 2],
      [99, never],
      [100, never],
    ]);
    expect([...second!.sampling.bias!]).toEqual([
      [98, 3],
      [97, 3],
    ]);
    expect(third!.sampling).toMatchObject({ topK: 40, topP: 1, minP: 0, temperature: 0.8, repeatPenalty: 1 });
  });

  test("echo scores the prompt's tokens, and offsets lead into the text", async () => {
    const body = { prompt: "hé", echo: true, logprobs: 1, max_tokens: 2 };
    const { json } = await ask(fresh("ok").app, "/v1/completions", { body });
    const [choice] = (json as { choices: [{ text: string; logprobs: Record<string, unknown[]> }] }).choices;
    expect(choice.text).toBe("héok");
    expect(choice.logprobs).toMatchObject({
      tokens: ["h", "bytes:\\xc3", "bytes:\\xa9", "o", "k"],
      token_logprobs: [null, -1, -2, -0.25, -0.25],
      text_offset: [0, 1, 1, 2, 3],
    });
    expect(choice.logprobs["top_logprobs"]![0]).toBeNull();
    expect(choice.logprobs["top_logprobs"]![3]).toEqual({ a: -0.5, o: -0.25 });
  });

  test("a stream says the same as the whole", async () => {
    const body = { prompt: "hé", echo: true, logprobs: 0, seed: 1 };
    const whole = await ask(fresh().app, "/v1/completions", { body });
    const chunks = await chunksOf("/v1/completions", { ...body, stream_options: { include_usage: true } });
    const { choices, usage } = whole.json as {
      choices: [{ text: string; logprobs: { tokens: string[]; text_offset: number[] } }];
      usage: object;
    };
    expect(chunks.map((chunk) => chunk.choices[0]?.text ?? "").join("")).toBe(choices[0].text);
    const lists = chunks.flatMap((chunk) => chunk.choices[0]?.logprobs ?? []);
    expect(lists.flatMap(({ tokens }) => tokens)).toEqual(choices[0].logprobs.tokens);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage });
    expect(chunks.at(-2)!.choices[0]).toMatchObject({ finish_reason: "stop" });
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  });
});

describe("chats", () => {
  test("a stream: the role, pieces that are not empty, a reason and the times", async () => {
    const chunks = await chunksOf(
      "/v1/chat/completions",
      { messages, logprobs: true, top_logprobs: 0 },
      "né",
    );
    expect(chunks.map(({ choices }) => choices[0]!.delta)).toEqual([
      { role: "assistant", content: null },
      { content: "n" },
      { content: "é" },
      {},
    ]);
    const counts = chunks.map(({ choices }) => choices[0]!.logprobs?.content?.length);
    expect(counts).toEqual([undefined, 1, 2, undefined]);
    expect(chunks.map(({ choices }) => choices[0]!.finish_reason)).toEqual([null, null, null, "stop"]);
    expect(chunks.at(-1)!.timings).toMatchObject({ predicted_n: 3, cache_n: 1, first_token_ms: 2 });
    expect(chunks.every(({ usage }) => usage === undefined)).toBe(true);
  });

  test("a text without a token has a role and a reason nevertheless", async () => {
    const chunks = await chunksOf("/v1/chat/completions", { messages, n: 2 }, "");
    for (const index of [0, 1])
      expect(chunks.filter(({ choices }) => choices[0]!.index === index)).toMatchObject([
        { choices: [{ delta: { role: "assistant" } }] },
        { choices: [{ delta: {}, finish_reason: "stop" }] },
      ]);
  });

  test("parts are joined, and the assistant's last word is gone on with", async () => {
    const { serving, app } = fresh();
    const parts = [
      { type: "text", text: "a" },
      { type: "text", text: "b" },
    ];
    const body = {
      messages: [
        { role: "developer", content: "short" },
        { role: "user", content: parts },
        { role: "assistant", content: " I" },
      ],
      max_tokens: 5,
      max_completion_tokens: 3,
    };
    const { json } = await ask(app, "/v1/chat/completions", { body });
    const [{ tokens, sampling }] = serving.asks as [(typeof serving.asks)[number]];
    expect(Buffer.from(tokens).toString()).toBe("System: short\nUser: a\nb\nAssistant: I");
    expect(sampling).toMatchObject({ tokens: 3, continues: true, stop: ["\nUser:", "\nSystem:"] });
    expect(json).toMatchObject({ choices: [{ finish_reason: "length" }] });
    const { json: template } = await ask(app, "/apply-template", { body: { messages: body.messages } });
    expect(template).toEqual({ prompt: "System: short\nUser: a\nb\nAssistant: I" });
  });

  test("a model without a format says so", async () => {
    const serving = fakeServing();
    serving.facts = { ...serving.facts!, format: undefined };
    const answer = await ask(fakeApp(serving).app, "/v1/chat/completions", { body: { messages } });
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining("--chat-format")]);
  });
});

describe("llama.cpp's routes", () => {
  test("/completion: settings, times, probabilities, fields of choice", async () => {
    const { app } = fresh("a\nb");
    const body = { prompt: [104, "i"], n_predict: 3, n_probs: 2, return_tokens: true, seed: 5 };
    const { json } = await ask(app, "/completion", { body });
    expect(json).toMatchObject({
      content: "a\nb",
      tokens: [97, 10, 98],
      stop: true,
      stop_type: "limit",
      stopping_word: "",
      tokens_predicted: 3,
      tokens_evaluated: 2,
      has_new_line: true,
      truncated: false,
      generation_settings: { seed: 5, n_predict: 3, temperature: 0.8 },
      completion_probabilities: [{ id: 97, token: "a", bytes: [97], logprob: -0.25 }, {}, {}],
    });
    const fields = ["content", "generation_settings/seed", "no/such"];
    const some = await ask(app, "/completion", { body: { ...body, response_fields: fields } });
    expect(some.json).toEqual({ content: "a\nb", "generation_settings/seed": 5 });
    const two = await ask(app, "/completions", { body: { prompt: ["a", "b"] } });
    expect(two.json).toMatchObject([{ index: 0 }, { index: 1 }]);
  });

  test("/completion as a stream ends with the whole story, and without [DONE]", async () => {
    const body = { prompt: "a", stream: true, return_progress: true };
    const { text } = await ask(fresh("hé").app, "/completion", { body });
    const events = eventsOf(text).map((event) => JSON.parse(event) as object);
    expect(events).toMatchObject([
      { prompt_progress: { total: 1, cache: 0, processed: 1 } },
      { content: "h", tokens: [104], stop: false },
      { content: "é", tokens: [0xc3, 0xa9], stop: false },
      { content: "", stop: true, stop_type: "eos", tokens_predicted: 3 },
    ]);
  });

  test("/tokenize and /detokenize", async () => {
    const { app } = fresh();
    const tokens = await ask(app, "/tokenize", { body: { content: "aé", with_pieces: true } });
    expect(tokens.json).toEqual({
      tokens: [
        { id: 97, piece: "a" },
        { id: 195, piece: [195] },
        { id: 169, piece: [169] },
      ],
    });
    expect((await ask(app, "/detokenize", { body: { tokens: [97, 195, 169] } })).json).toEqual({
      content: "aé",
    });
    expect((await ask(app, "/detokenize", { body: { tokens: [97, 999] } })).text).toContain("tokens[1]");
  });

  test("/slots and /metrics are off unless they are on, and clients do not try again", async () => {
    const { app } = fakeApp(fakeServing(), { settings: { hasSlots: false, hasMetrics: false } });
    for (const path of ["/slots", "/metrics"]) {
      const { status, headers, text } = await ask(app, path);
      expect([status, headers.get("x-should-retry"), text]).toEqual([
        501,
        "false",
        expect.stringContaining(`-${path.slice(1)}`),
      ]);
    }
  });

  test("/slots tells no prompts, and can fail where all are busy", async () => {
    const { serving, app } = fresh();
    expect((await ask(app, "/slots?fail_on_no_slot=1")).status).toBe(200);
    serving.busy = 2;
    expect((await ask(app, "/slots?fail_on_no_slot=1")).status).toBe(503);
    expect((await ask(app, "/slots")).json).toEqual(
      [0, 1].map((id) => ({ id, n_ctx: 64, is_processing: true, n_prompt_tokens: 3, n_decoded: 1 })),
    );
  });

  test("/health says what the server is at", async () => {
    const { serving, app } = fresh();
    const { facts } = serving;
    const health = async (): Promise<unknown[]> => {
      const { status, text, headers } = await ask(app, "/health");
      return [status, text, headers.get("retry-after")];
    };
    expect(await health()).toEqual([200, '{"status":"ok"}', null]);
    serving.state = "loading";
    serving.facts = undefined;
    expect(await health()).toEqual([503, expect.stringContaining("Loading model"), "1"]);
    serving.state = "failed";
    expect(await health()).toEqual([500, expect.stringContaining("could not be loaded"), null]);
    serving.facts = facts;
    serving.state = "draining";
    expect(await health()).toEqual([503, expect.stringContaining("shutting down"), "5"]);
  });
});

test("embeddings are floats, or base64 of the same; all forms of input are taken", async () => {
  const { app } = fresh();
  const floats = async (input: unknown): Promise<unknown> =>
    (await ask(app, "/v1/embeddings", { body: { input } })).json;
  expect(await floats("ab")).toMatchObject({
    data: [{ index: 0, embedding: [0.5, 0.5, 0.5, 0.5] }],
    usage: { prompt_tokens: 2, total_tokens: 2 },
  });
  expect(await floats([97, 98])).toMatchObject({ data: [{}] });
  expect(await floats([[97], [98]])).toMatchObject({ data: [{ index: 0 }, { index: 1 }] });
  const { json } = await ask(app, "/v1/embeddings", { body: { input: "a", encoding_format: "base64" } });
  const { data } = json as { data: [{ embedding: string }] };
  const bytes = Uint8Array.from(Buffer.from(data[0].embedding, "base64"));
  expect([...new Float32Array(bytes.buffer)]).toEqual([0.5, 0.5, 0.5, -0.5]);
  for (const input of ["", [], [[]], [""]])
    expect((await ask(app, "/v1/embeddings", { body: { input } })).status, JSON.stringify(input)).toBe(400);
  expect((await ask(app, "/v1/embeddings", { body: { input: "a", dimensions: 2 } })).status).toBe(400);
});
