/**
 * Sentences in which "it" means one of two nouns, and only what stands before says which one:
 *
 *   Because one of them was tired, the cat sat on the mat, and it rolled.
 *   Because one of them was woven, the cat sat on the mat, and it slipped.
 *
 * After "The cat sat on the mat because it was tired", the example of many an explanation of attention. A
 * language model sees nothing of what comes later, so the cue (tired: animals are, mats are not) comes first,
 * and the word behind "it" is what the meant noun did. That word follows neither from the cue nor from the
 * nouns alone, so a model has to find the noun that the cue fits. (Where each noun had a deed of its own, the
 * cue made some of them likely and the nouns others, and the word came out without a look at either noun.)
 *
 * What is asked has not been learnt in two ways: its two nouns stand together in no sentence that is learnt,
 * nor does the meant one with its cue.
 */
import { randomStream, type Random } from "../../base/random.ts";
import { pick } from "./builtin-text.ts";

interface Kind {
  /** A noun for each deed, in the order of `pronounDeeds`. */
  readonly nouns: readonly string[];
  /** What nouns of this kind are, and others are not. */
  readonly cues: readonly string[];
  readonly stands: readonly string[];
}

/** What "it" did. A deed belongs to one noun of each kind, so that the cue alone says nothing about it. */
export const pronounDeeds = [
  "rolled",
  "slipped",
  "dripped",
  "smelled",
  "steamed",
  "sank",
  "shook",
  "froze",
] as const;

/** THE table of nouns. All kinds have equally many, and so they have cues. */
export const pronounKinds = {
  animal: {
    nouns: ["cat", "horse", "dog", "sheep", "cow", "frog", "duck", "mouse"],
    cues: ["tired", "hungry", "thirsty", "sleepy", "afraid"],
    stands: ["sat", "lay", "stood"],
  },
  cloth: {
    nouns: ["carpet", "mat", "towel", "rug", "blanket", "pillow", "curtain", "scarf"],
    cues: ["woven", "woollen", "knitted", "ironed", "embroidered"],
    stands: ["lay", "hung"],
  },
  vehicle: {
    nouns: ["car", "tram", "boat", "truck", "train", "ship", "bus", "plane"],
    cues: ["parked", "rusty", "electric", "overloaded", "unlocked"],
    stands: ["stood", "waited"],
  },
  food: {
    nouns: ["apple", "butter", "soup", "cheese", "pie", "egg", "jelly", "bread"],
    cues: ["tasty", "spicy", "salty", "sour", "delicious"],
    stands: ["stood", "lay"],
  },
} as const satisfies Record<string, Kind>;

export type PronounKind = keyof typeof pronounKinds;
export type PronounPart = "train" | "validation" | "held-out";

export interface PronounSentence {
  /** Everything up to "it", and with it. */
  readonly before: string;
  /** The word behind "it": what the meant noun does. */
  readonly deed: string;
  readonly cue: string;
  readonly meant: string;
  /** All nouns in their order, a place included. */
  readonly nouns: readonly string[];
}

const places = ["garden", "kitchen", "yard", "hall"];
const openings = ["Because one of them was", "One of them was", "Something was"] as const;
/** What stands between an opening with its cue and the rest, for each opening. */
const joints = [",", ":", " when"];
const bridges = [", and it", " until it", ", and soon it"];

/** A noun by its kind and its number there. */
interface Noun {
  readonly kind: PronounKind;
  readonly at: number;
}

const kinds = Object.keys(pronounKinds) as readonly PronounKind[];
const NOUNS = pronounDeeds.length;
const CUES = 5;
/** Sentences of the text that is learnt. */
const LEARNT = 6000;
/** Each pair of nouns is asked in so many wordings, in either order and with either one meant. */
const WORDINGS = 5;

const kindOf = ({ kind }: Noun): Kind => pronounKinds[kind];
const wordOf = (noun: Noun): string => kindOf(noun).nouns[noun.at]!;

/** Of seven partners that a noun has in a kind, one is held out, and another one is for validation. */
function partOf(a: Noun, b: Noun): PronounPart {
  const apart = (b.at - a.at + NOUNS) % NOUNS;
  return apart === 1 ? "held-out" : apart === 3 ? "validation" : "train";
}

/** Of each noun, one cue is not in the text that is learnt. */
const unseenCue = (noun: Noun): string => kindOf(noun).cues[noun.at % CUES]!;
const seenCues = (noun: Noun): readonly string[] =>
  kindOf(noun).cues.filter((cue) => cue !== unseenCue(noun));

/** All pairs of nouns of different kinds that belong to a part, in one order. */
function pairsOf(part: PronounPart): readonly (readonly [Noun, Noun])[] {
  const nouns = kinds.flatMap((kind) => Array.from({ length: NOUNS }, (_, at): Noun => ({ kind, at })));
  return nouns.flatMap((a, i) =>
    nouns
      .slice(i + 1)
      .filter((b) => a.kind !== b.kind && a.at !== b.at && partOf(a, b) === part)
      .map((b) => [a, b] as const),
  );
}

/** A wording is drawn without a look at which noun is meant. */
function sentence(
  [first, second]: readonly [Noun, Noun],
  meant: Noun,
  cue: string,
  r: Random,
): PronounSentence {
  const opening = r.below(openings.length);
  const on = second.kind === "cloth" && first.kind !== "vehicle" ? ["on"] : [];
  const where = pick(r, ["beside", "near", "behind", ...on]);
  const scene = `the ${wordOf(first)} ${pick(r, kindOf(first).stands)} ${where} the ${wordOf(second)}`;
  const place = r.below(2) === 0 ? [] : [pick(r, places)];
  const inPlace = place.map((name) => ` in the ${name}`).join("");
  return {
    before: `${openings[opening]} ${cue}${joints[opening]} ${scene}${inPlace}${pick(r, bridges)}`,
    deed: pronounDeeds[meant.at]!,
    cue,
    meant: wordOf(meant),
    nouns: [wordOf(first), wordOf(second), ...place],
  };
}

/** Some 6,000 sentences, a line each, of combinations that are not asked later. About 450 KB. */
export function pronounText(): string {
  const r = randomStream(1, "pronouns to learn");
  const pairs = pairsOf("train");
  const lines = Array.from({ length: LEARNT }, () => {
    const [a, b] = pick(r, pairs);
    const meant = pick(r, [a, b]);
    const { before, deed } = sentence(r.below(2) === 0 ? [a, b] : [b, a], meant, pick(r, seenCues(meant)), r);
    return `${before} ${deed}.\n`;
  });
  return lines.join("");
}

/** What is asked: each pair of nouns in both orders, each of the two meant, equally often. */
export function pronounSentences(part: Exclude<PronounPart, "train">): readonly PronounSentence[] {
  const r = randomStream(1, `pronouns, ${part}`);
  return pairsOf(part).flatMap(([a, b]) =>
    Array.from({ length: WORDINGS }).flatMap(() =>
      [a, b].flatMap((meant) =>
        [[a, b] as const, [b, a] as const].map((pair) => sentence(pair, meant, unseenCue(meant), r)),
      ),
    ),
  );
}
