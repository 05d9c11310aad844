/** Examples as rows and batches: what is counted, what is left out, and in which order they come. */
import { describe, expect, test } from "vitest";
import { randomStream } from "../../../../runtime/base/random.ts";
import { countTargets, type Batch } from "../../../../runtime/engine/training.ts";
import { withTokens } from "../../../../runtime/store/with-tokens.ts";
import { builtInChat, lackingTokens } from "../../../../runtime/tokenizers/chat/chat-formats.ts";
import { byteTokenizer } from "../../../../runtime/tokenizers/plain/bytes.ts";
import { charactersOf, characterTokenizer } from "../../../../runtime/tokenizers/plain/characters.ts";
import { exampleSource } from "../../../../runtime/train/sources/example-source.ts";
import { bestFit, packedRows, shuffled } from "../../../../runtime/train/sources/row-plan.ts";
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
    expect([...shuffled(10, { seed: 5, number: 0 })]).not.toEqual([...shuffled(10, { seed: 6, number: 0 })]);
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

describe("packed rows", () => {
  test("the longest come first, each into the fullest row that has room", () => {
    const packed = (lengths: readonly number[], context: number): number[][] => {
      const { rows, starts, ranks } = bestFit(Uint32Array.from(lengths), context);
      return Array.from({ length: rows }, (_, i) =>
        [...ranks.subarray(starts[i], starts[i + 1])].map((rank) => lengths[rank]!),
      );
    };
    expect(packed([7, 6, 3, 3, 2, 1], 10)).toEqual([[7, 3], [6, 3, 1], [2]]);
    expect(packed([5, 5, 4, 3, 3], 10)).toEqual([
      [5, 5],
      [4, 3, 3],
    ]);
    expect(packed([10, 10], 10)).toEqual([[10], [10]]);
    expect(packed([], 10)).toEqual([]);
  });

  const lengths = Array.from({ length: 60 }, (_, i) => 1 + ((i * 7) % 5)); // of questions
  const many = lengths.map((length, i) => pair(i + 1, "q".repeat(length), `${i % 10}`.repeat(1 + (i % 3))));
  const shape = { batch: 3, context: 24 };
  const random = randomStream(1, "batches");
  const open = async (seed = 5): Promise<{ source: ReturnType<typeof exampleSource>; rows: LearntRows }> => {
    const { rows } = await encodeExamples(many, { ...options, context: shape.context });
    const from = { train: rows, heldOut: rows, seed, tokenizer, identity: "hash", packed: true };
    return { rows, source: exampleSource(from) };
  };
  /** The examples of a batch, as text of tokens and targets; all that is around them is checked. */
  const examplesIn = ({ tokens, targets, positions, first }: Batch): string[] => {
    const found: string[] = [];
    for (let r = 0; r < tokens.length; r++) {
      const column = r % shape.context;
      const start = r - column + first![r]!;
      expect(positions![r]).toBe(r - start);
      if (start === r && tokens[r] !== USER) expect(targets[r]).toBe(-1); // padding sees itself alone
      if (start !== r || tokens[r] !== USER) continue;
      let end = r + 1;
      while (end % shape.context !== 0 && first![end] === first![r]) end++;
      found.push(`${tokens.subarray(r, end).join()} → ${targets.subarray(r, end).join()}`);
    }
    return found;
  };
  const all = ({ starts, tokens, targets }: LearntRows): string[] =>
    many.map((_, i) => {
      const part = [starts[i], starts[i + 1]] as const;
      return `${tokens.subarray(...part).join()} → ${targets.subarray(...part).join()}`;
    });

  test("thread 9: an example is whole, in one row, and its last target is its own end", async () => {
    const { source, rows } = await open();
    const batches = [...source.evaluate(shape)];
    expect(batches.flatMap(examplesIn).toSorted()).toEqual(all(rows).toSorted());
    const counted = batches.reduce((sum, { targets }) => sum + countTargets(targets), 0);
    expect(counted).toBe(rows.counted);
    for (const one of all(rows)) expect(one.endsWith(`,${END}`)).toBe(true);
    const full = rows.tokens.length / (packedRows(rows, shape.context).rows * shape.context);
    expect(full).toBeGreaterThan(0.9);
  });

  test("an epoch has every example once; the next has others together", async () => {
    const { source, rows } = await open();
    const perEpoch = packedRows(rows, shape.context).rows;
    const epoch = (number: number): string[] =>
      Array.from({ length: perEpoch }, (_, i) =>
        examplesIn(source.next(random, { ...shape, batch: 1 }, number * perEpoch + i)),
      ).flat();
    expect(epoch(0).toSorted()).toEqual(all(rows).toSorted());
    expect(epoch(1).toSorted()).toEqual(all(rows).toSorted());
    expect(epoch(1)).not.toEqual(epoch(0));
  });

  test("thread 26: a batch follows from the seed and its number alone", async () => {
    const [{ source }, { source: again }, { source: other }] = [await open(), await open(), await open(6)];
    for (const i of [9, 2, 30, 0])
      expect(again.next(random, shape, i)).toEqual(source.next(random, shape, i));
    expect(other.next(random, shape, 2)).not.toEqual(source.next(random, shape, 2));
  });
});
