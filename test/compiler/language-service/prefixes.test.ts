/**
 * Texts that are being written: beginnings of specs, and specs that somebody has torn. Nothing is thrown, and
 * every place lies in the text. Here a sample of them; `npm run study -- language` takes all, and the time.
 */
import { expect, test } from "vitest";
import { analyse } from "../../../compiler/language-service/analyse.ts";
import type { Span } from "../../../compiler/language-service/language-service.ts";
import { askEverything } from "../../support/ask-everything.ts";
import { specs } from "../../support/sources.ts";

test("every 61st beginning of every spec", () => {
  for (const { text } of specs)
    for (let end = 0; end <= text.length; end += 61) askEverything(text.slice(0, end), [end, end >> 1]);
});

test("other line ends, a byte-order mark, and emoji in comments", () => {
  const { text } = specs.find(({ file }) => file.endsWith("gpt2.sinter"))!;
  const windows = `\uFEFF// 😀\n${text}`.replaceAll("\n", "\r\n");
  for (let end = 0; end <= windows.length; end += 37) askEverything(windows.slice(0, end), [end]);
});

test("texts with holes", () => {
  for (const { text } of specs.slice(0, 8))
    for (let start = 11; start < text.length; start += 173)
      askEverything(text.slice(0, start) + text.slice(start + 7), [start]);
});

test("a place outside of the text is asked in vain", () => {
  const { hover, complete, definition, rename, actions } = analyse(specs[0]!.text);
  const outside: Span = { start: 1e6, end: 1e6 };
  expect(hover(1e6)).toBeUndefined();
  expect(definition(-5)).toBeUndefined();
  expect(rename(1e6, "h")).toHaveProperty("refused");
  expect(actions(outside)).toEqual([]);
  expect(complete(-1)[0]!.replaces).toEqual({ start: 0, end: 0 });
  expect(complete(1e6)[0]!.replaces.start).toBe(specs[0]!.text.length);
});
