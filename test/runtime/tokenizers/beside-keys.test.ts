/**
 * Feeds every key of the tables for tokenizer_config.json, special_tokens_map.json, added_tokens.json,
 * generation_config.json and GGUF's tokenizer to its reader: it counts, is refused or named, or changes
 * nothing, as its table says.
 */
import { describe, expect, it } from "vitest";
import { publishedSampling } from "../../../app/cli/runs/import-sampling.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { tokenizerOfGguf } from "../../../runtime/formats/gguf/gguf-tokenizer.ts";
import {
  ggufHeader,
  list,
  text,
  u32,
  bool,
  type PairToWrite,
} from "../../../runtime/formats/gguf/gguf-write.ts";
import { openGguf } from "../../../runtime/formats/gguf/gguf.ts";
import { generationKeys } from "../../../runtime/tokenizers/keys/generation-config.ts";
import { ggufTokenizerKeys } from "../../../runtime/formats/keys/gguf-tokenizer.ts";
import type { KeyTable, KnownKey } from "../../../runtime/base/known-keys.ts";
import {
  addedTokensKeys,
  specialTokensMapKeys,
  tokenizerConfigKeys,
} from "../../../runtime/tokenizers/keys/tokenizer-config.ts";
import { sentencePieceModel } from "../../../runtime/tokenizers/published/sentencepiece-write.ts";
import { templateOf } from "../../../runtime/tokenizers/beside/chat-templates.ts";
import { tokenizerPairs } from "../../../runtime/formats/tokenizer-to-gguf.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { openTokenizer } from "../../../runtime/tokenizers/tokenizer-files.ts";
import { decode, type Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { byteTokenizerJson, byteTokenizerPairs } from "../../support/counting-model.ts";
import { memoryFiles } from "../../support/memory-files.ts";

/** Everything that a key may change. */
function seen(tokenizer: Tokenizer, notes: readonly string[]): string {
  const said = "a .b</s> c<|extra|>d";
  const ids = tokenizer.encode(said, { special: true });
  return JSON.stringify({
    begin: tokenizer.beginOfText,
    end: tokenizer.endOfText,
    stops: [...tokenizer.stops].sort((a, b) => a - b),
    size: tokenizer.size,
    ids,
    plain: tokenizer.encode(said),
    decoded: decode(tokenizer, ids),
    special: [...tokenizer.special],
    template: templateOf(tokenizer.files)?.template,
    named: [...tokenizer.files.keys()].filter((name) => name.includes("/")),
    sampling: publishedSampling(tokenizer),
    notes,
  });
}

/** The tokenizer that the files give, or why there is none. */
async function outcome(open: (listener: (line: string) => void) => Promise<Tokenizer>): Promise<string> {
  const notes: string[] = [];
  try {
    return seen(await open((line) => void notes.push(line)), notes);
  } catch (error) {
    expect(error).toBeInstanceOf(SinterError);
    expect((error as SinterError).kind).toBe("input");
    return `refused: ${(error as SinterError).message}`;
  }
}

const sentencepiece = (): Uint8Array =>
  sentencePieceModel({
    pieces: [
      { text: "<unk>", score: 0, kind: "unknown" },
      { text: "<s>", score: 0, kind: "control" },
      { text: "</s>", score: 0, kind: "control" },
      ...Array.from({ length: 256 }, (_, byte) => ({
        text: `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
        score: 0,
        kind: "byte" as const,
      })),
      ...["▁", "a", "b", "c", "d"].map((piece) => ({ text: piece, score: -1, kind: "normal" as const })),
    ],
    addsSpace: true,
    beginOfText: 1,
    endOfText: 2,
  });

type Contents = Readonly<Record<string, object | Uint8Array>>;
const json: Contents = { "tokenizer.json": byteTokenizerJson() };
const model: Contents = { "tokenizer.model": sentencepiece() };
const folder = (base: Contents, more: Contents): Promise<string> =>
  outcome((listener) => {
    const files = Object.entries({ ...base, ...more }).map(
      ([name, value]) => [`m/${name}`, value instanceof Uint8Array ? value : JSON.stringify(value)] as const,
    );
    return openTokenizer(memoryFiles(Object.fromEntries(files)), "m", undefined, listener);
  });

interface Fed {
  readonly base: Contents;
  /** Other keys in the file, for a key that counts only together with them. */
  readonly with?: Readonly<Record<string, unknown>>;
}

/** The reader's outcome with these keys in `file`. */
const feed = (
  file: string,
  { base, with: before = {} }: Fed,
  keys: Readonly<Record<string, unknown>>,
): Promise<string> => folder(base, { [file]: { ...before, ...keys } });

const odd = [true, false, 0, 7, -1, 1e300, "x", [], [1], {}, { a: 1 }];
const keyOf = (pattern: string): string => pattern.replaceAll("*", "seven");

function eachKey(file: string, table: KeyTable, bases: Readonly<Record<string, Fed>>, usual: Fed): void {
  const checks: Readonly<
    Record<KnownKey["effect"], (key: string, known: KnownKey, fed: Fed) => Promise<void>>
  > = {
    async read(key, known, fed) {
      if (known.effect !== "read") return;
      expect(
        await feed(file, fed, { [key]: known.another }),
        `${key} ${JSON.stringify(known.another)}`,
      ).not.toBe(await feed(file, fed, {}));
    },
    async refused(key, known, fed) {
      if (known.effect !== "refused") return;
      expect(await feed(file, fed, { [key]: known.another })).toContain(`${key} is `);
      const harmless = Array.isArray(known.harmless) ? (known.harmless as readonly unknown[]) : [];
      for (const value of [null, ...harmless])
        expect(await feed(file, fed, { [key]: value })).toBe(await feed(file, fed, {}));
    },
    async none(key, _known, fed) {
      const without = await feed(file, fed, {});
      for (const value of odd)
        expect(await feed(file, fed, { [key]: value }), `${key} ${JSON.stringify(value)}`).toBe(without);
    },
  };
  it.each(Object.entries(table).map(([key, known]) => [known.effect, key, known] as const))(
    "%s: %s",
    (effect, key, known) => checks[effect](keyOf(key), known, bases[key] ?? usual),
  );

  it("a key that is in no table is named", async () => {
    expect(await feed(file, usual, { [`new_key_of_${file.length}`]: 1 })).toContain(
      `${file} has a key that is not known here, and is ignored: new_key_of_`,
    );
  });
}

const roles = { bos_token: "<s>", eos_token: "</s>" };
describe("tokenizer_config.json", () =>
  eachKey(
    "tokenizer_config.json",
    tokenizerConfigKeys,
    {
      bos_token: { base: json, with: { ...roles, add_bos_token: true } },
      add_bos_token: { base: json, with: roles },
      legacy: { base: model },
      tokenizer_class: { base: model },
    },
    { base: json, with: roles },
  ));

describe("special_tokens_map.json", () =>
  eachKey(
    "special_tokens_map.json",
    specialTokensMapKeys,
    {
      bos_token: { base: { ...json, "tokenizer_config.json": { ...roles, add_bos_token: true } } },
      additional_special_tokens: { base: { ...json, "added_tokens.json": { "<|extra|>": 259 } } },
    },
    { base: { ...json, "tokenizer_config.json": roles } },
  ));

describe("added_tokens.json", () => {
  it("every key is a token, in any kind of tokenizer", async () => {
    expect(Object.keys(addedTokensKeys)).toEqual(["*"]);
    for (const [base, size] of [
      [json, 259],
      [model, 264],
    ] as const) {
      const found = await folder(base, { "added_tokens.json": { "<|extra|>": size } });
      expect(found).toContain(`"size":${size + 1}`);
      expect(JSON.parse(found) as { plain: number[] }).toMatchObject({
        plain: expect.arrayContaining([size]) as number[],
      });
    }
  });
});

describe("generation_config.json", () =>
  eachKey("generation_config.json", generationKeys, {}, { base: json }));

describe("tokenizer.* of GGUF", () => {
  const value = (key: string, given: unknown): PairToWrite =>
    typeof given === "boolean"
      ? bool(key, given)
      : typeof given === "number"
        ? u32(key, given)
        : Array.isArray(given)
          ? list(key, "i32", given as number[])
          : text(key, String(given));
  const names = ["<unk>", "<s>", "</s>", "▁", "a", "b", "c", "d"];
  const llama = [
    text("tokenizer.ggml.model", "llama"),
    list("tokenizer.ggml.tokens", "string", names),
    list(
      "tokenizer.ggml.scores",
      "f32",
      names.map(() => -1),
    ),
    list("tokenizer.ggml.token_type", "i32", [2, 3, 3, 1, 1, 1, 1, 1]),
  ];
  const open = (base: readonly PairToWrite[], ...more: readonly PairToWrite[]): Promise<string> =>
    outcome(async (listener) => {
      const keys = new Set(more.map(({ key }) => key));
      const pairs = [...base.filter(({ key }) => !keys.has(key)), ...more];
      const file = await openGguf(memoryFiles({ "m.gguf": ggufHeader(pairs, []) }), "m.gguf");
      const found = await tokenizerOfGguf(file, listener);
      if ("tokenizer" in found) return found.tokenizer;
      throw new SinterError("input", found.none);
    });
  const bytes = byteTokenizerPairs();
  const begun = [...bytes, u32("tokenizer.ggml.bos_token_id", 1), bool("tokenizer.ggml.add_bos_token", true)];
  const bases: Readonly<Record<string, readonly PairToWrite[]>> = {
    "tokenizer.ggml.bos_token_id": begun,
    "tokenizer.ggml.add_bos_token": [...bytes, u32("tokenizer.ggml.bos_token_id", 1)],
    "tokenizer.ggml.scores": llama,
    "tokenizer.ggml.add_space_prefix": llama,
  };
  /** Tables in which one thing differs. */
  const tables: Readonly<Record<string, PairToWrite>> = {
    "tokenizer.ggml.tokens": list("tokenizer.ggml.tokens", "string", [
      "<unk>",
      "<s>",
      "</s>",
      ...Array.from({ length: 256 }, (_, i) => `x${i}`),
    ]),
    "tokenizer.ggml.token_type": list("tokenizer.ggml.token_type", "i32", [
      3,
      3,
      1,
      ...Array.from({ length: 256 }, () => 1),
    ]),
    "tokenizer.ggml.scores": list(
      "tokenizer.ggml.scores",
      "f32",
      names.map((_, id) => -id),
    ),
    "tokenizer.ggml.merges": list("tokenizer.ggml.merges", "string", ["a b"]),
    "tokenizer.sinter.special_tokens": list("tokenizer.sinter.special_tokens", "string", ["<|end|>"]),
  };

  it.each(Object.entries(ggufTokenizerKeys as KeyTable).filter(([key]) => !Object.hasOwn(tables, key)))(
    "%s",
    async (pattern, known) => {
      const key = keyOf(pattern);
      const base = bases[pattern] ?? bytes;
      const without = await open(base);
      if (known.effect === "none")
        for (const given of [true, false, 0, 7, "x"])
          expect(await open(base, value(key, given)), `${given}`).toBe(without);
      else if (known.effect === "read") expect(await open(base, value(key, known.another))).not.toBe(without);
      else {
        expect(await open(base, value(key, known.another))).toMatch(new RegExp(`^refused: .*${key} is `));
        for (const harmless of Array.isArray(known.harmless) ? (known.harmless as readonly unknown[]) : [[]])
          expect(await open(base, value(key, harmless))).toBe(without);
      }
    },
  );

  it("tokenizer.sinter.special_tokens", async () => {
    const { out } = tokenizerPairs(byteTokenizer({ special: ["<|user|>"] }), 257);
    const without = out.filter(({ key }) => !Object.hasOwn(tables, key) || key === "tokenizer.ggml.tokens");
    const special = tables["tokenizer.sinter.special_tokens"]!;
    expect(await open(without, special)).not.toBe(await open(without));
  });

  it.each(["tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.merges"])(
    "%s",
    async (key) => {
      // missing letters are an error
      const open2 = open(bytes, tables[key]!).catch((error: unknown) => String(error));
      expect(await open2).not.toBe(await open(bytes));
    },
  );

  it("tokenizer.ggml.scores are merges in their order", async () => {
    const more = ["<unk>", "<s>", "</s>", "▁", "a", "b", "c", "ab", "bc"];
    const kinds = list("tokenizer.ggml.token_type", "i32", [2, 3, 3, 1, 1, 1, 1, 1, 1]);
    const made = async (...scores: number[]): Promise<number[]> => {
      const pairs = [
        text("tokenizer.ggml.model", "llama"),
        list("tokenizer.ggml.tokens", "string", more),
        kinds,
        list("tokenizer.ggml.scores", "f32", [0, 0, 0, 0, 0, 0, 0, ...scores]),
      ];
      const found = await tokenizerOfGguf(
        await openGguf(memoryFiles({ "m.gguf": ggufHeader(pairs, []) }), "m.gguf"),
      );
      return "tokenizer" in found ? found.tokenizer.encode("abc") : [];
    };
    expect([await made(-1, -2), await made(-2, -1)]).toEqual([
      [3, 7, 6],
      [3, 4, 8],
    ]);
  });

  it("a key that is in no table is named", async () => {
    expect(await open(bytes, text("tokenizer.ggml.new_key", "x"))).toContain(
      "its metadata has a key that is not known here, and is ignored: tokenizer.ggml.new_key",
    );
  });
});
