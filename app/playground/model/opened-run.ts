/**
 * A model that is open in its thread: it learns, and whoever wants something else of it gets it between two
 * steps. The loop is the runtime's (runtime/train/train.ts), which is stopped at a step and goes on from
 * there; so pauses, moved sliders and checkpoints change no bit of what is computed.
 */
import type { Files } from "../../../runtime/base/files.ts";
import type { TrainSettings } from "../../../runtime/contract/model.ts";
import type { Host } from "../../../runtime/engine/host.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import { samplerDefaults, type SamplerSettings } from "../../../runtime/sample/sampler.ts";
import { saveCheckpoint } from "../../../runtime/store/checkpoint.ts";
import type { Identity } from "../../../runtime/store/identity.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import type { TrainEvent } from "../../../runtime/train/events.ts";
import type { TrainLog } from "../../../runtime/train/log.ts";
import type { BatchSource } from "../../../runtime/train/sources/batch-source.ts";
import { train, type ResumePoint } from "../../../runtime/train/train.ts";
import type { Move } from "../share/experiment.ts";
import type { TrainingEnd } from "./model-calls.ts";
import { writeMoves, type PageRun } from "./run-contents.ts";

/** What panels may use of an open model, in its thread. */
export interface OpenedModel {
  readonly model: RunningModel;
  readonly tokenizer: Tokenizer;
  readonly run: Run;
  /** What it learns from. */
  readonly text: string;
  /** Updates made so far. */
  readonly step: number;
  readonly sampler: SamplerSettings;
  /** Where its folder lies; undefined: the browser keeps no files here. */
  readonly files: Files | undefined;
  /**
   * Has the model to itself: between two steps, while it learns. Works wait for each other in their order;
   * one that waits for another of them would wait for ever.
   */
  still<T>(work: () => Promise<T>): Promise<T>;
  /** Writes a checkpoint now, where files are kept. */
  save(): Promise<void>;
}

/** All that an opened run is made of. */
export interface RunParts extends PageRun {
  readonly model: RunningModel;
  readonly host: Host;
  readonly files: Files | undefined;
  readonly batches: BatchSource;
  readonly identity: Identity;
  readonly log: TrainLog;
  /** Undefined: from the beginning. */
  readonly from: ResumePoint | undefined;
}

/** How often a checkpoint is written while it learns. */
const SAVE_MS = 30_000;
const KEPT_CHECKPOINTS = 2;
/** What a sample in training begins with, and how long it is. */
const SAMPLE_TOKENS = 120;

export class OpenedRun implements OpenedModel {
  readonly #parts: RunParts;
  #from: ResumePoint | undefined;
  #step: number;
  #savedStep: number;
  #savedAt = performance.now();
  #moves: readonly Move[];
  #sampler: SamplerSettings;
  /** Works that wait for the model. */
  readonly #waiting: (() => Promise<void>)[] = [];
  /** The stretch of the loop that runs now, and how to stop it. */
  #stop: AbortController | undefined;
  /** While it learns: up to which step, and what that comes to. */
  #until = 0;
  #training: Promise<TrainingEnd> | undefined;
  #working: Promise<void> | undefined;

  constructor(parts: RunParts) {
    this.#parts = parts;
    this.#from = parts.from;
    this.#step = parts.from?.step ?? 0;
    this.#savedStep = parts.from?.step ?? -1;
    this.#moves = parts.moves;
    this.#sampler = { ...samplerDefaults, ...parts.run.bundle.manifest.model.sample };
  }

  get model(): RunningModel {
    return this.#parts.model;
  }
  get tokenizer(): Tokenizer {
    return this.#parts.run.tokenizer;
  }
  get run(): Run {
    return this.#parts.run;
  }
  get text(): string {
    return this.#parts.text;
  }
  get files(): Files | undefined {
    return this.#parts.files;
  }
  get source(): string {
    return this.#parts.source;
  }
  get experiment(): string {
    return this.#parts.experiment;
  }
  get log(): TrainLog {
    return this.#parts.log;
  }
  get step(): number {
    return this.#step;
  }
  get sampler(): SamplerSettings {
    return this.#sampler;
  }
  get moves(): readonly Move[] {
    return this.#moves;
  }
  /** With the learning rate as the sliders have it now. */
  get settings(): TrainSettings {
    const { settings } = this.#parts.run.record;
    const moved = this.#moves.findLast(({ step }) => step <= this.#step);
    return moved ? { ...settings, lr: moved.to } : settings;
  }

  /** Learns up to this step, at most the last; resolves when it is there, or was paused before. */
  train(until: number, report: (event: TrainEvent) => void): Promise<TrainingEnd> {
    this.#until = Math.min(until, this.#parts.run.record.settings.steps);
    this.#training ??= this.#learn(report).finally(() => {
      this.#training = undefined;
      void this.#work(); // where the training has failed, there may be some left
    });
    return this.#training;
  }

  /** Resolves when the model rests. */
  async pause(): Promise<void> {
    this.#until = 0;
    if (this.#isFinished()) this.#stop?.abort();
    await this.#training?.catch(() => {});
  }

  /** The learning rate's peak from the next step on. What a link's sliders would still do is dropped. */
  moveLearningRate(to: number): Promise<Move> {
    return this.still(async () => {
      const move: Move = { step: this.#step, setting: "lr", to };
      this.#moves = [...this.#moves.filter(({ step }) => step < this.#step), move];
      await this.#keepMoves();
      return move;
    });
  }

  setSampler(settings: Partial<SamplerSettings>): void {
    this.#sampler = { ...this.#sampler, ...settings };
  }

  still<T>(work: () => Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.push(() => work().then(resolve, reject));
    if (!this.#training) void this.#work();
    return promise;
  }

  save(): Promise<void> {
    return this.still(() => this.#save());
  }

  async close(): Promise<void> {
    await this.pause();
    await this.#parts.model.close();
  }

  async #learn(report: (event: TrainEvent) => void): Promise<TrainingEnd> {
    await this.#working;
    while (this.#step < this.#until) {
      await this.#stretch(report);
      await this.#work();
    }
    if (!this.#isFinished()) return "paused";
    await this.#save();
    return "done";
  }

  /** Does what waits for the model, one after the other. */
  #work(): Promise<void> {
    const all = async (): Promise<void> => {
      for (let work = this.#waiting.shift(); work; work = this.#waiting.shift()) await work();
    };
    this.#working ??= all().finally(() => (this.#working = undefined));
    return this.#working;
  }

  /** Learns with the same settings until something else is to be done. */
  async #stretch(report: (event: TrainEvent) => void): Promise<void> {
    const { model, host, batches, run } = this.#parts;
    const stop = new AbortController();
    this.#stop = stop;
    const { settings } = this;
    const nextMove = this.#moves.find(({ step }) => step > this.#step)?.step ?? Infinity;
    await train(model, {
      settings: { ...settings, saveEvery: 0 }, // they are written by the clock
      scheduleRule: run.record.scheduleRule,
      data: batches,
      tokenizer: run.tokenizer,
      host,
      from: this.#from,
      signal: stop.signal,
      sample: { settings: this.#sampler, prompt: "", tokens: SAMPLE_TOKENS },
      save: async (point) => {
        this.#from = point;
        return "";
      },
      report: (event) => {
        if (event.kind === "save") return;
        this.#step = event.step;
        this.#parts.log.add(event);
        report(event);
        if (event.kind !== lastEventOf(event.step, settings)) return;
        this.#saveInTime();
        const isDue = event.step >= Math.min(this.#until, nextMove) || this.#waiting.length > 0;
        if (isDue && !this.#isFinished()) stop.abort();
      },
    });
    this.#stop = undefined;
  }

  /** After the last step, all that is held out is evaluated; that is not interrupted but by a pause. */
  #isFinished(): boolean {
    return this.#step >= this.#parts.run.record.settings.steps;
  }

  #saveInTime(): void {
    if (performance.now() - this.#savedAt < SAVE_MS || !this.files) return;
    this.#savedAt = performance.now();
    this.#waiting.push(() => this.#save());
  }

  async #save(): Promise<void> {
    const { files, model, run, identity, log } = this.#parts;
    const state = this.#from;
    if (!files || !state || state.step === this.#savedStep) return;
    await saveCheckpoint(files, run.folder, model, { ...state, identity }, KEPT_CHECKPOINTS);
    await log.flush();
    this.#savedStep = state.step;
    this.#savedAt = performance.now();
  }

  async #keepMoves(): Promise<void> {
    const { files, run } = this.#parts;
    if (files) await writeMoves(files, run.folder, this.#moves);
  }
}

/** The last that the loop reports of a step: stopped before it, the loop would leave something out. */
function lastEventOf(
  step: number,
  { steps, heldOut, evalEvery, sampleEvery }: TrainSettings,
): TrainEvent["kind"] {
  const isDue = (every: number): boolean => every > 0 && step % every === 0 && step < steps;
  if (isDue(sampleEvery)) return "sample";
  return isDue(evalEvery) && heldOut > 0 ? "eval" : "step";
}
