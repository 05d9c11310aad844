/** Supervised fine-tuning on pairs that somebody has written. */
import type { Model } from "../../runtime/contract/model.ts";
import type { RunningModel } from "../../runtime/engine/model.ts";
import { samplerDefaults } from "../../runtime/sample/sampler.ts";
import { renderPrompt } from "../../runtime/tokenizers/chat/render-dialogue.ts";
import type { TrainEvent } from "../../runtime/train/events.ts";
import type { Dropped } from "../../runtime/train/examples/read-examples.ts";
import type { BatchSource } from "../../runtime/train/sources/batch-source.ts";
import { exampleSource } from "../../runtime/train/sources/example-source.ts";
import { encodeExamples } from "../../runtime/train/sources/learnt-rows.ts";
import { train, type SampleOptions } from "../../runtime/train/train.ts";
import type { Classroom } from "./classroom.ts";
import { examplesOf, type QuestionAnswer } from "./lessons.ts";

/** How a part of the lesson is followed, and stopped. */
export interface Following {
  report?(event: TrainEvent): void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The model learns the pairs from where it stands. `questions` are answered before and afterwards, as events.
 * Returns what was left out, for its length. Throws SinterError "input" where nothing is left.
 */
export async function learnAnswers(
  model: RunningModel,
  pairs: readonly QuestionAnswer[],
  questions: readonly string[],
  room: Classroom,
  following: Following = {},
): Promise<readonly Dropped[]> {
  const { tokenizer, format, context, seed } = room;
  const { loss, packing, train: settings } = room.settings("sft");
  const { rows, dropped } = await encodeExamples(examplesOf(pairs), {
    tokenizer,
    format,
    context,
    loss,
    from: "the pairs",
    dropWrong: false,
  });
  const packed = packing === "best_fit";
  const source = exampleSource({ train: rows, heldOut: undefined, seed, tokenizer, identity: "", packed });
  await follow(model, { room, settings, source, questions, following });
  return dropped;
}

export interface Learning {
  readonly room: Classroom;
  readonly settings: Model["train"];
  readonly source: BatchSource;
  /** Answered before and afterwards. */
  readonly questions?: readonly string[];
  readonly following: Following;
}

/** Runs the training loop; nothing is kept but the weights. Rejects with the signal's reason. */
export async function follow(
  model: RunningModel,
  { room, settings, source, questions = [], following: { report, signal } }: Learning,
): Promise<void> {
  await train(model, {
    settings: { ...settings, seed: room.seed, evalEvery: 0, saveEvery: 0 },
    data: source,
    tokenizer: room.tokenizer,
    host: room.host,
    sample: await sampling(questions, room),
    save: async () => "",
    report: (event) => report?.(event),
    signal,
  });
  signal?.throwIfAborted();
}

async function sampling(questions: readonly string[], room: Classroom): Promise<SampleOptions> {
  const { tokenizer, format } = room;
  const asked = await Promise.all(
    questions.map(async (shown) => ({
      shown,
      ids: await renderPrompt(format, tokenizer, [{ role: "user", content: shown }]),
    })),
  );
  return { settings: samplerDefaults, prompt: "", tokens: room.settings("rl").answer, questions: asked };
}
