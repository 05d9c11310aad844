/**
 * Cuts a text at the matches of a pattern. The behaviour says what becomes of a match
 * (huggingface/tokenizers, SplitDelimiterBehavior):
 *
 *   the-final--countdown at "-"
 *   Removed             the | final | countdown
 *   Isolated            the | - | final | - | - | countdown
 *   MergedWithPrevious  the- | final- | - | countdown
 *   MergedWithNext      the | -final | - | -countdown
 *   Contiguous          the | - | final | -- | countdown
 */
export const behaviors = [
  "Removed",
  "Isolated",
  "MergedWithPrevious",
  "MergedWithNext",
  "Contiguous",
] as const;
export type Behavior = (typeof behaviors)[number];

/** Calls `at` for each match, in order. Matches are not empty and do not overlap. */
export type Pattern = (text: string, at: (from: number, to: number) => void) => void;
type Give = (from: number, to: number) => void;

/** With `invert`, the text between matches counts as the match, and the other way round. */
export function cutAt(
  pattern: Pattern,
  behavior: Behavior,
  invert: boolean,
): (text: string, give: Give) => void {
  return (text, give) => {
    const steps = byBehavior[behavior](give);
    let done = 0;
    pattern(text, (from, to) => {
      if (from > done) steps.take(done, from, invert);
      steps.take(from, to, !invert);
      done = to;
    });
    if (done < text.length) steps.take(done, text.length, invert);
    steps.end();
  };
}

interface Steps {
  /** Takes the next part of the text, which is a match or the text between two. */
  take(from: number, to: number, match: boolean): void;
  end(): void;
}

const nothing = (): void => undefined;

const byBehavior: Readonly<Record<Behavior, (give: Give) => Steps>> = {
  Removed: (give) => ({
    take(from, to, match) {
      if (!match) give(from, to);
    },
    end: nothing,
  }),
  Isolated: (give) => ({ take: give, end: nothing }),
  MergedWithPrevious: (give) => joined(give, (before, match) => match && !before),
  MergedWithNext: (give) => joined(give, (before, match) => before && !match),
  Contiguous: (give) => joined(give, (before, match) => before === match),
};

/**
 * A part is joined to the one before it where `joins` says so: at most one to each, except in runs of one
 * kind.
 */
function joined(give: Give, joins: (before: boolean, match: boolean) => boolean): Steps {
  let start = -1;
  let end = -1;
  let before = false;
  return {
    take(from, to, match) {
      if (start >= 0 && !joins(before, match)) give(start, end);
      if (start < 0 || !joins(before, match)) start = from;
      end = to;
      before = match;
    },
    end() {
      if (start >= 0) give(start, end);
    },
  };
}

// ---- patterns

/** The pattern of an expression with the flags g and u. */
export const matchesOf =
  (expression: RegExp): Pattern =>
  (text, at) => {
    for (const { 0: found, index } of text.matchAll(expression))
      if (found !== "") at(index, index + found.length);
  };

export const occurrencesOf =
  (part: string): Pattern =>
  (text, at) => {
    for (let from = text.indexOf(part); from >= 0; from = text.indexOf(part, from + part.length))
      at(from, from + part.length);
  };
