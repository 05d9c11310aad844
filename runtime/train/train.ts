/**
 * The training loop; there is one. It knows batches, steps and events; files, terminals and clocks on the
 * wall are the caller's.
 */
import type { TrainSettings } from "../contract/model.ts";
import type { Host } from "../engine/host.ts";
import { balanceOf, overload } from "../engine/mixtures.ts";
import type { Batch, RunningModel, StepResult } from "../engine/model.ts";
import { guardAgainstNaN } from "../engine/nan-guard.ts";
import { countTargets } from "../engine/training.ts";
import { SinterError } from "../base/errors.ts";
import { randomFrom, randomStream, type Random, type RandomState } from "../base/random.ts";
import { generate } from "../sample/generate.ts";
import { samplerDefaults, type SamplerSettings } from "../sample/sampler.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";
import { evaluateBatches, evaluateObjective, type Evaluation } from "./evaluate.ts";
import type { TrainEvent } from "./events.ts";
import { ExpertLoads } from "./expert-loads.ts";
import { finite } from "./figures.ts";
import { learningRate, type ScheduleRule } from "./schedule.ts";
import type { BatchSource, Figures, Learner, Measured } from "./sources/batch-source.ts";

/** Where a run goes on: all that the next step depends on, besides the tensors. */
export interface ResumePoint {
  /** Updates made so far. */
  readonly step: number;
  /** Tokens that the updates have seen. */
  readonly tokens: number;
  /** The stream that draws batches, as it stands before the next one. */
  readonly batches: RandomState;
  /** The best evaluation so far, where that is asked for. */
  readonly best?: Best;
  /** What the source of the rows says of itself. */
  readonly sourceState?: Figures;
}

/** The best of the evaluations that all read the same held-out rows. */
export interface Best {
  readonly step: number;
  /** The figure by which evaluations are compared: the loss, or the metric that was asked for. */
  readonly loss: number;
  /** The step of the newest evaluation, and how many there were since the best one. */
  readonly seen: number;
  readonly since: number;
  /** That evaluation was beyond a limit, at which training ends. */
  readonly beyond?: boolean;
}

export interface TrainOptions {
  readonly settings: TrainSettings;
  /**
   * How the learning rate follows from the settings. Default: the newest rule; a run goes on with the rule
   * that it began under.
   */
  readonly scheduleRule?: ScheduleRule | undefined;
  readonly data: BatchSource;
  readonly tokenizer: Tokenizer;
  readonly host: Host;
  /** Where to go on; undefined: from the beginning. */
  readonly from?: ResumePoint | undefined;
  readonly sample: SampleOptions;
  /** Given: the step whose evaluation is the best is remembered, and saved at once. */
  readonly best?: BestOptions | undefined;
  /** Writes a checkpoint; returns the file's name. */
  save(point: ResumePoint): Promise<string>;
  report(event: TrainEvent): void;
  /** The signal stops training after the step, with a checkpoint; an evaluation or a sample stops at once. */
  readonly signal?: AbortSignal | undefined;
  /** Hears how many held-out tokens the evaluation at the end has read, since it may take long. */
  evaluating?(tokens: number): void;
}

export interface SampleOptions {
  readonly settings: SamplerSettings;
  readonly prompt: string;
  readonly tokens: number;
  /** Prompts in tokens, each of which is answered; undefined: `prompt` is gone on with. */
  readonly questions?: readonly { readonly shown: string; readonly ids: readonly number[] }[];
}

export interface BestOptions {
  /** Ends the training after so many evaluations that bring nothing better; 0: never. */
  readonly patience: number;
  /** The metric that is compared, and whether the largest is the best. Default: the smallest loss. */
  readonly by?: { readonly metric: string; readonly largest: boolean };
  /**
   * Ends the training where an evaluation's metric is above `most`: that evaluation is not the best one,
   * whatever else it says. It has to be finite and above 0.
   */
  readonly limit?: { readonly metric: string; readonly most: number };
}

/** How many batches an evaluation in the middle of training reads. The one at the end reads everything. */
const EVAL_BATCHES = 20;

/** How many it reads where the best checkpoint is chosen by it. Those are the same batches each time. */
const BEST_BATCHES = 50;

/** How many documents are sampled, where rows are documents. */
const SAMPLE_DOCUMENTS = 10;

/**
 * Runs to `settings.steps`, or until the signal: then a checkpoint is saved first. The result is
 * "interrupted" also when only the evaluation at the end was stopped: whoever goes on from that checkpoint
 * makes it again.
 */
export const train = (model: RunningModel, options: TrainOptions): Promise<"done" | "interrupted"> =>
  new Trainer(model, options).run();

class Trainer {
  readonly #model: RunningModel;
  readonly #options: TrainOptions;
  /** The stream that draws batches. */
  readonly #random: Random;
  readonly #loads: ExpertLoads;
  /** Updates made so far, and the tokens that they have seen. */
  #step: number;
  #tokens: number;
  /** The step of the newest checkpoint. */
  #savedStep: number;
  #best: Best | undefined;

  constructor(model: RunningModel, options: TrainOptions) {
    const { settings, from } = options;
    this.#model = model;
    this.#options = options;
    this.#random = from ? randomFrom(from.batches) : randomStream(settings.seed, "batches");
    this.#loads = new ExpertLoads(settings.steps);
    this.#step = from?.step ?? 0;
    this.#tokens = from?.tokens ?? 0;
    this.#savedStep = this.#step;
    this.#best = from?.best;
    if (from?.sourceState) options.data.restore?.(from.sourceState);
  }

  async run(): Promise<"done" | "interrupted"> {
    const { settings, host } = this.#options;
    if (this.#isBestDue()) await this.#evaluate(false);
    // what it answers before it has learnt, to compare with
    if (this.#step === 0 && this.#options.sample.questions && !this.#isStopped()) await this.#sample();
    while (this.#step < settings.steps && !this.#isStopped() && !this.#isEnough()) {
      do await this.#makeStep();
      while (this.#isWithinPeriod());
      if (this.#isDue(settings.evalEvery)) await this.#evaluate(false);
      if (this.#isDue(settings.sampleEvery) && !this.#isStopped()) await this.#sample();
      if (this.#isDue(settings.saveEvery) && this.#step > this.#savedStep) await this.#save();
      await host.breathe();
    }
    if (this.#options.best && !this.#isStopped() && this.#step > (this.#best?.seen ?? 0))
      await this.#evaluate(false);
    if (this.#step > this.#savedStep) await this.#save();
    if (this.#step < settings.steps && !this.#isEnough()) return "interrupted";
    if (!this.#isStopped() && !this.#options.best) await this.#evaluate(true);
    if (!this.#isStopped()) await this.#sample();
    return this.#isStopped() ? "interrupted" : "done";
  }

  /** Whether more updates are made of the rows that the last one was made of. */
  #isWithinPeriod(): boolean {
    const { data, settings } = this.#options;
    return this.#step % (data.period ?? 1) !== 0 && this.#step < settings.steps;
  }

  #isStopped(): boolean {
    return this.#options.signal?.aborted === true;
  }

  /** Whether evaluations have brought nothing better for so long, or went so far, that the training ends. */
  #isEnough(): boolean {
    const { patience, limit } = this.#options.best ?? { patience: 0 };
    if (this.#best === undefined) return false;
    const isBeyond = limit !== undefined && this.#best.beyond === true;
    return isBeyond || (patience > 0 && this.#best.since >= patience);
  }

  /** Before the first step, and where an interruption has left an evaluation out. */
  #isBestDue(): boolean {
    const { best, settings } = this.#options;
    if (!best) return false;
    return this.#best === undefined || (this.#isDue(settings.evalEvery) && this.#step > this.#best.seen);
  }

  /**
   * What is done every so many steps is done at the end anyway. Within a period nothing is done: whatever
   * came due in it is done after it.
   */
  #isDue(every: number): boolean {
    const { data, settings } = this.#options;
    return every > 0 && this.#step % every < (data.period ?? 1) && this.#step < settings.steps;
  }

  #learner(step: number): Learner {
    const { host, signal } = this.#options;
    return { model: this.#model, step, signal, breathe: host.breathe };
  }

  /** Draws the micro-batches of one update, makes it, and reports it. */
  async #makeStep(): Promise<void> {
    const { settings, scheduleRule, data } = this.#options;
    const began = performance.now();
    const step = this.#step + 1;
    const micro = await this.#drawn();
    if (!micro) return;
    const counted = micro.reduce((sum, { targets }) => sum + countTargets(targets), 0);
    const lr = learningRate(step, settings, scheduleRule);
    const objective = data.settings?.();
    const result = await this.#model.trainStep(micro, {
      lr,
      step,
      ...(objective && { settings: objective }),
    });
    guardAgainstNaN(this.#model, step, result);
    this.#step = step;
    this.#tokens += counted;
    this.#reportStep(result, lr, counted, performance.now() - began);
  }

  /** The micro-batches of the next update. Undefined: the signal came while the model wrote them. */
  async #drawn(): Promise<readonly Batch[] | undefined> {
    const { settings, data } = this.#options;
    const { accumulate } = settings;
    const shape = this.#model.entry("train");
    const learner = this.#learner(this.#step + 1);
    const micro: Batch[] = [];
    try {
      for (let i = 0; i < accumulate; i++)
        micro.push(await data.next(this.#random, shape, this.#step * accumulate + i, learner));
      return micro;
    } catch (error) {
      if (!this.#isStopped()) throw error;
      return undefined;
    }
  }

  #reportStep({ mixtures, objective, ...result }: StepResult, lr: number, counted: number, ms: number): void {
    const balance = mixtures && balanceOf(mixtures);
    const metrics = finite({ ...objective?.metrics, ...this.#options.data.figures?.() });
    this.#options.report({
      kind: "step",
      step: this.#step,
      ...result,
      lr,
      ms,
      tokens: this.#tokens,
      tokensPerSecond: (counted * 1000) / ms,
      ...(balance !== undefined && { balance }),
      ...(mixtures && { overload: overload(mixtures) }),
      ...(Object.keys(metrics).length > 0 && { metrics }),
    });
    if (mixtures) for (const event of this.#loads.add(this.#step, mixtures)) this.#options.report(event);
  }

  /** `whole`: over all that is held out, not only some batches of it. */
  async #evaluate(whole: boolean): Promise<void> {
    const { best, report } = this.#options;
    const began = performance.now();
    const some = best ? BEST_BATCHES : EVAL_BATCHES;
    const result = await this.#measure(whole ? Infinity : some, whole).catch((error: unknown) => {
      if (!this.#isStopped()) throw error;
      return undefined;
    });
    if (!result || result.tokens === 0) return; // stopped, or nothing is held out
    report({ kind: "eval", step: this.#step, whole, ms: performance.now() - began, ...result });
    if (best && !whole)
      await this.#compare(
        figureOf(result, best),
        isBeyond("metrics" in result ? result.metrics : undefined, best.limit),
      );
  }

  /** As the source does; else the mean of the module's objective; else the cross-entropy of a text. */
  #measure(most: number, whole: boolean): Promise<Evaluation | Measured | undefined> {
    const { data, host, signal, evaluating } = this.#options;
    if (data.measure) return data.measure(this.#learner(this.#step), most);
    const shape = this.#model.entry("evaluate");
    const batches = data.evaluate(shape, { most });
    const options = { breathe: host.breathe, signal, progress: whole ? evaluating : undefined };
    if (shape.objective) return evaluateObjective(this.#model, batches, options);
    return evaluateBatches(this.#model, batches, data.bytes, options);
  }

  /** Remembers the evaluation where it is the best so far, and saves its checkpoint. */
  async #compare(figure: number, beyond: boolean): Promise<void> {
    const before = this.#best;
    const step = this.#step;
    const sign = this.#options.best?.by?.largest ? -1 : 1;
    const isBetter = before === undefined || (!beyond && sign * figure < sign * before.loss);
    this.#best = isBetter
      ? { step, loss: figure, seen: step, since: 0 }
      : { step: before.step, loss: before.loss, seen: step, since: before.since + 1 };
    if (beyond) this.#best = { ...this.#best, beyond };
    if (isBetter && step > 0) await this.#save();
  }

  /** A text; where rows are documents, as many documents as there is room for. */
  async #sample(): Promise<void> {
    const { settings, tokenizer, sample, signal, report } = this.#options;
    if (sample.questions) return this.#answer(sample.questions);
    const most = settings.rows === "documents" ? SAMPLE_DOCUMENTS : 1;
    const texts: string[] = [];
    let room = sample.tokens;
    for (let i = 0; i < most && room > 0; i++) {
      const made = await generate(this.#model, tokenizer, {
        ...samplerDefaults,
        ...sample.settings,
        prompt: sample.prompt,
        tokens: room,
        seed: settings.seed + this.#step + i * settings.steps,
        signal,
      });
      texts.push(made.text);
      room -= made.tokens.length + 1;
      if (made.reason === "aborted") break;
    }
    if (!this.#isStopped())
      report({ kind: "sample", step: this.#step, prompt: sample.prompt, text: texts.join("\n") });
  }

  /** The likeliest answers to some questions. */
  async #answer(questions: NonNullable<SampleOptions["questions"]>): Promise<void> {
    const { tokenizer, sample, signal, report } = this.#options;
    for (const { shown, ids } of questions) {
      const made = await generate(this.#model, tokenizer, {
        ...samplerDefaults,
        temperature: 0,
        prompt: ids,
        tokens: sample.tokens,
        seed: 0,
        special: false,
        whenFull: "stop",
        signal,
      });
      if (this.#isStopped()) return;
      report({ kind: "sample", step: this.#step, prompt: shown, text: made.text });
    }
  }

  async #save(): Promise<void> {
    const began = performance.now();
    const sourceState = this.#options.data.state?.();
    const file = await this.#options.save({
      step: this.#step,
      tokens: this.#tokens,
      batches: this.#random.state(),
      ...(this.#best && { best: this.#best }),
      ...(sourceState && { sourceState }),
    });
    this.#savedStep = this.#step;
    this.#options.report({ kind: "save", step: this.#step, file, ms: performance.now() - began });
  }
}

/** The figure by which evaluations are compared. */
function figureOf({ loss, ...rest }: Evaluation | Measured, { by }: BestOptions): number {
  const figure = by && "metrics" in rest ? rest.metrics[by.metric] : loss;
  if (figure !== undefined) return figure;
  throw new SinterError("bug", `the evaluation says no ${by?.metric ?? "loss"}`);
}

/** Whether what an evaluation says is beyond its limit, where there is one. */
export const isBeyond = (metrics: Figures | undefined, limit: BestOptions["limit"]): boolean =>
  limit !== undefined && (metrics?.[limit.metric] ?? 0) > limit.most;
