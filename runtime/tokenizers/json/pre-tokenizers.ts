/**
 * Pre-tokenizers of tokenizer.json files: how a text is cut into pieces that merges never cross. As
 * huggingface/tokenizers has them. The usual ones of byte-level models are cut by the scanners of pieces.ts.
 */
import { field, flag, optionalText, shown, text, type JsonPlace } from "../base/json-fields.ts";
import { patternOf, stepsOf, typeOf, Unsupported, type StepOptions } from "./json-steps.ts";
import { newerThan } from "./newer-unicode.ts";
import { nextPiece, pieceRules, ruleOf, type CutName } from "../bpe/pieces.ts";
import { behaviors, cutAt, matchesOf, type Behavior, type Pattern } from "./splits.ts";

/** Hands on the pieces of a piece. `start`: it stands at the beginning of the whole text. */
export type PreTokenizer = (text: string, start: boolean, give: Give) => void;
type Give = (piece: string, start: boolean) => void;

type ReadStep = (place: JsonPlace, options: StepOptions) => PreTokenizer;

/**
 * THE table of pre-tokenizers; ByteLevel stands at the end, and besides. Every other type is refused by name.
 */
const preTokenizers: Readonly<Record<string, ReadStep>> = {
  Split(place, options) {
    const known = ruleOf(optionalText(field(field(place, "pattern"), "Regex")) ?? "");
    const pattern = known
      ? matchesOf(pieceRules[known].expression)
      : patternOf(field(place, "pattern"), "pre_tokenizer's split", options);
    return cutting(pattern, behaviorOf(field(place, "behavior")), flag(field(place, "invert"), false));
  },
  Digits: (place) =>
    cutting(matchesOf(/\p{N}/gu), flag(field(place, "individual_digits"), false) ? "Isolated" : "Contiguous"),
  Punctuation: (place) => cutting(matchesOf(PUNCTUATION), behaviorOf(field(place, "behavior"))),
  WhitespaceSplit: () => cutting(matchesOf(WHITE), "Removed"),
  Whitespace: () => cutting(matchesOf(WORDS), "Removed", true),
  BertPreTokenizer: () =>
    then(cutting(matchesOf(WHITE), "Removed"), cutting(matchesOf(PUNCTUATION), "Isolated")),
  CharDelimiterSplit(place) {
    const delimiter = text(field(place, "delimiter"));
    return cutting(
      patternOf({ value: { String: delimiter }, path: place.path }, "pre_tokenizer's split", {
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

function behaviorOf(place: JsonPlace): Behavior {
  const name = optionalText(place) ?? "Isolated";
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

/** `add_prefix_space` is the older name of the scheme. */
export function schemeOf(place: JsonPlace): PrependScheme {
  const scheme =
    optionalText(field(place, "prepend_scheme")) ??
    (flag(field(place, "add_prefix_space"), true) ? "always" : "never");
  if (scheme !== "always" && scheme !== "first" && scheme !== "never")
    throw new Unsupported(`prepend_scheme ${shown(scheme)}`);
  return scheme;
}

function metaspace(place: JsonPlace): PreTokenizer {
  const mark = text(field(place, "replacement"));
  const scheme = schemeOf(place);
  if (Array.from(mark).length !== 1) throw new Unsupported(`a pre_tokenizer with ${shown(mark)} for spaces`);
  const words = patternOf({ value: { String: mark }, path: place.path }, "pre_tokenizer's split", {
    anyExpression: false,
  });
  const cut = flag(field(place, "split"), true) ? cutting(words, "MergedWithNext") : undefined;
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
 * `cuts`: the scanners that do the same to a text, where they can; several cut within what the first has cut.
 */
export interface BytePieces {
  readonly kind: "bytes";
  readonly addsSpace: boolean;
  readonly cuts: readonly CutName[] | undefined;
  readonly run: PreTokenizer;
}
export interface CharacterPieces {
  readonly kind: "characters";
  readonly steps: readonly JsonPlace[];
  readonly run: PreTokenizer | undefined;
}

/** Throws Unsupported. */
export function readPreTokenizers(root: JsonPlace, options: StepOptions): BytePieces | CharacterPieces {
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

/** The scanner that does what a step does. */
function cutOf(step: JsonPlace): CutName | undefined {
  if (typeOf(step) === "Digits") return flag(field(step, "individual_digits"), false) ? "digit" : "digits";
  const isolated =
    typeOf(step) === "Split" &&
    behaviorOf(field(step, "behavior")) === "Isolated" &&
    !flag(field(step, "invert"), false);
  return isolated ? ruleOf(optionalText(field(field(step, "pattern"), "Regex")) ?? "") : undefined;
}

/** One space before each piece that does not begin with one, then GPT-2's expression. */
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
