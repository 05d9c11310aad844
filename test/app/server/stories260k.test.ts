/**
 * What llama.cpp's tests of its server say of stories260K, asked of this one; its facts are here, its code is
 * not. At the end the three tests of determinism that it skips, under their names.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ServerApp } from "../../../app/server/app.ts";
import type { Serving } from "../../../app/server/pool/serving.ts";
import { ask, eventsOf, fakeApp, requestOf } from "../../support/fake-serving.ts";
import { serveStories } from "../../support/served-stories.ts";
import { shared } from "../../runtime/formats/shared.ts";

const file = shared("checkpoints/stories260K/stories260K.gguf");
const LIFE = "I believe the meaning of life is";
const JOKE = "Write a joke about AI from a very long prompt which will not be truncated";

type Json = Readonly<Record<string, unknown>>;
const served: Serving[] = [];
afterAll(() => Promise.all(served.map((serving) => serving.close())));

/** Asks a server with so many texts at once; `seed` and temperature are those of llama.cpp's tests. */
async function serverOf(lanes: number, context: number) {
  const serving = await serveStories(file.path, { lanes, context });
  served.push(serving);
  const { app } = fakeApp(serving);
  const post = async (path: string, body: object): Promise<Json> => {
    const answer = await ask(app, path, { body });
    expect(answer.status, answer.text).toBe(200);
    return answer.json as Json;
  };
  const complete = (body: object): Promise<Json> =>
    post("/completion", { seed: 42, temperature: 0.8, ...body });
  return { serving, app, post, complete };
}

describe.skipIf(!file.there)(`stories260K, two texts of 256 tokens at once ${file.why}`, () => {
  let app: ServerApp;
  let server: Awaited<ReturnType<typeof serverOf>>;
  beforeAll(async () => {
    server = await serverOf(2, 256);
    app = server.app;
  });

  test.each([
    [LIFE, 8, 18],
    [JOKE, 64, 46],
  ])("/completion of %j: %i tokens after %i", async (prompt, most, tokens) => {
    const said = await server.complete({ prompt, n_predict: most, cache_prompt: false });
    expect(said).toMatchObject({
      tokens_predicted: most,
      tokens_evaluated: tokens,
      truncated: false,
      stop_type: "limit",
      has_new_line: false,
      timings: { prompt_n: tokens, predicted_n: most },
    });
  });

  test.each([
    ["Book", "Hey", 69],
    ["Book", "What is the best book", 77],
    ["You are a coding assistant.", "Write the fibonacci function in c++.", 104],
    ["Book", "What is\nthe best book", 79],
  ])("ChatML as text, %j and %j: %i tokens", async (system, user, count) => {
    const turn = (role: string, text: string): string => `<|im_start|>${role}\n${text}<|im_end|>\n`;
    const content = `${turn("system", system)}${turn("user", user)}<|im_start|>assistant\n`;
    const { tokens } = await server.post("/tokenize", { content, add_special: true });
    expect(tokens).toHaveLength(count);
  });

  test("a text that is no template, 23 tokens; a letter of two bytes, each a token", async () => {
    const content = "This is not a chat template, it is";
    expect((await server.post("/tokenize", { content, add_special: true }))["tokens"]).toHaveLength(23);
    const { tokens } = await server.post("/tokenize", { content: "á", with_pieces: true });
    expect((tokens as unknown[]).slice(-2)).toEqual([
      { id: 198, piece: [195] },
      { id: 164, piece: [161] },
    ]);
    const back = await server.post("/detokenize", { tokens: [198, 164] });
    expect(back).toEqual({ content: "á" });
  });

  test("a prompt that does not fit is refused by its size", async () => {
    const answer = await ask(app, "/completion", { body: { prompt: JOKE.repeat(32) } });
    expect([answer.status, answer.json]).toEqual([
      400,
      { error: expect.objectContaining({ type: "exceed_context_size_error", n_ctx: 256 }) },
    ]);
  });

  test("prompts of a list, text and ids by turns; log-probabilities; fields that are picked", async () => {
    const prompt = [LIFE, [1, 403, 407], ["I believe", 261, " the"]];
    const ten = { n_predict: 4, n_probs: 10, response_fields: ["content", "completion_probabilities"] };
    const said = (await server.complete({ prompt, ...ten })) as unknown as Json[];
    expect(said).toHaveLength(3);
    for (const one of said) {
      expect(Object.keys(one).sort()).toEqual(["completion_probabilities", "content"]);
      const probabilities = one["completion_probabilities"] as Json[];
      expect(probabilities).toHaveLength(4);
      for (const { top_logprobs: top } of probabilities) expect(top).toHaveLength(10);
    }
  });

  test("logit_bias in all forms forbids the same tokens", async () => {
    const ids = (await server.post("/tokenize", { content: " very" }))["tokens"] as number[];
    const { content: without } = await server.complete({ prompt: LIFE, n_predict: 8 });
    const forms = [
      ids.map((id) => [id, false]),
      Object.fromEntries(ids.map((id) => [id, false])),
      [[" very", false]],
    ];
    const said = await Promise.all(
      forms.map((bias) => server.complete({ prompt: LIFE, n_predict: 8, logit_bias: bias })),
    );
    for (const { content } of said) {
      expect(content).toBe(said[0]!["content"]);
      expect(content).not.toBe(without);
    }
  });

  test("a client that goes after 0.1 s: its slot is free within a second", async () => {
    const gone = new AbortController();
    const body = { prompt: LIFE, n_predict: -1, ignore_eos: true, stream: true };
    const response = await app.fetch(requestOf("/completion", { body, signal: gone.signal }), {});
    const reader = response.body!.getReader();
    await reader.read();
    gone.abort();
    await reader.cancel().catch(() => {});
    await until(() => server.serving.lanes().every(({ isBusy }) => !isBusy));
  });

  test("a text that fills its context is cut there", async () => {
    const said = await server.complete({ prompt: "Hi how are you", n_predict: -1, ignore_eos: true });
    // llama.cpp adds one less (120 of 128): a last token needs no position
    expect(said).toMatchObject({ tokens_evaluated: 8, tokens_predicted: 256 - 8 + 1, truncated: true });
  });

  test("streams: the pieces are the text", async () => {
    const body = { prompt: LIFE, n_predict: 32, seed: 42, temperature: 0.8 };
    const { text } = await ask(app, "/completion", { body: { ...body, stream: true } });
    const events = eventsOf(text).map((event) => JSON.parse(event) as Json);
    expect(events.map(({ content }) => content).join("")).toBe((await server.complete(body))["content"]);
    expect(events.at(-1)).toMatchObject({ stop: true, tokens_predicted: 32, content: "" });
  });

  test("test_cache_vs_nocache_prompt", async () => {
    const cached: unknown[] = [];
    for (const cache_prompt of [true, true, false])
      cached.push((await server.complete({ prompt: LIFE, n_predict: 48, cache_prompt }))["content"]);
    expect(new Set(cached).size).toBe(1);
  });

  test("result is deterministic when using other slot than slot 0", async () => {
    const said: unknown[] = [];
    for (const id_slot of [0, 1, 0])
      said.push((await server.complete({ prompt: LIFE, n_predict: 48, id_slot }))["content"]);
    expect(new Set(said).size).toBe(1);
  });

  test("test_consistent_result_different_batch_size, at temperature 1", async () => {
    const other = await serverOf(4, 256);
    const texts: unknown[][] = [];
    for (const { complete, serving } of [server, other]) {
      const said = [0, 1, 2, 3, 4, 5].map((seed) =>
        complete({ prompt: LIFE, n_predict: 48, temperature: 1, seed }),
      );
      await until(() => serving.lanes().every(({ isBusy }) => isBusy)); // six on so many slots
      texts.push((await Promise.all(said)).map(({ content }) => content));
    }
    expect(new Set(texts[0]).size).toBe(6);
    expect(texts[1]).toEqual(texts[0]);
  });
});

const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise(setImmediate);
};
