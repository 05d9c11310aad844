/**
 * The pre-tokenizers of tokenizer.json files, as huggingface/tokenizers has them: how a text is cut into
 * pieces that merges never cross. The usual ones of byte-level models are cut by the scanners of
 * bpe/pieces.ts.
 */
import { field, flag, optionalText, shown, text, type JsonNode } from "../base/json-fields.ts";
import { patternOf, stepsOf, typeOf, Unsupported, type StepOptions } from "./json-steps.ts";
import { newerThan } from "./newer-unicode.ts";
import { nextPiece, pieceRules, ruleOf, type CutName } from "../bpe/pieces.ts";
import { behaviors, cutAt, matchesOf, type Behavior, type Pattern } from "./splits.ts";

/** Cuts a text and hands each piece to `give`. `start` says that the text is the beginning of everything. */
export type PreTokenizer = (text: string, start: boolean, give: Give) => void;
type Give = (piece: string, start: boolean) => void;

type ReadStep = (node: JsonNode, options: StepOptions) => PreTokenizer;

/**
 * The table of pre-tokenizers. ByteLevel is handled separately, since it has to come last. Any other type is
 * refused by name.
 */
const preTokenizers: Readonly<Record<string, ReadStep>> = {
  Split(node, options) {
    const known = ruleOf(optionalText(field(field(node, "pattern"), "Regex")) ?? "");
    const pattern = known
      ? matchesOf(pieceRules[known].expression)
      : patternOf(field(node, "pattern"), "pre_tokenizer's split", options);
    return cutting(pattern, behaviorOf(field(node, "behavior")), flag(field(node, "invert"), false));
  },
  Digits: (node) =>
    cutting(matchesOf(/\p{N}/gu), flag(field(node, "individual_digits"), false) ? "Isolated" : "Contiguous"),
  Punctuation: (node) => cutting(matchesOf(PUNCTUATION), behaviorOf(field(node, "behavior"))),
  WhitespaceSplit: () => cutting(matchesOf(WHITE), "Removed"),
  Whitespace: () => cutting(matchesOf(WORDS), "Removed", true),
  BertPreTokenizer: () =>
    then(cutting(matchesOf(WHITE), "Removed"), cutting(matchesOf(PUNCTUATION), "Isolated")),
  CharDelimiterSplit(node) {
    const delimiter = text(field(node, "delimiter"));
    return cutting(
      patternOf({ value: { String: delimiter }, path: node.path }, "pre_tokenizer's split", {
        anyExpression: false,
      }),
      "Removed",
    );
  },
  Metaspace: metaspace,
};

const PUNCTUATION = new RegExp(
  `(?![${newerThan("punctuation")}])[\\p{P}!-/:-@[-\`{-~]|[\u166d\u{111c9}]`,
  "gu",
);
const WHITE = /\p{White_Space}/gu;
const WORD = String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}`;
const WORDS = new RegExp(String.raw`[${WORD}]+|[^${WORD}\p{White_Space}]+`, "gu");

function behaviorOf(node: JsonNode): Behavior {
  const name = optionalText(node) ?? "Isolated";
  const found = behaviors.find((known) => known === name);
  if (!found) throw new Unsupported(`a split's behavior ${shown(name)}`);
  return found;
}

function cutting(pattern: Pattern, behavior: Behavior, invert = false): PreTokenizer {
  const cut = cutAt(pattern, behavior, invert);
  return (piece, start, give) =>
    cut(piece, (from, to) => {
      if (to > from) give(piece.slice(from, to), start && from === 0);
    });
}

const then =
  (first: PreTokenizer, second: PreTokenizer): PreTokenizer =>
  (piece, start, give) =>
    first(piece, start, (inner, innerStart) => second(inner, innerStart, give));

export type PrependScheme = "always" | "first" | "never";

/** How a space is put before the text. `add_prefix_space` is the older key for it. */
export function schemeOf(node: JsonNode): PrependScheme {
  const scheme =
    optionalText(field(node, "prepend_scheme")) ??
    (flag(field(node, "add_prefix_space"), true) ? "always" : "never");
  if (scheme !== "always" && scheme !== "first" && scheme !== "never")
    throw new Unsupported(`prepend_scheme ${shown(scheme)}`);
  return scheme;
}

function metaspace(node: JsonNode): PreTokenizer {
  const mark = text(field(node, "replacement"));
  const scheme = schemeOf(node);
  if (Array.from(mark).length !== 1) throw new Unsupported(`a pre_tokenizer with ${shown(mark)} for spaces`);
  const words = patternOf({ value: { String: mark }, path: node.path }, "pre_tokenizer's split", {
    anyExpression: false,
  });
  const cut = flag(field(node, "split"), true) ? cutting(words, "MergedWithNext") : undefined;
  return (piece, start, give) => {
    const marked = piece.replaceAll(" ", mark);
    const added =
      !marked.startsWith(mark) && (scheme === "always" || (scheme === "first" && start))
        ? mark + marked
        : marked;
    if (cut) cut(added, start, give);
    else give(added, start);
  };
}

// ---- byte-level models

/**
 * `cuts` names scanners that do the same to a text, where there are any. If there are several, each cuts
 * inside the pieces of the one before.
 */
export interface BytePieces {
  readonly kind: "bytes";
  readonly addsSpace: boolean;
  readonly cuts: readonly CutName[] | undefined;
  readonly run: PreTokenizer;
}
export interface CharacterPieces {
  readonly kind: "characters";
  readonly steps: readonly JsonNode[];
  readonly run: PreTokenizer | undefined;
}

/** Throws Unsupported. */
export function readPreTokenizers(root: JsonNode, options: StepOptions): BytePieces | CharacterPieces {
  const steps = stepsOf(field(root, "pre_tokenizer"), "pretokenizers");
  const last = steps.at(-1);
  const isBytes = last !== undefined && typeOf(last) === "ByteLevel";
  const before = isBytes ? steps.slice(0, -1) : steps;
  const runs = before.map((step) => {
    const type = typeOf(step);
    const make = Object.hasOwn(preTokenizers, type) ? preTokenizers[type] : undefined;
    if (!make)
      throw new Unsupported(
        type === "ByteLevel" ? "a pre_tokenizer ByteLevel before another" : `pre_tokenizer ${shown(type)}`,
      );
    return make(step, options);
  });
  if (!isBytes) return { kind: "characters", steps, run: runs.length === 0 ? undefined : runs.reduce(then) };
  const addsSpace = flag(field(last, "add_prefix_space"), true);
  const ownRule = flag(field(last, "use_regex"), true);
  const cuts = before.map(cutOf);
  const own: readonly CutName[] = ownRule ? ["gpt2"] : [];
  const plain = cuts.every((cut) => cut !== undefined) && !(addsSpace && cuts.length > 0);
  return {
    kind: "bytes",
    addsSpace,
    cuts: plain ? [...cuts, ...own] : undefined,
    run: [...runs, byteLevel(addsSpace, ownRule)].reduce(then),
  };
}

/** The scanner that does the same as a step. */
function cutOf(step: JsonNode): CutName | undefined {
  if (typeOf(step) === "Digits") return flag(field(step, "individual_digits"), false) ? "digit" : "digits";
  const isolated =
    typeOf(step) === "Split" &&
    behaviorOf(field(step, "behavior")) === "Isolated" &&
    !flag(field(step, "invert"), false);
  return isolated ? ruleOf(optionalText(field(field(step, "pattern"), "Regex")) ?? "") : undefined;
}

/** Puts a space before each piece that does not begin with one, then cuts by GPT-2's expression. */
function byteLevel(addsSpace: boolean, ownRule: boolean): PreTokenizer {
  const next = nextPiece(...(ownRule ? ["gpt2" as const] : []));
  return (piece, start, give) => {
    const whole = addsSpace && !piece.startsWith(" ") ? ` ${piece}` : piece;
    for (let from = 0, to = 0; from < whole.length; from = to) {
      to = next(whole, from);
      give(whole.slice(from, to), start && from === 0);
    }
  };
}
