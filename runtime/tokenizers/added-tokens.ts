/**
 * Tokens that are found in the text before anything else: special ones (ends of texts and turns), which plain text never becomes, and
 * words that a vocabulary got later. The longest name wins where several begin at one place.
 */
export interface AddedToken {
  readonly name: string;
  readonly id: number;
  readonly special: boolean;
  /** Takes the white space before it, after it, as well. */
  readonly left?: boolean;
  readonly right?: boolean;
}

/** Text between added tokens, and their ids, in order. */
export type Segments = (text: string, special: boolean) => readonly (string | number)[];

export function segmentsAt(tokens: readonly AddedToken[]): Segments {
  const always = splitter(tokens.filter((t) => !t.special)), all = splitter(tokens);
  return (text, special) => (special ? all(text).map((part) => (typeof part === "string" ? part.replaceAll(GUARD, "") : part)) : always(text));
}

export const specialsOf = (tokens: readonly AddedToken[]): ReadonlyMap<string, number> =>
  new Map(tokens.filter((t) => t.special).map((t) => [t.name, t.id]));

/** Behind the first character of a special token's name it makes that name plain text; it is not a character (Unicode, noncharacters). */
const GUARD = "\ufdd0";

/** A text of a stranger, to stand in a text that is encoded with special tokens: it stays plain. */
export function guarded(text: string, special: ReadonlyMap<string, number>): string {
  let out = text.replaceAll(GUARD, "");
  for (const name of special.keys()) if (name.length > 1) out = out.replaceAll(name, name[0]! + GUARD + name.slice(1));
  return out;
}

/** What such a text says. */
export const unguarded = (text: string): string => text.replaceAll(GUARD, "");

function splitter(tokens: readonly AddedToken[]): (text: string) => readonly (string | number)[] {
  if (tokens.length === 0) return (text) => (text === "" ? [] : [text]);
  const byName = new Map(tokens.map((token) => [token.name, token]));
  const names = [...byName.keys()].sort((a, b) => b.length - a.length);
  const anyName = new RegExp(names.map((name) => name.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")).join("|"), "g");
  return (text) => {
    const out: (string | number)[] = [];
    let from = 0;
    for (const found of text.matchAll(anyName)) {
      const token = byName.get(found[0])!;
      if (found.index < from) continue; // inside the white space of the token before it
      const before = text.slice(from, found.index);
      out.push(token.left ? before.trimEnd() : before, token.id);
      from = found.index + found[0].length;
      if (token.right) while (from < text.length && /\s/.test(text[from]!)) from++;
    }
    out.push(text.slice(from));
    return out.filter((part) => part !== "");
  };
}
