/**
 * Added tokens are found in a text before it is split into pieces: special ones (ends of texts and turns),
 * which plain text never becomes, and words that a vocabulary got later. The search is that of
 * huggingface/tokenizers, in two passes: tokens that are not `normalized` are found in the text as it is; the
 * others are found in the rest once that is normalized, with their names normalized too. Where several tokens
 * begin at one position, the longest name wins.
 */
export interface AddedToken {
  readonly name: string;
  readonly id: number;
  readonly special: boolean;
  /** The token also takes the white space before it (`left`) or after it (`right`). */
  readonly left?: boolean;
  readonly right?: boolean;
  /** The token is not found within a word. */
  readonly singleWord?: boolean;
  /** The token is found in the normalized text. */
  readonly normalized?: boolean;
}

/** Text between two added tokens. */
export interface PlainPart {
  readonly text: string;
  /** Whether it is the beginning of the text. */
  readonly start: boolean;
}

/** Splits a text: plain parts, normalized, and the ids of the added tokens between them, in order. */
export type Segments = (text: string, special: boolean) => readonly (PlainPart | number)[];
export type Normalizer = (text: string) => string;

export function segmentsAt(tokens: readonly AddedToken[], normalize?: Normalizer): Segments {
  const always = twoTries(
    tokens.filter((token) => !token.special),
    normalize,
  );
  const all = twoTries(tokens, normalize);
  return (text, special) => (special ? all : always)(text);
}

export const specialsOf = (tokens: readonly AddedToken[]): ReadonlyMap<string, number> =>
  new Map(tokens.filter((t) => t.special).map((t) => [t.name, t.id]));

function twoTries(
  tokens: readonly AddedToken[],
  normalize: Normalizer = (text) => text,
): (text: string) => (PlainPart | number)[] {
  const raw = splitter(tokens.filter((token) => !token.normalized));
  const inNormalized = tokens
    .filter((token) => token.normalized)
    .map((token) => ({ ...token, name: normalize(token.name) }));
  const second = splitter(inNormalized);
  const guardStays = inNormalized.some((token) => token.special);
  const bare = (part: PlainPart): PlainPart => ({ ...part, text: unguarded(part.text) });
  const within = ({ text, start }: PlainPart): readonly (PlainPart | number)[] =>
    second(normalize(guardStays ? text : unguarded(text))).map((part) =>
      typeof part === "number" ? part : bare({ ...part, start: start && part.start }),
    );
  return (text) =>
    raw(text)
      .flatMap((part): readonly (PlainPart | number)[] => (typeof part === "number" ? [part] : within(part)))
      .filter((part) => typeof part === "number" || part.text !== "");
}

// ---- what a stranger wrote stays plain

/**
 * Placed inside a special token's name, it turns the name into plain text. It is no character (Unicode,
 * noncharacters).
 */
const GUARD = "\ufdd0";

/**
 * Marks a text from an untrusted source, so that it stays plain inside a text that is encoded with special
 * tokens.
 */
export function guarded(text: string, special: ReadonlyMap<string, number>): string {
  let out = text.replaceAll(GUARD, "");
  for (const name of special.keys())
    if (name.length > 1) out = out.replaceAll(name, name[0]! + GUARD + name.slice(1));
  return out;
}

/** The text without these marks. */
export const unguarded = (text: string): string => text.replaceAll(GUARD, "");

/**
 * The same for tokenizers that find special tokens in the normalized text, where normalizing can turn other
 * text into the name of a special token. If that happens, a mark follows every character.
 */
export function plainOf(
  tokens: readonly AddedToken[],
  segments: Segments,
): { readonly plain?: (text: string) => string } {
  if (!tokens.some((token) => token.special && token.normalized)) return {};
  const special = specialsOf(tokens);
  const ids = new Set(special.values());
  return {
    plain(text) {
      const out = guarded(text, special);
      if (!segments(out, true).some((part) => typeof part === "number" && ids.has(part))) return out;
      return Array.from(text.replaceAll(GUARD, "")).join(GUARD);
    },
  };
}

// ---- one try

function splitter(tokens: readonly AddedToken[]): (text: string) => (PlainPart | number)[] {
  if (tokens.length === 0) return (text) => [{ text, start: true }];
  const byName = new Map<string, AddedToken>();
  for (const token of tokens) if (!byName.has(token.name)) byName.set(token.name, token);
  const names = [...byName.keys()].sort((a, b) => b.length - a.length);
  const anyName = new RegExp(
    names.map((name) => name.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"),
    "g",
  );
  return (text) => {
    const out: (PlainPart | number)[] = [];
    let from = 0;
    for (const { 0: name, index } of text.matchAll(anyName)) {
      const token = byName.get(name)!;
      let begin = index;
      let end = index + name.length;
      if (token.singleWord && (isWordBefore(text, begin) || isWordAt(text, end))) continue;
      if (token.left) {
        while (begin > from && isSpace(text, begin - 1)) begin--;
        begin = Math.max(begin, from);
      }
      if (token.right) while (end < text.length && isSpace(text, end)) end++;
      if (begin >= end) continue; // the token before it took all of that white space
      if (from < begin) out.push({ text: text.slice(from, begin), start: from === 0 });
      out.push(token.id);
      from = end;
    }
    if (from < text.length) out.push({ text: text.slice(from), start: from === 0 });
    return out;
  };
}

/** Characters of a word: Unicode TS 18, annex C, as in Rust's regular expressions. */
const WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
/** Not JavaScript's \s, which includes U+FEFF and lacks U+0085. */
const SPACE = /\p{White_Space}/u;

const isSpace = (text: string, at: number): boolean => SPACE.test(text[at]!);
const isWordAt = (text: string, at: number): boolean =>
  at < text.length && WORD.test(String.fromCodePoint(text.codePointAt(at)!));

function isWordBefore(text: string, at: number): boolean {
  if (at === 0) return false;
  const code = text.charCodeAt(at - 1);
  const low = code >= 0xdc00 && code < 0xe000;
  return WORD.test(low && at > 1 ? text.slice(at - 2, at) : text[at - 1]!);
}
