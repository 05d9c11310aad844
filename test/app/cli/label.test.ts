/** `sinter label`: a scripted person, what is kept, where it goes on, and what is drawn on a terminal. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { label, type LabelAsked } from "../../../app/cli/train/label.ts";
import { FeedbackFile } from "../../../app/cli/train/feedback-file.ts";
import { keysIn, wordsOf } from "../../../app/cli/terminal/keys.ts";
import { keysText, pairText, wrapped } from "../../../app/cli/terminal/pair-view.ts";
import { widthOf } from "../../../runtime/report/text-width.ts";
import { run as verb, sinter, trainSmall } from "../../support/command-line.ts";

const SPEC = `model m {
  vocab 256   context 48   width 16   layers 1   heads 2
  embed token + position
  layer { x += attention(layernorm(x))  x += mlp(layernorm(x)) }
  output linear(layernorm(x), tied: true)
  tokenizer bytes
  train { batch 4  context 32  steps 3 }
  sample { tokens 6 }
}
`;
let at: string;
const path = (name: string): string => join(at, name);
const lines = (name: string): string[] => readFileSync(path(name), "utf8").trimEnd().split("\n");
const rows = (name: string): Record<string, unknown>[] =>
  lines(name).map((one) => JSON.parse(one) as Record<string, unknown>);

const asked = { prompts: "prompts.txt", json: true, workers: 1, target: "simd", seed: 7 } as const;

/** A person who says these words. */
async function person(words: readonly string[], out: string, more: object = {}) {
  const said = { out: "", err: "" };
  const input = (async function* () {
    for (const word of words) yield new TextEncoder().encode(`${word}\n`);
  })();
  const io = {
    out: (text: string) => void (said.out += text),
    err: (text: string) => void (said.err += text),
    tty: false,
    columns: 80,
    cwd: at,
  };
  const code = await label(path("run"), { ...asked, out, ...more } as LabelAsked, () => wordsOf(input), io);
  return { code, ...said };
}

beforeAll(async () => {
  at = mkdtempSync(join(tmpdir(), "sinter-label-"));
  writeFileSync(path("m.sinter"), SPEC);
  writeFileSync(path("prompts.txt"), "one?\n\ntwo?\nthree?\nfour?\none?\n");
  await trainSmall(path("m.sinter"), path("run"), "--steps", "3");
});
afterAll(() => rmSync(at, { recursive: true, force: true }));

describe("a person judges", () => {
  test("each choice is a row with its answers as they were shown; undo takes the row out", async () => {
    const { code, out } = await person(["left", "nothing", "x", "undo", "t", "quit"], "first.jsonl");
    expect(code).toBe(0);
    const shown = out
      .trim()
      .split("\n")
      .map((one) => JSON.parse(one) as Record<string, unknown>);
    const pairs = shown.filter(({ kind }) => kind === "pair");
    expect(pairs.map(({ at: i }) => i)).toEqual([0, 1, 2, 1, 2]);
    expect(pairs[3]).toEqual(pairs[1]);
    const [first, second, ...rest] = rows("first.jsonl");
    expect(rest).toEqual([]);
    expect(first).toMatchObject({ prompt: "one?", choice: "a", seed: 7 });
    expect([first!["chosen"], first!["rejected"]]).toEqual([pairs[0]!["a"], pairs[0]!["b"]]);
    expect(first!["model"]).toMatch(/^[0-9a-f]{64}@3$/);
    expect(second).toMatchObject({ prompt: "two?", choice: "tie" });
    expect(second!["answers"]).toEqual([pairs[1]!["a"], pairs[1]!["b"]]);
    expect(second).not.toHaveProperty("chosen");
  });

  test("it goes on where it stopped, with the pairs that it would have shown then", async () => {
    const whole = await person(["left", "right", "up", "down"], "whole.jsonl");
    expect(whole.out).toContain('"a":1,"b":1,"tie":1,"both_bad":1');
    await person(["left"], "parts.jsonl");
    const rest = await person(["right", "up", "down"], "parts.jsonl");
    expect(rest.err).toContain("judged before: 1 of 4 prompts");
    const judged = (name: string): unknown[] => rows(name).map(({ time: _, ms: __, ...row }) => row);
    expect(judged("parts.jsonl")).toEqual(judged("whole.jsonl"));
    expect(await person([], "parts.jsonl")).toMatchObject({ code: 0, out: "" });
  });

  test("a line that was cut off is left out; a line without its end gets one", () => {
    const [first, second] = ["one", "two"].map(
      (prompt) => `{"prompt":"${prompt}","answers":[],"choice":"tie"}`,
    );
    const after = (held: string): { wasCut: boolean; text: string } => {
      writeFileSync(path("cut.jsonl"), held);
      const file = new FeedbackFile(path("cut.jsonl"), "cut.jsonl");
      file.add(`${second}\n`);
      file.add("gone\n");
      file.takeBack();
      file.close();
      return { wasCut: file.wasCut, text: readFileSync(path("cut.jsonl"), "utf8") };
    };
    const text = `${first}\n${second}\n`;
    expect(after(`${first}\n${second!.slice(0, 20)}`)).toEqual({ wasCut: true, text });
    expect(after(first!)).toEqual({ wasCut: false, text });
  });

  test("what another program has written is not taken back", () => {
    const file = new FeedbackFile(path("shared.jsonl"), "shared.jsonl");
    file.add("{}\n");
    appendFileSync(path("shared.jsonl"), "{}\n");
    expect(() => file.takeBack()).toThrow("shared.jsonl was written to by another program");
    file.close();
    expect(lines("shared.jsonl")).toHaveLength(2);
  });

  test("files of other kinds are refused, and stay as they are", async () => {
    writeFileSync(path("data.jsonl"), '{"prompt":"a","completion":"b"}\n');
    await expect(person(["left"], "data.jsonl")).rejects.toThrow("data.jsonl, row 1: it is no choice");
    expect(lines("data.jsonl")).toEqual(['{"prompt":"a","completion":"b"}']);
    await expect(person(["left"], "new.jsonl", { temp: 0 })).rejects.toThrow("both answers are the same");
    const told = ["label", path("run"), "--prompts", "-", "-o", path("new.jsonl")];
    expect(await verb(...told)).toMatchObject({ code: 2 });
  });
});

test("--help names all keys", async () => {
  const help = await sinter("label", "--help");
  for (const key of ["left, a", "right, b", "up, t, tie", "down, x, bad", "u, undo"])
    expect(help).toContain(key);
});

test("keys of a terminal, several in one piece, also in application mode", () => {
  expect(keysIn("\u001b[D\u001bOCa\u0003\u001b[1;5A")).toEqual([
    "left",
    "right",
    "a",
    "ctrl-c",
    "\u001b[1;5A",
  ]);
});

describe("a pair on a terminal", () => {
  const shown = (a: string, b: string) => ({
    at: 1,
    prompt: [{ role: "user", content: "Who?" }],
    pair: [
      { text: a, ended: true },
      { text: b, ended: false },
    ] as const,
  });
  test("side by side where there is room", () => {
    const text = pairText(shown("the cat sat on the mat and slept there", "a dog"), 9, 72);
    expect(text.split("\n").map((line) => line.trimEnd())).toEqual([
      `── 2 of 9 ${"─".repeat(61)}`,
      "Who?",
      "",
      "← a                                │ b →",
      "the cat sat on the mat and slept   │ a dog [cut off here: no end of its",
      "there                              │ own]",
      "",
      "",
    ]);
  });
  test("one above the other where there is not, and never wider than the terminal", () => {
    const text = pairText(shown("the cat sat on the mat", "多く 字 ".repeat(9)), 9, 24);
    expect(text).toContain("a ←\n  the cat sat on the\n  mat\n");
    for (const line of text.split("\n")) expect(widthOf(line)).toBeLessThan(24);
    expect(keysText()).toBe("← a   → b   ↑ tie   ↓ both bad   s skip   u undo   q quit");
  });
  test("what would steer the terminal is shown as a sign", () => {
    expect(wrapped("a\u001b[2Jb\tc\r\nd\u009b", 40)).toEqual(["a␛[2Jb    c", "d␡"]);
    expect(wrapped("aaaaaaaaaa b", 4)).toEqual(["aaaa", "aaaa", "aa b"]);
    expect(wrapped("", 4)).toEqual([""]);
  });
});
