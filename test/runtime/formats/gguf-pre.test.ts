/**
 * GGUF's names of pre-tokenizers: which rules they mean, that they go out as they came in, and which are
 * refused.
 */
import { describe, expect, it } from "vitest";
import {
  ggufPreNamed,
  ggufPreOf,
  ggufPres,
  preTokenizerJson,
} from "../../../runtime/formats/gguf/gguf-pre.ts";
import { tokenizerOfGguf } from "../../../runtime/formats/gguf/gguf-tokenizer.ts";
import { bool, ggufHeader, text, u32 } from "../../../runtime/formats/gguf/gguf-write.ts";
import { openGguf } from "../../../runtime/formats/gguf/gguf.ts";
import { tokenizerPairs } from "../../../runtime/formats/tokenizer-to-gguf.ts";
import { byteCharacters } from "../../../runtime/tokenizers/base/byte-level.ts";
import { readTokenizerJson } from "../../../runtime/tokenizers/json/read-tokenizer-json.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { byteTokenizerJson, byteTokenizerPairs } from "../../support/counting-model.ts";
import { memoryFiles } from "../../support/memory-files.ts";

const roles = [u32("tokenizer.ggml.bos_token_id", 1), u32("tokenizer.ggml.eos_token_id", 2)];
async function opened(
  pre: string,
  ...more: Parameters<typeof ggufHeader>[0][number][]
): Promise<Tokenizer | string> {
  const file = await openGguf(
    memoryFiles({
      "m.gguf": ggufHeader(
        [...byteTokenizerPairs([{ id: 259, content: "<|x|>", special: false }], pre), ...roles, ...more],
        [],
      ),
    }),
    "m.gguf",
  );
  const found = await tokenizerOfGguf(file);
  return "tokenizer" in found ? found.tokenizer : found.none;
}

/**
 * The names for byte-level BPE that llama.cpp knows and the table does not have, since their rules differ.
 */
const refused = [
  "deepseek-llm",
  "deepseek-coder",
  "deepseek-v3",
  "youtu",
  "falcon",
  "jais-2",
  "gemma4",
  "granite-embed-multi-311m",
  "granite-embed-multi-97m",
  "sarvam-moe",
  "jina-v1-en",
  "jina-v2-code",
  "roberta-bpe",
  "whitespace",
  "exaone-moe",
  "chameleon",
  "tiny_aya",
  "cohere2moe",
  "superbpe",
  "hunyuan-dense",
  "joyai-llm",
  "kimi-k2",
  "afmoe",
  "laguna",
  "k2-horizon",
  "minicpm5",
  "bloom",
  "poro-chat",
  "gpt3-finnish",
  "viking",
  "no-such-name",
  "",
  "__proto__",
];

describe("names of pre-tokenizers", () => {
  it("each stands once, and a row's steps lead back to the row", () => {
    const names = ggufPres.flatMap(({ names }) => names);
    expect(new Set(names).size).toBe(names.length);
    for (const pre of ggufPres)
      expect(ggufPreOf(preTokenizerJson(pre), pre.wholePieces ?? false), pre.names[0]).toBe(pre);
    expect(ggufPreOf({ type: "Whitespace" }, false)).toBeUndefined();
    expect(ggufPreOf(preTokenizerJson(ggufPreNamed("qwen2")!), true)).toBeUndefined();
  });

  it.each(ggufPres.flatMap(({ names }) => names))(
    "%s: all bytes come back, and it goes out under its row's name",
    async (name) => {
      const pre = ggufPreNamed(name)!;
      const tokenizer = await opened(name);
      if (typeof tokenizer === "string") throw new Error(tokenizer);
      const text = "It's 12345 o'clock!!\n\n  fooBar café ½ ١٢ 中文。<|x|>";
      expect(
        new TextDecoder().decode(Buffer.concat(tokenizer.encode(text).map((id) => tokenizer.bytes(id)))),
      ).toBe(text);
      expect([tokenizer.beginOfText, tokenizer.endOfText]).toEqual([pre.addsBegin ? 1 : undefined, 2]);
      const { out } = tokenizerPairs(tokenizer, tokenizer.size);
      const value = (key: string): unknown => out.find((pair) => pair.key === `tokenizer.ggml.${key}`);
      expect(value("pre")).toMatchObject({ value: pre.names[0] });
      // found in the text, and not special
      expect((value("token_type") as { values: number[] }).values.at(-1)).toBe(4);
      expect(await opened(name, bool("tokenizer.ggml.add_bos_token", !pre.addsBegin))).toMatchObject({
        beginOfText: pre.addsBegin ? undefined : 1,
      });
    },
  );

  it.each(refused)("%s is refused by its name", async (name) =>
    expect(await opened(name)).toBe(`its pre-tokenizer, ${JSON.stringify(name)}, is not read here`),
  );
});

it("a file that names none gets GPT-2's, and that is said of models that are not", async () => {
  const said = async (architecture: string): Promise<readonly string[]> => {
    const pairs = [
      text("general.architecture", architecture),
      ...byteTokenizerPairs().filter(({ key }) => key !== "tokenizer.ggml.pre"),
    ];
    const lines: string[] = [];
    await tokenizerOfGguf(
      await openGguf(memoryFiles({ "m.gguf": ggufHeader(pairs, []) }), "m.gguf"),
      (line) => void lines.push(line),
    );
    return lines;
  };
  expect([await said("gpt2"), await said("llama")]).toEqual([
    [],
    ["its metadata does not name its pre-tokenizer: GPT-2's is taken (--tokenizer PATH names another)"],
  ]);
});

it("a normalizer that GGUF can not say is said", () => {
  const made = (normalizer: unknown): ReturnType<typeof tokenizerPairs> => {
    const json = {
      ...byteTokenizerJson(),
      normalizer,
      pre_tokenizer: preTokenizerJson(ggufPreNamed("qwen2")!),
    };
    const reading = readTokenizerJson({
      json: new TextEncoder().encode(JSON.stringify(json)),
      from: "tokenizer.json",
    });
    if (!("tokenizer" in reading)) throw new Error(reading.unsupported);
    return tokenizerPairs(reading.tokenizer, reading.tokenizer.size);
  };
  const [nfc, lower] = [made({ type: "NFC" }), made({ type: "Lowercase" })];
  expect(nfc.out).toContainEqual(text("tokenizer.ggml.pre", "qwen2"));
  expect(nfc.note).toBe(
    "a GGUF file can not say that text is put into the form NFC first: text in another form has other " +
      "ids there",
  );
  expect([lower.out[0], lower.note]).toEqual([
    text("tokenizer.ggml.model", "no_vocab"),
    "the file gets no tokenizer: its normalizer (Lowercase)",
  ]);
});

describe("where they cut", () => {
  /**
   * In this tokenizer every part of the text is a token and pieces are not split, so that its tokens are the
   * pieces.
   */
  function pieces(name: string, text: string): readonly string[] {
    const utf8 = new TextEncoder();
    const nameOf = (part: string): string =>
      Array.from(utf8.encode(part), (byte) => byteCharacters[byte]!).join("");
    const stretches = Array.from(text, (_, from) =>
      Array.from(text.slice(from), (_c, length) => nameOf(text.slice(from, from + length + 1))),
    ).flat();
    const vocab = Object.fromEntries(
      [...new Set([...byteCharacters, ...stretches])].map((token, id) => [token, id]),
    );
    const json = {
      pre_tokenizer: preTokenizerJson(ggufPreNamed(name)!),
      decoder: { type: "ByteLevel" },
      model: { type: "BPE", ignore_merges: true, vocab, merges: [] },
    };
    const reading = readTokenizerJson({ json: utf8.encode(JSON.stringify(json)), from: "tokenizer.json" });
    if (!("tokenizer" in reading)) throw new Error(reading.unsupported);
    return reading.tokenizer.encode(text).map((id) => new TextDecoder().decode(reading.tokenizer.bytes(id)));
  }
  it.each([
    ["gpt-2", "a 123's", ["a", " 123", "'s"]],
    ["smollm", "a 123's", ["a", " ", "1", "2", "3", "'s"]],
    ["qwen2", "a 123'S\n\nb", ["a", " ", "1", "2", "3", "'S", "\n\n", "b"]],
    ["llama-bpe", "a 1234'S", ["a", " ", "123", "4", "'S"]],
    ["gpt-4o", "fooBar's 1234/\n", ["foo", "Bar's", " ", "123", "4", "/\n"]],
    ["tekken", "fooBar's 12/\n", ["foo", "Bar", "'s", " ", "1", "2", "/\n"]],
    ["qwen35", "éa\u0301b 12.\u0301", ["éa\u0301b", " ", "1", "2", ".\u0301"]],
    ["bailingmoe", "a12'LL!\n\nb", ["a", "1", "2", "'LL", "!\n\n", "b"]],
    ["seed-coder", "a12!\n\n", ["a", "1", "2", "!", "\n\n"]],
  ])("%s %j", (name, text, wanted) => expect(pieces(name, text)).toEqual(wanted));
});
