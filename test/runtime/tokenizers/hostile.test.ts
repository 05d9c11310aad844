/**
 * Files that are corrupt, truncated, or made to do harm: each gives a typed error that names the position,
 * without a hang and without much memory.
 */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SinterError } from "../../../runtime/base/errors.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { gpt2Tokenizer } from "../../../runtime/tokenizers/published/gpt2.ts";
import { llama2cFile } from "../../../runtime/tokenizers/published/llama2c-file.ts";
import { llama3Tokenizer } from "../../../runtime/tokenizers/published/llama3.ts";
import { sentencePieceFile } from "../../../runtime/tokenizers/published/sentencepiece-file.ts";
import { readTokenizerJson } from "../../../runtime/tokenizers/json/read-tokenizer-json.ts";
import { openTokenizer } from "../../../runtime/tokenizers/tokenizer-files.ts";
import { cpuMs, data, withData } from "../../support/tokenizer-data.ts";

const utf8 = new TextEncoder();
type Reader = (bytes: Uint8Array) => unknown;
const readers = {
  "tokenizer.json": (bytes) => readTokenizerJson({ json: bytes, from: "tokenizer.json" }),
  "encoder.json": (bytes) => gpt2Tokenizer(bytes, utf8.encode("#version: 0.2\n")),
  ranks: (bytes) => llama3Tokenizer(bytes, "tokenizer.model"),
  sentencepiece: (bytes) => sentencePieceFile(bytes, "llama2", "tokenizer.model"),
  "llama2.c": (bytes) => llama2cFile(bytes, "llama2", "tokenizer.bin"),
} as const satisfies Record<string, Reader>;

/** Nothing, or a SinterError. Any other exception is a bug of Sinter's. */
function refusal(read: Reader, bytes: Uint8Array): SinterError | undefined {
  try {
    read(bytes);
    return undefined;
  } catch (error) {
    if (error instanceof SinterError) return error;
    throw error;
  }
}

// ---- tokenizer.json

type Json = Record<string, unknown>;
const vocab = { a: 0, b: 1, ab: 2, "<e>": 3 };
const good = (model: Json = {}, root: Json = {}): Json => ({
  added_tokens: [{ id: 3, content: "<e>", special: true }],
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false },
  model: { type: "BPE", vocab, merges: ["a b"], ...model },
  ...root,
});
const text = (value: unknown): Uint8Array =>
  utf8.encode(typeof value === "string" ? value : JSON.stringify(value));

describe("tokenizer.json", () => {
  it("the good one is read", () =>
    expect(readers["tokenizer.json"](text(good()))).toHaveProperty("tokenizer"));

  const flawed = [
    ["nothing", "", /is no JSON/],
    ["half of it", JSON.stringify(good()).slice(0, 100), /is no JSON/],
    ["a list", "[]", /is a list of 0, not an object/],
    ["null", "null", /not an object/],
    ["no model", "{}", /model is missing/],
    ["a model that is a text", good({}, { model: "BPE" }), /model is "BPE"/],
    ["deep nesting", `{"model":${"[".repeat(200_000)}${"]".repeat(200_000)}}`, /model/],
    ["no vocabulary", good({ vocab: undefined }), /model\.vocab is missing/],
    ["an empty vocabulary", good({ vocab: {}, merges: [] }, { added_tokens: [] }), /model\.vocab is empty/],
    ["a vocabulary that is a list", good({ vocab: ["a"] }), /model\.vocab is a list of 1/],
    ["a negative id", good({ vocab: { a: -1 } }), /model\.vocab\["a"\] is -1/],
    ["a fraction as id", good({ vocab: { a: 0.5 } }), /model\.vocab\["a"\] is 0\.5/],
    ["a text as id", good({ vocab: { a: "0" } }), /model\.vocab\["a"\] is "0"/],
    ["a huge id", good({ vocab: { a: 4e9 } }), /model\.vocab\["a"\] is 4000000000/],
    [
      "an id of 1e20",
      `{"pre_tokenizer":{"type":"ByteLevel"},"model":{"vocab":{"a":1e20},"merges":[]}}`,
      /model\.vocab\["a"\] is 100000000000000000000/,
    ],
    ["one id for two names", good({ vocab: { a: 0, b: 0 } }), /gives id 0 to "b", but "a" has it/],
    [
      "a gap, and a name of it",
      good({ vocab: { a: 0, b: 2, ab: 4 }, merges: ["a b", "a c"] }),
      /merges\[1\] needs "ac"/,
    ],
    ["a name of a megabyte", good({ vocab: { ["x".repeat(1 << 20)]: 0 } }), /name of 1048576 characters/],
    ["one name with two ids", good({}, { added_tokens: [{ id: 4, content: "a" }] }), /two ids to one name/],
    [
      "an added token on another's id",
      good({}, { added_tokens: [{ id: 0, content: "x" }] }),
      /added_tokens\[0\]\.id gives id 0 to "x"/,
    ],
    [
      "an added token without text",
      good({}, { added_tokens: [{ id: 3 }] }),
      /added_tokens\[0\]\.content is missing/,
    ],
    ["added tokens that are no list", good({}, { added_tokens: 5 }), /added_tokens is 5/],
    ["a merge of three", good({ merges: ["a b c"] }), /model\.merges\[0\] is "a b c"/],
    ["a merge of one", good({ merges: ["ab"] }), /model\.merges\[0\]/],
    ["a merge of numbers", good({ merges: [[0, 1]] }), /model\.merges\[0\]/],
    ["a merge with a stranger", good({ merges: ["a b", "a z"] }), /model\.merges\[1\] needs "az"/],
    ["merges that are an object", good({ merges: {} }), /model\.merges is an object/],
    [
      "prototype tricks",
      `{"model":{"vocab":{"__proto__":0,"constructor":1},"merges":["toString ` +
        `valueOf"]},"pre_tokenizer":{"type":"ByteLevel"}}`,
      /model\.merges\[0\] needs/,
    ],
    ["a type that is a number", good({ type: 7 }), /model\.type is 7/],
    ["a flag that is a number", good({ ignore_merges: 1 }), /model\.ignore_merges is 1/],
    [
      "a post-processor with an unknown token",
      good({}, { post_processor: { type: "TemplateProcessing", single: [{ SpecialToken: { id: "<q>" } }] } }),
      /names "<q>"/,
    ],
    [
      "a normalizer of 5000 characters",
      good({}, { normalizer: { type: "Prepend", prepend: "x".repeat(5000) } }),
      /normalizer\.prepend has 5000 characters/,
    ],
    [
      "sequences with 256 steps",
      good(
        {},
        {
          normalizer: {
            type: "Sequence",
            normalizers: Array.from({ length: 16 }, () => ({
              type: "Sequence",
              normalizers: Array.from({ length: 16 }, () => ({ type: "NFC" })),
            })),
          },
        },
      ),
      /normalizer has 256 steps in all/,
    ],
    ["not UTF-8", "\u0000", /is no JSON/],
  ] as const;
  it.each(flawed)("%s", (_, value, says) => {
    const error = refusal(readers["tokenizer.json"], text(value));
    expect(error?.message).toMatch(says);
    expect(error?.message).toMatch(/^tokenizer\.json/);
    expect(error?.kind).toBe("corrupt");
  });

  it("a hostile expression is not run: it is not in the table", () => {
    const json = good(
      {},
      {
        pre_tokenizer: {
          type: "Sequence",
          pretokenizers: [
            { type: "Split", pattern: { Regex: "(a+)+$" }, behavior: "Isolated" },
            { type: "ByteLevel", add_prefix_space: false, use_regex: false },
          ],
        },
      },
    );
    expect(readers["tokenizer.json"](text(json))).toEqual({
      unsupported: `pre_tokenizer's split at "(a+)+$"`,
    }); // outside of a thread that can be ended
  });

  it("a text that its normalizer makes too long is refused, not a crash", () => {
    const grows = {
      type: "Sequence",
      normalizers: Array.from({ length: 4 }, () => ({
        type: "Replace",
        pattern: { String: "a" },
        content: "a".repeat(200),
      })),
    };
    const reading = readers["tokenizer.json"](text(good({}, { normalizer: grows })));
    if (!("tokenizer" in reading)) throw new Error("not read");
    expect(() => reading.tokenizer.encode("a".repeat(10))).toThrow(
      /the normalizer makes 400000 characters of a text of 10/,
    );
  });

  it("names of added tokens are no expressions", () => {
    const reading = readers["tokenizer.json"](
      text(
        good({ vocab: { a: 0, b: 1, ab: 2, "(a+)+$": 3 } }, { added_tokens: [{ id: 3, content: "(a+)+$" }] }),
      ),
    );
    if (!("tokenizer" in reading)) throw new Error("not read");
    expect(reading.tokenizer.encode("aa(a+)+$b")).toEqual([0, 0, 3, 1]);
    expect(() => reading.tokenizer.encode("z")).toThrow(/no token for byte 0x7a/);
  });
});

// ---- sentencepiece

const varint = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...varint(Math.floor(n / 128))]);
const chunk = (field: number, bytes: readonly number[]): number[] => [
  ...varint(field * 8 + 2),
  ...varint(bytes.length),
  ...bytes,
];
const number = (field: number, value: number): number[] => [...varint(field * 8), ...varint(value)];
const score = (value: number): number[] => [2 * 8 + 5, ...new Uint8Array(new Float32Array([value]).buffer)];
const piece = (name: string, kind = 1, value = 0): number[] =>
  chunk(1, [...chunk(1, [...utf8.encode(name)]), ...score(value), ...number(3, kind)]);
const trainer = (modelType = 2): number[] => chunk(2, number(3, modelType));
const normalizer = (...extra: number[]): number[] =>
  chunk(3, [...number(3, 1), ...number(4, 0), ...number(5, 1), ...extra]);
const pieces = [
  ...piece("<unk>", 2),
  ...piece("<s>", 3),
  ...piece("</s>", 3),
  ...piece("▁"),
  ...piece("a"),
  ...piece("▁a", 1, -1),
];
const model = (...parts: number[][]): Uint8Array => Uint8Array.from(parts.flat());

describe("sentencepiece models", () => {
  it("the good one is read", () => {
    const tokenizer = readers.sentencepiece(model(pieces, trainer(), normalizer()));
    expect([tokenizer.encode("a a"), tokenizer.encode("🦙🦙")]).toEqual([
      [5, 5],
      [3, 0],
    ]);
  });

  it.each([
    ["nothing", model(), /holds no pieces/],
    ["a piece that goes beyond the end", model([10, 100, 1]), /byte 2: a field of 100 bytes, but 1 are left/],
    [
      "a length of 2^60",
      model([10, ...Array.from({ length: 8 }, () => 255), 15, 1]),
      /bytes, but 1 are left/,
    ],
    [
      "a number without end",
      model([10, ...Array.from({ length: 20 }, () => 255)]),
      /a number of more than ten bytes/,
    ],
    ["a file that ends within a number", model([10, 255]), /ends within a number/],
    ["field number 0", model([2, 0]), /field with number 0/],
    ["a group", model([11]), /wire type 3/],
    ["a piece without text", model(chunk(1, score(0))), /piece 0 has no text/],
    ["a piece that is not UTF-8", model(chunk(1, chunk(1, [0xff, 0xfe]))), /piece 0 is not UTF-8/],
    [
      "a score that is no number",
      model(chunk(1, [...chunk(1, [97]), ...score(NaN)])),
      /piece 0 has a score that is no number/,
    ],
    ["an unknown kind", model(piece("a", 9)), /piece 0 is of unknown kind 9/],
    ["a piece twice", model(piece("a"), piece("a")), /piece 1, "a", stands there a second time/],
    ["a piece of 5,000 bytes", model(piece("a".repeat(5000))), /piece 0 has 5000 bytes/],
  ] as const)("%s", (_, bytes, says) =>
    expect(refusal(readers.sentencepiece, bytes)).toMatchObject({
      kind: "corrupt",
      message: expect.stringMatching(says) as string,
    }),
  );

  it.each([
    ["a unigram model", model(pieces, trainer(1), normalizer()), /not a BPE model/],
    [
      "a normalizer with a table",
      model(pieces, trainer(), normalizer(...chunk(2, [1, 2, 3]))),
      /table of its own/,
    ],
    ["no normalizer's facts", model(pieces, trainer()), /removes spaces/],
  ] as const)("%s is refused as what is not read", (_, bytes, says) =>
    expect(refusal(readers.sentencepiece, bytes)).toMatchObject({
      kind: "input",
      message: expect.stringMatching(says) as string,
    }),
  );
});

// ---- ranks, llama2.c, encoder.json

describe("ranks files", () => {
  it.each([
    ["nothing", "", /it is empty/],
    ["no ranks", "hello", /line 1: not a token and its rank/],
    ["a rank that is too large", "IQ== 5\n", /line 1: rank 5; ranks are 0 … 0/],
    ["a rank twice", "IQ== 0\nIg== 0\n", /line 2: rank 0 stands there a second time/],
    ["a token twice", "IQ== 0\nIQ== 1\n", /line 2: the token of line 1 again/],
    ["wrong base64", "IQ= 0\n", /line 1: not base64/],
    ["too few bytes", "IQ== 0\nIg== 1\n", /2 tokens of one byte; all 256/],
    ["a negative rank", "IQ== -1\n", /line 1/],
    ["other text", "\u0000\u0001\n", /line 1/],
  ] as const)("%s", (_, value, says) =>
    expect(refusal(readers.ranks, text(value))).toMatchObject({
      kind: "corrupt",
      message: expect.stringMatching(says) as string,
    }),
  );
});

describe("llama2.c's files", () => {
  const u32 = (n: number): number[] => [...new Uint8Array(new Uint32Array([n]).buffer)];
  const entry = (name: string, length = utf8.encode(name).length): number[] => [
    ...u32(0),
    ...u32(length),
    ...utf8.encode(name),
  ];
  it.each([
    ["nothing", [], /byte 0: the file ends/],
    ["a longest piece of 2^32", u32(0xffffffff), /longest piece of 4294967295 bytes/],
    ["a file that ends within a piece", [...u32(7), 1, 2], /ends within piece 0/],
    ["a piece beyond the end", [...u32(7), ...entry("<unk>", 6)], /piece 0 of 6 bytes; 5 are possible/],
    ["a length of 2^31", [...u32(7), ...entry("<unk>", 2 ** 31)], /piece 0 of 2147483648 bytes/],
    ["another first piece", [...u32(7), ...entry("<pad>")], /piece 0 is "<pad>"/],
    ["too few pieces", [...u32(7), ...entry("<unk>")], /1 pieces; more than 259/],
  ] as const)("%s", (_, bytes, says) =>
    expect(refusal(readers["llama2.c"], Uint8Array.from(bytes))).toMatchObject({
      kind: "corrupt",
      message: expect.stringMatching(says) as string,
    }),
  );
});

// ---- sizes, and chance

it.each([
  [
    "sentencepiece",
    (): Uint8Array => {
      const long = Array.from({ length: 8_000 }, (_, i) =>
        Buffer.from(piece(`${"a".repeat(240)}${i}`, 1, -i)),
      );
      return Buffer.concat([Buffer.from([...pieces]), ...long, Buffer.from([...trainer(), ...normalizer()])]);
    },
  ],
  [
    "tokenizer.json",
    (): Uint8Array => {
      const names = Object.fromEntries(
        Array.from({ length: 20_000 }, (_, i) => [`${"▁a".repeat(100)}${i}`, i]),
      );
      return text({
        normalizer: { type: "Replace", pattern: { String: " " }, content: "▁" },
        model: { vocab: names, merges: [] },
      });
    },
  ],
] as const)("%s: tens of thousands of long tokens that share their beginnings, in seconds", (kind, make) => {
  const bytes = make();
  const began = cpuMs();
  expect(refusal(readers[kind], bytes)).toBeUndefined();
  expect(bytes.length).toBeGreaterThan(1.5e6);
  expect(cpuMs() - began).toBeLessThan(10_000);
});

it("a file of a gigabyte is refused before it is read", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sinter-hostile-"));
  try {
    for (const name of ["tokenizer.json", "tokenizer.model", "tokenizer.bin"]) {
      const path = join(folder, name);
      writeFileSync(path, "");
      truncateSync(path, 2 ** 30);
      const before = process.memoryUsage().rss;
      await expect(openTokenizer(nodeFiles(), path)).rejects.toThrow(
        /has 1073741824 bytes; no tokenizer's file of this kind has more than/,
      );
      expect(process.memoryUsage().rss - before).toBeLessThan(64 * 2 ** 20);
      rmSync(path);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

describe.skipIf(!withData)("published files, damaged (need ../shared/data)", () => {
  const files: readonly (readonly [keyof typeof readers, string])[] = [
    ["tokenizer.json", "checkpoints/tinystories-656k/tokenizer.json"],
    ["llama2.c", "checkpoints/stories260K/tok512.bin"],
    ["sentencepiece", "tokenizers/llama2/tokenizer.model"],
    ["ranks", "tokenizers/llama3/tokenizer.model"],
    ["encoder.json", "tokenizers/gpt2/encoder.json"],
  ];

  it.each(files)("%s: at any length, a SinterError or a tokenizer", (kind, path) => {
    const bytes = data(path);
    const cuts = [
      0,
      1,
      2,
      3,
      5,
      9,
      100,
      ...Array.from({ length: 12 }, (_, i) => Math.floor(((i + 1) * bytes.length) / 13)),
      bytes.length - 1,
    ];
    const refused = cuts.map((length) => refusal(readers[kind], bytes.subarray(0, length)));
    expect(refused.filter((error) => error === undefined).length).toBeLessThan(cuts.length / 2);
    for (const error of refused) if (error) expect(error.message.length).toBeLessThan(400);
  });

  it.each(files.slice(0, 3))(
    "%s: 300 mutations, each a SinterError or a tokenizer that encodes, within a second",
    (kind, path) => {
      const original = data(path);
      let state = 5;
      const below = (n: number): number => (state = (state * 48271) % 2147483647) % n;
      const rounds = kind === "sentencepiece" ? 40 : 300;
      for (let round = 0; round < rounds; round++) {
        const bytes = original.slice();
        for (let i = 1 + below(4); i > 0; i--) bytes[below(bytes.length)] = below(256);
        const began = cpuMs();
        try {
          const made = readers[kind](bytes) as {
            encode?(text: string): number[];
            tokenizer?: { encode(text: string): number[] };
          };
          (made.tokenizer?.encode ?? made.encode)?.("Once upon a time, there was a llama 🦙.\n");
        } catch (error) {
          if (!(error instanceof SinterError)) throw error;
        }
        expect(cpuMs() - began).toBeLessThan(1000);
      }
    },
  );
});
