/**
 * Where a policy's batches come from: the policy itself. In each round it answers some prompts, and learns
 * from these answers in one or several updates. Which prompts a round has follows from the seed and the
 * round's number, what is drawn from that too: so a round that was interrupted comes again with the same
 * bits, and all there is to remember is the weight of the divergence, where it is controlled.
 */
import { SinterError } from "../../base/errors.ts";
import type { Batch, RunningModel } from "../../engine/model.ts";
import type { Tokenizer } from "../../tokenizers/base/tokenizer.ts";
import type { Random } from "../../base/random.ts";
import type { WeighedReward } from "../rewards/read-reward.ts";
import type { BatchShape, BatchSource, Figures, Learner, Measured } from "../sources/batch-source.ts";
import { shuffled } from "../sources/row-plan.ts";
import { controlledKl } from "./divergence.ts";
import { evaluatePolicy } from "./evaluate-policy.ts";
import { gatherExperience, type Experience, type Prompt } from "./experience.ts";
import { answersPerRound, type PolicySettings } from "./policy-settings.ts";
import type { Reference } from "./reference.ts";

export interface PolicySourceOptions {
  readonly settings: PolicySettings;
  readonly prompts: readonly Prompt[];
  readonly heldOut: readonly Prompt[];
  readonly rewards: readonly WeighedReward[];
  readonly tokenizer: Tokenizer;
  readonly seed: number;
  /** Hash of the data. */
  readonly identity: string;
  /** The model as the stage began with it. Asked once, before the first answers. Absent: there is none. */
  reference?(model: RunningModel): Reference | Promise<Reference>;
}

interface Round {
  readonly number: number;
  readonly experience: Experience;
  /** The weight of the divergence in it. */
  readonly kl: number;
}

export class PolicySource implements BatchSource {
  readonly identity: string;
  readonly period: number;
  /** How many answers an update learns from. */
  readonly answers: number;
  readonly #o: PolicySourceOptions;
  /** The weight of the divergence in the next round. */
  #kl: number;
  #round: Round | undefined;
  #reference: Reference | undefined;

  constructor(o: PolicySourceOptions) {
    this.#o = o;
    this.#kl = o.settings.kl;
    this.identity = o.identity;
    this.period = o.settings.updates;
    this.answers = answersPerRound(o.settings);
  }

  /** Rejects at the signal; the round then comes again as if it had never begun. */
  async next(_random: Random, shape: BatchShape, index: number, learner: Learner): Promise<Batch> {
    const perUpdate = this.answers / shape.batch;
    const number = Math.floor(index / perUpdate / this.period);
    if (this.#round?.number !== number) {
      if (index % (perUpdate * this.period) !== 0)
        throw new SinterError("bug", `micro-batch ${index} is in the middle of round ${number}`);
      this.#round = await this.#begin(learner, shape, number);
    }
    return this.#round.experience.micro[index % perUpdate]!;
  }

  /** What the objective of this round's updates is told. */
  settings(): Figures {
    const { klIn, kl } = this.#o.settings;
    return this.#round && klIn === "loss" && kl > 0 ? { kl: this.#round.kl } : {};
  }

  /** Of the round that the last micro-batch belongs to. */
  figures(): Figures {
    return this.#round?.experience.figures ?? {};
  }

  state(): Figures {
    return { kl: this.#kl };
  }

  restore({ kl = this.#kl }: Figures): void {
    this.#kl = kl;
  }

  /** Answers to held-out prompts, spread evenly: as many answers as `most` batches hold. */
  async measure(learner: Learner, most: number): Promise<Measured | undefined> {
    const { heldOut, settings } = this.#o;
    if (heldOut.length === 0) return undefined;
    const { model, signal } = learner;
    const shape = model.entry("evaluate");
    const every = Math.max(1, heldOut.length / Math.max(1, (most * shape.batch) / settings.group));
    const count = Math.floor((heldOut.length - 1) / every) + 1;
    const { figures, tokens } = await evaluatePolicy(model, {
      ...this.#o,
      reference: await this.#referenceOf(model),
      prompts: Array.from({ length: count }, (_, i) => heldOut[Math.floor(i * every)]!),
      group: settings.group,
      most: settings.answer,
      shape,
      key: ["eval"],
      signal,
    });
    return { tokens, metrics: figures };
  }

  /** There are no rows before the model has written them. */
  evaluate(): Iterable<Batch> {
    return [];
  }

  bytes(): number {
    return 0;
  }

  async #referenceOf(model: RunningModel): Promise<Reference | undefined> {
    return (this.#reference ??= await this.#o.reference?.(model));
  }

  async #begin({ model, signal }: Learner, shape: BatchShape, number: number): Promise<Round> {
    const { settings } = this.#o;
    const kl = this.#kl;
    const experience = await gatherExperience(model, {
      ...this.#o,
      reference: await this.#referenceOf(model),
      settings: { ...settings, kl },
      prompts: this.#promptsOf(number),
      shape,
      key: [number],
      signal,
    });
    const figures = { ...experience.figures, ...(kl > 0 && { kl_coef: kl }) };
    this.#kl = controlledKl(kl, experience.divergence, this.answers, settings);
    return { number, experience: { ...experience, figures }, kl };
  }

  /** Each prompt comes once in an epoch. */
  #promptsOf(round: number): readonly Prompt[] {
    const { prompts, seed, settings } = this.#o;
    const first = round * settings.prompts;
    const orders = new Map<number, Uint32Array>();
    return Array.from({ length: settings.prompts }, (_, p) => {
      const epoch = Math.floor((first + p) / prompts.length);
      const order = orders.get(epoch) ?? shuffled(prompts.length, { seed, number: epoch });
      orders.set(epoch, order);
      return prompts[order[(first + p) % prompts.length]!]!;
    });
  }
}
