/**
 * OpenAI's own client, and the AI SDK's, against a real port and a model that really runs: all routes,
 * streams in both ways, every class of error with how often it was tried, and texts that are the same alone
 * and among others.
 */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { listen, type Listening } from "../../../app/server/listen.ts";
import { openPool } from "../../../app/server/pool/pool.ts";
import type { Serving } from "../../../app/server/pool/serving.ts";
import { plainChat } from "../../../runtime/tokenizers/chat/chat.ts";
import { fakeApp } from "../../support/fake-serving.ts";
import { runningModels } from "../../support/running-models.ts";
import { compileServed, opened } from "./pool/served.ts";

const KEY = "a-key";

const running = runningModels();
let serving: Serving;
let listening: Listening;
/** Requests that clients have sent. */
let sent = 0;

beforeAll(async () => {
  const bundle = await compileServed();
  const served = opened(await running(bundle));
  const format = plainChat(served.facts.tokenizer);
  serving = openPool({ open: async () => ({ ...served, facts: { ...served.facts, format } }) });
  const { app } = fakeApp(serving, { access: { allowedHosts: [], corsOrigins: [], apiKey: KEY } });
  listening = await listen(app, { host: "127.0.0.1", port: 0 });
  await serving.ready;
});
afterAll(async () => {
  await listening.close(0);
  await serving.close();
});

const counted: typeof fetch = (input, init) => {
  sent++;
  return fetch(input, init);
};
const client = (options: { readonly apiKey?: string; readonly path?: string } = {}): OpenAI =>
  new OpenAI({
    baseURL: `${listening.url}${options.path ?? "/v1"}`,
    apiKey: options.apiKey ?? KEY,
    fetch: counted,
  });

const model = "any";
const messages = [{ role: "user" as const, content: "hello" }];
const drawn = { model, seed: 3, max_tokens: 12 };
const isIdle = (): Promise<void> =>
  vi.waitFor(() => expect(serving.lanes().every(({ isBusy }) => !isBusy)).toBe(true));

describe("openai", () => {
  test("models", async () => {
    const { data } = await client().models.list();
    expect(data).toMatchObject([{ id: "tiny", object: "model", owned_by: "sinter" }]);
    expect(await client().models.retrieve("tiny")).toMatchObject({ id: "tiny" });
  });

  test("a chat: whole, by events, and by the helper, with the same text", async () => {
    const whole = await client().chat.completions.create({ ...drawn, messages });
    expect(whole).toMatchObject({
      object: "chat.completion",
      model: "tiny",
      system_fingerprint: "f",
      choices: [{ index: 0, message: { role: "assistant" }, finish_reason: "length" }],
      usage: { completion_tokens: 12 },
    });
    expect(whole._request_id).toMatch(/^req_/);
    const text = whole.choices[0]!.message.content!;
    let streamed = "";
    let usage: unknown;
    const events = await client().chat.completions.create({
      ...drawn,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const chunk of events) {
      streamed += chunk.choices[0]?.delta.content ?? "";
      usage = chunk.usage ?? usage;
    }
    expect(streamed).toBe(text);
    expect(usage).toMatchObject({ completion_tokens: 12 });
    const final = await client()
      .chat.completions.stream({ ...drawn, messages, n: 2, logprobs: true })
      .finalChatCompletion();
    expect(final.choices[0]).toMatchObject({ message: { content: text }, finish_reason: "length" });
    expect(final.choices[0]!.logprobs!.content).toHaveLength(12);
    expect(final.choices).toHaveLength(2);
    const none = await client()
      .chat.completions.stream({ ...drawn, max_tokens: 0, messages })
      .finalChatCompletion();
    expect(none.choices[0]).toMatchObject({ finish_reason: "length" });
  });

  test("completions score their prompt, and a text scores what it was drawn with", async () => {
    const { choices } = await client().completions.create({
      ...drawn,
      prompt: "hello",
      logprobs: 2,
      temperature: 0,
    });
    const [{ text, logprobs: made }] = choices as [OpenAI.CompletionChoice];
    const again = await client().completions.create({
      model,
      prompt: [...Buffer.from("hello"), ...made!.tokens!.map(byteOf)],
      echo: true,
      logprobs: 2,
      max_tokens: 0,
    });
    const [echoed] = again.choices as [OpenAI.CompletionChoice];
    expect(echoed.text).toBe(`hello${text}`);
    const scores = echoed.logprobs!.token_logprobs!;
    expect(scores[0]).toBeNull();
    const drawnAt = made!.token_logprobs!;
    expect(scores).toHaveLength(5 + drawnAt.length);
    // the module rounds its scores to f32
    for (const [i, logprob] of drawnAt.entries()) expect(scores[5 + i]).toBeCloseTo(logprob!, 5);
    expect(echoed.logprobs!.top_logprobs!.slice(5).map(namesOf)).toEqual(made!.top_logprobs!.map(namesOf));
  });

  test("embeddings come as base64 unless floats are asked for", async () => {
    const input = ["one", "another"];
    const floats = await client().embeddings.create({ model, input, encoding_format: "float" });
    const plain = await client().embeddings.create({ model, input });
    expect(plain.data.map(({ embedding }) => embedding.length)).toEqual([32, 32]);
    expect(plain.data.map(({ embedding }) => embedding)).toEqual(
      floats.data.map(({ embedding }) => embedding),
    );
    for (const { embedding } of plain.data) expect(Math.hypot(...embedding)).toBeCloseTo(1, 5);
  });

  test("a loop that is left frees its lane", async () => {
    const events = await client().completions.create({ ...drawn, max_tokens: 80, prompt: "a", stream: true });
    for await (const _ of events) break;
    await isIdle();
    expect(serving.counts().waiting).toBe(0);
  });

  test("32 at once say what each says alone", async () => {
    const textOf = async (seed: number): Promise<string> => {
      let text = "";
      const prompt = `text ${seed % 7} `;
      const events = await client().completions.create({
        ...drawn,
        seed,
        prompt,
        stream: true,
        temperature: 1,
      });
      for await (const chunk of events) text += chunk.choices[0]?.text ?? "";
      return text;
    };
    const seeds = Array.from({ length: 32 }, (_, i) => i);
    const together = await Promise.all(seeds.map(textOf));
    expect(new Set(together).size).toBeGreaterThan(16);
    for (const seed of seeds.slice(0, 8)) expect(await textOf(seed)).toBe(together[seed]);
  });

  test.each([
    ["BadRequestError", 400, 1, () => client().completions.create({ model, prompt: "a", temperature: -1 })],
    ["BadRequestError", 400, 1, () => client().completions.create({ model, prompt: "a".repeat(200) })],
    [
      "BadRequestError",
      400,
      1,
      () => client().chat.completions.create({ model, messages, tool_choice: "required" }),
    ],
    [
      "AuthenticationError",
      401,
      1,
      () => client({ apiKey: "wrong" }).completions.create({ model, prompt: "a" }),
    ],
    ["NotFoundError", 404, 1, () => client().models.retrieve("other")],
    ["NotFoundError", 404, 1, () => client({ path: "/v2" }).models.list()],
    ["APIError", 413, 1, () => client().completions.create({ model, prompt: "a".repeat(2 << 20) })],
  ] as const)("%s: %d, and %d request", async (name, status, requests, ask) => {
    sent = 0;
    const error = await (ask() as Promise<unknown>).then(
      () => undefined,
      (cause: unknown) => cause as InstanceType<typeof OpenAI.APIError>,
    );
    expect(error).toBeInstanceOf(OpenAI[name]);
    expect([error!.status, sent]).toEqual([status, requests]);
    expect(error!.requestID).toMatch(/^req_/);
  });

  test("a server that takes no more is asked three times", async () => {
    sent = 0;
    const complete = vi.spyOn(serving, "complete").mockRejectedValue(new Error("broken"));
    const asked = client().completions.create({ model, prompt: "a" });
    await expect(asked).rejects.toBeInstanceOf(OpenAI.InternalServerError);
    complete.mockRestore();
    expect(sent).toBe(3);
  });
});

const namesOf = (likeliest: object): string[] => Object.keys(likeliest).toSorted();

/** The byte that a token of the lists stands for. */
const byteOf = (token: string): number =>
  token.startsWith("bytes:") ? Number.parseInt(token.slice("bytes:\\x".length), 16) : token.charCodeAt(0);

test("the AI SDK reads answers, whole and streamed", async () => {
  const provider = createOpenAICompatible({
    name: "sinter",
    baseURL: `${listening.url}/v1`,
    apiKey: KEY,
    includeUsage: true,
  });
  const chat = provider.chatModel("tiny");
  const asked = {
    prompt: [{ role: "user" as const, content: [{ type: "text" as const, text: "hello" }] }],
    seed: 3,
    maxOutputTokens: 12,
  };
  const whole = await chat.doGenerate(asked);
  const { stream } = await chat.doStream(asked);
  let text = "";
  const kinds = new Set<string>();
  for await (const part of stream) {
    kinds.add(part.type);
    if (part.type === "text-delta") text += part.delta;
    if (part.type === "finish") expect(part).toMatchObject({ usage: { outputTokens: { total: 12 } } });
  }
  expect(kinds).toContain("finish");
  expect(kinds).not.toContain("error");
  expect(whole.content).toMatchObject([{ type: "text", text }]);
});
