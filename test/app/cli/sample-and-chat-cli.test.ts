/**
 * `sample` checks all prompts before it prints; `chat` answers line by line while its pipe stays open;
 * special tokens in what both show.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { inside as runInside } from "../../support/inside.ts";
import { SINTER } from "../../support/paths.ts";

const SPEC = `model m {
  vocab 64   context 32   width 16   layers 1   heads 2
  embed token + position
  layer {
    x += attention(layernorm(x))
    x += mlp(layernorm(x))
  }
  output linear(layernorm(x), tied: true)
  tokenizer characters
  train { batch 4  context 16  steps 2  eval_every 0 }
}
`;
let folder: string;
const put = (name: string, text: string): void => writeFileSync(join(folder, name), text);

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return runInside(args, folder);
}
const sample = (...args: string[]) =>
  run("sample", "run", "--workers", "1", "--target", "simd", "--temp", "0", "-n", "3", ...args);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sinter-sample-"));
  put("m.sinter", SPEC);
  put("text.txt", "User: abcdefghij Assistant: klmno\n".repeat(40));
  expect(
    await run(
      "train",
      "m.sinter",
      "--data",
      "text.txt",
      "--out",
      "run",
      "--workers",
      "1",
      "--target",
      "simd",
    ),
  ).toMatchObject({ code: 0 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("sample prints nothing before all is looked at", () => {
  test.each([
    ["a character that is not in the vocabulary", ["-p", "abñ"], /^error: the text has "ñ"/],
    [
      "a prompt that is longer than the context, which may not shift",
      ["-p", "a".repeat(40), "--when-full", "stop"],
      /^error: the prompt has 40 tokens, the context 32/,
    ],
    ["a setting that is none", ["-p", "ab", "--top-p", "7"], /--top-p takes a number/],
    ["an output that is there already", ["--prompts", "good.txt", "-o", "good.txt"], /exists already/],
    ["--out without prompts", ["-p", "ab", "-o", "x"], /--out goes with --prompts/],
  ] as const)("%s", async (_, args, why) => {
    put("good.txt", "ab\n");
    const { code, out, err } = await sample(...args);
    expect([code === 1 || code === 2, out]).toEqual([true, ""]);
    expect(err).toMatch(why);
  });
  it("of a file of prompts: the one that is wrong is named by its line, and none is answered", async () => {
    put("bad.txt", "\ufeffab\r\n\r\n  \r\ncd\r\nñ\r\n");
    expect(await sample("--prompts", "bad.txt")).toMatchObject({
      code: 1,
      out: "",
      err: expect.stringMatching(/^error: bad.txt, line 5: the text has "ñ"/) as string,
    });
    put("long.jsonl", `\ufeff{"prompt":"ab"}\n\n{"prompt":"${"a".repeat(40)}"}\n`);
    expect(await sample("--prompts", "long.jsonl", "--when-full", "stop")).toMatchObject({
      code: 1,
      out: "",
      err: expect.stringMatching(/^error: long.jsonl, line 3: the prompt has 40 tokens/) as string,
    });
  });
  it("answers go to a file as they would to standard output", async () => {
    put("two.jsonl", '\ufeff{"prompt":"ab"}\r\n\r\n{"prompt":"cd"}');
    const shown = await sample("--prompts", "two.jsonl");
    const kept = await sample("--prompts", "two.jsonl", "-o", "answers.jsonl");
    const texts = (lines: string): unknown[] =>
      lines
        .trim()
        .split("\n")
        .map((line) => {
          const { index, prompt, tokens } = JSON.parse(line) as Record<string, unknown>;
          return [index, prompt, tokens];
        });
    expect(shown).toMatchObject({ code: 0, err: "" });
    expect(kept).toMatchObject({ code: 0, out: "", err: "" });
    expect(texts(readFileSync(join(folder, "answers.jsonl"), "utf8"))).toEqual(texts(shown.out));
    expect(texts(shown.out).map((one) => (one as unknown[])[1])).toEqual(["ab", "cd"]);
  });
});

describe("chat from a pipe that stays open", () => {
  it("answers each line when it comes, and ends with the input", async () => {
    const child = spawn(
      process.execPath,
      [SINTER, "chat", "run", "--json", "--temp", "0", "-n", "2", "--workers", "1", "--target", "simd"],
      { cwd: folder },
    );
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    const until = async (what: () => boolean): Promise<void> => {
      while (!what()) await new Promise((later) => setTimeout(later, 10));
    };
    const lines = (text: string): number => text.split("\n").length - 1;
    child.stdin.write("a");
    child.stdin.write("b\r\n");
    await until(() => lines(out) === 1);
    child.stdin.write("ñ\n/nothing\n");
    await until(() => err.includes("there is no command /nothing"));
    child.stdin.write("/reset\nab\n");
    await until(() => lines(out) === 2);
    child.stdin.end();
    const code = await new Promise((done) => child.on("close", done));
    const answers = out
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { content: string }).content);
    expect([code, answers[0]]).toEqual([0, answers[1]]);
    expect(err).toMatch(
      /line 2 of the input: the text has "ñ"[\s\S]*line 3 of the input: there is no command \/nothing/,
    );
  });
});
