/** Data files as examples: every shape that is known, and every way to be wrong. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { SinterError } from "../../../../runtime/base/errors.ts";
import type { Example, ExampleKind } from "../../../../runtime/train/examples/example.ts";
import { holdOut, sharedLine, sharedPrompts } from "../../../../runtime/train/examples/held-out.ts";
import {
  droppedLine,
  examplesLine,
  readExamples,
  type Examples,
} from "../../../../runtime/train/examples/read-examples.ts";
import { shared } from "../../formats/shared.ts";

const all: readonly ExampleKind[] = ["text", "answer", "pair", "judged", "prompt"];
interface Asked {
  readonly wanted?: readonly ExampleKind[];
  readonly dropWrong?: boolean;
}
const read = (text: string | Uint8Array, { wanted = all, dropWrong = false }: Asked = {}) =>
  readExamples(typeof text === "string" ? new TextEncoder().encode(text) : text, {
    from: "data.jsonl",
    wanted,
    user: "sft",
    dropWrong,
  });
const lines = (...rows: readonly object[]): string => rows.map((row) => JSON.stringify(row)).join("\n");

const user = (content: string) => ({ role: "user", content });
const assistant = (content: string) => ({ role: "assistant", content });
const system = (content: string) => ({ role: "system", content });

/** Everything of an example but its row. */
const without = (example: Example | undefined): object => {
  const { row: _, ...rest } = example!;
  return rest;
};
const answer = (messages: readonly object[], learnt: readonly number[]) => ({
  kind: "answer",
  messages,
  learnt,
});

describe("shapes", () => {
  const qa = answer([user("q"), assistant("a")], [1]);
  const pair = { kind: "pair", prompt: [user("q")], chosen: [assistant("a")], rejected: [assistant("b")] };
  test.each<[string, object, object]>([
    ["text", { text: "once" }, { kind: "text", text: "once" }],
    ["prompt and completion", { prompt: "q", completion: "a" }, qa],
    ["question and answer", { question: "q", answer: "a" }, qa],
    ["null is absent", { prompt: "q", completion: "a", chosen: null, rejected: null }, qa],
    [
      "prompt and completion as messages: only the completion is learnt",
      {
        prompt: [system("s"), user("1"), assistant("2"), user("3")],
        completion: [assistant("4")],
      },
      answer([system("s"), user("1"), assistant("2"), user("3"), assistant("4")], [4]),
    ],
    [
      "Alpaca with everything",
      { instruction: "i", input: "n", output: "o", system: "s", history: [["q", "a"]] },
      answer([system("s"), user("q"), assistant("a"), user("i\nn"), assistant("o")], [2, 4]),
    ],
    [
      "messages, developer, parts of content, weight 0",
      {
        messages: [
          { role: "developer", content: "s" },
          { role: "user", content: [{ type: "text", text: "1" }] },
          { role: "assistant", content: "2", weight: 0 },
          user("3"),
          assistant("4"),
        ],
      },
      answer([system("s"), user("1"), assistant("2"), user("3"), assistant("4")], [4]),
    ],
    [
      "ShareGPT with a tool",
      {
        conversations: [
          { from: "human", value: "1" },
          { from: "function_call", value: "f()" },
          { from: "observation", value: "5" },
          { from: "gpt", value: "it is 5" },
        ],
      },
      answer([user("1"), assistant("f()"), { role: "tool", content: "5" }, assistant("it is 5")], [1, 3]),
    ],
    ["pairs", { prompt: "q", chosen: "a", rejected: "b" }, pair],
    [
      "Alpaca pairs",
      { instruction: "i", input: "n", output: "a", chosen: "a", rejected: "b" },
      {
        ...pair,
        prompt: [user("i\nn")],
      },
    ],
    [
      "ShareGPT pairs",
      {
        conversations: [{ from: "human", value: "q" }],
        chosen: { from: "gpt", value: "a" },
        rejected: { from: "gpt", value: "b" },
      },
      pair,
    ],
    [
      "pairs of dialogues share whole turns, not letters",
      {
        chosen: "\n\nHuman: hi\n\nAssistant: yo\n\nHuman: q\n\nAssistant: a dog",
        rejected: "\n\nHuman: hi\n\nAssistant: yo\n\nHuman: q\n\nAssistant: a cat",
      },
      {
        kind: "pair",
        prompt: [user("hi"), assistant("yo"), user("q")],
        chosen: [assistant("a dog")],
        rejected: [assistant("a cat")],
      },
    ],
    [
      "pairs of lists of messages",
      { chosen: [user("q"), assistant("a")], rejected: [user("q"), assistant("b")] },
      pair,
    ],
    [
      "judged",
      { prompt: "q", completion: "a", label: true },
      { kind: "judged", prompt: [user("q")], answer: [assistant("a")], good: true },
    ],
    [
      "judged messages",
      { messages: [user("q"), assistant("a")], kto_tag: 0 },
      { kind: "judged", prompt: [user("q")], answer: [assistant("a")], good: false },
    ],
    [
      "prompts keep all columns for the reward",
      { prompt: "2+2=", answer: "4", level: 1 },
      { kind: "prompt", prompt: [user("2+2=")], columns: { prompt: "2+2=", answer: "4", level: 1 } },
    ],
  ])("%s", (_, row, wanted) => {
    expect(without(read(lines(row)).examples[0])).toEqual(wanted);
    expect(without(read(JSON.stringify([row], null, 2)).examples[0])).toEqual(wanted);
  });

  test("whoever wants prompts finds them in questions with answers, with the answer as a column", () => {
    const { examples } = read(lines({ question: "2+2=", answer: "4" }), { wanted: ["prompt"] });
    expect(without(examples[0])).toEqual({
      kind: "prompt",
      prompt: [user("2+2=")],
      columns: { question: "2+2=", answer: "4" },
    });
  });

  test("the shape is said in one line, with what is not read", () => {
    const found = read(
      lines({ instruction: "i", output: "o", id: 7 }, { instruction: "j", output: "p", input: "" }),
    );
    expect(examplesLine(found)).toBe(
      "data.jsonl: 2 rows of Alpaca (instruction, output, input); learnt: output; not read: id",
    );
    expect(found.examples.map(({ row }) => row)).toEqual([1, 2]);
  });
});

const good = { prompt: "q", completion: "a" };

/** What a file is refused with. */
function refusal(text: string | Uint8Array, asked?: Asked): string {
  try {
    read(text, asked);
  } catch (error) {
    if (error instanceof SinterError && error.kind === "input") return `${error.message} → ${error.hint}`;
    throw error;
  }
  return "taken";
}

describe("bad data: the row, what is wrong, what to write", () => {
  test.each<[string, string | Uint8Array, readonly string[]]>([
    [
      "without an answer",
      lines(good, { prompt: "q" }),
      ["row 2:", "without an answer", '"completion" is missing', 'Write "completion"'],
    ],
    [
      "an empty answer",
      lines(good, { prompt: "q", completion: " " }),
      ["row 2:", "without an answer", "is empty"],
    ],
    ["all without answers", lines({ prompt: "q" }), ["row 1:", "without an answer", '"completion"']],
    [
      "an empty prompt",
      lines(good, good, { prompt: "", completion: "a" }),
      ["row 3:", "without a prompt", '"prompt" is empty'],
    ],
    ["a number as prompt", lines(good, { prompt: 4, completion: "a" }), ["row 2:", '"prompt" is a number']],
    [
      "two roles in a row",
      lines({ messages: [user("1"), assistant("2")] }, { messages: [user("1"), user("2"), assistant("3")] }),
      ["row 2:", 'messages 1 and 2 of "messages" are both of the user', "Make one message"],
    ],
    [
      "the assistant begins",
      lines({ messages: [assistant("2"), user("1")] }),
      ["row 1:", "begins with the assistant"],
    ],
    [
      "the system in the middle",
      lines({ messages: [user("1"), assistant("2"), system("3")] }),
      ["the system follows the assistant (message 3)"],
    ],
    [
      "an unknown role",
      lines({ messages: [{ role: "alien", content: "1" }] }),
      ["row 1:", 'the role "alien"', "system, user, assistant, tool"],
    ],
    [
      "a message without text",
      lines({ messages: [{ role: "user" }] }),
      ["message 1", "has no text", "missing"],
    ],
    [
      "tool calls",
      lines({ messages: [user("1"), { role: "assistant", content: "", tool_calls: [] }] }),
      ["tool_calls"],
    ],
    [
      "nobody answers",
      lines({ messages: [user("1")] }),
      ["row 1:", "without an answer", "no message is of the assistant"],
    ],
    [
      "unknown keys",
      lines({ q: "1", a: "2" }),
      ["row 1:", '"q", "a"', "no known kind", "prompt + completion", "messages"],
    ],
    [
      "rows of two kinds",
      lines(good, good, { text: "once" }),
      ["row 3:", "of another kind (text)", "one file"],
    ],
    [
      "several at once",
      lines(good, { prompt: "q" }, good, { prompt: "" }),
      ["row 2:", "and 1 row more: 4", "--drop-wrong"],
    ],
    ["no JSON", `${lines(good)}\nhello\n`, ["row 2:", "no JSON", "hello"]],
    ["a list as row", `${lines(good)}\n[1]`, ["row 2:", "a list, not an object"]],
    ["an array that breaks off", '[{"prompt": "q"', ["no JSON array"]],
    ["an empty array", "[]", ["without rows"]],
    ["an empty file", " \n", ["is empty"]],
    [
      "one object",
      JSON.stringify({ version: 1, data: [good] }, null, 1),
      ["one JSON object over several lines", '"data"'],
    ],
    ["CSV", "prompt,completion\nq,a\n", ["commas between 2 columns"]],
    ["TSV", "prompt\tcompletion\nq\ta\n", ["tabs between 2 columns"]],
    ["prose", "It was a dark night, and cold. Rain fell.", ["plain text"]],
    ["HTML", "<!doctype html><p>1, 2", ["HTML"]],
    [
      "Latin-1",
      Buffer.from(lines(good, { prompt: "caf\xe9 au lait", completion: "oui" }), "latin1"),
      ["row 2:", "not UTF-8", "iconv"],
    ],
    ["gzip", Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0), ["gzip", "gzip -dc"]],
    [
      "a dialogue whose question is not apart",
      lines({ chosen: "yes", rejected: "no" }),
      ["row 1:", "where the question ends"],
    ],
    [
      "a label that is none",
      lines({ prompt: "q", completion: "a", label: "yes" }),
      ["row 1:", '"label" is a text'],
    ],
    [
      "a history that is none",
      lines({ instruction: "q", output: "a", history: ["x"] }),
      ["row 1:", '"history"'],
    ],
  ])("%s", (_, text, said) => {
    const found = refusal(text, { wanted: ["answer", "text", "pair", "judged"] });
    for (const part of said) expect(found).toContain(part);
  });

  test("data of another verb is named, with the verb", () => {
    const pairs = lines({ prompt: "q", chosen: "a", rejected: "b" });
    expect(refusal(pairs, { wanted: ["answer"] })).toContain("sinter prefer");
    expect(refusal(lines(good), { wanted: ["pair"] })).toContain("sinter sft");
  });

  test("wrong rows are dropped where that is asked for, counted and named", () => {
    const text = lines(
      good,
      { prompt: "q" },
      { prompt: "", completion: "a" },
      { prompt: "z", completion: "y" },
    );
    const { examples, dropped } = read(text, { dropWrong: true });
    expect(examples.map(({ row }) => row)).toEqual([1, 4]);
    expect(dropped.map(droppedLine)).toEqual([
      'dropped 2 rows: wrong (the first: it is without an answer: "completion" is missing) (rows 2, 3)',
    ]);
    expect(refusal(lines({ prompt: "q" }, { prompt: "r" }), { dropWrong: true, wanted: ["prompt"] })).toBe(
      "taken",
    );
    expect(refusal(lines(good).replace("a", " "), { dropWrong: true })).toContain("none of its 1 row");
  });

  test("pairs of equal answers are dropped and counted", () => {
    const { examples, dropped } = read(
      lines({ prompt: "q", chosen: "a", rejected: "a" }, { prompt: "q", chosen: "a", rejected: "b" }),
    );
    expect(examples).toHaveLength(1);
    expect(dropped.map(droppedLine)).toEqual(["dropped 1 row: chosen and rejected are the same (row 1)"]);
  });
});

describe("what is held out", () => {
  const rows = (n: number, questions = n): string =>
    lines(...Array.from({ length: n }, (_, i) => ({ prompt: `q${i % questions}`, completion: `a${i}` })));

  test("a share of the prompts, spread evenly; equal prompts are on one side", () => {
    const { train, heldOut } = holdOut(read(rows(100, 50)).examples, 0.1);
    expect([train.length, heldOut.length]).toEqual([90, 10]);
    expect(sharedPrompts(train, heldOut).heldOut).toEqual([]);
    expect(heldOut.map(({ row }) => row)).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    expect(holdOut(train, 0).heldOut).toEqual([]);
    expect(() => holdOut(read(rows(3)).examples, 0.1)).toThrow("3 different prompts, too few");
  });

  test("duplicates between two files are found and said", () => {
    const { examples } = read(rows(20));
    const other = read(
      lines({ prompt: "new", completion: "1" }, { prompt: " q4", completion: "another" }),
    ).examples;
    const found = sharedPrompts(examples, other);
    expect(found).toEqual({ heldOut: [2], train: [5] });
    expect(sharedLine(found, 2)).toContain(
      "1 of 2 held-out rows ask what the training data asks too (rows 2; there rows 5)",
    );
    expect(sharedLine(sharedPrompts(examples, other.slice(0, 1)), 1)).toBeUndefined();
  });
});

describe("published data", () => {
  const open = (name: string, wanted: readonly ExampleKind[], dropWrong = false): Examples<ExampleKind> => {
    const bytes = readFileSync(shared(name).path);
    return read(name.endsWith(".gz") ? gunzipSync(bytes) : bytes, { wanted, dropWrong });
  };
  const instructions = shared("preference/instruction-data-with-preference.json");
  test.skipIf(!instructions.there)(`1,100 pairs, 6 with chosen = rejected ${instructions.why}`, () => {
    const { examples, dropped, rows } = open("preference/instruction-data-with-preference.json", ["pair"]);
    expect([rows, examples.length, dropped[0]!.rows.length]).toEqual([1100, 1094, 6]);
  });
  const harmless = shared("preference/hh-rlhf-harmless-base-test.jsonl.gz");
  test.skipIf(!harmless.there)(`2,312 pairs of dialogues ${harmless.why}`, () => {
    const { examples, rows } = open("preference/hh-rlhf-harmless-base-test.jsonl.gz", ["pair"], true);
    expect(rows).toBe(2312);
    const single = examples.filter(
      (e) => e.kind === "pair" && e.chosen.length === 1 && e.rejected.length === 1,
    );
    expect(single.length / examples.length).toBeGreaterThan(0.99);
  });
});

test("a hundred megabytes are read", () => {
  const row = lines({ prompt: "question ".repeat(60), completion: "answer ".repeat(80) });
  const one = new TextEncoder().encode(`${row}\n`);
  const count = Math.ceil(100e6 / one.length);
  const bytes = new Uint8Array(count * one.length);
  for (let i = 0; i < count; i++) bytes.set(one, i * one.length);
  expect(read(bytes, { wanted: ["answer"] }).examples).toHaveLength(count);
});
