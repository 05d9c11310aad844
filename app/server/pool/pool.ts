/**
 * A model that is served: what is asked of it waits in a queue, and up to as many texts as it has lanes grow
 * at once. Where it fails (one of its workers ends or traps), what runs is refused, the model is opened anew,
 * and what has waited is served by the new one.
 *
 *   const pool = openPool({ open: async () => ({ model, facts }) });
 *   const { text } = await pool.complete({ tokens, sampling, signal });
 */
import type { RowEntryName } from "../../../runtime/contract/entries.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import { embedTokens } from "../../../runtime/sample/embed.ts";
import { scoreTokens } from "../../../runtime/sample/score.ts";
import { AskedText } from "./asked-text.ts";
import { checkAsk, checkReading } from "./check-ask.ts";
import { laneStates, runningOf } from "./lane-states.ts";
import { OpenTexts } from "./open-texts.ts";
import { Readings, unlessAborted, type Read } from "./readings.ts";
import {
  draining,
  modelFailed,
  ServingError,
  type LaneState,
  type PoolCounts,
  type ReadOptions,
  type ScoreOptions,
  type ServedFacts,
  type Serving,
  type TextAsk,
  type TextMade,
} from "./serving.ts";
import { Sums } from "./sums.ts";

/** A model that is open, and what is known of it. */
export interface Opened {
  readonly model: RunningModel;
  readonly facts: Omit<ServedFacts, "manifest" | "lanes" | "context">;
}

export interface PoolOptions {
  /** Opens the model, each time anew. The pool closes it. */
  open(): Promise<Opened>;
  /** How many asks may wait beyond those that have a lane. Default: 32. */
  readonly queue?: number | undefined;
}

export const openPool = (options: PoolOptions): Serving => new Pool(options);

const QUEUE = 32;

class Pool implements Serving {
  readonly ready: Promise<ServedFacts>;
  readonly #open: PoolOptions["open"];
  readonly #queue: number;
  /** All that have not ended, in the order in which they came. */
  readonly #asks = new Set<AskedText>();
  readonly #readings = new Readings();
  readonly #sums = new Sums();
  #restarts = 0;
  #loading: "loading" | "ready" | "failed" = "loading";
  #isDraining = false;
  #isClosed = false;
  /** The weights are about to change: nothing begins. */
  #isRenewing = false;
  /** Settles when nothing is being opened, renewed or closed. Never rejects. */
  #settled: Promise<unknown>;
  #facts: ServedFacts | undefined;
  /** Undefined while there is no model. */
  #texts: OpenTexts | undefined;

  constructor({ open, queue = QUEUE }: PoolOptions) {
    this.#open = open;
    this.#queue = queue;
    this.ready = this.#load();
    this.#settled = this.ready.catch(() => {}); // `state` tells those who do not wait for it
  }

  get state(): Serving["state"] {
    return this.#isDraining ? "draining" : this.#loading;
  }

  get facts(): ServedFacts | undefined {
    return this.#facts;
  }

  async complete(ask: TextAsk): Promise<TextMade> {
    if (this.#isDraining) throw draining();
    if (this.#facts) checkAsk(ask, this.#facts); // what could never be answered need not come again
    this.#checkQueue();
    this.#checkModel();
    const asked = new AskedText(ask, (ended) => this.#ended(ended));
    this.#asks.add(asked);
    if (ask.signal.aborted) asked.cut("aborted");
    else if (this.#isRenewing) return asked.made;
    else if (this.#texts) this.#texts.add(asked);
    else if (this.#loading === "failed") this.#loadAgain();
    return asked.made;
  }

  score(tokens: readonly number[], { signal, ...how }: ScoreOptions): ReturnType<Serving["score"]> {
    return this.#read("score", tokens, signal, (model, o) => scoreTokens(model, tokens, { ...o, ...how }));
  }

  embed(tokens: readonly number[], { signal, ...how }: ReadOptions): Promise<Float32Array> {
    return this.#read("embed", tokens, signal, (model, o) => embedTokens(model, tokens, { ...o, ...how }));
  }

  lanes(): readonly LaneState[] {
    return this.#facts ? laneStates(this.#asks, this.#facts) : [];
  }

  counts(): PoolCounts {
    const { lanes = 0, context = 0 } = this.#facts ?? {};
    const running = runningOf(this.#asks).length + this.#readings.running;
    return {
      lanes,
      running,
      waiting: this.#asks.size + this.#readings.size - running,
      usedRatio: lanes === 0 ? 0 : (this.#texts?.heldTokens ?? 0) / (lanes * context),
      ...this.#sums.with(this.#asks),
      restarts: this.#restarts,
    };
  }

  async renew(load: Parameters<Serving["renew"]>[0]): Promise<void> {
    const texts = this.#texts;
    if (!texts || this.#isRenewing || this.#isDraining) return;
    this.#isRenewing = true;
    const renewed = this.#renew(texts.model, load);
    this.#settled = renewed;
    await renewed;
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#isDraining = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<void>((resolve) => (timer = setTimeout(resolve, deadlineMs)));
    const ended = Promise.all([
      Promise.allSettled([...this.#asks].map(({ made }) => made)),
      this.#readings.settled(),
    ]);
    await Promise.race([ended, deadline]);
    clearTimeout(timer);
    this.#cutAll();
  }

  async close(): Promise<void> {
    this.#isDraining = true;
    this.#isClosed = true;
    this.#cutAll();
    const texts = this.#texts;
    this.#texts = undefined;
    await texts?.model.close();
    await this.#settled;
  }

  #checkQueue(): void {
    const { lanes = 0 } = this.#facts ?? {};
    const size = this.#asks.size + this.#readings.size;
    if (size < lanes + this.#queue) return;
    const retryAfterSeconds = this.#sums.retryAfterSeconds(lanes);
    throw new ServingError(
      { kind: "queue full", retryAfterSeconds },
      `${size} requests run or wait already; try again in ${retryAfterSeconds} s`,
    );
  }

  async #read<T>(
    entry: RowEntryName,
    tokens: readonly number[],
    signal: AbortSignal,
    read: Read<T>,
  ): Promise<T> {
    if (this.#isDraining) throw draining();
    if (this.#texts) checkReading(entry, tokens, this.#texts.model);
    this.#checkQueue();
    let model: RunningModel | undefined;
    const modelFor = async (): Promise<RunningModel> => {
      model = await this.#modelFor(signal);
      checkReading(entry, tokens, model);
      return model;
    };
    try {
      const made = await this.#readings.read(modelFor, read, signal);
      this.#sums.addRead(tokens.length);
      return made;
    } catch (cause) {
      if (signal.aborted || cause instanceof ServingError) throw cause;
      if (this.#isClosed) throw draining();
      this.#failed(model!, cause);
      throw modelFailed(cause);
    }
  }

  /** Waits for the model where it is being loaded, and loads it where that has failed. */
  async #modelFor(signal: AbortSignal): Promise<RunningModel> {
    this.#checkModel();
    if (this.#loading === "failed") this.#loadAgain();
    await unlessAborted(this.#settled, signal);
    if (this.#isClosed) throw draining();
    if (!this.#texts) throw modelFailed("it could not be loaded");
    return this.#texts.model;
  }

  async #load(): Promise<ServedFacts> {
    this.#loading = "loading";
    try {
      const { model, facts } = await this.#open();
      this.#facts = factsOf(model, facts);
      if (this.#isClosed) await model.close();
      else this.#serve(model, this.#facts);
      return this.#facts;
    } catch (cause) {
      this.#loading = "failed";
      for (const asked of this.#asks) asked.fail(modelFailed(cause));
      throw cause;
    }
  }

  /** After a failure: whatever there still was of the model is closed first, since both need its memory. */
  #loadAgain(failed?: RunningModel): void {
    this.#loading = "loading";
    const closed = failed?.close().catch(() => {}); // what ended it has been said already
    this.#settled = Promise.resolve(closed).then(() =>
      this.#isClosed ? undefined : this.#load().catch(() => {}),
    );
  }

  #serve(model: RunningModel, facts: ServedFacts): void {
    const texts = new OpenTexts(model, facts, (cause) => this.#failed(model, cause));
    this.#texts = texts;
    this.#loading = "ready";
    for (const asked of this.#asks) texts.add(asked);
  }

  /** A worker that ends while nothing runs is not heard of by anybody: whoever asks now is served anew. */
  #checkModel(): void {
    const { model } = this.#texts ?? {};
    if (model?.failure) this.#failed(model, model.failure);
  }

  /** Those that run are refused; those that wait do so until the model is back. */
  #failed(model: RunningModel, cause: unknown): void {
    if (this.#texts?.model !== model) return; // it was closed, or is known to have failed
    this.#texts = undefined;
    this.#isRenewing = false;
    this.#restarts++;
    for (const asked of runningOf(this.#asks)) asked.fail(modelFailed(cause));
    for (const asked of this.#asks) asked.leave();
    this.#loadAgain(model);
  }

  async #renew(model: RunningModel, load: Parameters<Serving["renew"]>[0]): Promise<void> {
    const running = runningOf(this.#asks);
    for (const asked of this.#asks) if (!running.includes(asked)) asked.leave();
    await Promise.allSettled([...running.map(({ made }) => made), this.#readings.idle()]);
    if (this.#texts?.model !== model) return; // it has failed meanwhile, or was closed
    try {
      this.#facts = { ...this.#facts!, ...(await load(model)) };
      this.#isRenewing = false;
      if (this.#texts?.model === model) this.#serve(model, this.#facts);
    } catch (cause) {
      this.#failed(model, cause);
    }
  }

  #cutAll(): void {
    for (const asked of this.#asks) asked.cut("deadline");
  }

  #ended(asked: AskedText): void {
    this.#asks.delete(asked);
    this.#sums.add(asked);
  }
}

const factsOf = (model: RunningModel, facts: Opened["facts"]): ServedFacts => ({
  ...facts,
  manifest: model.manifest,
  lanes: model.module.lanes ?? 1,
  context: model.manifest.model.sizes.context,
});
