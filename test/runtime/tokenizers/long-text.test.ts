/**
 * A text that is long enough to be encoded in parts has the same ids as when it is encoded at once, wherever
 * a part ends.
 */
import { describe, expect, it } from "vitest";
import { encodeText } from "../../../runtime/train/sources/text-windows.ts";
import { otherJson } from "../../../runtime/node/bounded-tokenizer.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { characterTokenizer, charactersOf } from "../../../runtime/tokenizers/plain/characters.ts";
import { readTokenizerJson } from "../../../runtime/tokenizers/json/read-tokenizer-json.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { data, dataText, published, withData } from "../../support/tokenizer-data.ts";

const LONG = (1 << 20) + 1;

function inParts(
  tokenizer: Tokenizer,
  text: string,
): { readonly ids: readonly number[]; readonly lists: number } {
  const ids: number[] = [];
  let lists = 0;
  tokenizer.encodeInParts!(text, (part) => {
    for (const id of part) ids.push(id);
    lists++;
  });
  return { ids, lists };
}

/** toEqual would take minutes for a million numbers that differ. */
const firstDifference = (a: readonly number[], b: readonly number[]): number => {
  for (let i = 0; i < Math.max(a.length, b.length); i++) if (a[i] !== b[i]) return i;
  return -1;
};

function tinyStories(): Tokenizer {
  const folder = "checkpoints/tinystories-656k";
  const reading = readTokenizerJson({
    json: data(`${folder}/tokenizer.json`),
    config: data(`${folder}/tokenizer_config.json`),
    from: "tokenizer.json",
  });
  if (!("tokenizer" in reading)) throw new Error(reading.unsupported);
  return reading.tokenizer;
}

describe.skipIf(!withData)("texts of more than a mebi of characters (need ../shared/data)", () => {
  it("TinyStories-656K, whose tokens cross words: encode's ids, in lists and as training has them", () => {
    const tokenizer = tinyStories();
    const text = dataText("corpora/tinystories.txt").replaceAll("<|endoftext|>", "").slice(0, 1_300_000);
    expect(text.length).toBeGreaterThan(LONG);
    const whole = tokenizer.encode(text);
    const { ids, lists } = inParts(tokenizer, text);
    expect(firstDifference(ids, whole)).toBe(-1);
    expect(lists).toBeGreaterThan(1);
    expect(firstDifference([...encodeText(text, tokenizer, 2048)], [tokenizer.beginOfText!, ...whole])).toBe(
      -1,
    );
  });

  it.each(["gpt2", "llama3", "llama2"] as const)("%s: encode's ids", (name) => {
    const text = dataText("corpora/tinystories.txt").slice(0, 1_100_000) + "🦙".repeat(1000);
    const { ids, lists } = inParts(published[name](), text);
    expect(firstDifference(ids, published[name]().encode(text))).toBe(-1);
    expect(lists).toBeGreaterThan(1);
  });

  it("one with expressions of its own, in its thread", () => {
    const json = JSON.parse(dataText("checkpoints/tinystories-656k/tokenizer.json")) as object;
    const split = {
      type: "Split",
      pattern: { Regex: "\\p{L}+[.!?]|\\n" },
      behavior: "Isolated",
      invert: false,
    };
    const tokenizer = otherJson({
      json: new TextEncoder().encode(JSON.stringify({ ...json, pre_tokenizer: split })),
      from: "tokenizer.json",
    });
    const text = dataText("corpora/tinystories.txt").slice(0, 1_100_000);
    const wanted = tokenizer.encode(text);
    expect(firstDifference(inParts(tokenizer, text).ids, wanted)).toBe(-1);
    expect(wanted.length).toBeGreaterThan(200_000);
  });
});

it.each([
  ["bytes", byteTokenizer()],
  ["characters", characterTokenizer(charactersOf("a🦙b"))],
])("%s: no character is cut in two", (_, tokenizer) => {
  const text = `a${"🦙".repeat(LONG / 2)}b`; // a pair of units lies across every even position
  const { ids, lists } = inParts(tokenizer, text);
  expect(firstDifference(ids, tokenizer.encode(text))).toBe(-1);
  expect(lists).toBe(2);
});
