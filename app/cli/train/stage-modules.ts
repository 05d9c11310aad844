/**
 * What each stage's module is compiled for, of what its block says: the verbs compile it, and `check` plans
 * how many bytes it takes.
 */
import { objectiveOf } from "../../../compiler/2-check/objectives.ts";
import { stages, type Stage } from "../../../compiler/2-check/stages.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import type { Head, Model } from "../../../runtime/contract/model.ts";
import { lackingTokens } from "../../../runtime/tokenizers/chat/chat-formats.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { answersPerRound } from "../../../runtime/train/rl/policy-settings.ts";
import { adaptedModule } from "./adapted-module.ts";
import { withVocabulary } from "./grow-vocabulary.ts";

type Module = Pick<CompileOptions, "lora" | "trains" | "packed" | "objective" | "perRow" | "lanes">;
type SettingsOf<S extends Stage> = NonNullable<Model[S]>;

/** Most answers that grow at once: each takes the keys and values of a whole context. */
const MOST_LANES = 64;

export const stageModules: { readonly [S in Stage]: (settings: SettingsOf<S>) => Module } = {
  sft: ({ packing }) => ({ packed: packing === "best_fit", objective: objectiveOf("sft") }),
  prefer: ({ objective }) => ({ objective }),
  reward: ({ objective }) => ({ objective }),
  rl: (settings) => ({
    objective: settings.objective,
    perRow: { weights: true, logprobs: true, entropies: true },
    lanes: Math.min(MOST_LANES, answersPerRound(settings)),
  }),
};

/** A stage's module, before anything is read but the spec. */
export interface PlannedStage {
  readonly stage: Stage;
  readonly model: Model;
  readonly options: Module;
}

/** Those that the model's spec has a block of. */
export function plannedStages(model: Model): readonly PlannedStage[] {
  return stages.flatMap((stage) => {
    const settings = model[stage];
    if (!settings) return [];
    const { grown, added } = withTokensOf(model, settings.chatFormat);
    const { lora } = settings;
    const options = {
      ...(lora && adaptedModule(grown, lora, added)),
      ...(stageModules[stage] as (of: typeof settings) => Module)(settings),
    };
    const head = needsHead(stage, model) ? { head: model.head ?? headOf(stage) } : {};
    return [{ stage, model: { ...grown, ...head, train: settings.train }, options }];
  });
}

/** What a reward adds to both answers of a pair is never learnt: its head has no bias. */
export const headOf = (stage: Stage): Head =>
  stage === "reward" ? { name: "reward", bias: false } : { name: "value", bias: true };

/** A reward model scores by its head, and `gae` compares with what a head expects. */
const needsHead = (stage: Stage, { rl }: Model): boolean =>
  stage === "reward" || (stage === "rl" && rl!.advantage === "gae");

/** Bytes are known beforehand: they lack the tokens of a chat format. Other tokenizers are files or texts. */
function withTokensOf(
  model: Model,
  format: SettingsOf<"sft">["chatFormat"],
): { readonly grown: Model; readonly added: boolean } {
  if (model.tokenizer !== "bytes" || format === "plain") return { grown: model, added: false };
  const tokenizer = byteTokenizer({ ends: model.train.rows === "documents" });
  const lacking = lackingTokens(tokenizer, format === "auto" ? "turns" : format);
  const vocab = Math.max(model.sizes.vocab, tokenizer.size + lacking.length);
  return { grown: withVocabulary(model, vocab), added: lacking.length > 0 };
}
