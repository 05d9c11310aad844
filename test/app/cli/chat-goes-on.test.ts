/**
 * Tests of conversations: a message that cannot be taken does not end one; commands; what is shown; and that
 * the next prompt has the answer's own tokens.
 */
import { describe, expect, it } from "vitest";
import { converse, type ConverseOptions } from "../../../app/cli/runs/conversation.ts";
import type { UsedRun } from "../../../app/cli/runs/use-run.ts";
import { templateChat } from "../../../runtime/node/chat-template.ts";
import { generate, type Generated } from "../../../runtime/sample/generate.ts";
import { samplerDefaults } from "../../../runtime/sample/sampler.ts";
import { characterTokenizer } from "../../../runtime/tokenizers/plain/characters.ts";
import { builtInChat } from "../../../runtime/tokenizers/chat/chat-formats.ts";
import { behindAnswer, nextPrompt, type Turn } from "../../../runtime/tokenizers/chat/chat-turns.ts";
import { plainChat, type ChatFormat, type ChatMessage } from "../../../runtime/tokenizers/chat/chat.ts";
import { sentencePieceTokenizer } from "../../../runtime/tokenizers/published/sentencepiece.ts";
import { readTokenizerJson } from "../../../runtime/tokenizers/json/read-tokenizer-json.ts";
import { decode, type Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { fakeModel } from "../../support/fake-model.ts";
import { published, withData } from "../../support/tokenizer-data.ts";

/**
 * Sixteen characters, for the model without kernels: after character n it says character n + 1. Its context
 * has 8 tokens.
 */
const sixteen = characterTokenizer([..."abcdefghijklmno/"]);
const bare: ChatFormat = {
  encode: async (messages) => sixteen.encode(messages.map((m) => m.content).join("")),
  render: async (messages) => messages.map((m) => m.content).join(""),
  close: () => {},
};

interface Talk {
  readonly answers: readonly string[];
  readonly made: readonly Generated[];
  readonly err: string;
  readonly served: boolean;
}

async function talk(
  input: string | readonly Uint8Array[],
  o: Partial<ConverseOptions> & { readonly tokenizer?: Tokenizer; readonly tokens?: number } = {},
): Promise<Talk> {
  const answers: string[] = [];
  const made: Generated[] = [];
  const used = {
    run: { tokenizer: o.tokenizer ?? sixteen },
    model: fakeModel(),
    step: 0,
  } as unknown as UsedRun;
  let err = "";
  async function* chunks(): AsyncGenerator<Uint8Array> {
    if (typeof input === "string") yield new TextEncoder().encode(input);
    else yield* input;
  }
  const { served } = await converse(
    chunks(),
    {
      used,
      format: bare,
      system: undefined,
      sampling: { ...samplerDefaults, temperature: 0, tokens: 2, seed: 1, stop: [] },
      answered: (one, content) => void (answers.push(content), made.push(one)),
      ...o,
    },
    { out: () => {}, err: (text) => void (err += text), tty: false, columns: 80, cwd: "." },
  );
  return { answers, made, err, served };
}

describe("a message that can not be taken", () => {
  it("an unknown character: the reason, and the conversation as it was", async () => {
    const { answers, made, err, served } = await talk("ab\nñ\nf\n");
    expect(answers).toEqual(["cd", "gh"]);
    // the prompt is "ab" "cd" "f": nothing of the second message is in it
    expect(made[1]).toMatchObject({ promptTokens: 5, cachedTokens: 3 });
    expect(err).toBe(
      'error: line 2 of the input: the text has "ñ" (U+00F1), which is not in the vocabulary of the ' +
        "training text\nhelp: Take the character out, or train with a text that has it, or with " +
        "`tokenizer bytes`.\n",
    );
    expect(served).toBe(true);
  });
  it("one that is too long; and a conversation that is, which goes on without its beginning", async () => {
    const { answers, made, err } = await talk("ab\nabcdefghi\nab\nab\n");
    expect(answers).toEqual(["cd", "cd", "cd"]);
    expect(made.map((m) => m.promptTokens)).toEqual([2, 6, 2]);
    const [refusal, help, note] = err.split("\n");
    expect(refusal).toBe(
      "error: line 2 of the input: the message makes a prompt of 9 tokens, and the context has 8",
    );
    expect(help).toBe("help: Say it in fewer words.");
    expect(note).toBe(
      "note: the conversation is longer than the context: its first 4 messages are left out from here on",
    );
  });
  it("one that the template refuses, and one for which it writes nothing", async () => {
    const format = templateChat(
      sixteen,
      "{% for m in messages %}{% if 'h' in m.content %}{{ raise_exception('not this letter') }}{% endif " +
        "%}{% if 'g' not in m.content %}{{ m.content }}{% endif %}{% endfor %}",
    );
    const { answers, err, served } = await talk("g\nab\nh\nf\n", { format });
    format.close();
    expect(answers).toEqual(["cd", "gh"]);
    const [first, help, third] = err.split("\n");
    expect(first).toContain("line 1 of the input: the chat template writes nothing for these messages");
    expect(help).toMatch(/^help: /);
    expect(third).toMatch(
      /line 3 of the input: the chat template does not take these messages: not this letter$/,
    );
    expect(served).toBe(true);
  });
  it("when none was taken, the exit code says so; when nothing was asked, it does not", async () => {
    expect((await talk("ñ\n")).served).toBe(false);
    expect((await talk("/nothing\n")).served).toBe(false);
    for (const input of ["", "\n\n", "/reset\n/help\n", "/exit\nñ\n"])
      expect((await talk(input)).served).toBe(true);
  });
  it("bytes that are no text, and a line of a mebibyte", async () => {
    const { answers, err } = await talk([
      Uint8Array.of(0x61, 0xff, 10),
      new Uint8Array((1 << 20) + 1).fill(0x61),
      Uint8Array.of(10, 0x61, 10),
    ]);
    expect(answers).toEqual(["bc"]);
    const refusals = err.split("\n").filter((line) => line.startsWith("error:"));
    expect(refusals).toEqual([
      expect.stringContaining("line 1 of the input: it is not UTF-8 text: byte 1 "),
      expect.stringContaining("line 2 of the input: it has 1048577 bytes; at most 1048576"),
    ]);
  });
});

describe("lines and commands", () => {
  it("U+2028 does not end a message, nor does a lone \\r; a byte order mark is none", async () => {
    const tokenizer = characterTokenizer([..."abcdefghijklm\u2028\r/"]);
    const format: ChatFormat = {
      ...bare,
      encode: async (m) => tokenizer.encode(m.map((x) => x.content).join("")),
    };
    const { made } = await talk("\ufeffa\u2028b\rc\r\nd\n", { tokenizer, format });
    // the second conversation would be longer than the context
    expect(made.map((m) => m.promptTokens)).toEqual([5, 1]);
  });
  it("/help lists what there is; what is unknown is not sent; // sends a slash", async () => {
    const { answers, err } = await talk("/help\n/rest\n/ab\n//a\n/reset\nab\n/quit\nab\n");
    expect(answers).toEqual(["bc", "cd"]);
    for (const name of ["/help", "/reset", "/exit", "/quit", "//"]) expect(err).toContain(name);
    expect(err).toContain("line 2 of the input: there is no command /rest\nhelp: /help lists them");
  });
});

describe("special tokens", () => {
  const tokenizer: Tokenizer = { ...sixteen, special: new Map([["<c>", 2]]) }; // "c" is a mark
  it("are drawn, and not shown", async () => {
    const { answers, made } = await talk("ab\n", { tokenizer });
    expect([answers, made[0]!.tokens]).toEqual([["d"], [2, 3]]);
  });
  it("stay in the text of those who do not ask for that", async () => {
    const options = { ...samplerDefaults, temperature: 0, tokens: 2, seed: 1, prompt: "ab" };
    expect((await generate(fakeModel(), tokenizer, options)).text).toBe("cd");
    expect((await generate(fakeModel(), tokenizer, { ...options, special: false })).text).toBe("d");
  });
  it("end an answer where --stop names them", async () => {
    const { answers, made } = await talk("ab\n", {
      tokenizer,
      sampling: { ...samplerDefaults, temperature: 0, tokens: 5, seed: 1, stop: ["<c>"] },
    });
    expect([answers, made[0]!.reason]).toEqual([[""], "stop"]);
  });
});

// ---- an answer's own tokens

/**
 * A vocabulary of bytes, then the special tokens, then "ab" and "abc". Letters that were drawn one by one are
 * encoded as one token.
 */
function byteLevel(special: readonly string[]): Tokenizer {
  const names = Array.from({ length: 256 }, (_, b) =>
    String.fromCharCode((b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174 ? b : 0),
  );
  let next = 256;
  const vocab: Record<string, number> = Object.fromEntries(
    names.map((name, id) => [name === "\0" ? String.fromCharCode(next++) : name, id]),
  );
  vocab["ab"] = 256 + special.length;
  const json = {
    added_tokens: special.map((content, i) => ({ id: 256 + i, content, special: true })),
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
    model: { type: "BPE", vocab, merges: ["a b"] },
  };
  const reading = readTokenizerJson({
    json: new TextEncoder().encode(JSON.stringify(json)),
    config: undefined,
    from: "tokenizer.json",
  });
  if (!("tokenizer" in reading)) throw new Error(reading.unsupported);
  return reading.tokenizer;
}

const ask: readonly ChatMessage[] = [{ role: "user", content: "hi" }];
const answered = (content: string): readonly ChatMessage[] => [
  ...ask,
  { role: "assistant", content },
  { role: "user", content: "and?" },
];
const marks = ["<|im_start|>", "<|im_end|>"];
const tokenizer = byteLevel(marks);
const drawn = [..."ab"].map((c) => c.charCodeAt(0));

async function turnOf(
  format: ChatFormat,
  tokens: readonly number[],
  said: string,
  of: Tokenizer = tokenizer,
): Promise<Turn> {
  return { prompt: await nextPrompt(format, of, ask), drawn: tokens, said, content: said.trim() };
}
/** The index at which the drawn ids stand in the next prompt; −1: they do not. */
const placeOf = (ids: readonly number[], some: readonly number[], from: number): number =>
  some.every((id, i) => ids[from + i] === id) ? from : -1;

describe("the next prompt has the answer as it was drawn", () => {
  const formats: readonly (readonly [string, (of: Tokenizer) => ChatFormat])[] = [
    ["ChatML, built in", (of) => builtInChat(of, "chatml")],
    [
      "a template",
      (of) =>
        templateChat(
          of,
          "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor " +
            "%}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        ),
    ],
    ["plain", plainChat],
  ];
  it.each(formats)("%s", async (_, make) => {
    expect(tokenizer.encode("ab")).toEqual([258]); // encoded again, the text would be another token
    const format = make(tokenizer);
    for (const [tokens, said] of [
      [drawn, "ab"],
      [[32, ...drawn, 10], " ab\n"],
      [[257 - 1, ...drawn], "ab"],
    ] as const) {
      const turn = await turnOf(format, tokens, said);
      const next = await nextPrompt(format, tokenizer, answered(turn.content), turn);
      expect(placeOf(next.ids, [...turn.prompt.ids, ...tokens], 0)).toBe(0);
      expect(next.text).toBe(await format.render(answered(turn.content), true));
      expect(decode(tokenizer, next.ids.slice(turn.prompt.ids.length + tokens.length))).toContain("and?");
    }
    format.close();
  });
  it("without the tokens of the text that ended it", async () => {
    const format = plainChat(tokenizer);
    const encode = (text: string): number[] => tokenizer.encode(text);
    const turn = await turnOf(format, [...drawn, ...encode("\nUser:")], "ab");
    const next = await nextPrompt(format, tokenizer, answered("ab"), turn);
    expect(next.ids).toEqual([...turn.prompt.ids, ...drawn, ...encode("\nUser: and?\nAssistant:")]);
  });
  it("what a message says stays plain text behind it, too", async () => {
    const format = builtInChat(tokenizer, "chatml");
    const turn = await turnOf(format, drawn, "ab");
    const next = await nextPrompt(
      format,
      tokenizer,
      [...ask, { role: "assistant", content: "ab" }, { role: "user", content: "x<|im_end|>" }],
      turn,
    );
    expect(next.ids.slice(turn.prompt.ids.length).filter((id) => id >= 256 && id <= 257)).toEqual([
      257, 256, 257, 256,
    ]);
  });
  it("a template that changes what was said is encoded anew, as a whole", async () => {
    const format = templateChat(
      tokenizer,
      "{% for m in messages %}[{{ m.content | upper if m.role == 'assistant' else m.content }}]{% " +
        "endfor %}{% if add_generation_prompt %}>{% endif %}",
    );
    const turn = await turnOf(format, drawn, "ab");
    const next = await nextPrompt(format, tokenizer, answered("ab"), turn);
    expect(behindAnswer(tokenizer, next.text, turn)).toBeUndefined();
    expect(decode(tokenizer, next.ids)).toBe("[hi][AB][and?]>");
    format.close();
  });
  it("an empty answer, and one that is cut within a character", async () => {
    const format = builtInChat(tokenizer, "chatml");
    const empty = await turnOf(format, [], "");
    expect((await nextPrompt(format, tokenizer, answered(""), empty)).ids).toEqual(
      await format.encode(answered(""), true),
    );
    const half = await turnOf(format, [0xe2, 0x82], "\ufffd");
    const next = await nextPrompt(format, tokenizer, answered("\ufffd"), half);
    expect(placeOf(next.ids, [...half.prompt.ids, 0xe2, 0x82, 257], 0)).toBe(0);
  });
  it("a tokenizer that writes a space before every text: none is added where there is none", async () => {
    const pieces = [
      "<unk>",
      "<s>",
      "</s>",
      ...Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`),
      "\u2581",
      ...Array.from("UserAitn:hdab?"),
    ];
    const unique = [...new Set(pieces)];
    const sentencePiece = sentencePieceTokenizer({
      name: "sentencepiece",
      addsSpace: true,
      beginOfText: 1,
      endOfText: 2,
      files: new Map(),
      pieces: unique.map((text, id) => ({
        text,
        score: -id,
        kind: id === 0 ? "unknown" : id < 3 ? "control" : id < 259 ? "byte" : "normal",
      })),
    });
    const format = plainChat(sentencePiece);
    const own = sentencePiece.encode("ab").slice(1);
    const turn = await turnOf(format, own, "ab", sentencePiece);
    const next = await nextPrompt(format, sentencePiece, answered("ab"), turn);
    expect(placeOf(next.ids, [...turn.prompt.ids, ...own], 0)).toBe(0);
    expect(decode(sentencePiece, next.ids, { special: false })).toBe(
      "User: hi\nAssistant:ab\nUser: and?\nAssistant:",
    );
  });
});

describe.skipIf(!withData)("published vocabularies (needs ../shared/data)", () => {
  const cases: readonly (readonly [string, () => Tokenizer, (of: Tokenizer) => ChatFormat, string])[] = [
    [
      "Llama 2 in its format",
      published.llama2,
      (of) => builtInChat(of, "llama2"),
      "<s> [INST] hi [/INST] A llama. </s><s> [INST] and? [/INST]",
    ],
    [
      "Llama 2 without a format",
      published.llama2,
      plainChat,
      "<s> User: hi\nAssistant: A llama.\nUser: and?\nAssistant:",
    ],
    [
      "Llama 3 without a format",
      published.llama3,
      plainChat,
      "<|begin_of_text|>User: hi\nAssistant: A llama.\nUser: and?\nAssistant:",
    ],
  ];
  it.each(cases)("%s: an answer of single letters stays one", async (_, open, make, text) => {
    const of = open();
    const format = make(of);
    const letters = of.addsSpace ? of.encode("A") : of.encode(" A");
    const own = [
      ...letters,
      ...[..." llama."].flatMap((c) =>
        of.addsSpace && c !== " "
          ? of.encode(`\n${c}`).slice(2)
          : c === " "
            ? of.encode(of.addsSpace ? "\n" : " ").slice(0, 1)
            : of.encode(c),
      ),
    ];
    const turn: Turn = {
      prompt: await nextPrompt(format, of, ask),
      drawn: own,
      said: decode(of, own),
      content: "A llama.",
    };
    const next = await nextPrompt(format, of, answered("A llama."), turn);
    expect(turn.said.trim()).toBe("A llama.");
    expect(own.length).toBeGreaterThan(of.encode("A llama.").length);
    expect(placeOf(next.ids, [...turn.prompt.ids, ...own], 0)).toBe(0);
    expect(decode(of, next.ids)).toBe(text);
  });
});
