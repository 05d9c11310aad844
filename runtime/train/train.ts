/**
 * The training loop. There is one. It knows batches, steps and events; files, terminals and clocks on the
 * wall are the caller's.
 */
import type { TrainSettings } from "../contract/model.ts";
import type { BatchSource } from "./sources/batch-source.ts";
import { evaluateBatches, type Evaluation } from "./evaluate.ts";
import { generate } from "../sample/generate.ts";
import type { Host } from "../engine/host.ts";
import type { RunningModel } from "../engine/model.ts";
import { countTargets } from "../engine/training.ts";
import { balanceOf, overload, type MixtureLoad } from "../engine/mixtures.ts";
import { guardAgainstNaN } from "../engine/nan-guard.ts";
import { randomFrom, randomStream, type RandomState } from "../base/random.ts";
import { samplerDefaults, type SamplerSettings } from "../sample/sampler.ts";
import { learningRate, type ScheduleRule } from "./schedule.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";

export interface StepEvent {
  readonly kind: "step";
  readonly step: number;
  /** Mean cross-entropy of the step's batch, before its update; nats per token. */
  readonly loss: number;
  readonly lr: number;
  /** Global gradient norm before clipping. */
  readonly norm: number;
  readonly ms: number;
  /** Tokens trained on since the start. */
  readonly tokens: number;
  readonly tokensPerSecond: number;
  /** Load-balancing loss of all mixtures of experts, as it is added to the objective; nats per token. */
  readonly balance?: number;
  /** The most loaded expert of any layer: 1 = an even share. */
  readonly overload?: number;
}

/** How the choices since the last such event were divided: shares[layer][expert]. */
export interface ExpertsEvent {
  readonly kind: "experts";
  readonly step: number;
  readonly name: string;
  readonly shares: readonly (readonly number[])[];
}

export type TrainEvent =
  | StepEvent
  | ExpertsEvent
  /** `whole`: over all of the held-out part, not only windows spread over it. */
  | ({
      readonly kind: "eval";
      readonly step: number;
      readonly whole: boolean;
      readonly ms: number;
    } & Evaluation)
  | { readonly kind: "sample"; readonly step: number; readonly prompt: string; readonly text: string }
  | { readonly kind: "save"; readonly step: number; readonly file: string; readonly ms: number };

export interface ResumePoint {
  readonly step: number;
  readonly tokens: number;
  /** The stream that draws batches, before the next one. */
  readonly batches: RandomState;
}

export interface TrainOptions {
  readonly settings: TrainSettings;
  /**
   * How the learning rate follows from them. Default: the newest rule; a run goes on with the one that it
   * began under.
   */
  readonly scheduleRule?: ScheduleRule | undefined;
  readonly data: BatchSource;
  readonly tokenizer: Tokenizer;
  readonly host: Host;
  /** Where to go on; undefined: from the beginning. */
  readonly from?: ResumePoint | undefined;
  readonly sample: { readonly settings: SamplerSettings; readonly prompt: string; readonly tokens: number };
  /** Writes a checkpoint; returns the file's name. */
  save(progress: ResumePoint): Promise<string>;
  report(event: TrainEvent): void;
  /** Stops after the step, with a checkpoint; an evaluation or a sample at once. */
  readonly signal?: AbortSignal | undefined;
  /** Of the evaluation at the end, which may take long: held-out tokens that it is over. */
  evaluating?(tokens: number): void;
}

/** Times that the division among experts is reported in a run. */
const LOAD_REPORTS = 100;

/** Batches of an evaluation in the middle of training. The one at the end reads everything. */
const EVAL_BATCHES = 20;

/** Documents of a sample, where rows are documents. */
const SAMPLE_DOCUMENTS = 10;

/**
 * Runs to `settings.steps`, or until the signal: then a checkpoint is saved first. "interrupted" too when
 * only the evaluation at the end was stopped: to go on from that checkpoint makes it again.
 */
export async function train(model: RunningModel, o: TrainOptions): Promise<"done" | "interrupted"> {
  const { settings: s, host } = o;
  const shape = model.entry("train");
  const random = o.from ? randomFrom(o.from.batches) : randomStream(s.seed, "batches");
  let step = o.from?.step ?? 0;
  let tokens = o.from?.tokens ?? 0;
  let saved = step;

  const stopped = (): boolean => o.signal?.aborted === true;
  const unlessStopped = (error: unknown): undefined => {
    if (!stopped()) throw error;
  };
  const save = async (): Promise<void> => {
    const began = performance.now();
    const file = await o.save({ step, tokens, batches: random.state() });
    saved = step;
    o.report({ kind: "save", step, file, ms: performance.now() - began });
  };
  const evaluate = async (whole: boolean): Promise<void> => {
    const began = performance.now();
    const batches = o.data.evaluate(model.entry("evaluate"), { most: whole ? Infinity : EVAL_BATCHES });
    const result = await evaluateBatches(model, batches, o.data.bytes, {
      breathe: host.breathe,
      signal: o.signal,
      progress: whole ? o.evaluating : undefined,
    }).catch(unlessStopped);
    if (!result || result.tokens === 0) return; // stopped, or nothing is held out
    o.report({ kind: "eval", step, whole, ms: performance.now() - began, ...result });
  };
  const sample = async (): Promise<void> => {
    const { settings, prompt, tokens: most } = o.sample;
    const texts: string[] = [];
    let left = most; // of documents, as many as have room
    for (let i = 0; i < (s.rows === "documents" ? SAMPLE_DOCUMENTS : 1) && left > 0; i++) {
      const seed = s.seed + step + i * s.steps;
      const made = await generate(model, o.tokenizer, {
        ...samplerDefaults,
        ...settings,
        prompt,
        tokens: left,
        seed,
        signal: o.signal,
      });
      texts.push(made.text);
      left -= made.tokens.length + 1;
      if (made.reason === "aborted") break;
    }
    if (!stopped()) o.report({ kind: "sample", step, prompt, text: texts.join("\n") });
  };
  // shares of the experts, not yet reported
  const since = new Map<string, { steps: number; sums: number[][] }>();
  const reportLoads = (loads: readonly MixtureLoad[]): void => {
    for (const { name, shares } of loads) {
      const before = since.get(name);
      const steps = (before?.steps ?? 0) + 1;
      const sums = shares.map((layer, l) => layer.map((share, e) => share + (before?.sums[l]![e] ?? 0)));
      since.set(name, { steps, sums });
      if (step % Math.ceil(s.steps / LOAD_REPORTS) !== 0 && step < s.steps) continue;
      since.delete(name);
      o.report({
        kind: "experts",
        step,
        name,
        shares: sums.map((layer) => layer.map((sum) => Number((sum / steps).toFixed(4)))),
      });
    }
  };
  const due = (every: number): boolean => every > 0 && step % every === 0 && step < s.steps;

  while (step < s.steps) {
    if (stopped()) break;
    const began = performance.now();
    const micro = Array.from({ length: s.accumulate }, () => o.data.next(random, shape));
    const counted = micro.reduce((sum, { targets }) => sum + countTargets(targets), 0);
    const lr = learningRate(step + 1, s, o.scheduleRule);
    const { mixtures, ...result } = await model.trainStep(micro, { lr, step: step + 1 });
    guardAgainstNaN(model, step + 1, result);
    step++;
    tokens += counted;
    const ms = performance.now() - began;
    const balance = mixtures && balanceOf(mixtures);
    o.report({
      kind: "step",
      step,
      ...result,
      lr,
      ms,
      tokens,
      tokensPerSecond: (counted * 1000) / ms,
      ...(balance !== undefined && { balance }),
      ...(mixtures && { overload: overload(mixtures) }),
    });
    if (mixtures) reportLoads(mixtures);
    if (due(s.evalEvery)) await evaluate(false);
    if (due(s.sampleEvery) && !stopped()) await sample();
    if (due(s.saveEvery)) await save();
    await host.breathe();
  }
  if (step > saved) await save();
  if (step < s.steps) return "interrupted";
  if (!stopped()) await evaluate(true);
  if (!stopped()) await sample();
  return stopped() ? "interrupted" : "done";
}
