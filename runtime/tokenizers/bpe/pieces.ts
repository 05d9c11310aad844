/**
 * Pre-tokenizers cut a text into pieces that merges never cross. Each is published as a regular expression. A
 * file has to name one letter by letter, since an unknown expression could keep a thread busy for ever. The
 * two that most models use are also written as scanners, which are several times as fast; tests compare them
 * with their expressions.
 */
import { BREAK, classAt, LETTER, NUMBER, OTHER, SPACE, unitsAt } from "./character-classes.ts";

/** Where the piece ends that begins at `from`. The end is always beyond `from`. */
export type NextPiece = (text: string, from: number) => number;

export interface PieceRule {
  /** The expression as tokenizer.json files write it, in the syntax of Rust and Oniguruma. */
  readonly published: readonly string[];
  /** The same expression for JavaScript. */
  readonly expression: RegExp;
  readonly scan?: NextPiece;
  readonly doc: string;
}

const CONTRACTION = String.raw`'(?:[sSſtTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])`; // ſ folds to s
const SPACE_RUN = String.raw`\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+`;
const SIGNS = String.raw` ?[^\p{White_Space}\p{L}\p{N}]+`;
const WORD = String.raw`[^\r\n\p{L}\p{N}]?\p{L}+`;
const UPPER = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
const LOWER = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;
const CASED = `[^\\r\\n\\p{L}\\p{N}]?(?:${UPPER}*${LOWER}+|${UPPER}+${LOWER}*)(?:${CONTRACTION})?`;
const anyOf = (...alternatives: readonly string[]): string => alternatives.join("|");
const rule = (...alternatives: readonly string[]): RegExp => new RegExp(anyOf(...alternatives), "gu");

const CASE_ONLY = `[^\\r\\n\\p{L}\\p{N}]?(?:${UPPER}*${LOWER}+|${UPPER}+${LOWER}*)`;
const FOLDED = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)`;

/** The table of pre-tokenizers. */
export const pieceRules = {
  gpt2: {
    doc: "GPT-2 (Radford et al. 2019)",
    published: [
      String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
      String.raw`'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
    ],
    expression: rule("'s|'t|'re|'ve|'m|'ll|'d", String.raw` ?\p{L}+| ?\p{N}+`, SIGNS, SPACE_RUN),
    scan: scanGpt2,
  },
  llama3: {
    doc: "Llama 3: numbers in threes, line breaks with what stands before them",
    published: [
      anyOf(
        FOLDED,
        String.raw`[^\r\n\p{L}\p{N}]?\p{L}+`,
        String.raw`\p{N}{1,3}`,
        String.raw` ?[^\s\p{L}\p{N}]+[\r\n]*`,
        String.raw`\s*[\r\n]+`,
        String.raw`\s+(?!\S)`,
        String.raw`\s+`,
      ),
    ],
    expression: rule(
      CONTRACTION,
      WORD,
      String.raw`\p{N}{1,3}`,
      SIGNS + String.raw`[\r\n]*`,
      String.raw`\p{White_Space}*[\r\n]+`,
      SPACE_RUN,
    ),
    scan: scanLlama3,
  },
  cl100k: {
    doc: "GPT-4 (tiktoken's cl100k_base)",
    published: [
      anyOf(
        String.raw`'(?i:[sdmt]|ll|ve|re)`,
        String.raw`[^\r\n\p{L}\p{N}]?+\p{L}+`,
        String.raw`\p{N}{1,3}`,
        String.raw` ?[^\s\p{L}\p{N}]++[\r\n]*`,
        String.raw`\s*[\r\n]`,
        String.raw`\s+(?!\S)`,
        String.raw`\s+`,
      ),
    ],
    expression: rule(
      CONTRACTION,
      WORD,
      String.raw`\p{N}{1,3}`,
      SIGNS + String.raw`[\r\n]*`,
      String.raw`\p{White_Space}*[\r\n]`,
      SPACE_RUN,
    ),
  },
  qwen2: {
    doc: "Qwen 2 and 3: numbers digit by digit",
    published: [
      String.raw`${FOLDED}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`,
    ],
    expression: rule(
      CONTRACTION,
      WORD,
      String.raw`\p{N}`,
      SIGNS + String.raw`[\r\n]*`,
      String.raw`\p{White_Space}*[\r\n]+`,
      SPACE_RUN,
    ),
  },
  o200k: {
    doc: "GPT-4o (tiktoken's o200k_base): words also end where lower case turns upper",
    published: [
      anyOf(
        String.raw`[^\r\n\p{L}\p{N}]?${UPPER}*${LOWER}+${FOLDED}?`,
        String.raw`[^\r\n\p{L}\p{N}]?${UPPER}+${LOWER}*${FOLDED}?`,
        String.raw`\p{N}{1,3}`,
        String.raw` ?[^\s\p{L}\p{N}]+[\r\n/]*`,
        String.raw`\s*[\r\n]+`,
        String.raw`\s+(?!\S)`,
        String.raw`\s+`,
      ),
    ],
    expression: rule(
      CASED,
      String.raw`\p{N}{1,3}`,
      SIGNS + String.raw`[\r\n/]*`,
      String.raw`\p{White_Space}*[\r\n]+`,
      SPACE_RUN,
    ),
  },
  tekken: {
    doc: "Mistral's tekken: as o200k, but contractions are no part of words, and numbers go digit by digit",
    published: [
      anyOf(
        String.raw`[^\r\n\p{L}\p{N}]?${UPPER}*${LOWER}+`,
        String.raw`[^\r\n\p{L}\p{N}]?${UPPER}+${LOWER}*`,
        String.raw`\p{N}`,
        String.raw` ?[^\s\p{L}\p{N}]+[\r\n/]*`,
        String.raw`\s*[\r\n]+`,
        String.raw`\s+(?!\S)`,
        String.raw`\s+`,
      ),
    ],
    expression: rule(
      CASE_ONLY,
      String.raw`\p{N}`,
      SIGNS + String.raw`[\r\n/]*`,
      String.raw`\p{White_Space}*[\r\n]+`,
      SPACE_RUN,
    ),
  },
  qwen35: {
    doc: "Qwen 3.5: as Qwen 2, and marks belong to the letters before them",
    published: [
      anyOf(
        FOLDED,
        String.raw`[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+`,
        String.raw`\p{N}`,
        String.raw` ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*`,
        String.raw`\s*[\r\n]+`,
        String.raw`\s+(?!\S)`,
        String.raw`\s+`,
      ),
    ],
    expression: rule(
      CONTRACTION,
      String.raw`[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+`,
      String.raw`\p{N}`,
      String.raw` ?[^\p{White_Space}\p{L}\p{M}\p{N}]+[\r\n]*`,
      String.raw`\p{White_Space}*[\r\n]+`,
      SPACE_RUN,
    ),
  },
  seed: {
    doc: "Seed-Coder: as Qwen 2, but line breaks never belong to signs",
    published: [
      String.raw`${FOLDED}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+`,
    ],
    expression: rule(
      CONTRACTION,
      WORD,
      String.raw`\p{N}`,
      SIGNS,
      String.raw`\p{White_Space}*[\r\n]+`,
      SPACE_RUN,
    ),
  },
  bailing: {
    doc: "Ling (BailingMoE): as GPT-4, and numbers digit by digit",
    published: [
      anyOf(
        String.raw`'(?i:[sdmt]|ll|ve|re)`,
        String.raw`[^\r\n\p{L}\p{N}]?+\p{L}+`,
        String.raw`\p{N}`,
        String.raw` ?[^\s\p{L}\p{N}]++[\r\n]*`,
        String.raw`\s*[\r\n]`,
        String.raw`\s+(?!\S)`,
        String.raw`\s+`,
      ),
    ],
    expression: rule(
      CONTRACTION,
      WORD,
      String.raw`\p{N}`,
      SIGNS + String.raw`[\r\n]*`,
      String.raw`\p{White_Space}*[\r\n]`,
      SPACE_RUN,
    ),
  },
} as const satisfies Record<string, PieceRule>;

export type PieceRuleName = keyof typeof pieceRules;
export const pieceRuleNames = Object.keys(pieceRules) as readonly PieceRuleName[];

/** Cuts inside the pieces of another rule: every digit by itself, or runs of digits. */
export const digitRules = { digit: /\p{N}/gu, digits: /\p{N}+/gu } as const;
export type CutName = PieceRuleName | keyof typeof digitRules;

/** The rule whose expression a file names; undefined where it is not known to be harmless. */
export const ruleOf = (published: string): PieceRuleName | undefined =>
  pieceRuleNames.find((name) => (pieceRules[name].published as readonly string[]).includes(published));

/**
 * The scanner for several rules, each of which cuts inside the pieces of the one before. Without any rule,
 * the text is one piece.
 */
export function nextPiece(...names: readonly CutName[]): NextPiece {
  const [first, ...rest] = names;
  if (first === undefined) return (text) => text.length;
  const outer = cutBy(first);
  return rest.length === 0 ? outer : within(outer, nextPiece(...rest));
}

function cutBy(name: CutName): NextPiece {
  if (name === "digit" || name === "digits") return byExpression(digitRules[name]);
  const known: PieceRule = pieceRules[name];
  return known.scan ?? byExpression(known.expression);
}

/**
 * Cuts with `inner` each piece of `outer` as if it were a text. The pieces of a text have to be asked for in
 * order.
 */
function within(outer: NextPiece, inner: NextPiece): NextPiece {
  let piece = "";
  let start = 0;
  let end = -1;
  return (text, from) => {
    if (from === 0 || from === end) {
      start = from;
      end = outer(text, from);
      piece = text.slice(start, end);
    }
    return start + inner(piece, from - start);
  };
}

/** Cuts by an expression. Text between two matches is a piece too. */
export function byExpression(expression: RegExp): NextPiece {
  const e = new RegExp(expression.source, "gu");
  return (text, from) => {
    e.lastIndex = from;
    const found = e.exec(text);
    return found === null ? text.length : found.index > from ? found.index : Math.max(e.lastIndex, from + 1);
  };
}

// ---- scanners

const APOSTROPHE = 0x27;
const BLANK = 0x20;

function scanGpt2(text: string, from: number): number {
  const code = text.charCodeAt(from);
  if (code === APOSTROPHE) {
    const end = contraction(text, from, exactly);
    if (end > from) return end;
  }
  const start = code === BLANK && from + 1 < text.length ? from + 1 : from;
  const kind = classAt(text, start);
  return kind === SPACE || kind === BREAK ? spaces(text, from) : runOf(kind, text, start);
}

function scanLlama3(text: string, from: number): number {
  const code = text.charCodeAt(from);
  const kind = classAt(text, from);
  const n = text.length;
  if (code === APOSTROPHE) {
    const end = contraction(text, from, folded);
    if (end > from) return end;
  }
  if (kind === LETTER) return runOf(LETTER, text, from);
  if (kind === NUMBER) return runOf(NUMBER, text, from, 3);
  const next = from + unitsAt(text, from);
  if (kind !== BREAK && next < n && classAt(text, next) === LETTER) return runOf(LETTER, text, next);
  const start = code === BLANK ? next : from;
  if (start < n && classAt(text, start) === OTHER) return breaks(text, runOf(OTHER, text, start));
  const end = spaceRun(text, from);
  let last = end - 1;
  while (last >= from && classAt(text, last) !== BREAK) last--;
  return last >= from ? last + 1 : spaces(text, from);
}

/** The end of a run of characters of one class, `most` at the most. */
function runOf(kind: number, text: string, from: number, most = Infinity): number {
  let at = from;
  for (let taken = 0; taken < most && at < text.length && classAt(text, at) === kind; taken++)
    at += unitsAt(text, at);
  return at;
}

function breaks(text: string, from: number): number {
  let at = from;
  while (at < text.length && classAt(text, at) === BREAK) at++;
  return at;
}

function spaceRun(text: string, from: number): number {
  let at = from;
  while (at < text.length && classAt(text, at) >= SPACE) at++;
  return at;
}

/** The end of a run of white space. If something follows, the last white space is left to the next piece. */
function spaces(text: string, from: number): number {
  const end = spaceRun(text, from);
  return end < text.length && end - from > 1 ? end - 1 : end;
}

const exactly = (text: string): string => text;
const folded = (text: string): string => text.toLowerCase().replaceAll("ſ", "s");

/** The end of 's, 't, 'm, 'd, 're, 've or 'll at `from`; `from` itself where there is none. */
function contraction(text: string, from: number, fold: (text: string) => string): number {
  const one = fold(text.slice(from + 1, from + 2));
  if (one === "s" || one === "t" || one === "m" || one === "d") return from + 2;
  const two = fold(text.slice(from + 1, from + 3));
  return two === "re" || two === "ve" || two === "ll" ? from + 3 : from;
}
