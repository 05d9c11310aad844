/**
 * The ids of huggingface/tokenizers 0.23.2 (Rust) for 160 files, drawn from all components that are read
 * here, over seven small models (library.json). Special tokens are found in the text; none are put around it.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { SinterError } from "../../../runtime/base/errors.ts";
import { readTokenizerJson } from "../../../runtime/tokenizers/json/read-tokenizer-json.ts";

interface Case {
  readonly model: string;
  readonly with?: object;
  readonly normalizer: unknown;
  readonly pre_tokenizer: unknown;
  readonly added_tokens: readonly unknown[];
  readonly texts: readonly string[];
  readonly ids: readonly (readonly number[])[];
}
const { models, cases } = JSON.parse(readFileSync(new URL("library.json", import.meta.url), "utf8")) as {
  models: Record<string, object>;
  cases: readonly Case[];
};

const counts = { equal: 0, refusedTexts: 0, refusedFiles: 0 };

describe("ids as huggingface/tokenizers has them", () => {
  it.each(cases.map((given, i) => [i, given.model, given] as const))("%i: %s", (_, model, given) => {
    const { texts, ids, with: change, ...components } = given;
    const json = new TextEncoder().encode(
      JSON.stringify({ ...components, model: { ...models[model], ...change } }),
    );
    const reading = readTokenizerJson({ json, from: "tokenizer.json" }, { anyExpression: true });
    if (!("tokenizer" in reading)) {
      expect(reading.unsupported).toMatch(/^prepend_scheme "first" behind the normalizer/);
      counts.refusedFiles++;
      return;
    }
    for (const [i, text] of texts.entries()) {
      let found: readonly number[];
      try {
        found = reading.tokenizer.encode(text, { special: true });
      } catch (error) {
        expect(error).toBeInstanceOf(SinterError);
        expect((error as SinterError).message).toMatch(/has no token for/);
        counts.refusedTexts++;
        continue;
      }
      expect(found, JSON.stringify(text)).toEqual(ids[i]);
      counts.equal++;
    }
  });

  it("1101 of 1108 are equal, one file is refused", () =>
    expect(counts).toEqual({ equal: 1101, refusedTexts: 0, refusedFiles: 1 }));
});
