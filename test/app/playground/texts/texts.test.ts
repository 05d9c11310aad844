/** The page's texts: the same things are filled in in every language, and numbers are written as it does. */
import { expect, test } from "vitest";
import {
  filled,
  languages,
  texts,
  textIn,
  type Language,
  type Text,
} from "../../../../app/playground/texts/texts.ts";

const rows: readonly (readonly [string, Text])[] = Object.entries(texts);
const spoken = Object.keys(languages) as Language[];
const braces = (text: string): string[] => [...new Set(text.match(/\{\w+\}/g))].sort();

test("every text is there in every language, and names the same values", () => {
  expect(rows.length).toBeGreaterThan(5);
  for (const [key, text] of rows)
    for (const language of spoken) {
      expect(text[language].trim(), key).toBe(text[language]);
      expect(text[language], key).not.toBe("");
      expect(braces(text[language]), key).toEqual(braces(text.en));
    }
});

test("keys begin with their panel's name, and typewriter's quotes are for code alone", () => {
  for (const [key, text] of rows) {
    expect(key).toMatch(/^[a-z]+\.[a-zA-Z0-9.]+$/);
    for (const language of spoken) expect(text[language], key).not.toMatch(/\w'\w|\.\.\./);
  }
});

test("values are filled in, numbers as the language writes them", () => {
  const text = { en: "{count} steps of {name}, {rest}", nl: "{count} stappen van {name}, {rest}" };
  expect(filled(text, "en", { count: 12_000, name: "a{b}$&" })).toBe("12,000 steps of a{b}$&, {rest}");
  expect(filled(text, "nl", { count: 12_000, name: "x" })).toBe("12.000 stappen van x, {rest}");
  expect(textIn("nl", "share.button")).toBe("Delen");
});
