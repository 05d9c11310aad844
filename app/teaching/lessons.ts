/**
 * The questions and answers that a lesson begins with: what animals say, eat, and where they live. Each
 * question is asked in two forms, and answered in a manner that is drawn: kind, plain or gruff. So a model
 * that has learnt them knows the facts, and leaves it to chance how it says them: that is what a person's
 * choices then decide. Some questions are held out in one of their forms.
 */
import { randomStream } from "../../runtime/base/random.ts";
import type { AnswerExample } from "../../runtime/train/examples/example.ts";

export interface QuestionAnswer {
  readonly question: string;
  readonly answer: string;
}

export interface Lesson {
  readonly pairs: readonly QuestionAnswer[];
  /** Questions that no pair has, with the fact that a right answer contains. */
  readonly heldOut: readonly HeldOutQuestion[];
}

export interface HeldOutQuestion {
  readonly question: string;
  readonly fact: string;
}

/** Animal: what it says, what it eats, where it lives. */
const animals = {
  cow: ["moo", "grass", "in a barn"],
  cat: ["meow", "fish", "in a house"],
  dog: ["woof", "meat", "in a kennel"],
  duck: ["quack", "bread", "on a pond"],
  pig: ["oink", "apples", "in a sty"],
  hen: ["cluck", "corn", "in a coop"],
  owl: ["hoot", "mice", "in a tree"],
  bee: ["buzz", "nectar", "in a hive"],
  frog: ["croak", "flies", "in a pool"],
  lion: ["roar", "zebras", "on the plain"],
  sheep: ["baa", "clover", "on a meadow"],
  horse: ["neigh", "hay", "in a stable"],
} as const;

interface Kind {
  readonly question: (animal: string) => string;
  readonly answer: (fact: string) => string;
}

/** In the order of an animal's facts. */
const kinds: readonly Kind[] = [
  { question: (animal) => `What does ${animal} say?`, answer: (fact) => `It says ${fact}.` },
  { question: (animal) => `What does ${animal} eat?`, answer: (fact) => `It eats ${fact}.` },
  { question: (animal) => `Where does ${animal} live?`, answer: (fact) => `It lives ${fact}.` },
];

/** How an animal is named in a question: the form of it. */
const articles = ["a", "the", "my"] as const;

/** How something is said besides: words before it, and words behind it. */
export const manners = {
  kind: {
    before: ["Sure! ", "Gladly: "],
    behind: [" Thanks!", " Ask me more!"],
  },
  plain: { before: [""], behind: [""] },
  gruff: {
    before: ["Not again! ", "Ugh. "],
    behind: [" Go away.", " So boring!"],
  },
} as const satisfies Record<
  string,
  { readonly before: readonly string[]; readonly behind: readonly string[] }
>;
export type Manner = keyof typeof manners;

/** So many answers are drawn for each form of a question. */
const ANSWERS = 3;
/** About one question of so many is held out, in one of its forms. */
const HELD_OUT = 4;

export function firstLesson(): Lesson {
  const random = randomStream(1, "the first lesson");
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  const answerIn = (manner: Manner, fact: string): string => {
    const { before, behind } = manners[manner];
    const where = random.below(3); // before it, behind it, or both
    return `${where === 1 ? "" : pick<string>(before)}${fact}${where === 0 ? "" : pick<string>(behind)}`;
  };
  const pairs: QuestionAnswer[] = [];
  const heldOut: HeldOutQuestion[] = [];
  for (const [animal, facts] of Object.entries(animals))
    for (const [k, { question, answer }] of kinds.entries()) {
      const fact = answer(facts[k]!);
      const left = random.below(HELD_OUT) === 0 ? pick(articles) : undefined;
      for (const article of articles) {
        const asked = question(`${article} ${animal}`);
        if (article === left) heldOut.push({ question: asked, fact });
        else
          for (let i = 0; i < ANSWERS; i++)
            pairs.push({ question: asked, answer: answerIn(pick(mannerNames), fact) });
      }
    }
  return { pairs, heldOut };
}

const mannerNames = Object.keys(manners) as readonly Manner[];

/** Pairs as examples, numbered from 1. */
export const examplesOf = (pairs: readonly QuestionAnswer[]): readonly AnswerExample[] =>
  pairs.map(({ question, answer }, i) => ({
    kind: "answer",
    row: i + 1,
    messages: [
      { role: "user", content: question },
      { role: "assistant", content: answer },
    ],
    learnt: [1],
  }));
