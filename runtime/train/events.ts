/** What a training run reports while it goes; log.jsonl has the same, one event a line. */
import type { Evaluation } from "./evaluate.ts";
import type { Figures } from "./sources/batch-source.ts";

export interface StepEvent {
  readonly kind: "step";
  readonly step: number;
  /**
   * Of the step's batch, before its update: the mean cross-entropy, in nats per token, or the mean of what
   * the objective is made of.
   */
  readonly loss: number;
  readonly lr: number;
  /** Global gradient norm before clipping. */
  readonly norm: number;
  readonly ms: number;
  /** Tokens trained on since the start. */
  readonly tokens: number;
  readonly tokensPerSecond: number;
  /** Load-balancing loss of all mixtures of experts, as the objective contains it; nats per token. */
  readonly balance?: number;
  /** The load of the most loaded expert of any layer: 1 = an even share. */
  readonly overload?: number;
  /** What the objective and the source say besides, under the field's names. */
  readonly metrics?: Figures;
}

/** How the choices since the last such event were divided among the experts: shares[layer][expert]. */
export interface ExpertsEvent {
  readonly kind: "experts";
  readonly step: number;
  readonly name: string;
  readonly shares: readonly (readonly number[])[];
}

/**
 * Of an objective, `loss` is the mean of what it is made of, and absent where the answers are judged instead;
 * perplexity and bits are of texts alone.
 */
export interface EvaluationEvent
  extends Pick<Evaluation, "tokens">, Partial<Pick<Evaluation, "loss" | "perplexity" | "bitsPerByte">> {
  readonly kind: "eval";
  readonly step: number;
  readonly metrics?: Figures;
  /** True: over all of the held-out part; false: over batches spread evenly over it. */
  readonly whole: boolean;
  readonly ms: number;
}

export interface SampleEvent {
  readonly kind: "sample";
  readonly step: number;
  readonly prompt: string;
  readonly text: string;
}

export interface SaveEvent {
  readonly kind: "save";
  readonly step: number;
  readonly file: string;
  readonly ms: number;
}

/** When the log got an event: ISO 8601. Logs of earlier releases do not say it. */
export interface Logged {
  readonly time?: string;
}

export type TrainEvent = (StepEvent | ExpertsEvent | EvaluationEvent | SampleEvent | SaveEvent) & Logged;
