/**
 * The models that are taught: one that learns answers, one that gives them and learns from rewards, and the
 * judge, which learns a person's taste. All are of one spec, and have the same tokens and chat format. They
 * run on one worker and, unless another is asked for, the target `simd`: so whoever repeats a lesson has the
 * same bits, in a page and in Node.
 */
import type { Bundle } from "../../runtime/engine/bundle.ts";
import type { Host } from "../../runtime/engine/host.ts";
import type { LinkedBundle } from "../../runtime/engine/linked-bundle.ts";
import { createModel, type RunningModel } from "../../runtime/engine/model.ts";
import type { Model } from "../../runtime/contract/model.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { SinterError } from "../../runtime/base/errors.ts";
import { withTokens } from "../../runtime/store/with-tokens.ts";
import type { ChatFormat } from "../../runtime/tokenizers/chat/chat.ts";
import { builtInChat, lackingTokens } from "../../runtime/tokenizers/chat/chat-formats.ts";
import type { Tokenizer } from "../../runtime/tokenizers/base/tokenizer.ts";
import { byteTokenizer } from "../../runtime/tokenizers/plain/bytes.ts";

export const taughtStages = ["sft", "reward", "rl"] as const;
export type TaughtStage = (typeof taughtStages)[number];

/** The module `train` of each stage, as the stage asks for it. */
export type StageBundles = Readonly<Record<TaughtStage, Bundle | LinkedBundle>>;

export interface ClassroomOptions {
  readonly bundles: StageBundles;
  readonly host: Host;
  readonly seed: number;
  readonly target?: Target;
}

/** What the whole lesson has in common. */
export interface Classroom {
  readonly host: Host;
  readonly seed: number;
  readonly tokenizer: Tokenizer;
  readonly format: ChatFormat;
  /** The model of a stage, with what its block says. */
  settings<S extends TaughtStage>(stage: S): NonNullable<Model[S]>;
  /** Tokens that the model sees. */
  readonly context: number;
  /** A model of its own, whose parameters are drawn from the seed. Whoever opens it closes it. */
  open(stage: TaughtStage): Promise<RunningModel>;
}

/** Throws SinterError "input" for a spec whose tokens are others than bytes. */
export async function openClassroom(o: ClassroomOptions): Promise<Classroom> {
  const { bundles, host, seed, target = "simd" } = o;
  const { model } = bundles.sft.manifest;
  if (model.tokenizer !== "bytes")
    throw new SinterError("input", `${model.name} reads ${model.tokenizer}`, "Write `tokenizer bytes`.");
  const plain = byteTokenizer();
  const tokenizer = await withTokens(plain, lackingTokens(plain, "turns"));
  return {
    host,
    seed,
    tokenizer,
    format: builtInChat(tokenizer, "turns"),
    settings: (stage) => bundles[stage].manifest.model[stage]!,
    context: model.sizes.context,
    open: (stage) => createModel(bundles[stage] as Bundle, "train", { host, workers: 1, target, seed }),
  };
}
