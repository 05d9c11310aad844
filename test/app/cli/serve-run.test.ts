/**
 * What a server makes of a run: adapters beside their base, each by its name; a run that goes on training;
 * scores of a text that are those of `sinter eval`.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serveRun, type ServedRun } from "../../../app/cli/runs/serve-run.ts";
import { follow } from "../../../app/server/follow.ts";
import type { ServerApp } from "../../../app/server/app.ts";
import { openPool } from "../../../app/server/pool/pool.ts";
import type { Serving } from "../../../app/server/pool/serving.ts";
import { sinter, trainSmall } from "../../support/command-line.ts";
import { ask, fakeApp } from "../../support/fake-serving.ts";

const at = mkdtempSync(join(tmpdir(), "sinter-serve-run-"));
const path = (name: string): string => join(at, name);
const FLAGS = "--workers 1 --target simd".split(" ");

const spec = `model small {
  vocab 260   context 32   width 16   layers 2   heads 4   kv_heads 2
  embed token
  layer { x += attention(rmsnorm(x), rope: rope(theta: 10000))  x += swiglu(rmsnorm(x), hidden: 24) }
  output linear(rmsnorm(x))
  tokenizer bytes
  train { batch 4  context 32  steps 3  lr 1e-2 }
  sft { steps 12  schedule constant  lr 5e-2  eval_every 12 }
}
`;

const closing: (() => unknown)[] = [];
afterAll(async () => {
  for (const close of closing) await close();
  rmSync(at, { recursive: true, force: true });
});

interface Served {
  readonly run: ServedRun;
  readonly serving: Serving;
  readonly app: ServerApp;
}

async function serve(name: string, more: { adapter?: string; follow?: boolean } = {}): Promise<Served> {
  const quiet = { out() {}, err() {}, tty: false, columns: 100, cwd: at };
  const run = await serveRun(
    path(name),
    {
      lanes: 3,
      context: undefined,
      alias: undefined,
      chatFormat: undefined,
      follow: more.follow ?? false,
      adapter: more.adapter && path(more.adapter),
      weights: undefined,
      cache: undefined,
      numerics: undefined,
      workers: 1,
      target: "simd",
    },
    quiet,
  );
  const serving = openPool({ open: () => run.open() });
  closing.push(
    () => serving.close(),
    () => run.close(),
  );
  await serving.ready;
  return { run, serving, app: fakeApp(serving).app };
}

type Json = Readonly<Record<string, unknown>>;
async function post(app: ServerApp, route: string, body: object): Promise<Json> {
  const answer = await ask(app, route, { body });
  expect(answer.status, answer.text).toBe(200);
  return answer.json as Json;
}
const get = async (app: ServerApp, route: string): Promise<Json> => (await ask(app, route)).json as Json;

const sampled = async (name: string): Promise<unknown> =>
  (
    JSON.parse(
      await sinter("sample", path(name), "-p", "say 3", "--temp", "0", "-n", "8", "--json", ...FLAGS),
    ) as Json
  )["tokens"];
const completed = async (app: ServerApp, model?: string): Promise<unknown> => {
  const body = { prompt: "say 3", temperature: 0, n_predict: 8, return_tokens: true, model };
  return (await post(app, "/completion", body))["tokens"];
};

beforeAll(async () => {
  writeFileSync(path("base.sinter"), spec);
  const rows = Array.from({ length: 30 }, (_, i) => ({ prompt: `say ${i}`, completion: `it is ${i}` }));
  writeFileSync(path("data.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
  await trainSmall(path("base.sinter"), path("plain"));
  const sft = (from: string, out: string, ...more: readonly string[]): Promise<string> =>
    sinter("sft", "--from", path(from), "--data", path("data.jsonl"), "--out", path(out), ...FLAGS, ...more);
  await sft("plain", "base", "--steps", "2"); // a base that knows the tokens of turns
  await sft("base", "polite", "--lora", "2");
});

test("a base and its adapters answer by their names, side by side, as each does alone", async () => {
  const { app, run } = await serve("base", { adapter: "polite" });
  const { model } = await run.open();
  expect(run.memory.bytes, "the bytes that are said before, adapters among them").toBe(model.memoryBytes);
  await model.close();
  const models = (await get(app, "/v1/models"))["data"] as Json[];
  expect(models.map(({ id, parent }) => [id, parent])).toEqual([
    ["base", undefined],
    ["polite", "base"],
  ]);
  expect(await get(app, "/v1/models/polite")).toMatchObject({ id: "polite" });
  expect(await get(app, "/props")).toMatchObject({ adapter: "polite" });
  const [base, polite] = [await sampled("base"), await sampled("polite")];
  expect(polite).not.toEqual(base);
  const names = ["polite", undefined, "polite", "base", "gpt-4"];
  const said = await Promise.all(names.map((name) => completed(app, name)));
  expect(said).toEqual([polite, base, polite, base, base]);

  const scored = async (model: string): Promise<unknown> => {
    const body = { prompt: "say 3", max_tokens: 0, echo: true, logprobs: 0, model };
    const [choice] = (await post(app, "/v1/completions", body))["choices"] as Json[];
    return (choice!["logprobs"] as Json)["token_logprobs"];
  };
  expect(await scored("polite")).not.toEqual(await scored("base"));
  const vector = async (model: string): Promise<unknown> =>
    ((await post(app, "/v1/embeddings", { input: "say 3", model }))["data"] as Json[])[0]!["embedding"];
  expect(await vector("polite")).not.toEqual(await vector("base"));
  const messages = [{ role: "user", content: "say 3" }];
  const chat = await post(app, "/v1/chat/completions", { messages, max_tokens: 4, model: "polite" });
  expect(chat["model"]).toBe("polite");
});

test("echo with log-probabilities says what sinter eval says", async () => {
  const text = "It is a truth universally acknowledged, that a single man in possession of a good fortune, …";
  writeFileSync(path("text.txt"), text);
  const flags = ["--data", path("text.txt"), "--context", "31", "--json", ...FLAGS];
  const evaluated = await sinter("eval", path("plain"), ...flags);
  const { loss, tokens } = JSON.parse(evaluated) as { loss: number; tokens: number };
  const { app, serving } = await serve("plain");
  const ids = serving.facts!.tokenizer.encode(text);
  const prompt = Array.from({ length: Math.ceil((ids.length - 1) / 31) }, (_, w) =>
    ids.slice(31 * w, 31 * w + 32),
  );
  const { choices } = await post(app, "/v1/completions", { prompt, max_tokens: 0, echo: true, logprobs: 0 });
  const logprobs = (choices as Json[]).flatMap(
    (choice) => ((choice["logprobs"] as Json)["token_logprobs"] as (number | null)[]).slice(1) as number[],
  );
  expect(logprobs).toHaveLength(tokens);
  const mean = logprobs.reduce((sum, logprob) => sum - logprob, 0) / tokens;
  expect(Math.abs(mean - loss)).toBeLessThan(1e-5);
});

test("a run that goes on training is followed: the newest checkpoint answers", async () => {
  const { run, serving, app } = await serve("plain", { follow: true });
  const before = await get(app, "/props");
  expect(before["step"]).toBe(3);
  const ended = new AbortController();
  const steps: unknown[] = [];
  const renewed = new Promise<void>((resolve) => {
    const hears = { renewed: (step: unknown) => resolve(void steps.push(step)), failed: expect.fail };
    const followed = { newest: () => run.newest(), renew: () => run.renew(), ...hears };
    void follow(serving, followed, { signal: ended.signal, everyMs: 5 });
  });
  await sinter("train", "--resume", "--out", path("plain"), "--steps", "9", ...FLAGS);
  await renewed;
  const after = await get(app, "/props");
  expect([after["step"], steps]).toEqual([9, [9]]);
  expect(after["system_fingerprint"]).not.toBe(before["system_fingerprint"]);
  expect(await completed(app)).toEqual(await sampled("plain"));
  ended.abort();
  expect(serving.counts().restarts).toBe(0);
});

test("only a run's folder can be followed", async () => {
  writeFileSync(path("model.gguf"), "");
  await expect(serve("model.gguf", { follow: true })).rejects.toThrow("will not change");
});
