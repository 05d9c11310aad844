/** What the page and the model's thread say to each other about training. Nothing of it holds a model. */
import type { Target } from "../../../runtime/contract/targets.ts";
import type { Bundle } from "../../../runtime/engine/bundle.ts";
import type { LinkedBundle } from "../../../runtime/engine/linked-bundle.ts";
import type { Generated } from "../../../runtime/sample/generate.ts";
import type { SamplerSettings } from "../../../runtime/sample/sampler.ts";
import type { Sizes, TrainSettings } from "../../../runtime/contract/model.ts";
import type { TrainEvent } from "../../../runtime/train/events.ts";
import type { Move } from "../share/experiment.ts";

/** Settings that a visitor may choose beside the spec; what is absent is as the spec says. */
export type ChosenSettings = Partial<
  Pick<TrainSettings, "seed" | "steps" | "lr" | "evalEvery" | "sampleEvery">
>;

/** A run that begins. */
export interface RunToOpen {
  /** With the module `train`: compiled here, or imported as it was built. */
  readonly bundle: Bundle | LinkedBundle;
  /** The text of the spec, which is kept beside the checkpoints. */
  readonly source: string;
  /** What it learns from. */
  readonly text: string;
  readonly settings: ChosenSettings;
  /** Are made again at their steps. */
  readonly moves: readonly Move[];
  readonly target: Target;
  /** 1 unless the page is isolated. */
  readonly workers: number;
  /** The tokenizer's files by name; absent: bytes, or the characters of the text, as the spec says. */
  readonly tokenizer?: ReadonlyMap<string, Uint8Array> | undefined;
  /** A published model: its files by name, and which of them holds the weights. */
  readonly weights?: PublishedFiles | undefined;
  /** What this is in the words of the page, as JSON; it comes back with a restored run. */
  readonly experiment: string;
}

export interface PublishedFiles {
  readonly files: ReadonlyMap<string, Blob>;
  readonly name: string;
}

/** What is known of a model when it has been opened. */
export interface Opened {
  /** Its folder among the page's files. */
  readonly folder: string;
  readonly name: string;
  readonly parameters: number;
  readonly sizes: Sizes;
  /** Rows of a training step; each has `settings.context` tokens. */
  readonly batch: number;
  readonly target: Target;
  readonly workers: number;
  readonly memoryBytes: number;
  /** Why it runs otherwise than one might expect. */
  readonly notes: readonly string[];
  /** With the learning rate as it was moved to. */
  readonly settings: TrainSettings;
  readonly sampler: SamplerSettings;
  readonly moves: readonly Move[];
  /** Updates made so far. */
  readonly step: number;
  /** As in `RunToOpen`. */
  readonly source: string;
  readonly experiment: string;
  readonly tokens: DataTokens;
  /** What has happened so far, where the run goes on. */
  readonly events: readonly TrainEvent[];
}

/** How much there is to learn from, and to measure on, in tokens. */
export interface DataTokens {
  readonly train: number;
  readonly heldOut: number;
}

/** A run that an earlier visit has left. */
export interface LeftRun {
  readonly folder: string;
  readonly model: string;
  readonly step: number;
  readonly steps: number;
  readonly experiment: string;
}

export type TrainingEnd = "done" | "paused";

export interface SampleAsked {
  readonly prompt: string;
  readonly tokens: number;
  readonly seed: number;
}

export type Sampled = Pick<Generated, "text" | "tokens" | "reason" | "decodeMs">;
