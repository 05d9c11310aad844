/**
 * Evaluation of a run that has learnt from rewards: what its answers to prompts are worth. It draws as in
 * training, from streams of their own, so that the same weights give the same figures; and it gives the
 * likeliest answers, which is what people see at temperature 0. The model that it began with is asked the
 * same: its pass@k is how often the best of k answers is right, which learning has to beat.
 */
import { exitCodes } from "../../../runtime/base/errors.ts";
import { counted } from "../../../runtime/contract/amounts.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import type { StageRecord } from "../../../runtime/store/run-record.ts";
import type { PromptExample } from "../../../runtime/train/examples/example.ts";
import { evaluatePolicy } from "../../../runtime/train/rl/evaluate-policy.ts";
import { sampleAnswers, scoresOf, type Prompt } from "../../../runtime/train/rl/experience.ts";
import { rewardFigures } from "../../../runtime/train/rl/answer-figures.ts";
import type { Reference } from "../../../runtime/train/rl/reference.ts";
import type { Figures } from "../../../runtime/train/sources/batch-source.ts";
import { loadRun, type UsedRun } from "../runs/use-run.ts";
import { type Io, sayer, type Say } from "../terminal/io.ts";
import { checkOwnData, chosenPart, readToEvaluate, type EvalDataAsked } from "./eval-data.ts";
import { openRewards, recordedRewards } from "./rewards.ts";
import { encodePrompts, startOf, type OpenedRewards } from "./rl.ts";
import { formatOf } from "../runs/run-format.ts";

/** Returns the exit code. */
export async function evalPolicy(
  run: Run,
  stage: StageRecord,
  asked: EvalDataAsked,
  io: Io,
): Promise<number> {
  const say = sayer(io, asked.json);
  const read = await readToEvaluate({ stage: "rl", kinds: ["prompt"] }, run, stage, asked, say, io);
  if (asked.data === undefined) checkOwnData(read, run, "prompts");
  const { train, heldOut } = read;
  const parts = { train, heldOut: heldOut.length > 0 ? heldOut : undefined };
  const [examples, part] = chosenPart(parts, asked, "prompts");
  const prompts = spread(await encoded(run, stage, examples, say), asked.answers);
  const opened = await openRewards(recordedRewards(stage.settings), io);
  try {
    const used = await loadRun(run, { ...asked, cache: undefined }, io);
    try {
      const reference = await startOf(run, used.model);
      const figures = await figuresOf(used, prompts, opened, reference);
      const start = await reference.within(() => figuresOf(used, prompts, opened));
      const facts = { ...figures, start, prompts: prompts.length, part, step: used.step };
      io.out(asked.json ? `${JSON.stringify(facts)}\n` : textOf(figures, start, prompts, part, used));
      return exitCodes.ok;
    } finally {
      await used.model.close();
    }
  } finally {
    await opened.close();
  }
}

async function encoded(
  { record, tokenizer, bundle }: Run,
  { chatFormat, dropWrong }: StageRecord,
  examples: readonly PromptExample[],
  say: Say,
): Promise<readonly Prompt[]> {
  const format = formatOf(chatFormat, tokenizer);
  const { model } = bundle.manifest;
  const { context } = record.settings;
  const o = { settings: model.rl!, format, tokenizer, context, vocab: model.sizes.vocab, dropWrong };
  try {
    return await encodePrompts(examples, o, say);
  } finally {
    format.close();
  }
}

/** At most so many of them, spread evenly. */
function spread<T>(all: readonly T[], most: number): readonly T[] {
  const count = Math.min(all.length, Math.max(1, most));
  return Array.from({ length: count }, (_, i) => all[Math.floor((i * all.length) / count)]!);
}

/** Without a reference: what needs none. */
async function figuresOf(
  { run, model }: UsedRun,
  prompts: readonly Prompt[],
  { rewards }: OpenedRewards,
  reference?: Reference,
): Promise<Figures> {
  const { group, answer: most } = run.bundle.manifest.model.rl!;
  const { seed } = run.record.settings;
  const asked = { prompts, most, seed, key: ["eval"], tokenizer: run.tokenizer };
  const shape = model.entry("evaluate");
  const { figures } = await evaluatePolicy(model, { ...asked, group, rewards, reference, shape });
  const likeliest = await sampleAnswers(model, { ...asked, group: 1, temperature: 0 });
  const { reward } = rewardFigures(await scoresOf(rewards, likeliest), 1);
  return { ...figures, group, likeliest_reward: reward! };
}

/** "reward 0.7350 (0.7800 of the likeliest answers)  pass@1 0.7350 …", and the same of the start. */
function textOf(
  figures: Figures,
  start: Figures,
  prompts: readonly Prompt[],
  part: string,
  { step }: UsedRun,
): string {
  const number = (name: string): string => figures[name]!.toFixed(4);
  const now = [
    ...worthOf(figures),
    `kl ${number("kl")} nats per token, ${number("objective/kl")} per answer, from the start`,
    ...(figures["exact_kl"] === undefined ? [] : [`exact_kl ${number("exact_kl")} per answer`]),
    `${figures["completions/mean_length"]!.toFixed(1)} tokens an answer`,
    `${(100 * figures["completions/clipped_ratio"]!).toFixed(1)} % cut off`,
  ];
  const asked =
    `${counted(prompts.length, "prompt")} (${part}), ${counted(figures["group"]!, "answer")} each, ` +
    `step ${step}`;
  return `${now.join("  ")}\nat the start: ${worthOf(start).join("  ")}\n${asked}\n`;
}

/**
 * What answers are worth, and how often one of several is right; of rewards that are not right or wrong, the
 * best of several; of a sum, its parts.
 */
function worthOf(figures: Figures): readonly string[] {
  const { reward, group, likeliest_reward: likeliest } = figures;
  const names = Object.keys(figures);
  const passes = names.filter((name) => /^(pass|maj)@/.test(name));
  const best = `best@${group}`;
  const said = passes.length > 0 ? passes : [best];
  const parts = names.filter((name) => name.startsWith("rewards/") && name.endsWith(best));
  const number = (name: string): string => figures[name]!.toFixed(4);
  return [
    `reward ${reward!.toFixed(4)} (${likeliest!.toFixed(4)} of the likeliest answers)`,
    ...said.map((name) => `${name} ${number(name)}`),
    ...parts.map((name) => {
      const part = name.slice("rewards/".length, -best.length - 1);
      return `${part} ${number(`rewards/${part}/mean`)} (${best} ${number(name)})`;
    }),
  ];
}
