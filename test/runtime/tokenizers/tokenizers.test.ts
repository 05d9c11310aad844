/**
 * Tokenizers: llama.cpp's own cases for GPT-2, hostile pieces, speed, characters, and text that arrives in
 * parts.
 */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import {
  charactersOf,
  characterTokenizer,
  parseCharacters,
} from "../../../runtime/tokenizers/plain/characters.ts";
import { gpt2Tokenizer } from "../../../runtime/tokenizers/published/gpt2.ts";
import { mergePairs } from "../../../runtime/tokenizers/bpe/bpe.ts";
import { PairTable } from "../../../runtime/tokenizers/bpe/pair-table.ts";
import { textStream } from "../../../runtime/tokenizers/base/text-stream.ts";
import { concat } from "../../../runtime/base/bytes.ts";
import { decode } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { inShared } from "../../support/paths.ts";
import { cpuMs } from "../../support/tokenizer-data.ts";

const data = (path: string): Uint8Array => new Uint8Array(readFileSync(inShared(`data/${path}`)));
const withData = existsSync(inShared("data"));

describe.skipIf(!withData)("gpt2 (needs ../shared/data)", () => {
  const gpt2 = withData
    ? gpt2Tokenizer(data("tokenizers/gpt2/encoder.json"), data("tokenizers/gpt2/vocab.bpe"))
    : byteTokenizer();
  const text = (path: string): string => new TextDecoder().decode(data(path));

  it("encodes llama.cpp's cases", () => {
    const inputs = text("vectors/llama.cpp/ggml-vocab-gpt-2.gguf.inp").split("\n__ggml_vocab_test__\n");
    const outputs = text("vectors/llama.cpp/ggml-vocab-gpt-2.gguf.out").split("\n");
    expect(inputs.length).toBeGreaterThan(40);
    for (const [i, input] of inputs.entries()) {
      const wanted = outputs[i]!.trim() === "" ? [] : outputs[i]!.trim().split(" ").map(Number);
      expect(gpt2.encode(input), JSON.stringify(input)).toEqual(wanted);
      expect(decode(gpt2, wanted)).toBe(input);
    }
  });

  it("has 50,257 tokens, the last ends a text", () => {
    expect(gpt2.size).toBe(50257);
    expect(gpt2.endOfText).toBe(50256);
  });

  it("gives back white space of every kind", () => {
    expect(decode(gpt2, gpt2.encode("a\u0085b\uFEFFc \u00a0 d"))).toBe("a\u0085b\uFEFFc \u00a0 d");
  });

  it("takes a run of 20,000 equal letters in less than 100 ms", () => {
    gpt2.encode("warm up the code with a sentence or two, please");
    const began = cpuMs();
    const ids = gpt2.encode("a".repeat(20_000));
    expect(cpuMs() - began).toBeLessThan(100);
    expect(decode(gpt2, ids)).toBe("a".repeat(20_000));
  });

  it("encodes at 2 MB/s or more", () => {
    const story = text("corpora/tinystories.txt");
    const began = cpuMs();
    const ids = gpt2.encode(story);
    const seconds = (cpuMs() - began) / 1000;
    expect(decode(gpt2, ids)).toBe(story);
    expect(story.length / 1e6 / seconds).toBeGreaterThan(2);
  });

  it("refuses files that are not GPT-2's", () => {
    const bpe = data("tokenizers/gpt2/vocab.bpe");
    const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
    expect(() => gpt2Tokenizer(json([1]), bpe)).toThrow(/encoder.json/);
    expect(() => gpt2Tokenizer(json({ a: 0, b: 0 }), bpe)).toThrow(/id 0 is given twice/);
    expect(() => gpt2Tokenizer(json({ a: 7 }), bpe)).toThrow(/has id 7/);
    expect(() => gpt2Tokenizer(json({ a: 0 }), bpe)).toThrow(/no token/);
  });
});

describe("byte-pair merges", () => {
  interface Merge {
    readonly left: number;
    readonly right: number;
    readonly rank: number;
    readonly joined: number;
  }

  /** The definition: join the leftmost pair with the lowest rank until there is none. */
  function slow(symbols: number[], merges: readonly Merge[]): number[] {
    for (;;) {
      let best: Merge | undefined;
      let at = -1;
      for (let i = 0; i + 1 < symbols.length; i++) {
        const found = merges.find((m) => m.left === symbols[i] && m.right === symbols[i + 1]);
        if (found && (!best || found.rank < best.rank)) [best, at] = [found, i];
      }
      if (!best) return symbols;
      symbols.splice(at, 2, best.joined);
    }
  }

  it.each([40, 200])(
    "equal the definition on random merges, also where several have one rank: up to %d symbols",
    (most) => {
      let state = 7;
      const below = (n: number): number => (state = (state * 48271) % 2147483647) % n;
      for (let round = 0; round < 200; round++) {
        const merges: Merge[] = [];
        const table = new PairTable(12);
        for (let i = 0; i < 12; i++) {
          const merge = {
            left: below(4 + i),
            right: below(4 + i),
            rank: round % 2 ? i : i >> 1,
            joined: 4 + i,
          };
          if (merges.some((m) => m.left === merge.left && m.right === merge.right)) continue;
          merges.push(merge);
          table.add(merge.left, merge.right, merge.rank, merge.joined);
        }
        const symbols = Array.from({ length: below(most) }, () => below(4));
        expect(mergePairs(symbols, table)).toEqual(slow([...symbols], merges));
      }
    },
  );
});

describe("characters", () => {
  it("are sorted by code point and survive their file", () => {
    const text = "héllo 🦙 a\nb";
    const tokenizer = characterTokenizer(charactersOf(text));
    expect(decode(tokenizer, tokenizer.encode(text))).toBe(text);
    const again = parseCharacters(
      new TextDecoder().decode(tokenizer.files.get("characters.json")),
      "characters.json",
    );
    expect(again).toEqual(charactersOf(text));
    expect(again.at(-1)).toBe("🦙");
  });

  it("name the one that is unknown, and its line", () => {
    const tokenizer = characterTokenizer(["\n", "a", "b"]);
    expect(() => tokenizer.encode("ab\nabZ")).toThrow(/line 2 has "Z" \(U\+005A\)/);
  });

  it("refuse a bad file", () => {
    for (const bad of ["{", "[]", '["ab"]', "[1]", '["a","a"]'])
      expect(() => parseCharacters(bad, "characters.json")).toThrow(/characters.json/);
  });
});

describe("text that arrives in parts", () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

  it("never shows half a character", () => {
    const stream = textStream([]);
    const shown = [...bytes("aé🦙z")].map((byte) => stream.push(Uint8Array.of(byte)).text);
    expect(shown.join("")).toBe("aé🦙z");
    expect(shown.every((piece) => !piece.includes("\ufffd"))).toBe(true);
  });

  it("stops at a stop string that spans tokens, and shows nothing of it", () => {
    const stream = textStream(["</s>", "END"]);
    const shown = ["Hi <", "/", "b> x</", "s", "> more"].map((part) => stream.push(bytes(part)));
    expect(shown.map((s) => s.text).join("")).toBe("Hi </b> x");
    expect(shown.at(-1)!.stopped).toBe("</s>");
    expect(stream.push(bytes("more")).text + stream.end()).toBe("");
  });

  it("gives back at the end what only looked like a stop string", () => {
    const stream = textStream(["</s>"]);
    expect(stream.push(bytes("x</")).text).toBe("x");
    expect(stream.end()).toBe("</");
  });

  it("bytes are tokens of their own", () => {
    const tokenizer = byteTokenizer();
    expect(tokenizer.encode("é")).toEqual([0xc3, 0xa9]);
    expect(concat([tokenizer.bytes(1), tokenizer.bytes(2)])).toEqual(Uint8Array.of(1, 2));
  });
});
