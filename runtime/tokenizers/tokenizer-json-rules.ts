/** What a tokenizer.json does with the text before merges: its normalizer and pre-tokenizer, where they are among those known here. */
import { field, flag, list, optionalText, shown, text, type JsonPlace } from "./json-fields.ts";
import { ruleOf, type CutName } from "./pieces.ts";
import { MARK } from "./sentencepiece.ts";

export type TextRules =
  | { readonly kind: "bytes"; readonly pieces: readonly CutName[]; readonly addsSpace: boolean; readonly composes: boolean }
  | {
    readonly kind: "characters"; readonly addsSpace: boolean; readonly spaceAtStartOnly: boolean; readonly spaceUnlessThere: boolean;
    /** Every ▁ begins a piece of its own. */
    readonly wordsApart: boolean;
  };

type Unsupported = { readonly unsupported: string };
const MOST_STEPS = 16;

const typeOf = (place: JsonPlace): string | undefined => optionalText(field(place, "type"));

/** A step, or the steps of a sequence. */
function steps(place: JsonPlace, name: string): readonly JsonPlace[] {
  if (place.value === undefined) return [];
  return typeOf(place) === "Sequence" ? list(field(place, name), MOST_STEPS) : [place];
}

export function segmentRules(root: JsonPlace): TextRules | Unsupported {
  for (const token of list(field(root, "added_tokens"), Infinity))
    if (flag(field(token, "single_word"), false))
      return { unsupported: `an added token that is a single_word` };
  const normalizers = steps(field(root, "normalizer"), "normalizers"), pieces = steps(field(root, "pre_tokenizer"), "pretokenizers");
  const last = pieces.at(-1);
  return last !== undefined && typeOf(last) === "ByteLevel" ? byteRules(normalizers, pieces) : characterRules(normalizers, pieces);
}

function byteRules(normalizers: readonly JsonPlace[], pieces: readonly JsonPlace[]): TextRules | Unsupported {
  for (const step of normalizers) if (typeOf(step) !== "NFC") return { unsupported: `normalizer ${shown(typeOf(step))}` };
  const byteLevel = pieces.at(-1)!, splits = pieces.slice(0, -1);
  const addsSpace = flag(field(byteLevel, "add_prefix_space"), true), ownRule = flag(field(byteLevel, "use_regex"), true);
  const cuts: CutName[] = [];
  for (const split of splits) {
    const cut = cutOf(split);
    if (typeof cut === "object") return cut;
    cuts.push(cut);
  }
  if (addsSpace && splits.length > 0)
    return { unsupported: "a pre_tokenizer that adds a space to each piece" };
  return { kind: "bytes", addsSpace, composes: normalizers.length > 0, pieces: ownRule ? [...cuts, "gpt2"] : cuts };
}

function cutOf(split: JsonPlace): CutName | Unsupported {
  const type = typeOf(split);
  if (type === "Digits") return flag(field(split, "individual_digits"), false) ? "digit" : "digits";
  if (type !== "Split") return { unsupported: `pre_tokenizer ${shown(type)}` };
  const pattern = field(split, "pattern"), expression = optionalText(field(pattern, "Regex"));
  const plain = optionalText(field(split, "behavior")) === "Isolated" && !flag(field(split, "invert"), false);
  return (plain && expression !== undefined && ruleOf(expression)) || { unsupported: `pre_tokenizer's split at ${shown(expression ?? field(pattern, "String").value)}` };
}

function characterRules(normalizers: readonly JsonPlace[], pieces: readonly JsonPlace[]): TextRules | Unsupported {
  let marks = false, prepends = false;
  for (const step of normalizers) {
    const type = typeOf(step);
    if (type === "Prepend" && text(field(step, "prepend")) === MARK) prepends = true;
    else if (type === "Replace" && field(field(step, "pattern"), "String").value === " " && text(field(step, "content")) === MARK) marks = true;
    else return { unsupported: `normalizer ${shown(type)}` };
  }
  const [metaspace, more] = pieces;
  const known = { kind: "characters", spaceAtStartOnly: false, spaceUnlessThere: false, wordsApart: false, addsSpace: prepends } as const;
  if (metaspace === undefined)
    return marks ? known : { unsupported: "BPE over characters without ▁ for spaces" };
  if (more !== undefined || typeOf(metaspace) !== "Metaspace" || prepends)
    return { unsupported: `pre_tokenizer of ${pieces.map((step) => typeOf(step)).join(", ")}` };
  if (text(field(metaspace, "replacement")) !== MARK)
    return { unsupported: "a pre_tokenizer with another character for spaces" };
  const scheme = optionalText(field(metaspace, "prepend_scheme")) ?? (flag(field(metaspace, "add_prefix_space"), true) ? "always" : "never");
  if (!["always", "first", "never"].includes(scheme))
    return { unsupported: `prepend_scheme ${shown(scheme)}` };
  return { ...known, addsSpace: scheme !== "never", spaceAtStartOnly: scheme === "first", spaceUnlessThere: true, wordsApart: flag(field(metaspace, "split"), true) };
}
