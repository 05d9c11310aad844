/**
 * A bandit with a leash (experiment X10), whose outcome is known exactly: one prompt, ten answers of one
 * token, one of them right; the reference gives all of them the same probability. What is made larger is
 * p − kl · KL(model ‖ reference), so the right answer ends at
 *
 *   p* = e^{1/kl} / (9 + e^{1/kl})         mean reward − kl · KL = J* = kl · ln((9 + e^{1/kl}) / 10)
 *
 * whatever the method, if its divergence is where it belongs: k1 in the reward, k2 in the loss. The negative
 * control has k1 in the loss, which has no gradient on average: nothing holds it.
 */
import { checkSource } from "../../../compiler/2-check/check.ts";
import { objectiveOf, type KlEstimator, type ObjectiveName } from "../../../compiler/2-check/objectives.ts";
import { compileModel } from "../../../compiler/compile.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import { createModel, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { characterTokenizer } from "../../../runtime/tokenizers/plain/characters.ts";
import { builtInReward } from "../../../runtime/train/rewards/read-reward.ts";
import { exactDivergence } from "../../../runtime/train/rl/divergence.ts";
import type { Prompt } from "../../../runtime/train/rl/experience.ts";
import { answersPerRound, type PolicySettings } from "../../../runtime/train/rl/policy-settings.ts";
import { PolicySource } from "../../../runtime/train/rl/policy-source.ts";
import { referenceNow } from "../../../runtime/train/rl/reference.ts";
import { learnPolicy } from "./learn-policy.ts";

interface Method extends Pick<PolicySettings, "advantage" | "klIn"> {
  readonly objective: ObjectiveName;
  readonly estimator?: KlEstimator;
}

/**
 * THE table of methods. With kl in the loss, its worth depends on the advantages' scale: those of other rules
 * than leave_one_out are divided by a deviation, or too small by (G − 1) / G, since an answer is part of the
 * mean that it is compared with.
 */
export const banditMethods = {
  rloo: { objective: "rloo", advantage: "leave_one_out", klIn: "reward" },
  ppo: { objective: "ppo", advantage: "gae", klIn: "reward" },
  grpo: { objective: "grpo", advantage: "leave_one_out", klIn: "loss", estimator: "k2" },
  /** The negative control. */
  control: { objective: "grpo", advantage: "leave_one_out", klIn: "loss", estimator: "k1" },
} as const satisfies Record<string, Method>;
export type BanditMethod = keyof typeof banditMethods;

export interface BanditOptions {
  readonly method: BanditMethod;
  readonly kl: number;
  readonly steps: number;
  readonly lr: number;
  /** Answers per step: groups of 8. */
  readonly prompts: number;
  readonly seed: number;
  readonly target?: Target;
}

export interface BanditResult {
  /** The probability of the right answer at the end, exactly. */
  readonly right: number;
  /** KL(model ‖ reference), in nats. */
  readonly divergence: number;
  /** Mean reward − kl · divergence. */
  readonly objective: number;
}

const ANSWERS = "0123456789";
const RIGHT = 7;
const ANSWERS_PER_PROMPT = 8;

export async function runBandit(o: BanditOptions): Promise<BanditResult> {
  const method: Method = banditMethods[o.method];
  const terms = method.estimator ? { kl: method.estimator } : {};
  const objective = objectiveOf(method.objective, terms);
  const plain = modelOf(o);
  const model: Model = method.objective === "ppo" ? { ...plain, head: { name: "value", bias: true } } : plain;
  const target = o.target ?? "simd";
  const bundle = await compileModel(model, {
    targets: [target],
    modules: ["train"],
    lanes: 64,
    objective,
    perRow: { weights: true, logprobs: true, entropies: true },
  });
  const running = await createModel(bundle, "train", { host: nodeHost, workers: 1, target, seed: o.seed });
  // an output of zeros: all answers are equally likely
  for (const tensor of running.of("parameter"))
    if (tensor.place.name === "output.linear.weight") tensor.padded().fill(0);
  running.weightsChanged();
  try {
    const before = await answerProbabilities(running);
    await learnPolicy(running, sourceFor(objective.unit, method, o), { steps: o.steps, lr: o.lr });
    const now = await answerProbabilities(running);
    const right = Math.exp(now[RIGHT]!);
    const divergence = exactDivergence(now, before);
    return { right, divergence, objective: right - o.kl * divergence };
  } finally {
    await running.close();
  }
}

const modelOf = ({ prompts, seed }: BanditOptions): Model =>
  checkSource(`model bandit {
  vocab ${ANSWERS.length}   context 2   width 16   layers 1   heads 1
  embed token
  layer { x += mlp(rmsnorm(x), hidden: 16) }
  output linear(rmsnorm(x))
  tokenizer characters
  train { batch ${prompts * ANSWERS_PER_PROMPT}  context 2  decay 0  clip 0  beta2 0.99  seed ${seed} }
}`).models[0]!;

function sourceFor(
  unit: PolicySettings["objective"]["unit"],
  { advantage, klIn }: Method,
  { prompts, kl, seed }: BanditOptions,
): PolicySource {
  const settings: PolicySettings = {
    objective: { unit },
    prompts,
    group: ANSWERS_PER_PROMPT,
    answer: 1,
    updates: 1,
    truncated: "keep", // an answer of one token has no room for an end
    penalty: 0,
    advantage,
    gamma: 1,
    lambda: 1,
    normalise: "tokens",
    kl,
    klIn,
    target: 0,
    horizon: 1,
  };
  const columns = { prompt: "0", answer: ANSWERS[RIGHT]! };
  const example = { kind: "prompt", row: 1, prompt: [{ role: "user", content: "0" }], columns } as const;
  const prompt: Prompt = { example, ids: [0] };
  return new PolicySource({
    settings,
    prompts: Array.from({ length: answersPerRound(settings) / ANSWERS_PER_PROMPT }, () => prompt),
    heldOut: [],
    rewards: [{ reward: builtInReward("exact_answer")!, weight: 1 }],
    reference: referenceNow,
    tokenizer: characterTokenizer([...ANSWERS]),
    seed,
    identity: "",
  });
}

/** ln p of each answer. */
async function answerProbabilities(model: RunningModel): Promise<Float32Array> {
  const logits = await model.feed([0], 0);
  const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
  return logits.map((logit) => logit - total);
}
