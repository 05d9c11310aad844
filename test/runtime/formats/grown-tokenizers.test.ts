/** Tokenizers of bytes and characters that have got the tokens of a chat format: to GGUF and back. */
import { describe, expect, test } from "vitest";
import { tokenizerOfGguf } from "../../../runtime/formats/gguf/gguf-tokenizer.ts";
import { ggufHeader } from "../../../runtime/formats/gguf/gguf-write.ts";
import { openGguf, type GgufFile } from "../../../runtime/formats/gguf/gguf.ts";
import { tokenizerPairs } from "../../../runtime/formats/tokenizer-to-gguf.ts";
import { tokenizerFolderFiles } from "../../../runtime/formats/tokenizer-to-huggingface.ts";
import { withTokens } from "../../../runtime/store/with-tokens.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import {
  chatFormats,
  lackingTokens,
  type ChatFormatName,
} from "../../../runtime/tokenizers/chat/chat-formats.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { characterTokenizer, charactersOf } from "../../../runtime/tokenizers/plain/characters.ts";
import { memoryFiles } from "../../support/memory-files.ts";

const grown = (tokenizer: Tokenizer, format: ChatFormatName): Promise<Tokenizer> =>
  withTokens(tokenizer, lackingTokens(tokenizer, format));

interface Returned {
  readonly file: GgufFile;
  readonly tokenizer: Tokenizer;
  readonly note: string | undefined;
}
async function returned(tokenizer: Tokenizer, format: ChatFormatName, rows: number): Promise<Returned> {
  const { out, note } = tokenizerPairs(tokenizer, rows, format);
  const file = await openGguf(memoryFiles({ "m.gguf": ggufHeader([...out], []) }), "m.gguf");
  const found = await tokenizerOfGguf(file);
  if ("none" in found) throw new Error(found.none);
  return { file, tokenizer: found.tokenizer, note };
}

const plain = {
  bytes: byteTokenizer(),
  "bytes with documents": byteTokenizer({ ends: true }),
  "characters with <": characterTokenizer(charactersOf("abc <|")),
  "characters without <": characterTokenizer(charactersOf("abc ")),
} as const;

describe.each(Object.entries(plain))("%s", (name, tokenizer) => {
  test.each(["turns", "alpaca"] as const)("%s: the same tokens come back", async (format) => {
    const own = await grown(tokenizer, format);
    // a model's table may have more rows than its tokenizer has tokens
    for (const rows of [own.size, own.size + 3]) {
      const { tokenizer: back } = await returned(own, format, rows);
      expect([back.name, back.size]).toEqual([own.name, own.size]);
      expect([...back.special]).toEqual([...own.special]);
      expect([...back.stops]).toEqual([...own.stops]);
      expect([back.beginOfText, back.endOfText]).toEqual([own.beginOfText, own.endOfText]);
      expect(back.encode("cab a")).toEqual(own.encode("cab a"));
      const marked = `a${[...own.special.keys()].at(-1)!}b`;
      expect(back.encode(marked, { special: true })).toEqual(own.encode(marked, { special: true }));
    }
  });

  test("the template goes with it, where other programs can find its marks", async () => {
    const { file, note } = await returned(await grown(tokenizer, "turns"), "turns", 300);
    const template = file.metadata.get("tokenizer.chat_template");
    expect(template).toBe(name === "characters without <" ? undefined : chatFormats.turns.template);
    expect(note?.includes('the vocabulary has no "<"')).toBe(name === "characters without <" || undefined);
    expect(file.metadata.get("tokenizer.ggml.eot_token_id")).toBeTypeOf("number");
  });
});

test("a format without marks goes by its name, and is read as a template", async () => {
  const own = await grown(byteTokenizer(), "alpaca");
  const { file, tokenizer } = await returned(own, "alpaca", own.size);
  expect(file.metadata.get("tokenizer.chat_template")).toBe(chatFormats.alpaca.template);
  const config = new TextDecoder().decode(tokenizer.files.get("tokenizer_config.json"));
  expect((JSON.parse(config) as { chat_template: string }).chat_template).toBe(chatFormats.alpaca.template);
  const folder = tokenizerFolderFiles(own, "none").out.get("tokenizer_config.json");
  const { chat_template: written } = JSON.parse(new TextDecoder().decode(folder)) as {
    chat_template: string;
  };
  expect(written).toBe(chatFormats.none.template);
});
