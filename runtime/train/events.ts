/** What a training run reports while it goes; log.jsonl has the same, one event a line. */
import type { Evaluation } from "./evaluate.ts";

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
  /** Load-balancing loss of all mixtures of experts, as the objective contains it; nats per token. */
  readonly balance?: number;
  /** The load of the most loaded expert of any layer: 1 = an even share. */
  readonly overload?: number;
}

/** How the choices since the last such event were divided among the experts: shares[layer][expert]. */
export interface ExpertsEvent {
  readonly kind: "experts";
  readonly step: number;
  readonly name: string;
  readonly shares: readonly (readonly number[])[];
}

export interface EvaluationEvent extends Evaluation {
  readonly kind: "eval";
  readonly step: number;
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

export type TrainEvent = StepEvent | ExpertsEvent | EvaluationEvent | SampleEvent | SaveEvent;
