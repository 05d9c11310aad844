/**
 * What stands in for a person: a reward model that has learnt from choices which of two answers is better.
 * What it knows follows from the weights that it begins with and from the choices alone: it begins anew each
 * time, so that a choice can be taken back, and a list of choices brings the same bits everywhere.
 */
import type { RunningModel } from "../../runtime/engine/model.ts";
import { answerTo, type PairExample } from "../../runtime/train/examples/example.ts";
import type { Reward } from "../../runtime/train/rewards/reward.ts";
import { scoreAnswers } from "../../runtime/train/score-answers.ts";
import { encodePairs, scoredAtEnd } from "../../runtime/train/sources/answer-rows.ts";
import { answerSource } from "../../runtime/train/sources/answer-source.ts";
import { learntTokens } from "../../runtime/train/sources/learnt-rows.ts";
import type { ChatMessage } from "../../runtime/tokenizers/chat/chat.ts";
import type { Classroom } from "./classroom.ts";
import { follow, type Following } from "./learn-answers.ts";
import { beginWith, parametersOf, type Parameters } from "./parameters.ts";

/** An answer to a question, as texts. */
export interface GivenText {
  readonly prompt: readonly ChatMessage[];
  readonly text: string;
}

export class Judge implements Reward {
  readonly name = "judge";
  readonly #model: RunningModel;
  readonly #room: Classroom;
  readonly #start: Parameters;

  private constructor(model: RunningModel, room: Classroom) {
    this.#model = model;
    this.#room = room;
    this.#start = parametersOf(model);
  }

  /** It reads as a model does that has learnt answers, and has no opinion yet. */
  static async open(room: Classroom, student: Parameters): Promise<Judge> {
    const model = await room.open("reward");
    beginWith(model, student);
    return new Judge(model, room);
  }

  /** Forgets what it has learnt, and learns from these pairs. */
  async learn(pairs: readonly PairExample[], following: Following = {}): Promise<void> {
    const { tokenizer, format, context, seed } = this.#room;
    beginWith(this.#model, this.#start);
    if (pairs.length === 0) return;
    const { train: settings } = this.#room.settings("reward");
    const { rows } = await encodePairs(
      pairs,
      { tokenizer, format, context, from: "the choices", stage: "reward", dropWrong: false },
      "end",
    );
    const train = { rows, each: 2 } as const;
    const source = answerSource({ train, heldOut: undefined, seed, tokenizer, identity: "" });
    await follow(this.#model, { room: this.#room, settings, source, following });
  }

  /** One score for each. Only their differences mean something. */
  async score(answers: readonly GivenText[]): Promise<number[]> {
    const { tokenizer, format } = this.#room;
    const tokens = await Promise.all(
      answers.map(async ({ prompt, text }) => {
        const example = answerTo(1, prompt, [{ role: "assistant", content: text }]);
        const { ids } = scoredAtEnd(await learntTokens(example, { format, tokenizer, loss: "last" }));
        return { prompt: [], answer: ids.slice(0, -1) };
      }),
    );
    return scoreAnswers(this.#model, tokens);
  }

  parameters(): Parameters {
    return parametersOf(this.#model);
  }

  close(): Promise<void> {
    return this.#model.close();
  }
}
