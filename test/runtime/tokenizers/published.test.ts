/**
 * Published tokenizers against published encodings: llama.cpp's cases, Meta's own for Llama 3, llama2.c's for
 * its models.
 */
import { describe, expect, it } from "vitest";
import { decode, tokenDecoder } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { cpuMs, data, dataText, published, vectors, withData } from "../../support/tokenizer-data.ts";
import { readTokenizerJson } from "../../../runtime/tokenizers/json/read-tokenizer-json.ts";

const corpora = ["tinystories.txt", "tinyshakespeare.txt", "wikitext-2-valid.txt", "dutch-novel.txt"].map(
  (file) => `corpora/${file}`,
);

describe.skipIf(!withData)("published tokenizers (need ../shared/data)", () => {
  it.each([
    ["gpt2", "gpt-2"],
    ["llama3", "llama-bpe"],
    ["llama2", "llama-spm"],
    ["llama2c", "llama-spm"],
  ] as const)("%s encodes llama.cpp's 46 cases, and gives the texts back", (name, model) => {
    const tokenizer = published[name]();
    const cases = vectors(model);
    expect(cases.length).toBeGreaterThanOrEqual(46);
    for (const { text, ids } of cases) {
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
      expect(decode(tokenizer, ids)).toBe(text);
    }
  });

  it.each(["gpt2", "llama3", "llama2", "llama2c", "tok512"] as const)(
    "%s gives whole corpora back",
    (name) => {
      const tokenizer = published[name]();
      for (const corpus of corpora) {
        const text = dataText(corpus).slice(0, 300_000);
        expect(decode(tokenizer, tokenizer.encode(text)) === text, corpus).toBe(true);
      }
    },
  );

  it.each(["gpt2", "llama3", "llama2", "tok512"] as const)(
    "%s takes a run of 20,000 equal letters in less than 100 ms",
    (name) => {
      const tokenizer = published[name]();
      tokenizer.encode("warm up the code with a sentence or two, please");
      for (const letter of ["a", " ", "\n", "🦙"]) {
        const text = letter.repeat(20_000);
        const began = cpuMs();
        const ids = tokenizer.encode(text);
        expect(cpuMs() - began, JSON.stringify(letter)).toBeLessThan(100);
        expect(decode(tokenizer, ids) === text).toBe(true);
      }
    },
  );

  it.each(["gpt2", "llama3", "llama2"] as const)("%s encodes at 2 MB/s or more", (name) => {
    const tokenizer = published[name]();
    const story = dataText("corpora/tinystories.txt");
    const began = cpuMs();
    tokenizer.encode(story);
    expect(story.length / 1e3 / (cpuMs() - began)).toBeGreaterThan(2);
  });

  it("Llama 3's special tokens have the published names, and come of text only when asked for", () => {
    const facts = JSON.parse(dataText("vectors/llama3-official-vectors.json")) as {
      special_tokens: Record<string, number>;
      n_words: number;
    };
    const llama3 = published.llama3();
    expect(llama3.size).toBe(facts.n_words);
    expect(llama3.special.size).toBe(256);
    for (const [name, id] of Object.entries(facts.special_tokens)) expect(llama3.special.get(name)).toBe(id);
    expect(llama3.special.get("<|reserved_special_token_245|>")).toBe(128255);
    expect([llama3.beginOfText, llama3.endOfText, ...llama3.stops]).toEqual([
      128000, 128001, 128001, 128008, 128009,
    ]);
    expect(llama3.encode("a<|eot_id|>b", { special: true })).toEqual([64, 128009, 65]);
    expect(llama3.encode("a<|eot_id|>b").every((id) => id < 128000)).toBe(true);
    expect(decode(llama3, llama3.encode("a<|eot_id|>b"))).toBe("a<|eot_id|>b");
    expect(decode(llama3, [128000, 64, 128009], { special: false })).toBe("a");
  });

  it("Llama 2's control pieces come of text only when asked for", () => {
    const llama2 = published.llama2();
    expect([llama2.size, llama2.beginOfText, llama2.endOfText]).toEqual([32000, 1, 2]);
    expect(llama2.encode("</s>").includes(2)).toBe(false);
    expect(llama2.encode("<s>hi</s>", { special: true })).toEqual([1, ...llama2.encode("hi"), 2]);
  });

  it("llama2.c's stories: the published ids are the published text", () => {
    const { ids, text } = JSON.parse(dataText("vectors/stories260K-greedy200.json")) as {
      ids: number[];
      text: string;
    };
    const tok512 = published.tok512();
    expect(decode(tok512, ids, { special: false })).toBe(text);
    expect([1, ...tok512.encode(text)].slice(0, 20)).toEqual(ids.slice(0, 20));
  });

  it("TinyStories-656K: its tokenizer.json, with unknown characters and tokens across words", () => {
    const folder = "checkpoints/tinystories-656k";
    const reading = readTokenizerJson({
      json: data(`${folder}/tokenizer.json`),
      config: data(`${folder}/tokenizer_config.json`),
      from: "tokenizer.json",
    });
    if (!("tokenizer" in reading)) throw new Error(reading.unsupported);
    const { tokenizer } = reading;
    const { ids, text } = JSON.parse(dataText("vectors/tinystories656k-greedy.json")) as {
      ids: number[];
      text: string;
    };
    expect([tokenizer.size, tokenizer.beginOfText, tokenizer.endOfText]).toEqual([2048, 1, 2]);
    expect(decode(tokenizer, ids.slice(1))).toBe(text.trimStart());
    expect(tokenizer.encode("Once upon a time")).toEqual(ids.slice(1, 6));
    expect(tokenizer.encode("🦙🦙 a")).toContain(0);
  });
});

describe.skipIf(!withData)("text that comes token by token (needs ../shared/data)", () => {
  it.each(["gpt2", "llama3", "llama2"] as const)(
    "%s: never half a character, and in the end the whole text",
    (name) => {
      const tokenizer = published[name]();
      const text = " Grüße, 世界 🦙🏽 ﷽ … \u{1F469}\u200D\u{1F4BB} x";
      const decoder = tokenDecoder(tokenizer);
      const ids = tokenizer.encode(text);
      const shown = ids.map((id) => decoder.push([id]));
      expect(ids.length).toBeGreaterThan(15);
      expect(shown.join("") + decoder.end()).toBe(text);
      expect(shown.some((part) => part === "")).toBe(true);
      expect(shown.every((part) => !part.includes("\ufffd"))).toBe(true);
    },
  );

  it("what never came to its end is shown as such", () => {
    const gpt2 = published.gpt2();
    const decoder = tokenDecoder(gpt2);
    const [first] = gpt2.encode("🦙");
    expect(decoder.push([first!])).toBe("");
    expect(decoder.end()).toBe("\ufffd");
    expect(() => decoder.push([50257])).toThrow(RangeError);
  });
});
