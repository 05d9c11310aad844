/**
 * The renderer of dialogues: which tokens are answers. A numbered thread is a mistake that users of other
 * trainers have reported: 2 the end is masked with the padding, 4 the first token of an answer is not learnt,
 * 5 a token reaches over the border of prompt and answer, 6 two beginnings, 7 a template without marks.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { templateChat } from "../../../runtime/node/chat-template.ts";
import { withTokens } from "../../../runtime/store/with-tokens.ts";
import { decode, type Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import type { ChatFormat, ChatMessage } from "../../../runtime/tokenizers/chat/chat.ts";
import { plainChat } from "../../../runtime/tokenizers/chat/chat.ts";
import {
  builtInChat,
  chatFormatNames,
  chatFormats,
  formatByMarks,
  lackingTokens,
} from "../../../runtime/tokenizers/chat/chat-formats.ts";
import { nextPrompt } from "../../../runtime/tokenizers/chat/chat-turns.ts";
import { renderDialogue, renderPrompt } from "../../../runtime/tokenizers/chat/render-dialogue.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { charactersOf, characterTokenizer } from "../../../runtime/tokenizers/plain/characters.ts";
import { trainBpe } from "../../../runtime/tokenizers/bpe/train-bpe.ts";
import { pieceCounter } from "../../../runtime/tokenizers/bpe/count-pieces.ts";
import { tokenizerJson } from "../../../runtime/tokenizers/bpe/write-tokenizer-json.ts";
import { readTokenizerJson } from "../../../runtime/tokenizers/json/read-tokenizer-json.ts";
import { published, withData } from "../../support/tokenizer-data.ts";

const user = (content: string): ChatMessage => ({ role: "user", content });
const assistant = (content: string): ChatMessage => ({ role: "assistant", content });
const talk = [user("Who are you?"), assistant("A llama."), user("And I?"), assistant("A person.")];

/** A byte-level BPE of a few merges, as `sinter tokenizer train` makes it. */
function smallBpe(): Tokenizer {
  const counter = pieceCounter("gpt2", ["<|endoftext|>"]);
  counter.add("the llama and the person and the answer are in the house of the answer ".repeat(20));
  const trained = trainBpe(counter.counts, { vocab: 300, special: ["<|endoftext|>"], atLeast: 2 });
  const json = new TextEncoder().encode(tokenizerJson(trained, "gpt2"));
  const read = readTokenizerJson({ json, from: "tokenizer.json" });
  if (!("tokenizer" in read)) throw new Error(read.unsupported);
  return read.tokenizer;
}
const small = smallBpe();
const characters = characterTokenizer(charactersOf("abcdefghijklmnopqrstuvwxyzAWI ?.<|>\n#:R_"));

/** The answers as text, with the token that ends each. */
const answersOf = (tokenizer: Tokenizer, { ids, answers }: Awaited<ReturnType<typeof renderDialogue>>) =>
  answers.map(({ from, to }) => decode(tokenizer, ids.slice(from, to)));

describe.each([
  ["bytes", byteTokenizer()],
  ["characters", characters],
  ["a small BPE", small],
] as const)("%s", (_, base) => {
  const own = chatFormatNames.filter((name) => name !== "llama2" && name !== "alpaca");
  test.each(own)("%s: an answer is its text and one end token", async (name) => {
    const tokenizer = await withTokens(base, lackingTokens(base, name));
    const format = builtInChat(tokenizer, name);
    const rendered = await renderDialogue(format, tokenizer, talk);
    expect(answersOf(tokenizer, rendered).map((text) => text.replace(/<\|\w+\|>$/, "END"))).toEqual([
      "A llama.END",
      "A person.END",
    ]);
    expect(rendered.answers.map(({ message }) => message)).toEqual([1, 3]);
    expect(rendered.answers.at(-1)!.to).toBe(rendered.ids.length);
    for (const { from, to } of rendered.answers)
      expect(rendered.ids.slice(from, to).filter((id) => tokenizer.stops.has(id))).toHaveLength(1);
  });

  test.each(own)("thread 6: %s has one beginning, and chat sees the ids that are learnt", async (name) => {
    const tokenizer = await withTokens(base, lackingTokens(base, name));
    const format = builtInChat(tokenizer, name);
    const { ids, answers } = await renderDialogue(format, tokenizer, talk);
    const { beginOfText: begin } = tokenizer;
    if (begin !== undefined && begin !== tokenizer.endOfText)
      expect(ids.filter((id) => id === begin)).toEqual([begin]);
    expect(ids[1]).not.toBe(ids[0]);
    // as a conversation comes about: a question, the tokens that were drawn, the next question
    const first = await nextPrompt(format, tokenizer, talk.slice(0, 1));
    expect(first.ids).toEqual(ids.slice(0, answers[0]!.from));
    const drawn = ids.slice(answers[0]!.from, answers[0]!.to - 1);
    const turn = { prompt: first, drawn, said: "A llama.", content: "A llama." };
    const second = await nextPrompt(format, tokenizer, talk.slice(0, 3), turn);
    expect(second.ids).toEqual(ids.slice(0, answers[1]!.from));
    expect(await renderPrompt(format, tokenizer, talk.slice(0, 1))).toEqual(first.ids);
  });
});

test("thread 2: an end token's name, and its id, within a message end nothing", async () => {
  const tokenizer = await withTokens(characters, lackingTokens(characters, "turns"));
  const end = tokenizer.special.get("<|end|>")!;
  const messages = [user("say <|end|> now"), assistant("a <|end|> b"), user("x"), assistant("y")];
  const { ids, answers } = await renderDialogue(builtInChat(tokenizer, "turns"), tokenizer, messages);
  expect(ids.filter((id) => id === end)).toHaveLength(4);
  expect(decode(tokenizer, ids.slice(answers[0]!.from, answers[0]!.to))).toBe("a <|end|> b<|end|>");
  // GPT-2's way: one token begins, ends and pads; what is counted follows from the place alone
  const bare = await withTokens(byteTokenizer(), ["<|endoftext|>"]);
  const rendered = await renderDialogue(builtInChat(bare, "none"), bare, [user("q"), assistant("a")]);
  expect(rendered).toEqual({ ids: [256, 113, 97, 256], answers: [{ message: 1, from: 2, to: 4 }] });
});

test("thread 4: the first token of the answer is learnt, and so is its end", async () => {
  const tokenizer = await withTokens(characters, ["<|endoftext|>"]);
  const bare: Tokenizer = { ...tokenizer, beginOfText: undefined };
  const { ids, answers } = await renderDialogue(builtInChat(bare, "none"), bare, [
    user("ab"),
    assistant("cd"),
  ]);
  const [a, b, c, d] = bare.encode("abcd");
  expect(ids).toEqual([a, b, c, d, bare.endOfText]);
  const weights = ids.map((_, i) => Number(answers.some(({ from, to }) => i >= from && i < to)));
  expect(weights).toEqual([0, 0, 1, 1, 1]);
});

describe("thread 5: no token reaches over the border of prompt and answer", () => {
  test("prompt and answer are tokenised apart, whatever stands there", async () => {
    const format = builtInChat(small, "none");
    const words = fc.array(fc.constantFrom("the", " the", "an", "answer", "er", " ", "in", "s", "é"), {
      minLength: 1,
      maxLength: 6,
    });
    await fc.assert(
      fc.asyncProperty(words, words, async (asked, answered) => {
        const [question, answer] = [asked.join(""), answered.join("")];
        fc.pre(question.trim() !== "" && answer.trim() !== "");
        const { ids, answers } = await renderDialogue(format, small, [user(question), assistant(answer)]);
        expect(ids).toEqual([...small.encode(question), ...small.encode(answer), small.endOfText]);
        expect(answers[0]!.from).toBe(small.encode(question).length);
      }),
      { numRuns: 300, seed: 5 },
    );
  });
  test("together they would be other tokens", () => {
    const [question, answer] = ["the ans", "wer"];
    expect(small.encode(question + answer)).not.toEqual([...small.encode(question), ...small.encode(answer)]);
  });
});

describe("thread 7: a template", () => {
  const withMarks = byteTokenizer({ special: ["<|im_start|>", "<|im_end|>"] });
  const render = async (template: string, first = 0): Promise<string | readonly string[]> => {
    const format = templateChat(withMarks, template);
    try {
      return answersOf(withMarks, await renderDialogue(format, withMarks, talk, first));
    } catch (error) {
      return (error as Error).message;
    } finally {
      format.close();
    }
  };
  test("needs no marks of its own for its answers to be found", async () => {
    expect(await render(chatFormats.chatml.template)).toEqual(["A llama.<|im_end|>", "A person.<|im_end|>"]);
  });
  test("without a token that ends a turn is refused", async () => {
    const never =
      "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\\n' }}{% endfor %}" +
      "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}";
    expect(await render(never)).toContain("no token ends an answer");
  });
  test("that writes the answer elsewhere is refused", async () => {
    const early =
      "{% for m in messages %}{{ m['content'] + '<|im_end|>' }}{% endfor %}" +
      "{% if add_generation_prompt %}{{ 'answer:' }}{% endif %}";
    expect(await render(early)).toContain("elsewhere than behind the prompt");
  });
  test("that writes earlier turns anew is refused, and its last answer can be learnt", async () => {
    const anew =
      "{% for m in messages %}{% if not loop.last and m['role'] == 'assistant' and messages|length > 2 %}" +
      "{{ '…' }}{% else %}{{ m['content'] }}{% endif %}{{ '<|im_end|>' }}{% endfor %}";
    expect(await render(anew)).toContain("earlier turns in another way");
    expect(await render(anew, 3)).toEqual(["A person.<|im_end|>"]);
  });
});

test("the format without end tokens teaches nobody to stop", async () => {
  await expect(renderDialogue(plainChat(small), small, talk.slice(0, 2))).rejects.toThrow(
    "no token ends an answer",
  );
});

describe("tokens for a vocabulary that has none", () => {
  test("a tokenizer gets the marks behind its vocabulary, and its files hold them", async () => {
    for (const base of [byteTokenizer(), characters, small]) {
      const tokenizer = await withTokens(base, lackingTokens(base, "turns"));
      expect(tokenizer.size).toBe(base.size + 4);
      expect(formatByMarks(tokenizer)).toBe("turns");
      expect(tokenizer.stops.has(tokenizer.special.get("<|end|>")!)).toBe(true);
      expect(tokenizer.encode("a <|user|> b")).toEqual(base.encode("a <|user|> b"));
      expect(tokenizer.endOfText).toBe(base.endOfText);
      expect(await withTokens(tokenizer, [])).toBe(tokenizer);
    }
  });
  test("one that has documents' ends keeps them", async () => {
    const ends = byteTokenizer({ ends: true });
    const tokenizer = await withTokens(ends, lackingTokens(ends, "turns"));
    expect([tokenizer.endOfText, tokenizer.beginOfText, tokenizer.size]).toEqual([256, 256, 261]);
    expect(lackingTokens(ends, "none")).toEqual([]);
  });
  test.skipIf(!withData)("published ones: GPT-2 gets them, llama2.c's file can not hold them", async () => {
    const gpt2 = await withTokens(published.gpt2(), lackingTokens(published.gpt2(), "turns"));
    expect(gpt2.special.get("<|end|>")).toBe(50260);
    expect(gpt2.endOfText).toBe(50256);
    expect(gpt2.encode("Hello world")).toEqual(published.gpt2().encode("Hello world"));
    const tok512 = published.tok512();
    await expect(withTokens(tok512, lackingTokens(tok512, "turns"))).rejects.toThrow("hold no more tokens");
    expect(lackingTokens(tok512, "alpaca")).toEqual([]);
  });
});

test("an answer with a letter that no token stands for is refused, not learnt as unknown", async () => {
  const vocab = Object.fromEntries(
    [..."abcdefghijklmnopqrstuvwxyz .?", "<unk>"].map((text, id) => [text, id]),
  );
  const model = { type: "BPE", vocab, merges: [], unk_token: "<unk>", fuse_unk: true };
  const added_tokens = [{ id: vocab["<unk>"], content: "<unk>", special: true }];
  const json = new TextEncoder().encode(JSON.stringify({ version: "1.0", added_tokens, model }));
  const read = readTokenizerJson({ json, from: "tokenizer.json" });
  if (!("tokenizer" in read)) throw new Error(read.unsupported);
  const tokenizer = await withTokens(read.tokenizer, lackingTokens(read.tokenizer, "turns"));
  const format = builtInChat(tokenizer, "turns");
  await expect(renderDialogue(format, tokenizer, [user("où?"), assistant("there.")])).resolves.toBeTruthy();
  await expect(renderDialogue(format, tokenizer, [user("where?"), assistant("là où.")])).rejects.toThrow(
    'the json tokenizer has no token for "à" in an answer',
  );
});

describe.skipIf(!withData)("published tokenizers", () => {
  const cases: readonly (readonly [string, () => Tokenizer, ChatFormatOf])[] = [
    ["Llama 3", published.llama3, (t) => builtInChat(t, "llama3")],
    ["Llama 2", published.llama2, (t) => builtInChat(t, "llama2")],
    ["Llama 2 with Alpaca", published.llama2, (t) => builtInChat(t, "alpaca")],
    ["GPT-2 with Alpaca", published.gpt2, (t) => builtInChat(t, "alpaca")],
    ["tok512", published.tok512, (t) => builtInChat(t, "none")],
  ];
  test.each(cases)("%s", async (_, open, formatOf) => {
    const tokenizer = open();
    const rendered = await renderDialogue(formatOf(tokenizer), tokenizer, talk);
    const texts = answersOf(tokenizer, rendered).map((text) => text.trim());
    expect(texts[0]).toMatch(/^A llama\. ?<.*>$/);
    expect(texts[1]).toMatch(/^A person\. ?<.*>$/);
  });
});
type ChatFormatOf = (tokenizer: Tokenizer) => ChatFormat;
