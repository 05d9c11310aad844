/** Snippets of the language service as CodeMirror takes them. */
import { expect, test } from "vitest";
import { codeMirrorSnippet } from "../../../app/playground/editor/snippet.ts";

test.each([
  ["layer {\n  ${1}\n}", "layer \\{\n  ${1}\n\\}"],
  ["mlp(${1:x}, hidden: ${2:4 * width})", "mlp(${1:x}, hidden: ${2:4 * width})"],
  ["a $1 b", "a ${1} b"],
  [String.raw`\$5 and \\ and \}`, String.raw`$5 and \ and \}`],
])("%j", (given, wanted) => {
  expect(codeMirrorSnippet(given)).toBe(wanted);
});
