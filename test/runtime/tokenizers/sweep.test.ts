/**
 * Compares the reader that users get with huggingface/tokenizers 0.23 (Rust): 48 variations of tokenizer.json
 * × 58 odd texts. Each pair gives the library's ids, or the file or the text is refused by name; other ids
 * are never given.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SinterError } from "../../../runtime/base/errors.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { otherJson } from "../../../runtime/node/bounded-tokenizer.ts";
import { openTokenizer } from "../../../runtime/tokenizers/tokenizer-files.ts";
import { readTokenizerJson } from "../../../runtime/tokenizers/json/read-tokenizer-json.ts";
import { decode, type Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { inShared } from "../../support/paths.ts";

const SWEEP = inShared("cases/tokenizer-sweep");
const withSweep = existsSync(SWEEP);
const readJson = (name: string): unknown => JSON.parse(readFileSync(join(SWEEP, name), "utf8"));
const texts = withSweep ? (readJson("texts.json") as readonly string[]) : [];
const right = withSweep
  ? (readJson("right.json") as Readonly<Record<string, { readonly ids: readonly (readonly number[])[] }>>)
  : {};

/** What the library does and the reader here refuses, with the reason that it gives. */
const refusedFiles: Readonly<Record<string, RegExp>> = {
  // the file gives é the id 600; the library gives it the id that its vocabulary has for this name
  b_add_nfc: /model\.vocab gives two ids to one name: "é"/,
};
/** The library silently drops characters of these texts. */
const refusedTexts: Readonly<Record<string, { readonly count: number; readonly says: RegExp }>> = {
  c_nounk: { count: 26, says: /the json tokenizer has no token for ".*", and none for what is unknown/su },
};
/** Files whose expressions run in a thread that can be ended. */
const threaded: readonly string[] = [];

const folder = (name: string): string => join(SWEEP, `variations/${name}.json`);
const open = (name: string): Promise<Tokenizer> => openTokenizer(nodeFiles(), folder(name), otherJson);

describe.skipIf(!withSweep)(
  "tokenizer.json as huggingface/tokenizers reads it (needs ../shared/cases)",
  () => {
    it("is 48 files and 58 texts", () => expect([Object.keys(right).length, texts.length]).toEqual([48, 58]));

    it.each(Object.keys(right).filter((name) => !refusedFiles[name]))("%s", async (name) => {
      const tokenizer = await open(name);
      const refusals: string[] = [];
      const different: unknown[] = [];
      for (const [i, text] of texts.entries()) {
        try {
          const ids = tokenizer.encode(text, { special: true });
          const wanted = right[name]!.ids[i]!;
          if (JSON.stringify(ids) !== JSON.stringify(wanted)) different.push({ text, ids, wanted });
        } catch (error) {
          expect(error).toBeInstanceOf(SinterError);
          refusals.push((error as SinterError).message);
        }
      }
      expect(different).toEqual([]);
      expect(refusals.length).toBe(refusedTexts[name]?.count ?? 0);
      for (const said of refusals) expect(said).toMatch(refusedTexts[name]!.says);
    });

    it.each(Object.entries(refusedFiles))("%s is refused, and says why", async (name, says) => {
      await expect(open(name)).rejects.toThrow(says);
    });

    it("all but these are read without a thread, in a page too", () => {
      const others = Object.keys(right)
        .filter((name) => !refusedFiles[name])
        .filter((name) => {
          const json = new Uint8Array(readFileSync(folder(name)));
          return !("tokenizer" in readTokenizerJson({ json, from: "tokenizer.json" }));
        });
      expect(others).toEqual(threaded);
    });

    it("2700 pairs are equal, 26 texts and one file (58 pairs) are refused", () => {
      const refused = Object.keys(refusedFiles).length * texts.length;
      const refusedInFiles = Object.values(refusedTexts).reduce((sum, { count }) => sum + count, 0);
      expect([48 * texts.length - refused - refusedInFiles, refusedInFiles, refused]).toEqual([2700, 26, 58]);
    });

    it.each(["b0", "b_invert", "b_removed", "b_punct", "b_string"])(
      "%s: characters come back whole",
      async (name) => {
        const tokenizer = await open(name);
        for (const text of ["₣", "a₣b", "日本語", "👨‍👩‍👧"])
          expect(decode(tokenizer, tokenizer.encode(text))).toBe(text);
      },
    );
  },
);
