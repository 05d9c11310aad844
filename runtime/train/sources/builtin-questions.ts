/**
 * Questions with their answers to learn from when there are none at hand, about what the built-in text tells:
 * where things are, who has what after a gift or a swap; and a few sums, days and sounds. The same on every
 * machine; every question once, so that what is held out has not been seen. A model that has read the text
 * knows the words, and learns to answer and to stop.
 */
import { randomStream, type Random } from "../../base/random.ts";
import {
  a,
  capital,
  colours,
  days,
  numbers,
  people,
  pick,
  places,
  plural,
  sounds,
  things,
  two,
} from "./builtin-text.ts";

export interface Question {
  readonly prompt: string;
  readonly completion: string;
  /** An answer of the same form that is wrong. */
  readonly wrong: string;
}

const DRAWN = 4000;

/** The one behind `word` in the list, the first behind the last. */
const next = (list: readonly string[], word: string): string => list[(list.indexOf(word) + 1) % list.length]!;

const kinds: readonly ((r: Random) => Question)[] = [
  (r) => {
    const [left, right] = [r.below(7), r.below(6)];
    return {
      prompt: `What is ${numbers[left]} and ${numbers[right]}?`,
      completion: `${capital(numbers[left]!)} and ${numbers[right]} is ${numbers[left + right]}.`,
      wrong: `${capital(numbers[left]!)} and ${numbers[right]} is ${numbers[left + right + 1]}.`,
    };
  },
  (r) => {
    const day = r.below(7);
    return {
      prompt: `Today is ${days[day]}. What is tomorrow?`,
      completion: `Tomorrow is ${days[(day + 1) % 7]}.`,
      wrong: `Tomorrow is ${days[(day + 2) % 7]}.`,
    };
  },
  (r) => {
    const animal = pick(r, Object.keys(sounds));
    return {
      prompt: `What does a ${animal} do?`,
      completion: `The ${animal} ${sounds[animal]}.`,
      wrong: `The ${animal} ${sounds[next(Object.keys(sounds), animal)]}.`,
    };
  },
  (r) => {
    const [giver, taker] = two(r, people);
    const had = 2 + r.below(10);
    const gave = 1 + r.below(had - 1);
    const thing = pick(r, things);
    return {
      prompt: `${giver} has ${plural(had, thing)}. ${giver} gives ${plural(gave, thing)} to ${taker}.`,
      completion: `Now ${giver} has ${plural(had - gave, thing)}.`,
      wrong: `Now ${giver} has ${plural(had - gave + 1, thing)}.`,
    };
  },
  (r) => {
    const owner = pick(r, people);
    const what = `${pick(r, colours)} ${pick(r, things)}`;
    const place = pick(r, places);
    return {
      prompt: `${owner} has left ${a(what)} in the ${place}. Where is it?`,
      completion: `The ${what} is in the ${place}.`,
      wrong: `The ${what} is in the ${next(places, place)}.`,
    };
  },
  (r) => {
    const [one, other] = two(r, people);
    const [mine, yours] = two(r, colours);
    const thing = pick(r, things);
    return {
      prompt: `${one} has ${a(mine)} ${thing} and ${other} has ${a(yours)} ${thing}. They swap.`,
      completion: `Now ${one} has ${a(yours)} ${thing}.`,
      wrong: `Now ${one} has ${a(mine)} ${thing}.`,
    };
  },
];

/** Some 2,000 questions, each with the one right answer. */
export function builtinQuestions(): readonly Question[] {
  const r = randomStream(1, "built-in questions");
  const drawn = Array.from({ length: DRAWN }, () => pick(r, kinds)(r));
  return [...new Map(drawn.map((question) => [question.prompt, question])).values()];
}

const asFile = (rows: readonly object[]): Uint8Array =>
  new TextEncoder().encode(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));

/** The questions with their answers as a file of JSON Lines. */
export const builtinQuestionsFile = (): Uint8Array =>
  asFile(builtinQuestions().map(({ prompt, completion }) => ({ prompt, completion })));

/** The questions with a right and a wrong answer each, as preference data. */
export const builtinPairsFile = (): Uint8Array =>
  asFile(
    builtinQuestions().map(({ prompt, completion, wrong }) => ({
      prompt,
      chosen: completion,
      rejected: wrong,
    })),
  );
