/**
 * Generation with a model whose next token is always the last one plus one: cache, full context,
 * log-probabilities, and the verbs that use it.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { generate, type GenerateOptions } from "../../../runtime/sample/generate.ts";
import { logprobReader, logSumExp } from "../../../runtime/sample/logprobs.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import { samplerDefaults } from "../../../runtime/sample/sampler.ts";
import { createSession } from "../../../runtime/sample/session.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { plainChat } from "../../../runtime/tokenizers/chat/chat.ts";
import { fakeModel } from "../../support/fake-model.ts";
import { SINTER } from "../../support/paths.ts";

/** Counts the tokens that really run. The context is 8, the vocabulary 16. */
function counting(): { model: RunningModel; runs: [start: number, tokens: readonly number[]][] } {
  const runs: [number, readonly number[]][] = [];
  return { runs, model: fakeModel(1, { onRun: (start, tokens) => runs.push([start, tokens]) }) };
}
const greedy: Omit<GenerateOptions, "prompt"> = { ...samplerDefaults, temperature: 0, tokens: 4, seed: 1 };
const tokenizer = byteTokenizer();

describe("the cache", () => {
  test("a second text runs only what the first did not", async () => {
    const { model, runs } = counting();
    const session = createSession(model);
    expect((await session.feed([1, 2, 3, 4])).reused).toBe(0);
    expect((await session.feed([1, 2, 3, 9])).reused).toBe(3);
    // the last token always runs, since its logits are wanted
    expect((await session.feed([1, 2, 3, 9])).reused).toBe(3);
    session.forget();
    expect((await session.feed([1, 2])).reused).toBe(0);
    expect(runs).toEqual([
      [0, [1, 2, 3, 4]],
      [3, [9]],
      [3, [9]],
      [0, [1, 2]],
    ]);
    await expect(session.feed(Array(9).fill(1))).rejects.toThrow("9 tokens do not fit into a context of 8");
  });
  test("generation goes on from what a conversation has in it", async () => {
    const { model, runs } = counting();
    const session = createSession(model);
    const first = await generate(model, tokenizer, { ...greedy, prompt: [1, 2], tokens: 2, session });
    expect([first.tokens, first.cachedTokens]).toEqual([[3, 4], 0]);
    const second = await generate(model, tokenizer, {
      ...greedy,
      prompt: [1, 2, 3, 4, 7],
      tokens: 1,
      session,
    });
    expect([second.tokens, second.cachedTokens]).toEqual([[8], 3]);
    expect(runs).toEqual([
      [0, [1, 2]],
      [2, [3]],
      [3, [4, 7]],
    ]);
  });
});

describe("a full context", () => {
  test("shifts: the newer half goes on", async () => {
    const { model, runs } = counting();
    const made = await generate(model, tokenizer, { ...greedy, prompt: [1, 2, 3, 4, 5, 6], tokens: 6 });
    expect([made.tokens, made.reason]).toEqual([[7, 8, 9, 10, 11, 12], "tokens"]);
    expect(runs).toContainEqual([0, [6, 7, 8, 9]]);
  });
  test("or ends the text, and refuses a prompt that is too long", async () => {
    const { model } = counting();
    const made = await generate(model, tokenizer, {
      ...greedy,
      prompt: [1, 2, 3, 4, 5, 6],
      tokens: 6,
      whenFull: "stop",
    });
    expect([made.tokens, made.reason]).toEqual([[7, 8, 9], "context"]);
    await expect(
      generate(model, tokenizer, { ...greedy, prompt: Array(9).fill(1), whenFull: "stop" }),
    ).rejects.toThrow("context of 8");
    expect(
      (await generate(model, tokenizer, { ...greedy, prompt: [9, 9, 9, 9, 9, 1, 2, 3, 4], tokens: 1 }))
        .tokens,
    ).toEqual([5]);
  });
});

describe("log-probabilities", () => {
  test("are those of the softmax, whatever sampling does to the logits", () => {
    const logits = Float32Array.from([1, 3, 2, 3, -4]);
    const of = logprobReader(logits, 3);
    const total = Math.log([...logits].reduce((s, v) => s + Math.exp(v), 0));
    expect(logSumExp(logits)).toBeCloseTo(total, 12);
    logits.fill(0);
    expect(of(2).logprob).toBeCloseTo(2 - total, 12);
    expect(of(2).top.map((t) => t.id)).toEqual([1, 3, 2]);
    expect([...Array(5).keys()].reduce((s, id) => s + Math.exp(of(id).logprob), 0)).toBeCloseTo(1, 12);
  });
  test("come with every token", async () => {
    const made = await generate(fakeModel(), tokenizer, { ...greedy, prompt: [1], logprobs: 2 });
    expect(made.logprobs!.map((l) => [l.id, l.top[0]!.id, l.top.length])).toEqual(
      [2, 3, 4, 5].map((id) => [id, id, 2]),
    );
    expect(made.logprobs![0]!.logprob).toBeCloseTo(9 - Math.log(Math.exp(9) + 15), 6);
  });
});

describe("single ids", () => {
  const made = async (o: Partial<GenerateOptions>): Promise<readonly number[]> =>
    (await generate(fakeModel(), tokenizer, { ...greedy, prompt: [1], ...o })).tokens;

  test("get a bias, or are never drawn", async () => {
    expect(await made({ bias: new Map([[7, 9.5]]) })).toEqual([7, 7, 7, 7]);
    expect(await made({ bias: new Map([[3, -Infinity]]) })).toEqual([2, 0, 1, 2]);
    expect(await made({ bias: new Map([[99, 9.5]]) })).toEqual([2, 3, 4, 5]); // there is no such id
  });

  test("are drawn less where the new text has them, by how often", async () => {
    const bias = new Map([[7, 9.5]]);
    // 7 has 9.5, and the next id 9
    expect(await made({ bias, presencePenalty: 1 })).toEqual([7, 8, 9, 10]);
    expect(await made({ bias, frequencyPenalty: 0.3 })).toEqual([7, 7, 8, 9]);
    expect(await made({ bias, presencePenalty: -1, frequencyPenalty: 0.6 })).toEqual([7, 7, 7, 8]);
  });

  test("end a text, or are never drawn", async () => {
    const ending = { ...tokenizer, stops: new Set([3]) };
    const made = (o: Partial<GenerateOptions>) =>
      generate(fakeModel(), ending, { ...greedy, prompt: [1], ...o });
    expect(await made({})).toMatchObject({ tokens: [2], reason: "end of text" });
    expect(await made({ ignoreEnd: true })).toMatchObject({ tokens: [2, 0, 1, 2], reason: "tokens" });
  });
});

test("a stop text is named; a text that goes on keeps its first space", async () => {
  const words = { ...tokenizer, addsSpace: true, bytes: (id: number) => new TextEncoder().encode(` ${id}`) };
  const made = (o: Partial<GenerateOptions>) =>
    generate(fakeModel(), words, { ...greedy, prompt: [1], stop: ["5", "3 4", "4"], ...o });
  expect(await made({})).toMatchObject({ text: "2 ", reason: "stop", stopText: "3 4" });
  expect(await made({ continues: true })).toMatchObject({ text: " 2 ", tokens: [2, 3, 4] });
  expect((await made({ stop: [] })).stopText).toBeUndefined();
});

test("a model without a chat format sees names and colons", async () => {
  const ids = await plainChat(tokenizer).encode(
    [
      { role: "system", content: "Be brief." },
      { role: "user", content: " Hi " },
    ],
    true,
  );
  expect(new TextDecoder().decode(Uint8Array.from(ids))).toBe("System: Be brief.\nUser: Hi\nAssistant:");
});

describe("the verbs", () => {
  let folder: string;
  const sinter = (
    args: readonly string[],
    input = "",
  ): Promise<{ code: number | null; out: string; err: string }> => {
    const child = spawn(process.execPath, [SINTER, ...args], {
      cwd: folder,
      stdio: ["pipe", "pipe", "pipe"],
    });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    child.stdin.end(input);
    return new Promise((resolve) => child.on("close", (code) => resolve({ code, out, err })));
  };
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "sinter-generate-"));
    writeFileSync(
      join(folder, "tiny.sinter"),
      `model tiny {
  context 64  width 16  layers 2  heads 2
  embed token + position
  layer {
    x += attention(layernorm(x))
    x += mlp(layernorm(x), hidden: 32, activation: gelu)
  }
  output linear(layernorm(x), tied: true)
  tokenizer bytes
  train { batch 4  context 16  steps 40  lr 3e-3  eval_every 0 }
}
`,
    );
    writeFileSync(join(folder, "text.txt"), "User: hello\nAssistant: hello to you\n".repeat(200));
    const { code, err } = await sinter([
      "train",
      "tiny.sinter",
      "--data",
      "text.txt",
      "--out",
      "run",
      "--target",
      "simd",
      "--workers",
      "1",
    ]);
    expect([code, err]).toEqual([0, ""]);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("sample answers many prompts in their order, each as it would alone", async () => {
    writeFileSync(
      join(folder, "prompts.jsonl"),
      '{"prompt":"User: hello"}\n{"prompt":"Assistant"}\n{"prompt":"User: he"}\n',
    );
    const greedily = ["--temp", "0", "-n", "5", "--workers", "1", "--target", "simd"];
    const many = await sinter(["sample", "run", "--prompts", "prompts.jsonl", ...greedily]);
    const lines = many.out
      .trim()
      .split("\n")
      .map((l) => JSON.parse(l) as Record<string, unknown>);
    expect(lines.map((l) => l["index"])).toEqual([0, 1, 2]);
    expect(lines[0]!["cached_tokens"]).toBeGreaterThan(5); // the tokens of "User: he"
    for (const line of lines) {
      const alone = JSON.parse(
        (
          await sinter([
            "sample",
            "run",
            "-p",
            line["prompt"] as string,
            "--json",
            "--logprobs",
            "2",
            ...greedily,
          ])
        ).out,
      ) as Record<string, unknown>;
      expect(alone["tokens"]).toEqual(line["tokens"]);
      expect(alone["logprobs"]).toHaveLength((alone["tokens"] as number[]).length);
    }
    expect(await sinter(["sample", "run", "--logprobs", "2"])).toMatchObject({
      code: 2,
      err: expect.stringContaining("--json") as string,
    });
    writeFileSync(join(folder, "bad.jsonl"), '{"prompt":"a"}\n{"text":"b"}\n');
    expect(await sinter(["sample", "run", "--prompts", "bad.jsonl"])).toMatchObject({
      code: 1,
      err: expect.stringContaining("bad.jsonl, line 2") as string,
    });
  });

  test("chat keeps what was said, and refuses a message that is longer than the context", async () => {
    const talk = await sinter(
      ["chat", "run", "--json", "--temp", "0", "-n", "4", "--workers", "1", "--target", "simd"],
      "hi\nhello\n/reset\nhi\n/exit\nnever\n",
    );
    const answers = talk.out
      .trim()
      .split("\n")
      .map((l) => JSON.parse(l) as Record<string, number | string>);
    expect(talk.code).toBe(0);
    expect(answers).toHaveLength(3);
    expect(answers[1]!["cached_tokens"]).toBeGreaterThan((answers[0]!["prompt_tokens"] as number) - 1);
    expect(answers[2]!["content"]).toBe(answers[0]!["content"]);
    expect(await sinter(["chat", "run", "--workers", "1"], `${"word ".repeat(30)}\n`)).toMatchObject({
      code: 1,
      err: expect.stringContaining("Say it in fewer words") as string,
    });
  });
});
