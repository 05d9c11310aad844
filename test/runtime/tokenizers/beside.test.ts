/**
 * The files beside a tokenizer: which of them count, in which order, and what a flaw in one costs; and
 * decoding as they say.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SinterError } from "../../../runtime/base/errors.ts";
import { GENERATION_FILE, type Listener } from "../../../runtime/tokenizers/beside/beside-files.ts";
import { templateOf } from "../../../runtime/tokenizers/beside/chat-templates.ts";
import { spaceCleaner, withoutExtraSpaces } from "../../../runtime/tokenizers/base/clean-spaces.ts";
import { sentencePieceModel } from "../../../runtime/tokenizers/published/sentencepiece-write.ts";
import { idTokenizer } from "../../../runtime/tokenizers/plain/ids.ts";
import { openTokenizer } from "../../../runtime/tokenizers/tokenizer-files.ts";
import { decode, type Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { textStream } from "../../../runtime/tokenizers/base/text-stream.ts";
import { withinRows } from "../../../runtime/tokenizers/beside/with-beside.ts";
import { byteId, byteTokenizerJson } from "../../support/counting-model.ts";
import { memoryFiles } from "../../support/memory-files.ts";

type Contents = Readonly<Record<string, unknown>>;
const asText = (value: unknown): string | Uint8Array =>
  typeof value === "string" || value instanceof Uint8Array ? value : JSON.stringify(value);

function open(contents: Contents, listener?: Listener): Promise<Tokenizer> {
  const all = { "tokenizer.json": byteTokenizerJson(), ...contents };
  return openTokenizer(
    memoryFiles(Object.fromEntries(Object.entries(all).map(([name, value]) => [`m/${name}`, asText(value)]))),
    "m",
    undefined,
    listener,
  );
}

async function heard(
  contents: Contents,
): Promise<{ readonly tokenizer: Tokenizer; readonly lines: readonly string[] }> {
  const lines: string[] = [];
  return { tokenizer: await open(contents, (line) => void lines.push(line)), lines };
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const roles = { bos_token: "<s>", eos_token: { content: "</s>", special: true } };

describe("end tokens", () => {
  it(
    "are all that generation_config.json lists, one or several; tokenizer_config.json says which ends " +
      "documents",
    async () => {
      const { tokenizer, lines } = await heard({
        "tokenizer_config.json": roles,
        "generation_config.json": { eos_token_id: [1, 5] },
      });
      expect([tokenizer.endOfText, [...tokenizer.stops].sort(), lines]).toEqual([2, [1, 2, 5], []]);
      const alone = await heard({
        "tokenizer.json": byteTokenizerJson().model,
        "generation_config.json": { eos_token_id: 7 },
      }).catch(() => undefined);
      expect(alone).toBeUndefined(); // this was no tokenizer.json
      const ids = await openTokenizer(
        memoryFiles({ "m/ids.json": "9", "m/generation_config.json": '{"eos_token_id": [7, 3]}' }),
        "m",
      );
      expect([ids.endOfText, [...ids.stops]]).toEqual([7, [7, 3]]);
    },
  );

  it(
    "special_tokens_map.json counts where tokenizer_config.json does not list its added " + "tokens",
    async () => {
      const map = { eos_token: "<unk>" };
      expect((await open({ "tokenizer_config.json": roles, "special_tokens_map.json": map })).endOfText).toBe(
        0,
      );
      expect((await open({ "special_tokens_map.json": map })).endOfText).toBe(0);
      expect(
        (
          await open({
            "tokenizer_config.json": { ...roles, added_tokens_decoder: {} },
            "special_tokens_map.json": map,
          })
        ).endOfText,
      ).toBe(2);
    },
  );

  it("add_bos_token false counts for the classes that make their post-processor of it", async () => {
    const begins = {
      ...byteTokenizerJson(),
      post_processor: {
        type: "TemplateProcessing",
        single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      },
    };
    const begin = async (config: Contents): Promise<number | undefined> =>
      (await open({ "tokenizer.json": begins, "tokenizer_config.json": { ...roles, ...config } }))
        .beginOfText;
    expect(await begin({})).toBe(1);
    expect(await begin({ add_bos_token: false, tokenizer_class: "PreTrainedTokenizerFast" })).toBe(1);
    expect(await begin({ add_bos_token: false, tokenizer_class: "LlamaTokenizerFast" })).toBeUndefined();
  });
});

describe("tokens behind the vocabulary", () => {
  const pieces = ["<unk>", "<s>", "</s>", "▁", "a", "b"];
  const sentencepiece = sentencePieceModel({
    pieces: pieces.map((piece, id) => ({
      text: piece,
      score: -1,
      kind: id === 0 ? "unknown" : id < 3 ? "control" : "normal",
    })),
    addsSpace: true,
    beginOfText: 1,
    endOfText: 2,
  });
  const beside = (contents: Contents): Promise<Tokenizer> =>
    openTokenizer(
      memoryFiles(
        Object.fromEntries(
          Object.entries({ "tokenizer.model": sentencepiece, ...contents }).map(([name, value]) => [
            `m/${name}`,
            asText(value),
          ]),
        ),
      ),
      "m",
    );

  it("of tokenizer_config.json behind a tokenizer.json", async () => {
    const decoder = {
      "259": { content: "<|a|>", special: true },
      "260": { content: "<|b|>", special: false, rstrip: true },
    };
    const { tokenizer, lines } = await heard({ "tokenizer_config.json": { added_tokens_decoder: decoder } });
    expect([tokenizer.size, tokenizer.absent, lines]).toEqual([261, undefined, []]);
    expect(tokenizer.encode("x<|a|><|b|> y", { special: true })).toEqual([
      byteId("x"),
      259,
      260,
      byteId("y"),
    ]);
    expect(tokenizer.encode("<|a|>")).not.toContain(259);
    expect(decode(tokenizer, [259, 260])).toBe("<|a|><|b|>");
  });

  it("with a gap before them", async () => {
    const { tokenizer, lines } = await heard({
      "tokenizer_config.json": { added_tokens_decoder: { "262": { content: "<|b|>" } } },
    });
    expect([tokenizer.size, [...(tokenizer.absent ?? [])], tokenizer.encode("<|b|>")]).toEqual([
      263,
      [259, 260, 261],
      [262],
    ]);
    expect(lines).toEqual([
      expect.stringMatching(
        /^tokenizer\.json says other ids of added tokens than .* and they count: "<\|b\|>" \(262\)$/,
      ),
    ]);
  });

  it(
    "a word of the vocabulary that it lists becomes a token of its own, and a plain one " + "special",
    async () => {
      const json = {
        ...byteTokenizerJson([{ id: 260, content: "<|p|>", special: false }]),
        model: {
          type: "BPE",
          vocab: { ...(byteTokenizerJson().model as { vocab: object }).vocab, "<|w|>": 259 },
          merges: [],
        },
      };
      const decoder = {
        "259": { content: "<|w|>", special: true },
        "260": { content: "<|p|>", special: true },
      };
      const plain = await heard({ "tokenizer.json": json });
      const { tokenizer, lines } = await heard({
        "tokenizer.json": json,
        "tokenizer_config.json": { added_tokens_decoder: decoder },
      });
      expect([
        plain.tokenizer.encode("<|w|><|p|>", { special: true }).length,
        [...plain.tokenizer.special.keys()],
      ]).toEqual([6, ["<unk>", "<s>", "</s>"]]);
      expect([
        tokenizer.encode("<|w|><|p|>", { special: true }),
        tokenizer.encode("<|p|>").includes(260),
        lines,
      ]).toEqual([[259, 260], false, []]);
    },
  );

  it(
    "behind a sentencepiece model, with a gap before them; legacy false puts no space behind " + "them",
    async () => {
      const added_tokens_decoder = {
        "6": { content: "<|a|>", special: true },
        "9": { content: "ab", single_word: true },
      };
      const older = await beside({ "tokenizer_config.json": { added_tokens_decoder } });
      const newer = await beside({ "tokenizer_config.json": { added_tokens_decoder, legacy: false } });
      expect([older.size, [...(older.absent ?? [])], older.special.get("<|a|>")]).toEqual([10, [7, 8], 6]);
      expect([older, newer].map((tokenizer) => tokenizer.encode("a<|a|>b", { special: true }))).toEqual([
        [3, 4, 6, 3, 5],
        [3, 4, 6, 5],
      ]);
      expect([older.encode("ab"), older.encode("aab")]).toEqual([[9], [3, 4, 4, 5]]);
      const listed = await beside({
        "added_tokens.json": { "<|a|>": 6, "<|b|>": 7 },
        "special_tokens_map.json": { additional_special_tokens: ["<|a|>"], eos_token: "<|a|>" },
      });
      expect([[...listed.special.keys()], listed.endOfText, listed.encode("<|b|>")]).toEqual([
        ["<s>", "</s>", "<|a|>"],
        6,
        [7],
      ]);
    },
  );

  it("what a file names and the tokenizer has otherwise is said", async () => {
    const { lines } = await heard({
      "tokenizer_config.json": {
        eos_token: "<|gone|>",
        added_tokens_decoder: { "1": { content: "<start>" } },
      },
    });
    expect(lines).toEqual([
      'tokenizer_config.json names "<start>" (1), "<|gone|>", which the tokenizer has not as special ' +
        "tokens: left out",
    ]);
  });

  it("a model without rows for them draws none and is fed none", async () => {
    const tokenizer = withinRows(
      await open({ "tokenizer.json": byteTokenizerJson([{ id: 259, content: "<pad>" }]) }),
      259,
    );
    expect(tokenizer.encode("ab<pad>")).toHaveLength(7);
    expect(() => tokenizer.encode("ab<pad>", { special: true })).toThrow(
      expect.objectContaining({
        kind: "input",
        message: expect.stringContaining('"<pad>", token 259') as string,
      }) as Error,
    );
    const ids = withinRows({ ...idTokenizer(8), endOfText: 7, stops: new Set([7, 2]) }, 7);
    expect([ids.endOfText, [...ids.stops]]).toEqual([undefined, [2]]);
  });
});

describe("the chat template", () => {
  const template = async (
    contents: Contents,
  ): Promise<[string | undefined, string | undefined, readonly string[]]> => {
    const { tokenizer, lines } = await heard(contents);
    const found = templateOf(tokenizer.files);
    return [found?.template, found?.from, lines];
  };
  it("is chat_template.jinja's, before the one in tokenizer_config.json", async () => {
    expect(await template({ "tokenizer_config.json": { chat_template: "old" } })).toEqual([
      "old",
      "tokenizer_config.json",
      [],
    ]);
    expect(
      await template({ "tokenizer_config.json": { chat_template: "old" }, "chat_template.jinja": "new ⏎" }),
    ).toEqual(["new ⏎", "chat_template.jinja", []]);
  });
  it("of several the one called default; which others there are is said in one line", async () => {
    const several = [
      { name: "tool_use", template: "t" },
      { name: "default", template: "d" },
    ];
    expect(await template({ "tokenizer_config.json": { chat_template: several } })).toEqual([
      "d",
      "tokenizer_config.json",
      ['of its chat templates the one called "default" is used, not "tool_use"'],
    ]);
    expect(await template({ "tokenizer_config.json": { chat_template: several.slice(0, 1) } })).toEqual([
      undefined,
      undefined,
      [expect.stringContaining('no chat template is called "default": "tool_use" is kept')],
    ]);
    expect(
      await template({ "chat_template.jinja": "d", "additional_chat_templates/rag.jinja": "r" }),
    ).toEqual([
      "d",
      "chat_template.jinja",
      ['of its chat templates the one called "default" is used, not "rag"'],
    ]);
  });
});

describe("a flaw", () => {
  const long = new Uint8Array((1 << 20) + 1).fill(0x20);
  const noText = Uint8Array.of(0xff, 0xfe, 0x00);
  const files = [
    "tokenizer_config.json",
    "generation_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
  ] as const;
  const flaws: readonly (readonly [string, Contents, RegExp])[] = [
    ...files.flatMap((file) => [
      [
        `${file} that is no JSON`,
        { [file]: "{" },
        new RegExp(`^m/${file} is no JSON: .*: left out \\(.+\\)$`),
      ] as const,
      [
        `${file} that is a list`,
        { [file]: [] },
        new RegExp(`^m/${file} is a list of 0, not an object: left out`),
      ] as const,
      [
        `${file} that is no text`,
        { [file]: noText },
        new RegExp(`^m/${file} is (no JSON|not UTF-8 text)`),
      ] as const,
    ]),
    [
      "generation_config.json that is long",
      { "generation_config.json": long },
      /^m\/generation_config\.json has 1048577 bytes; .*--stop TEXT/,
    ],
    [
      "chat_template.jinja that is no text",
      { "chat_template.jinja": noText },
      /^m\/chat_template\.jinja is not UTF-8 text: left out \(sinter chat --chat-format NAME/,
    ],
    [
      "an id that is no id",
      { "generation_config.json": { eos_token_id: [2, "x"] } },
      /generation_config\.json: eos_token_id\[1\] is "x", not a whole number/,
    ],
    [
      "an id that is none",
      { "generation_config.json": { eos_token_id: -1 } },
      /eos_token_id is -1, not a whole number from 0/,
    ],
    [
      "a temperature that is a text",
      { "generation_config.json": { temperature: "hot" } },
      /temperature is "hot", not a number/,
    ],
    [
      "a token that is a number",
      { "tokenizer_config.json": { eos_token: 2 } },
      /eos_token is 2, not a text: left out .*--tokenizer PATH/,
    ],
    [
      "a template that is a number",
      { "tokenizer_config.json": { chat_template: 5 } },
      /chat_template is 5, not a list/,
    ],
    [
      "a template without a name",
      { "tokenizer_config.json": { chat_template: [{ template: "x" }] } },
      /chat_template\[0\]\.name is missing, not a text/,
    ],
    [
      "an added token without a name",
      { "tokenizer_config.json": { added_tokens_decoder: { "300": {} } } },
      /added_tokens_decoder\.300\.content is missing/,
    ],
    [
      "an added token at a word",
      { "tokenizer_config.json": { added_tokens_decoder: { x: { content: "a" } } } },
      /added_tokens_decoder\["x"\] is "x", not a whole number/,
    ],
    [
      "an added token without an id",
      { "added_tokens.json": { "<a>": "1" } },
      /added_tokens\.json: <a> is "1", not a whole number/,
    ],
  ];

  it.each(flaws)(
    "%s costs itself alone, in one line; where no one listens it is thrown",
    async (_, contents, line) => {
      const { tokenizer, lines } = await heard({ "tokenizer_config.json": roles, ...contents });
      expect(tokenizer.encode("ab")).toEqual([byteId("a"), byteId("b")]);
      expect(lines).toEqual([expect.stringMatching(line)]);
      expect(lines[0]).not.toContain("\n");
      await expect(open({ "tokenizer_config.json": roles, ...contents })).rejects.toMatchObject({
        kind: "corrupt",
      });
    },
  );

  it("what is kept has not the flaw: it opens without a word the next time", async () => {
    const config = { ...roles, add_bos_token: true, chat_template: 5 };
    const generation = { eos_token_id: [2, 5], temperature: "hot" };
    const { tokenizer, lines } = await heard({
      "tokenizer_config.json": config,
      "generation_config.json": generation,
      "special_tokens_map.json": "{",
    });
    expect([tokenizer.beginOfText, [...tokenizer.stops], lines.length]).toEqual([1, [2, 5], 3]);
    expect([...tokenizer.files.keys()]).toEqual([
      "tokenizer.json",
      "tokenizer_config.json",
      "generation_config.json",
    ]);
    const again = await openTokenizer(
      memoryFiles(Object.fromEntries([...tokenizer.files].map(([name, bytes]) => [`n/${name}`, bytes]))),
      "n",
    );
    expect([again.beginOfText, [...again.stops], [...again.files]]).toEqual([
      1,
      [2, 5],
      [...tokenizer.files],
    ]);
  });

  it("files without one are kept byte for byte, in one order", async () => {
    const contents = {
      "chat_template.jinja": "x",
      "added_tokens.json": "{}",
      "generation_config.json": '{ "eos_token_id":2 }',
      "tokenizer_config.json": "{  }",
      "additional_chat_templates/a.jinja": "y",
    };
    const { tokenizer } = await heard(contents);
    expect([...tokenizer.files].slice(1)).toEqual(
      [
        "tokenizer_config.json",
        "generation_config.json",
        "added_tokens.json",
        "chat_template.jinja",
        "additional_chat_templates/a.jinja",
      ].map((name) => [name, utf8(contents[name as keyof typeof contents])]),
    );
  });

  it("whatever the files hold: a tokenizer and lines, or a refusal that names the key", async () => {
    const value = fc.jsonValue({ maxDepth: 3 });
    const key = fc.constantFrom(
      "eos_token",
      "bos_token",
      "add_bos_token",
      "chat_template",
      "added_tokens_decoder",
      "additional_special_tokens",
      "eos_token_id",
      "temperature",
      "do_sample",
      "legacy",
      "clean_up_tokenization_spaces",
      "split_special_tokens",
      "__proto__",
      "tokenizer_class",
      "259",
      "<|x|>",
    );
    const file = fc.oneof(fc.dictionary(key, value), value);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files),
        file,
        fc.constantFrom(...files),
        file,
        async (one, first, other, second) => {
          try {
            const { tokenizer, lines } = await heard({ [one]: first, [other]: second });
            expect(tokenizer.encode("ab")).toEqual([byteId("a"), byteId("b")]);
            for (const line of lines) expect(line).not.toMatch(/\n/);
            await openTokenizer(
              memoryFiles(
                Object.fromEntries([...tokenizer.files].map(([name, bytes]) => [`n/${name}`, bytes])),
              ),
              "n",
            ); // stored without its flaws
          } catch (error) {
            expect(error).toBeInstanceOf(SinterError);
            expect((error as SinterError).message).toMatch(/tokenizer_config\.json: \w+ is /);
          }
        },
      ),
      { numRuns: 500, seed: 9 },
    );
  });
});

describe("decoding", () => {
  it("clean_up_tokenization_spaces takes the spaces before punctuation out; absent means no", async () => {
    const cleaned = async (config: Contents): Promise<string> => {
      const tokenizer = await open({ "tokenizer_config.json": config });
      return decode(tokenizer, tokenizer.encode("I do n't , you 're right . It 's ' so ' ! x ?"));
    };
    expect(await cleaned({})).toBe("I do n't , you 're right . It 's ' so ' ! x ?");
    expect(await cleaned({ clean_up_tokenization_spaces: false })).toBe(
      "I do n't , you 're right . It 's ' so ' ! x ?",
    );
    expect(await cleaned({ clean_up_tokenization_spaces: true })).toBe(
      "I don't, you're right. It's'so '! x?",
    );
  });

  it("piece by piece the text is that of the whole", () => {
    const pieces = fc.array(
      fc.constantFrom(
        " ",
        "'",
        ".",
        "?",
        "!",
        ",",
        "n't",
        "m",
        "s",
        "ve",
        "re",
        "n",
        "t",
        "a",
        "é",
        " '",
        "' ",
        " 've",
      ),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(pieces, (parts) => {
        const cleaner = spaceCleaner();
        const stream = textStream([], true);
        const bytes = new TextEncoder();
        expect(parts.map((part) => cleaner.push(part)).join("") + cleaner.end()).toBe(
          withoutExtraSpaces(parts.join("")),
        );
        expect(parts.map((part) => stream.push(bytes.encode(part)).text).join("") + stream.end()).toBe(
          withoutExtraSpaces(parts.join("")),
        );
      }),
      { numRuns: 20_000, seed: 4 },
    );
  });

  it("a stop text is found in what is shown", () => {
    const stream = textStream(["end."], true);
    const said = ["the en", "d", " ", ". more"].map((part) => stream.push(utf8(part)));
    expect([
      said.map(({ text }) => text).join("") + stream.end(),
      said.some(({ stopped }) => stopped),
    ]).toEqual(["the ", true]);
  });

  it("the space of a text's beginning stays behind a special token that is shown", async () => {
    const spaced = {
      ...byteTokenizerJson(),
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: true, use_regex: true },
    };
    const tokenizer = await open({ "tokenizer.json": spaced });
    const ids = tokenizer.encode("a b");
    expect(decode(tokenizer, ids)).toBe("a b");
    expect(decode(tokenizer, [1, ...ids])).toBe("<s> a b");
    expect(decode(tokenizer, [1, ...ids], { special: false })).toBe("a b");
  });

  it("GENERATION_FILE is its name in folders", () => expect(GENERATION_FILE).toBe("generation_config.json"));
});
