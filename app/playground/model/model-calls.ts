/** What the page and the model's thread say to each other about training. Nothing of it holds a model. */
import type { Target } from "../../../runtime/contract/targets.ts";
import type { Bundle } from "../../../runtime/engine/bundle.ts";
import type { LinkedBundle } from "../../../runtime/engine/linked-bundle.ts";
import type { Generated } from "../../../runtime/sample/generate.ts";
import type { SamplerSettings } from "../../../runtime/sample/sampler.ts";
import type { TrainSettings } from "../../../runtime/contract/model.ts";
import type { TrainEvent } from "../../../runtime/train/events.ts";

/** A slider that was moved: after this many steps, the peak of the learning rate became another. */
export interface Move {
  readonly step: number;
  readonly setting: "lr";
  readonly to: number;
}

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

/** What is known of an open model. */
export interface RunFacts {
  /** Its folder among the page's files. */
  readonly folder: string;
  readonly name: string;
  readonly parameters: number;
  readonly vocab: number;
  readonly context: number;
  /** Of a training step. */
  readonly batch: number;
  readonly target: Target;
  readonly workers: number;
  readonly memoryBytes: number;
  /** Why it runs otherwise than one might expect. */
  readonly notes: readonly string[];
  readonly settings: TrainSettings;
  readonly sample: SamplerSettings;
  readonly moves: readonly Move[];
  /** Updates made so far. */
  readonly step: number;
  readonly experiment: string;
  /** How many tokens it learns from, and is measured on. */
  readonly tokens: { readonly train: number; readonly heldOut: number };
}

/** A run that an earlier visit has left. */
export interface LeftRun {
  readonly folder: string;
  readonly model: string;
  readonly step: number;
  readonly steps: number;
  readonly experiment: string;
}

/** What the thread tells while a run is open; at most ten times a second. */
export type ModelNews =
  | { readonly kind: "events"; readonly events: readonly TrainEvent[] }
  | { readonly kind: "moved"; readonly move: Move };

export type TrainingEnd = "done" | "paused";

export interface SampleAsked {
  readonly prompt: string;
  readonly tokens: number;
  readonly seed: number;
  readonly settings?: Partial<SamplerSettings> | undefined;
}

export type Sampled = Pick<Generated, "text" | "tokens" | "reason" | "decodeMs">;
