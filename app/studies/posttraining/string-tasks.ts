/**
 * Five string tasks (experiment X4): does supervised fine-tuning teach a base model to do what it is asked,
 * with words that it has not seen, and to stop? Words are drawn from a seed, and divided by their hash.
 *
 *   reverse: abc → cba   copy: abc → abc   sort: cab → abc   uppercase: abc → ABC   vowels: banana → 3
 *
 * The negative control learns the same answers without the tokens that end them: it has to go on and on.
 */
import { checkSource } from "../../../compiler/2-check/check.ts";
import { compileModel, type Compiled } from "../../../compiler/compile.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import { createModel, type RunningModel } from "../../../runtime/engine/model.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { samplerDefaults } from "../../../runtime/sample/sampler.ts";
import { loadNewest, saveCheckpoint } from "../../../runtime/store/checkpoint.ts";
import { withTokens } from "../../../runtime/store/with-tokens.ts";
import { builtInChat, lackingTokens } from "../../../runtime/tokenizers/chat/chat-formats.ts";
import type { ChatFormat } from "../../../runtime/tokenizers/chat/chat.ts";
import { characterTokenizer, charactersOf } from "../../../runtime/tokenizers/plain/characters.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import {
  answerExamples,
  answerFigures,
  type Answered,
  type AnswerFigures,
} from "../../../runtime/train/answers.ts";
import type { AnswerExample } from "../../../runtime/train/examples/example.ts";
import { batchSource, type BatchSource } from "../../../runtime/train/sources/batch-source.ts";
import { openCorpus } from "../../../runtime/train/sources/corpus.ts";
import { exampleSource } from "../../../runtime/train/sources/example-source.ts";
import { encodeExamples, type LearntRows } from "../../../runtime/train/sources/learnt-rows.ts";
import { train } from "../../../runtime/train/train.ts";
import { adaptedModule } from "../../cli/train/adapted-module.ts";
import type { StageModule } from "../../cli/train/begin.ts";
import { copyParameters } from "./copy-parameters.ts";

/** THE table of tasks. */
export const stringTasks = {
  reverse: (word: string) => [...word].toReversed().join(""),
  copy: (word: string) => word,
  sort: (word: string) => [...word].toSorted().join(""),
  uppercase: (word: string) => word.toUpperCase(),
  vowels: (word: string) => `${[...word].filter((letter) => "aeiou".includes(letter)).length}`,
} as const;
export type StringTask = keyof typeof stringTasks;

export interface TaskOptions {
  readonly tasks: readonly StringTask[];
  /** The letters of words, and how long these are. */
  readonly letters: string;
  readonly lengths: readonly [least: number, most: number];
  /** How many words are drawn; a tenth of them is held out. */
  readonly words: number;
  /** The text that the base learns from. */
  readonly text: string;
  readonly size: { readonly width: number; readonly layers: number; readonly heads: number };
  readonly base: { readonly steps: number; readonly lr: number };
  readonly sft: { readonly steps: number; readonly lr: number };
  /** Adapters that learn the same answers, in as many steps, at a rate of their own (X17). */
  readonly lora?: { readonly rank: number; readonly lr: number };
  /** Steps of the control. */
  readonly endless: number;
  readonly batch: number;
  /** How many held-out questions are answered. */
  readonly asked: number;
  readonly seed: number;
  readonly workers?: number;
  readonly target?: Target;
  /** Where checkpoints are kept, from which what was stopped goes on; undefined: nowhere. */
  readonly folder?: string;
  readonly signal?: AbortSignal;
}

export interface TaskResult {
  readonly seed: number;
  /** Of the base, before it has learnt any answer. */
  readonly before: AnswerFigures;
  readonly after: AnswerFigures;
  readonly byTask: Readonly<Record<string, AnswerFigures>>;
  /** Of the base with adapters. */
  readonly adapted?: AnswerFigures;
  /** Of a model that has not learnt where answers end. */
  readonly control: AnswerFigures;
}

/** Tokens of a row, in which some four questions with their answers are packed. */
const CONTEXT = 96;
const MOST_TOKENS = 16;

/** Rejects with "interrupted" at the signal. */
export async function runStringTasks(o: TaskOptions): Promise<TaskResult> {
  const text = `${o.text}\n${Object.keys(stringTasks).join(": ")}: 0123456789\n${o.letters.toUpperCase()}`;
  const plain = characterTokenizer(charactersOf(text + o.letters));
  const tokenizer = await withTokens(plain, lackingTokens(plain, "turns"));
  const format = builtInChat(tokenizer, "turns");
  const { learnt, heldOut } = examplesOf(o);
  const model = modelOf(o, tokenizer.size);
  const targets = [o.target ?? "wide"];
  const compiled = (stage: StageModule): Promise<Compiled> =>
    compileModel(model, { ...stage, targets, modules: ["train"], packed: true });
  const whole = await compiled({});
  const open = (bundle = whole): Promise<RunningModel> =>
    createModel(bundle, "train", {
      host: nodeHost,
      workers: o.workers,
      target: o.target ?? "wide",
      seed: o.seed,
    });
  const ask = async (trained: RunningModel) =>
    answerExamples(trained, heldOut.slice(0, o.asked), { format, tokenizer, tokens: MOST_TOKENS });

  const learn = learner(o, tokenizer);
  const base = await open();
  const corpus = openCorpus(text, { tokenizer: plain, vocab: tokenizer.size, train: model.train });
  await learn("base", base, batchSource(corpus.split(0), corpus, ""), o.base);

  const rows = await rowsOf(learnt, format, tokenizer);
  const from = async (
    part: string,
    source: LearntRows,
    how: TaskOptions["sft"],
    bundle = whole,
  ): Promise<RunningModel> => {
    const copy = await open(bundle);
    copyParameters(base, copy);
    const { seed } = o;
    const options = { heldOut: undefined, seed, tokenizer, identity: "", packed: true };
    await learn(part, copy, exampleSource({ train: source, ...options }), how);
    return copy;
  };
  const tuned = await from("sft", rows, o.sft);
  const answers = await ask(tuned);
  const endless = await from("endless", withoutEnds(rows, tokenizer), { ...o.sft, steps: o.endless });
  const [before, control] = [answerFigures(await ask(base)), answerFigures(await ask(endless))];
  const { sft, lora } = o;
  const beside =
    lora && (await from("lora", rows, { ...sft, lr: lora.lr }, await compiled(adapters(model, lora.rank))));
  const adapted = beside && answerFigures(await ask(beside));
  for (const one of [base, tuned, endless, beside]) await one?.close();
  const figures = {
    seed: o.seed,
    before,
    after: answerFigures(answers),
    byTask: byTask(o, answers),
    control,
  };
  return { ...figures, ...(adapted && { adapted }) };
}

/** The tokens of turns are new to the base, so that their rows are trained beside the adapters. */
const adapters = (model: Model, rank: number): StageModule =>
  adaptedModule(model, { rank, alpha: 2 * rank, on: ["all"] }, true);

const byTask = ({ tasks }: TaskOptions, answers: readonly Answered[]): TaskResult["byTask"] =>
  Object.fromEntries(
    tasks.map((task) => [task, answerFigures(answers.filter((one) => one.question.startsWith(`${task}:`)))]),
  );

const modelOf = ({ size, batch, seed }: TaskOptions, vocab: number): Model =>
  checkSource(`model strings {
  vocab ${vocab}   context ${CONTEXT}   width ${size.width}   layers ${size.layers}   heads ${size.heads}
  embed token + position
  layer { x += attention(layernorm(x))  x += mlp(layernorm(x)) }
  output linear(layernorm(x), tied: true)
  tokenizer characters
  train { batch ${batch}  context ${CONTEXT}  beta2 0.99  decay 0.01  seed ${seed} }
}`).models[0]!;

/** A word is held out by its hash, whatever is asked about it. */
function examplesOf(o: TaskOptions): { readonly learnt: AnswerExample[]; readonly heldOut: AnswerExample[] } {
  const random = randomStream(o.seed, "words");
  const [least, most] = o.lengths;
  const words = new Set<string>();
  for (let i = 0; i < o.words; i++) {
    const length = least + random.below(most - least + 1);
    words.add(Array.from({ length }, () => o.letters[random.below(o.letters.length)]!).join(""));
  }
  const parts = { learnt: [] as AnswerExample[], heldOut: [] as AnswerExample[] };
  let row = 0;
  for (const word of words) {
    const task = o.tasks[row % o.tasks.length]!;
    const example: AnswerExample = {
      kind: "answer",
      row: ++row,
      messages: [
        { role: "user", content: `${task}: ${word}` },
        { role: "assistant", content: stringTasks[task](word) },
      ],
      learnt: [1],
    };
    (randomStream(0, word).below(10) === 0 ? parts.heldOut : parts.learnt).push(example);
  }
  return parts;
}

async function rowsOf(
  examples: readonly AnswerExample[],
  format: ChatFormat,
  tokenizer: Tokenizer,
): Promise<LearntRows> {
  const options = {
    format,
    tokenizer,
    loss: "answers",
    context: CONTEXT,
    from: "words",
    dropWrong: false,
  } as const;
  return (await encodeExamples(examples, options)).rows;
}

/** The control: the same rows, in which no end is a target. */
const withoutEnds = (rows: LearntRows, { stops }: Tokenizer): LearntRows => ({
  ...rows,
  targets: rows.targets.map((target) => (stops.has(target) ? -1 : target)),
});

type Learn = (part: string, model: RunningModel, data: BatchSource, o: TaskOptions["base"]) => Promise<void>;

/** Trains a part of the study, or goes on with it. */
const learner =
  ({ batch, seed, folder, signal }: TaskOptions, tokenizer: Tokenizer): Learn =>
  async (part, model, data, { steps, lr }) => {
    const files = nodeFiles();
    const kept = folder && `${folder}/seed-${seed}/${part}`;
    if (kept) await files.makeFolder(kept);
    const { train: settings } = model.manifest.model;
    const schedule = { minLr: lr / 10, warmup: Math.min(50, steps / 10) };
    const never = { evalEvery: 0, sampleEvery: 0, saveEvery: 0 };
    const end = await train(model, {
      settings: { ...settings, ...schedule, ...never, batch, seed, steps, lr, heldOut: 0 },
      data,
      tokenizer,
      host: nodeHost,
      from: kept ? (await loadNewest(files, kept, model, "all"))?.state : undefined,
      sample: { settings: samplerDefaults, prompt: "", tokens: 0, questions: [] },
      save: async (point) => (kept ? saveCheckpoint(files, kept, model, { ...point, identity: {} }, 1) : ""),
      report: () => {},
      signal,
    });
    if (end === "interrupted") throw new SinterError("interrupted", `${part} of seed ${seed} was stopped`);
  };
