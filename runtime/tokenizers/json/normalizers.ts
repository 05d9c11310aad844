/**
 * The normalizers of tokenizer.json files, as huggingface/tokenizers has them: what happens to a text before
 * it is cut. (npm's @huggingface/tokenizers is another program, which differs.)
 */
import { SinterError } from "../../base/errors.ts";
import { field, flag, optionalText, shown, text, type JsonNode } from "../base/json-fields.ts";
import { contentOf, patternOf, stepsOf, typeOf, Unsupported, type StepOptions } from "./json-steps.ts";
import type { Normalizer } from "../base/added-tokens.ts";
import { newerThan } from "./newer-unicode.ts";

type ReadNormalizer = (node: JsonNode, options: StepOptions) => Normalizer;

/** The table of normalizers. Any other type is refused by name. */
const normalizers: Readonly<Record<string, ReadNormalizer>> = {
  NFC: () => (t) => t.normalize("NFC"),
  NFD: () => canonical,
  NFKC: () => form("NFKC", newerThan("compatible")),
  NFKD: () => form("NFKD", newerThan("compatible") + newerThan("canonical")),
  Lowercase: () => lowercase,
  StripAccents: () => without(`(?![${newerThan("marks")}])\\p{M}|[\u1cf2\u1cf3]`),
  Strip: (node) => strip(flag(field(node, "strip_left"), true), flag(field(node, "strip_right"), true)),
  Prepend(node) {
    const before = contentOf(field(node, "prepend"));
    return (t) => (t === "" ? t : before + t);
  },
  Replace(node, options) {
    const pattern = patternOf(field(node, "pattern"), "normalizer Replace", options);
    const content = contentOf(field(node, "content"));
    return (t) => {
      const parts: string[] = [];
      let done = 0;
      pattern(t, (from, to) => {
        parts.push(t.slice(done, from), content);
        done = to;
      });
      return done === 0 ? t : parts.join("") + t.slice(done);
    };
  },
  BertNormalizer: bert,
};

/** A normal form of Unicode that leaves the `newer` characters as they are. */
function form(name: "NFD" | "NFKC" | "NFKD", newer: string): Normalizer {
  const any = new RegExp(`[${newer}]`, "u");
  const between = new RegExp(`([${newer}])`, "u");
  return (t) =>
    any.test(t)
      ? t
          .split(between)
          .map((part, i) => (i % 2 === 1 ? part : part.normalize(name)))
          .join("")
      : t.normalize(name);
}

const canonical = form("NFD", newerThan("canonical"));

function without(characters: string): Normalizer {
  const all = new RegExp(characters, "gu");
  return (t) => t.replace(all, "");
}

/** Lower case character by character: JavaScript makes ς of a Σ at the end of a word. */
const lowercase = (t: string): string => t.replaceAll("Σ", "σ").toLowerCase();

function strip(left: boolean, right: boolean): Normalizer {
  return (t) => {
    let from = 0;
    let to = t.length;
    if (left) while (from < to && WHITE.test(t[from]!)) from++;
    if (right) while (to > from && WHITE.test(t[to - 1]!)) to--;
    return t.slice(from, to);
  };
}

const WHITE = /\p{White_Space}/u;
/** Ideographs that BERT treats as words (its tokenization.py). */
const IDEOGRAPH = new RegExp(
  String.raw`[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u{20000}-\u{2a6df}\u{2a700}-\u{2b81f}` +
    String.raw`\u{2b920}-\u{2ceaf}\u{2f800}-\u{2fa1f}]`,
  "gu",
);

/** Where `strip_accents` is null, it has the value of `lowercase`. */
function bert(node: JsonNode): Normalizer {
  const lower = flag(field(node, "lowercase"), true);
  const accents = flag(field(node, "strip_accents"), lower);
  const steps: Normalizer[] = [];
  if (flag(field(node, "clean_text"), true)) {
    const clean = without(`[\\0\ufffd]|(?![\\t\\n\\r${newerThan("format")}])[\\p{Cc}\\p{Cf}\\p{Co}]`);
    steps.push((t) => clean(t).replace(/\p{White_Space}/gu, " "));
  }
  if (flag(field(node, "handle_chinese_chars"), true)) steps.push((t) => t.replace(IDEOGRAPH, " $& "));
  if (accents) steps.push(canonical, without(`(?![${newerThan("nonspacing")}])\\p{Mn}|[\u1734\u{1171e}]`));
  if (lower) steps.push(lowercase);
  return inOrder(steps);
}

/** A normalizer may make a text longer: "ﷺ" becomes 18 letters. Growth beyond this is refused. */
const MOST_GROWTH = 64;
const SMALL = 1 << 16;

const inOrder =
  (steps: readonly Normalizer[]): Normalizer =>
  (t) =>
    steps.reduce((before, step) => {
      const done = step(before);
      if (done.length > SMALL + MOST_GROWTH * t.length) throw tooLong(t.length, done.length);
      return done;
    }, t);

const tooLong = (characters: number, made: number): SinterError =>
  new SinterError(
    "input",
    `the normalizer makes ${made} characters of a text of ${characters}`,
    "Such a file is made to fill memory; use one from a source that you trust.",
  );

export interface ReadNormalizers {
  /** Undefined where there is none. */
  readonly normalize: Normalizer | undefined;
  /** The types of the steps, for writers of other formats. */
  readonly types: readonly string[];
  /** The beginning of the text may be removed, so that what is left does not begin where the text began. */
  readonly movesStart: boolean;
  /** What the steps put before a text, and what they make of a space. */
  readonly prepends: string | undefined;
  readonly space: string;
}

const keepsStart = new Set(["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Prepend"]);

/** Throws Unsupported. */
export function readNormalizers(root: JsonNode, options: StepOptions): ReadNormalizers {
  const steps = stepsOf(field(root, "normalizer"), "normalizers");
  const types = steps.map(typeOf);
  const run = steps.map((step, i) => {
    const type = types[i]!;
    const make = Object.hasOwn(normalizers, type) ? normalizers[type] : undefined;
    if (!make) throw new Unsupported(`normalizer ${shown(type)}`);
    return make(step, options);
  });
  const prepend = steps.find((step) => typeOf(step) === "Prepend");
  const spaces = steps.filter(
    (step) => typeOf(step) === "Replace" && optionalText(field(field(step, "pattern"), "String")) === " ",
  );
  return {
    normalize: run.length === 0 ? undefined : inOrder(run),
    types,
    movesStart: types.some((type) => !keepsStart.has(type)),
    prepends: prepend && text(field(prepend, "prepend")),
    space: spaces.length === 0 ? " " : text(field(spaces[0]!, "content")),
  };
}
