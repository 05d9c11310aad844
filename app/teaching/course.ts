/**
 * A course of teaching, from pairs of questions and answers to a model that has learnt a person's taste.
 * Each part follows from the seed and what was taught before, and from nothing else: whoever has the pairs
 * and the choices has the weights.
 *
 *   teach      pairs → a model that answers (supervised fine-tuning)
 *   choose     of two of its answers, a person prefers one; the judge learns from that
 *   practise   the model answers, and learns from what the judge says of it (GRPO)
 */
import type { RunningModel } from "../../runtime/engine/model.ts";
import type { Dropped } from "../../runtime/train/examples/read-examples.ts";
import type { Judged } from "../../runtime/train/examples/feedback.ts";
import { PolicySource } from "../../runtime/train/rl/policy-source.ts";
import { referenceNow } from "../../runtime/train/rl/reference.ts";
import { renderPrompt } from "../../runtime/tokenizers/chat/render-dialogue.ts";
import { winRate, type WinRate } from "../../runtime/train/win-rate.ts";
import { isHeldOut, pairsOf } from "./choices.ts";
import type { Classroom } from "./classroom.ts";
import { Judge } from "./judge.ts";
import { follow, learnAnswers, type Following } from "./learn-answers.ts";
import type { QuestionAnswer } from "./lessons.ts";
import { answersTo, nextPair, type PairToJudge } from "./next-pair.ts";
import { beginWith, hashOf, parametersOf, type Parameters } from "./parameters.ts";

/** The judge learns anew after so many choices. */
const LEARNS_EVERY = 5;

export class Course {
  readonly room: Classroom;
  /** Pairs that were left out. */
  readonly dropped: readonly Dropped[];
  readonly #pupil: RunningModel;
  readonly #judge: Judge;
  /** What supervised learning has ended with. */
  readonly #taught: Parameters;
  readonly #questions: readonly string[];
  readonly #choices: Judged[] = [];
  /** How many choices there were when the judge learnt; undefined: others have taken their place. */
  #known: number | undefined = 0;

  private constructor(room: Classroom, pupil: RunningModel, judge: Judge, o: Taught) {
    this.room = room;
    this.dropped = o.dropped;
    this.#pupil = pupil;
    this.#judge = judge;
    this.#taught = o.parameters;
    this.#questions = o.questions;
  }

  /** Teaches the pairs. `questions` are answered before and afterwards, as events. */
  static async teach(
    room: Classroom,
    pairs: readonly QuestionAnswer[],
    questions: readonly string[],
    following: Following = {},
  ): Promise<Course> {
    const student = await room.open("sft");
    let taught: Omit<Taught, "questions">;
    try {
      const dropped = await learnAnswers(student, pairs, questions, room, following);
      taught = { dropped, parameters: parametersOf(student) };
    } finally {
      await student.close();
    }
    const { parameters } = taught;
    const judge = await Judge.open(room, parameters);
    const pupil = await room.open("rl");
    beginWith(pupil, parameters);
    const asked = [...new Set(pairs.map(({ question }) => question))];
    return new Course(room, pupil, judge, { ...taught, questions: asked });
  }

  get choices(): readonly Judged[] {
    return this.#choices;
  }

  /** The next two answers to choose between. Undefined: the model always says the same. */
  nextPair(signal?: AbortSignal): Promise<PairToJudge | undefined> {
    const number = this.#choices.length;
    return nextPair(this.#pupil, this.room, {
      questions: this.#questions,
      number,
      stream: "pair",
      scores: isHeldOut(number) || this.known === 0 ? undefined : (pair) => this.scores(pair),
      signal,
    });
  }

  /** What the judge says of the two answers. */
  scores({ question, answers }: PairToJudge): Promise<readonly number[]> {
    const prompt = [{ role: "user", content: question }] as const;
    return this.#judge.score(answers.map((text) => ({ prompt, text })));
  }

  /** Keeps a choice. The judge learns after some of them. */
  async choose(choice: Judged, following?: Following): Promise<void> {
    this.#choices.push(choice);
    if (this.#choices.length % LEARNS_EVERY === 0) await this.learnChoices(following);
  }

  /** Takes the last choice back. */
  takeBack(): void {
    if (this.#choices.pop() && this.#choices.length < (this.#known ?? 0)) this.#known = undefined;
  }

  /** How many of the choices the judge has learnt from, or was measured by. */
  get known(): number {
    return this.#known ?? 0;
  }

  /** These are the choices from now on, and the judge learns from them. */
  async takeOver(choices: readonly Judged[], following?: Following): Promise<void> {
    this.#choices.splice(0, Infinity, ...choices);
    await this.learnChoices(following);
  }

  /** The judge learns from all choices. */
  async learnChoices(following?: Following): Promise<void> {
    const { length } = this.#choices;
    await this.#judge.learn(pairsOf(this.#choices).learnt, following);
    this.#known = length;
  }

  /** How often the judge agrees with held-out choices. Undefined: there is none. */
  async agreement(): Promise<WinRate | undefined> {
    const { heldOut } = pairsOf(this.#choices);
    if (heldOut.length === 0) return undefined;
    const margins: number[] = [];
    for (const { prompt, chosen, rejected } of heldOut) {
      const [better, worse] = await this.#judge.score(
        [chosen, rejected].map(([message]) => ({ prompt, text: message!.content })),
      );
      margins.push(better! - worse!);
    }
    return winRate(margins);
  }

  /** The model begins where supervised learning has ended, and learns from a judge who knows all choices. */
  async practise(following: Following = {}): Promise<void> {
    if (this.#known !== this.#choices.length) await this.learnChoices(following);
    const { room } = this;
    const { tokenizer, format, seed } = room;
    const settings = room.settings("rl");
    beginWith(this.#pupil, this.#taught);
    const reference = await referenceNow(this.#pupil);
    const prompts = await Promise.all(
      this.#questions.map(async (content, i) => {
        const prompt = [{ role: "user", content }] as const;
        const example = { kind: "prompt", row: i + 1, prompt, columns: {} } as const;
        return { example, ids: await renderPrompt(format, tokenizer, prompt) };
      }),
    );
    const source = new PolicySource({
      settings,
      prompts,
      heldOut: [],
      rewards: [{ reward: this.#judge, weight: 1 }],
      tokenizer,
      seed,
      identity: "",
      reference: () => reference,
    });
    await follow(this.#pupil, { room, settings: settings.train, source, following });
  }

  /** Answers that are drawn now. */
  answers(question: string, count: number, key: string): Promise<readonly string[]> {
    return answersTo(this.#pupil, this.room, { question, count, key: [key] });
  }

  /** Two answers that come as they come: what no choice was made of. */
  anyPair(number: number, questions: readonly string[]): Promise<PairToJudge | undefined> {
    return nextPair(this.#pupil, this.room, { questions, number, stream: "any pair" });
  }

  /** Whose bits are the same where pairs, choices and seed are. */
  async hashes(): Promise<Hashes> {
    return {
      taught: await hashOf(this.#taught),
      judge: await hashOf(this.#judge.parameters()),
      pupil: await hashOf(parametersOf(this.#pupil)),
    };
  }

  async close(): Promise<void> {
    await this.#judge.close();
    await this.#pupil.close();
  }
}

export interface Hashes {
  readonly taught: string;
  readonly judge: string;
  /** Of the model that has practised. */
  readonly pupil: string;
}

/** How choices name the model whose answers they are between. */
export const modelName = (taught: string): string => `taught@${taught.slice(0, 12)}`;

interface Taught {
  readonly dropped: readonly Dropped[];
  readonly parameters: Parameters;
  readonly questions: readonly string[];
}
