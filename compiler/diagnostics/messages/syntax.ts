/** E01xx: the text is not a spec yet. */
import { grouped, message, quoted, replacedBy } from "./message.ts";

const sizes: Readonly<Record<string, number>> = { k: 1e3, m: 1e6, b: 1e9, g: 1e9, t: 1e12 };
const binarySizes: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** "8k" is 8_000, "80GB" 80_000_000_000 and "1GiB" 1_073_741_824. */
function writtenOut(text: string): string | undefined {
  const binary = /^(\d+(?:\.\d+)?)([kmgt])iB$/i.exec(text);
  const found = binary ?? /^(\d+(?:\.\d+)?)(?:([kmgt])B|([kmbgt]))$/i.exec(text);
  const letter = (found?.[2] ?? found?.[3] ?? "").toLowerCase();
  const value = found && Number(found[1]) * (binary ? binarySizes : sizes)[letter]!;
  return value !== null && Number.isSafeInteger(value) ? grouped(value) : undefined;
}

export const syntax = {
  E0101: message<{ characters: string; code: string; help: string | undefined; instead: string | undefined }>(
    {
      title: "a character that the language does not have",
      text: ({ characters, code }) => `unexpected ${quoted(characters, 12)}${code ? ` (${code})` : ""}`,
      help: ({ help }) => help,
      fixes: ({ instead }) => replacedBy(instead),
      explain: `A spec is made of names (letters, digits, "_"), numbers, and the signs { } ( ) + - * / % = +=
: and , Spaces and line ends separate; nothing ends a line. Comments begin with // and reach to the end of
the line.

Text copied from a web page may hold characters that look right and are not: a no-break space, a
multiplication sign, a long dash.`,
      wrong: "width 8 # small",
      right: "width 8 // small",
    },
  ),
  E0102: message<{ expected: string; found: string; help: string | undefined; instead?: string }>({
    title: "something else was expected here",
    text: ({ expected, found }) => `expected ${expected}, found ${found}`,
    help: ({ help }) => help,
    fixes: ({ instead }) => replacedBy(instead),
    explain: `The parser knows what may come next, and this is not it. It then goes on behind the mistake,
so that one wrong sign does not hide what else is wrong.

Settings are written without a sign ("width 256"), equations with one ("x += …", "h = …"), options with a
colon ("bias: true"), and "let" with an equals sign ("let hidden = 4 * width").`,
    wrong: "width = 8",
    right: "width 8",
  }),
  E0103: message<{ bracket: string; close: string; at: number }>({
    title: "a bracket that is never closed",
    text: ({ bracket }) => `this ${quoted(bracket)} is never closed`,
    help: ({ close }) => `add ${quoted(close)}`,
    fixes: ({ close, at }) => [{ kind: "replace", text: close, at: { start: at, end: at } }],
    explain:
      "Every { needs its }, every ( its ). The place shown is the bracket that was opened; where the " +
      "other one belongs, only you know.",
    wrong: "layer { x += mlp(layernorm(x) }",
    right: "layer { x += mlp(layernorm(x)) }",
  }),
  E0104: message<{ bracket: string }>({
    title: "a closing bracket that closes nothing",
    text: ({ bracket }) => `this ${quoted(bracket)} closes nothing`,
    help: () => "remove it, or add what it should close",
    fixes: () => replacedBy(""),
    explain: `There are more closing brackets than opening ones, or the two kinds are crossed, as in "( }".`,
    wrong: "layer { x += mlp(layernorm(x))) }",
    right: "layer { x += mlp(layernorm(x)) }",
  }),
  E0105: message<{ limit: number }>({
    title: "brackets nested too deeply",
    text: ({ limit }) => `brackets are nested more than ${limit} deep`,
    help: () => "give inner expressions a name: `h = layernorm(x)`, then use `h`",
    explain:
      "No layer needs 64 brackets inside each other, while a hostile file could use thousands of them to " +
      "exhaust the parser's stack.",
  }),
  E0106: message<{ text: string; why: string }>({
    title: "not a number",
    text: ({ text, why }) => `${quoted(text)} is not a number: ${why}`,
    fixes: ({ text }) => replacedBy(writtenOut(text)),
    explain: `Numbers are decimal: 768, 50_257, 0.1, 1e-3. A "_" may stand between two digits. They are kept
as 64-bit floating point, so a whole number may have at most 15 digits or so (up to 9_007_199_254_740_991),
and a number like 1e999 does not exist.`,
    wrong: "width 8k",
    right: "width 8_000",
  }),
  E0107: message<{ length: number; limit: number }>({
    title: "the file is too large",
    text: ({ length, limit }) => `the spec has ${length} characters, more than ${limit}`,
    help: () => "split it into several files",
    explain:
      "A spec is a page of text. The limit of 1 MiB (1_048_576 characters) keeps a file that is not a " +
      "spec from being read as one.",
  }),
  E0108: message<{ name: string; limit: number }>({
    title: "a name is too long",
    text: ({ name, limit }) => `the name ${quoted(name, 24)} is longer than ${limit} characters`,
    help: () => "choose a shorter one",
    explain: `Names appear in file names, tables and messages; 64 characters are enough.`,
  }),
  E0109: message<{ key: string }>({
    title: "a setting without a value",
    text: ({ key }) => `${quoted(key)} has no value`,
    help: ({ key }) => `write the value behind it, on the same line: \`${key} 12\``,
    explain: `Line ends mean nothing in a spec, except here: a setting's value begins on the line of its
name. Otherwise a forgotten value would swallow the next line's name, and the complaint would be about that
line.`,
    wrong: "width\nheads 2",
    right: "width 8\nheads 2",
  }),
  E0110: message<Record<string, never>>({
    title: "no model",
    text: () => "there is no model in this file",
    help: () => "begin with `model tiny { … }`; `sinter init` writes a complete one",
    explain: `A spec holds one model or several, each as "model NAME { … }".`,
  }),
  E0111: message<{ what: string; count: number; limit: number }>({
    title: "too many of one thing",
    text: ({ what, count, limit }) => `${count} ${what}, more than ${limit}`,
    help: () => "use fewer",
    explain: `Terms of a sum, parts of a layer, models of a file and steps of a "like" chain are counted, so
that a hostile spec cannot keep the compiler busy. The limits are far above what models need.`,
  }),
};
