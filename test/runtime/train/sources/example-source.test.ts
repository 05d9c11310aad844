/** Examples as rows and batches: what is counted, what is left out, and in which order they come. */
import { describe, expect, test } from "vitest";
import { randomStream } from "../../../../runtime/base/random.ts";
import { countTargets } from "../../../../runtime/engine/training.ts";
import { withTokens } from "../../../../runtime/store/with-tokens.ts";
import { builtInChat, lackingTokens } from "../../../../runtime/tokenizers/chat/chat-formats.ts";
import { byteTokenizer } from "../../../../runtime/tokenizers/plain/bytes.ts";
import { charactersOf, characterTokenizer } from "../../../../runtime/tokenizers/plain/characters.ts";
import { exampleSource, shuffled } from "../../../../runtime/train/sources/example-source.ts";
import {
  encodeExamples,
  rowCount,
  type EncodeOptions,
  type LearntExample,
  type LearntRows,
} from "../../../../runtime/train/sources/learnt-rows.ts";

const bytes = byteTokenizer();
const tokenizer = await withTokens(bytes, lackingTokens(bytes, "turns"));
const format = builtInChat(tokenizer, "turns");
const [USER, ASSISTANT, END] = ["<|user|>", "<|assistant|>", "<|end|>"].map((name) =>
  tokenizer.special.get(name)!,
);

const pair = (row: number, question: string, answer: string): LearntExample => ({
  kind: "answer",
  row,
  messages: [
    { role: "user", content: question },
    { role: "assistant", content: answer },
  ],
  learnt: [1],
});
const talk: LearntExample = {
  kind: "answer",
  row: 1,
  messages: ["a", "b", "c", "d"].map((content, i) => ({ role: i % 2 ? "assistant" : "user", content })),
  learnt: [1, 3],
};
const options: EncodeOptions = {
  format,
  tokenizer,
  loss: "answers",
  context: 12,
  from: "data",
  dropWrong: false,
};
const code = (text: string): number => text.charCodeAt(0);

describe("rows", () => {
  test("only answers are targets, each with its end; prompts have no target at all", async () => {
    const { rows } = await encodeExamples([pair(1, "q", "ab")], options);
    expect([...rows.tokens]).toEqual([USER, code("q"), END, ASSISTANT, code("a"), code("b")]);
    expect([...rows.targets]).toEqual([-1, -1, -1, code("a"), code("b"), END]);
    expect(rows.counted).toBe(3);
  });

  test.each([
    ["answers", [code("b"), END, code("d"), END]],
    ["last", [code("d"), END]],
    ["all", [code("a"), END, ASSISTANT, code("b"), END, USER, code("c"), END, ASSISTANT, code("d"), END]],
  ] as const)("loss %s", async (loss, learnt) => {
    const { rows } = await encodeExamples([talk], { ...options, loss });
    expect([...rows.targets].filter((target) => target >= 0)).toEqual(learnt);
  });

  test("an answer that is context is not learnt", async () => {
    const { rows } = await encodeExamples([{ ...talk, learnt: [3] } as LearntExample], options);
    expect([...rows.targets].filter((target) => target >= 0)).toEqual([code("d"), END]);
  });

  test("a text is learnt whole", async () => {
    const ends = byteTokenizer({ ends: true });
    const { rows } = await encodeExamples([{ kind: "text", row: 1, text: "ab" }], {
      ...options,
      tokenizer: ends,
    });
    expect([...rows.tokens]).toEqual([256, code("a"), code("b")]);
    expect([...rows.targets]).toEqual([code("a"), code("b"), 256]);
  });

  test("thread 8: rows that are too long are counted, never cut; none left is an error", async () => {
    const long = pair(7, "a long question", "answer");
    const { rows, dropped } = await encodeExamples([pair(3, "q", "a"), long], options);
    expect([...rows.numbers]).toEqual([3]);
    expect(dropped).toEqual([{ why: "longer than 12 tokens", rows: [7] }]);
    await expect(encodeExamples([long], options)).rejects.toThrow(
      "nothing can be learnt from its 1 rows: 1 are longer than 12 tokens",
    );
    const fits = pair(1, "12345", "abc"); // 12 tokens and the last target
    expect(rowCount((await encodeExamples([fits], options)).rows)).toBe(1);
  });

  test("a row that the tokenizer can not encode is named; or left out where that is asked for", async () => {
    const letters = characterTokenizer(charactersOf("abq"));
    const grown = await withTokens(letters, lackingTokens(letters, "turns"));
    const few = { ...options, tokenizer: grown, format: builtInChat(grown, "turns") };
    const examples = [pair(4, "q", "a"), pair(9, "é", "b")];
    await expect(encodeExamples(examples, few)).rejects.toThrow('data, row 9: the text has "é"');
    const { dropped } = await encodeExamples(examples, { ...few, dropWrong: true });
    expect(dropped[0]).toMatchObject({ rows: [9] });
  });
});

describe("batches", () => {
  const many = Array.from({ length: 10 }, (_, i) => pair(i + 1, "q", String.fromCharCode(97 + i)));
  const shape = { batch: 4, context: 8 };
  const random = randomStream(1, "batches");
  const open = async (seed = 5): Promise<{ source: ReturnType<typeof exampleSource>; rows: LearntRows }> => {
    const { rows } = await encodeExamples(many, options);
    return { rows, source: exampleSource({ train: rows, heldOut: rows, seed, tokenizer, identity: "hash" }) };
  };
  /** The answers of a batch, row by row. */
  const answersIn = ({ targets }: { readonly targets: Int32Array }): readonly string[] =>
    Array.from({ length: shape.batch }, (_, b) => {
      const row = [...targets.subarray(b * shape.context, (b + 1) * shape.context)];
      return row.flatMap((t) => (t >= 0 && t < 256 ? [String.fromCharCode(t)] : [])).join("");
    });

  test("an epoch has every example once, and the next another order", async () => {
    const { source } = await open();
    const seen = Array.from({ length: 5 }, (_, i) => answersIn(source.next(random, shape, i))).flat();
    const all = [..."abcdefghij"];
    expect(seen.slice(0, 10).toSorted()).toEqual(all);
    expect(seen.slice(10, 20).toSorted()).toEqual(all);
    expect(seen.slice(0, 10)).not.toEqual(seen.slice(10, 20));
    expect([...shuffled(10, 5, 0)]).not.toEqual([...shuffled(10, 6, 0)]);
  });

  test("thread 26: a batch follows from its number alone, so that a run goes on with the same", async () => {
    const { source } = await open();
    const { source: again } = await open();
    for (const i of [3, 17, 4, 0])
      expect(again.next(random, shape, i)).toEqual(source.next(random, shape, i));
  });

  test("padding stands to the right, and has no targets", async () => {
    const { source } = await open();
    const { tokens, targets } = source.next(random, shape, 0);
    for (let b = 0; b < shape.batch; b++) {
      expect(tokens[b * shape.context]).toBe(USER);
      expect([...targets.subarray(b * shape.context + 5, (b + 1) * shape.context)]).toEqual([-1, -1, -1]);
    }
  });

  test("the held-out rows come once each; of many, a spread", async () => {
    const { source } = await open();
    expect([...source.evaluate(shape)].flatMap(answersIn).join("")).toBe("abcdefghij");
    expect([...source.evaluate(shape, { most: 1 })].flatMap(answersIn).join("")).toBe("acfh");
    const counted = [...source.evaluate(shape)].reduce((sum, { targets }) => sum + countTargets(targets), 0);
    expect(counted).toBe(20);
    expect([source.bytes(code("a")), source.bytes(END!)]).toEqual([1, 0]);
  });
});
