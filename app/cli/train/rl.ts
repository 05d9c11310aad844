/** What learning from rewards has of its own: prompts, rewards, the policy's source, and the reference. */
import { SinterError } from "../../../runtime/base/errors.ts";
import { sizeText } from "../../../runtime/contract/amounts.ts";
import type { RlSettings } from "../../../runtime/contract/model.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import { checkpointName } from "../../../runtime/engine/tensors.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { checkpointFile } from "../../../runtime/store/checkpoint.ts";
import { openCheckpoint } from "../../../runtime/store/checkpoint-file.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import { renderPrompt } from "../../../runtime/tokenizers/chat/render-dialogue.ts";
import type { EvaluationEvent } from "../../../runtime/train/events.ts";
import type { PromptExample } from "../../../runtime/train/examples/example.ts";
import { droppedLine } from "../../../runtime/train/examples/read-examples.ts";
import { isBeyond, type BestOptions } from "../../../runtime/train/train.ts";
import type { WeighedReward } from "../../../runtime/train/rewards/read-reward.ts";
import type { Prompt } from "../../../runtime/train/rl/experience.ts";
import { PolicySource } from "../../../runtime/train/rl/policy-source.ts";
import { referenceOf, type Reference } from "../../../runtime/train/rl/reference.ts";
import type { Say } from "../terminal/io.ts";
import { headOf, stageModules } from "./stage-modules.ts";
import type { EncodeStage, StageKind } from "./stage.ts";

/** The rewards of a run, and how they were written. */
export interface OpenedRewards {
  readonly rewards: readonly WeighedReward[];
  /** As a record has them. */
  readonly written: string;
  close(): Promise<void>;
}

/** Nats per answer, of those that an evaluation has sampled. */
const DIVERGENCE = "objective/kl";

interface Prompts {
  readonly train: readonly Prompt[];
  readonly heldOut: readonly Prompt[];
}

export const rlStage = (opened: OpenedRewards, say: Say): StageKind<"rl", "prompt", Prompts> => ({
  stage: "rl",
  kinds: ["prompt"],
  answers: true,
  // a value head beside the output, where tokens are compared with what it expects
  model: (model) => (model.rl!.advantage === "gae" ? { ...model, head: headOf("rl") } : model),
  compile: stageModules.rl,
  check(settings, model) {
    if (settings.advantage === "gae" && model.head && model.head.name !== headOf("rl").name)
      throw new SinterError(
        "input",
        `the model has a scalar head already (${model.head.name}), and needs one for the values`,
        "Begin with a model without one: the run that its reward model began with.",
      );
  },
  encode: async ({ train, heldOut }, o, say) => ({
    train: await encodePrompts(train, o, say),
    heldOut: heldOut.length === 0 ? [] : await encodePrompts(heldOut, o, say),
  }),
  async preview({ train }, { format, tokenizer, count }, io) {
    for (const { row, prompt } of train.slice(0, count)) {
      const ids = await renderPrompt(format, tokenizer, prompt);
      io.out(`row ${row}: ${ids.length} tokens\n${await format.render(prompt, true)}\n\n`);
    }
  },
  record: (settings) => ({ settings: { ...plainSettings(settings), rewards: opened.written } }),
  data(run, settings, prompts) {
    say(`reference: the weights that it begins with, ${sizeText(referenceBytes(run))} beside the model`);
    const limit = settings.maxKl > 0 ? { metric: DIVERGENCE, most: settings.maxKl } : undefined;
    return {
      source: new PolicySource({
        settings,
        prompts: prompts.train,
        heldOut: prompts.heldOut,
        rewards: opened.rewards,
        tokenizer: run.tokenizer,
        seed: run.record.settings.seed,
        identity: run.record.data.sha256,
        reference: (model) => startOf(run, model),
      }),
      train: amountOf(prompts.train),
      heldOut: amountOf(prompts.heldOut),
      best: {
        patience: run.record.stage!.patience,
        by: { metric: "reward", largest: true },
        ...(limit && { limit }),
      },
      remark: (event) =>
        limit && event.kind === "eval" && isBeyond(event.metrics, limit) ? tooFar(event, limit) : undefined,
      headline: ["reward", "kl", "objective/kl", "pass@1", "completions/mean_length"],
      keepsStart: true,
      close: opened.close,
    };
  },
});

/** Why the stage ends before its last step: what the model says is too far from what it said at first. */
const tooFar = ({ metrics }: EvaluationEvent, { metric, most }: NonNullable<BestOptions["limit"]>): string =>
  `answers are ${metrics![metric]!.toFixed(2)} nats from what the model said at first, more than max_kl ` +
  `${most}: the stage ends here, and the best checkpoint before is kept`;

/** What is trained is there twice (runtime/train/rl/reference.ts). */
function referenceBytes({ bundle }: Run): number {
  const trained = bundle.manifest.modules.train!.tensors.filter(
    ({ storage, trained: is }) => storage === "parameter" && is !== false,
  );
  return trained.reduce((sum, { shape, slices }) => sum + 4 * slices * shape.reduce((a, b) => a * b, 1), 0);
}

/** Prompts that leave room for an answer; those that are longer are left out, and said. */
export async function encodePrompts(
  examples: readonly PromptExample[],
  {
    settings,
    format,
    tokenizer,
    context,
  }: Pick<EncodeStage<"rl">, "settings" | "format" | "tokenizer" | "context">,
  say: Say,
): Promise<readonly Prompt[]> {
  const longest = context + 1 - settings.answer;
  const prompts: Prompt[] = [];
  const tooLong: number[] = [];
  for (const example of examples) {
    const ids = await renderPrompt(format, tokenizer, example.prompt);
    if (ids.length > longest) tooLong.push(example.row);
    else prompts.push({ example, ids });
  }
  const why = `longer than ${longest} tokens: no room for an answer of ${settings.answer} in ${context}`;
  if (tooLong.length > 0) say(droppedLine({ why, rows: tooLong }));
  if (prompts.length > 0) return prompts;
  throw new SinterError(
    "input",
    `none of the ${examples.length} prompts leaves room for an answer of ${settings.answer} tokens in ` +
      `${context}`,
    "Use shorter answers, --set rl.answer=N, or more context, up to the model's: --set rl.context=N",
  );
}

/** The stage's settings by name, but for those of training, which the record has beside them. */
function plainSettings({ objective, ...settings }: RlSettings): Readonly<Record<string, string | number>> {
  const plain: Record<string, string | number> = { objective: objective.name };
  for (const [name, value] of Object.entries(settings))
    if (typeof value === "string" || typeof value === "number") plain[name] = value;
  return { ...plain, ...objective.settings };
}

const amountOf = (prompts: readonly Prompt[]) => ({
  tokens: prompts.reduce((sum, { ids }) => sum + ids.length, 0),
  examples: { count: prompts.length, learnt: 0 },
});

/** The model as the run began with it: its checkpoint of step 0, which is kept. */
export async function startOf({ folder }: Run, model: RunningModel): Promise<Reference> {
  const opened = await openCheckpoint(nodeFiles(), `${folder}/${checkpointFile(0)}`);
  try {
    return await referenceOf(model, async ({ place }, slice) =>
      opened.read(checkpointName(place, slice), place.shape),
    );
  } finally {
    await opened.close();
  }
}
