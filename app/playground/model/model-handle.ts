/**
 * The one model of the page, as panels have it: what it is, what it does, what has happened; and calls to its
 * thread. To open another model ends the thread of the one before, which gives its memory back.
 */
import type { Bundle } from "../../../runtime/engine/bundle.ts";
import type { LinkedBundle } from "../../../runtime/engine/linked-bundle.ts";
import type { SamplerSettings } from "../../../runtime/sample/sampler.ts";
import type { TrainEvent } from "../../../runtime/train/events.ts";
import { callThread, type Thread } from "../page/thread-call.ts";
import { valueOf, type Value } from "../page/value.ts";
import type { Move } from "../share/experiment.ts";
import type { Opened, RunToOpen } from "./model-calls.ts";
import type { ModelCalls } from "./model-thread.ts";

/**
 * none: nothing is open. compiling: its bundle is made, or fetched. open: it rests, and has not begun to
 * learn. training, paused, done: at its last step. failed: see `failure`.
 */
export type ModelState = "none" | "compiling" | "open" | "training" | "paused" | "done" | "failed";

export interface RunToBegin extends Omit<RunToOpen, "bundle"> {
  /** Comes from wherever it is; the signal gives it up. */
  bundle(signal: AbortSignal): Promise<Bundle | LinkedBundle>;
}

export interface ModelHandle {
  readonly state: Value<ModelState>;
  /** Undefined where nothing is open. */
  readonly opened: Value<Opened | undefined>;
  /** Everything that has happened since the run began, also in earlier visits. */
  readonly events: Value<readonly TrainEvent[]>;
  /** Sliders that were moved, by their steps. */
  readonly moves: Value<readonly Move[]>;
  readonly sampler: Value<SamplerSettings | undefined>;
  readonly failure: Value<unknown>;
  /** Updates made so far. */
  readonly step: number;
  /** Ends what is open and opens another one. Rejects with what failed, or with the signal's reason. */
  open(run: RunToBegin): Promise<void>;
  /** Goes on with a run of an earlier visit. */
  restore(folder: string, workers: number): Promise<void>;
  /** Learns up to this step; by default to the end. Resolves when it rests, or has failed. */
  train(until?: number): Promise<void>;
  /** Makes one step. */
  stepOnce(): Promise<void>;
  pause(): Promise<void>;
  moveLearningRate(to: number): Promise<void>;
  setSampler(settings: Partial<SamplerSettings>): Promise<void>;
  /** Has a checkpoint written, where a model is open. */
  keep(): Promise<void>;
  /** Asks the model's thread, as `Thread` says. Rejects where nothing is open. */
  readonly ask: Thread<ModelCalls>["call"];
  /** Ends the thread; what was not saved is lost. */
  close(): void;
}

export const startModelThread = (): Thread<ModelCalls> =>
  callThread<ModelCalls>(
    new Worker(new URL("./model-thread.ts", import.meta.url), { type: "module", name: "model" }),
  );

export function createModelHandle(start: () => Thread<ModelCalls> = startModelThread): ModelHandle {
  return new PageModel(start);
}

class PageModel implements ModelHandle {
  readonly state = valueOf<ModelState>("none");
  readonly opened = valueOf<Opened | undefined>(undefined);
  readonly events = valueOf<readonly TrainEvent[]>([]);
  readonly moves = valueOf<readonly Move[]>([]);
  readonly sampler = valueOf<SamplerSettings | undefined>(undefined);
  readonly failure = valueOf<unknown>(undefined);
  readonly #start: () => Thread<ModelCalls>;
  #thread: Thread<ModelCalls> | undefined;
  /** Aborted when another model takes the place of the one that is being opened. */
  #opening = new AbortController();

  constructor(start: () => Thread<ModelCalls>) {
    this.#start = start;
  }

  get step(): number {
    return this.events.now.at(-1)?.step ?? this.opened.now?.step ?? 0;
  }

  readonly ask: Thread<ModelCalls>["call"] = (name, argument, options) =>
    this.#begunThread().call(name, argument, options);

  open({ bundle, ...run }: RunToBegin): Promise<void> {
    return this.#begin(async (signal) => {
      const asked = { ...run, bundle: await bundle(signal) };
      signal.throwIfAborted();
      return this.#begunThread().call("open", asked, { signal });
    });
  }

  restore(folder: string, workers: number): Promise<void> {
    return this.#begin((signal) => this.#begunThread().call("restore", { folder, workers }, { signal }));
  }

  async train(until = this.#settings().steps): Promise<void> {
    const thread = this.#thread;
    this.state.set("training");
    try {
      const end = await this.#begunThread().call("train", until, {
        onReport: (events) => this.#hear(thread, events),
      });
      if (this.#thread === thread) this.state.set(end);
    } catch (cause) {
      if (this.#thread === thread) this.#fail(cause);
    }
  }

  stepOnce(): Promise<void> {
    return this.train(this.step + 1);
  }

  async pause(): Promise<void> {
    if (this.state.now === "training") await this.ask("pause", undefined);
  }

  async moveLearningRate(to: number): Promise<void> {
    const move = await this.ask("moveLearningRate", to);
    this.moves.set([...this.moves.now.filter(({ step }) => step < move.step), move]);
  }

  async setSampler(settings: Partial<SamplerSettings>): Promise<void> {
    await this.ask("setSampler", settings);
    this.sampler.set({ ...this.sampler.now!, ...settings });
  }

  async keep(): Promise<void> {
    const thread = this.#thread;
    if (!this.opened.now || !thread) return;
    await thread.call("save", undefined).catch((cause: unknown) => {
      if (this.#thread === thread) throw cause;
    });
  }

  close(): void {
    this.#opening.abort();
    this.#thread?.end();
    this.#thread = undefined;
    this.opened.set(undefined);
    this.events.set([]);
    this.moves.set([]);
    this.sampler.set(undefined);
    this.failure.set(undefined);
    this.state.set("none");
  }

  async #begin(open: (signal: AbortSignal) => Promise<Opened>): Promise<void> {
    this.close();
    const { signal } = (this.#opening = new AbortController());
    this.state.set("compiling");
    try {
      const opened = await open(signal);
      this.events.set(opened.events);
      this.moves.set(opened.moves);
      this.sampler.set(opened.sampler);
      this.opened.set(opened);
      this.state.set(opened.step === 0 ? "open" : opened.step < opened.settings.steps ? "paused" : "done");
    } catch (cause) {
      if (signal.aborted) throw cause;
      this.#fail(cause);
      throw cause;
    }
  }

  #begunThread(): Thread<ModelCalls> {
    return (this.#thread ??= this.#start());
  }

  #settings(): Opened["settings"] {
    return this.opened.now!.settings;
  }

  /** News of a thread that another one has replaced are dropped. */
  #hear(thread: Thread<ModelCalls> | undefined, events: readonly TrainEvent[]): void {
    if (this.#thread === thread) this.events.set([...this.events.now, ...events]);
  }

  #fail(cause: unknown): void {
    this.#thread?.end();
    this.#thread = undefined;
    this.failure.set(cause);
    this.state.set("failed");
  }
}
