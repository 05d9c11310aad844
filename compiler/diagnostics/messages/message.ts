/**
 * A change that a help names, as a change of the text. It is of what is marked, unless it names another
 * place.
 */
export type Fix =
  | { readonly kind: "replace"; readonly text: string; readonly at?: Place }
  /** What is marked stays, with text on both sides. */
  | { readonly kind: "around"; readonly before: string; readonly after: string }
  /** The argument, equation, setting or block that what is marked stands in is left out whole. */
  | { readonly kind: "leave out" }
  /** Something new in the model: "context 256". */
  | { readonly kind: "add"; readonly text: string };

interface Place {
  readonly start: number;
  readonly end: number;
}

/** The shape of a row in the table of messages. */
export interface Message<F> {
  /** A few words: heading of `sinter explain CODE`, and of the language reference. */
  readonly title: string;
  readonly text: (details: F) => string;
  /** What to write instead. */
  readonly help?: (details: F) => string | undefined;
  /** What the help says, as changes, the likeliest first: each of them alone puts it right. */
  readonly fixes?: (details: F) => readonly Fix[];
  /** The long form: why the rule is there. Plain text, paragraphs separated by empty lines. */
  readonly explain: string;
  /**
   * Lines of a model that cause it; a test checks that they do. Models are whole when they begin with
   * "model".
   */
  readonly wrong?: string;
  /** The same, put right. */
  readonly right?: string;
}

export const message = <F>(m: Message<F>): Message<F> => m;

/** "6", "6 or 8", "a, b or c" */
export function either(words: readonly (string | number)[]): string {
  if (words.length <= 1) return `${words[0] ?? ""}`;
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

/** 124_439_808, as a spec would write it. */
export const grouped = (n: number): string =>
  Number.isInteger(n) ? `${n}`.replace(/\B(?=(\d{3})+(?!\d))/g, "_") : `${n}`;

/** Text of the user inside a message: short, and nothing that a terminal would obey. */
export function quoted(text: string, limit = 40): string {
  const shown = [...text]
    .slice(0, limit)
    .map((c) => (isPrintable(c) ? c : `\\u{${c.codePointAt(0)!.toString(16)}}`))
    .join("");
  return `\`${shown}${[...text].length > limit ? "…" : ""}\``;
}

/** Not a control, format (bidirectional overrides!), surrogate, private-use or line-separating character. */
export const isPrintable = (character: string): boolean => !/[\p{C}\u2028\u2029]/u.test(character);

/** Others in the place of what is marked. */
export const replacedBy = (...texts: readonly (string | number | undefined)[]): readonly Fix[] =>
  texts.flatMap((text) => (text === undefined ? [] : [{ kind: "replace", text: `${text}` } as const]));

/** All words of a short list: too many choices are none. */
export const few = (words: readonly string[]): readonly string[] => (words.length <= 4 ? words : []);

export const near = (candidate: string | undefined): string | undefined =>
  candidate === undefined ? undefined : `did you mean \`${candidate}\`?`;
