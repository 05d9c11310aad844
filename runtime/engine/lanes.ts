/**
 * All lanes of a module: who gets which, and the way to add tokens to several of them at once. Everything
 * here is for someone who has the model to themselves (RunningModel.inTurn).
 *
 * A text goes on in its own lane. A text that has none gets one that is free, else the one that was used
 * least recently; whoever loses a lane so brings its tokens back later (sample/past.ts). A lane that has an
 * owner is never taken from it.
 */
import { SinterError } from "../base/errors.ts";
import type { RowEntryName } from "../contract/entries.ts";
import { adaptLane } from "./adapters.ts";
import type { Entries } from "./entries.ts";
import { Lane, type LaneTokens, type Ring } from "./lane.ts";
import { LaneLoop } from "./lane-loop.ts";
import { lookEntry, type LookEntry } from "./look-entry.ts";
import { TextLoop, type ModuleLoop } from "./text-loop.ts";
import { rowEntry, type RowEntry } from "./row-entries.ts";
import { writeRun, type Span } from "./run-inputs.ts";

/** A way to run tokens. */
export interface TokenRun {
  /** Most tokens of one run. */
  readonly chunk: number;
  run(spans: readonly Span[]): Promise<void>;
}

/** What lanes are made of: the way to run tokens, and to read what they give. */
export interface LanesSource extends TokenRun {
  /** How many lanes there are. */
  readonly count: number;
  readonly sizes: { readonly context: number; readonly vocab: number };
  readonly rings: readonly Ring[];
  /** What a token gives depends on its text alone, not on the runs by which it came (manifest.ts). */
  readonly consistent: boolean;
  readonly classes: number;
  /** After the last token of a span of the last run. Padded: the first `classes` are the logits. */
  logits(span: number): Float32Array;
  /** Copies a lane as far as so many positions were written. Absent: there is no way. */
  readonly copy?: ((from: number, to: number, positions: number) => void) | undefined;
  /** The module's own loop. Absent: it has none. */
  readonly loop?: ModuleLoop | undefined;
  /** Says whether adapters count for a lane's text. Throws where the module cannot tell lanes apart. */
  readonly adapt?: ((lane: number, on: boolean) => void) | undefined;
  /** Absent: the module has none of these entries. */
  readonly rowEntry?: ((name: RowEntryName) => RowEntry | undefined) | undefined;
  /** Absent: the module was not compiled to be looked at. */
  readonly look?: LookEntry | undefined;
  /** Lets timers and signals in. */
  breathe(): Promise<void>;
}

/** The lanes of a module: one row is a run of `decode`, several are one of `prefill`. */
export function lanesOf(entries: Entries, copy: LanesSource["copy"], breathe: () => Promise<void>): Lanes {
  const { module, manifest } = entries;
  const { sizes } = manifest.model;
  const place = entries.findTensor("logits")?.place;
  return new Lanes({
    count: module.lanes ?? 1,
    chunk: entries.find("prefill")?.context ?? 1,
    sizes,
    rings: module.cache?.bands ?? [],
    consistent: module.numerics === "consistent",
    classes: place?.shape.at(-1) ?? sizes.vocab,
    run(spans) {
      const rows = writeRun(entries, spans);
      return entries.run(entries.get(rows === 1 ? "decode" : "prefill"), rows);
    },
    logits: (span) => (entries.tensor("logits").padded() as Float32Array).subarray(span * place!.rowFloats),
    copy,
    loop: TextLoop.of(entries),
    adapt: (lane, on) => adaptLane(entries, lane, on),
    rowEntry: (name) => rowEntry(entries, name),
    look: lookEntry(entries),
    breathe,
  });
}

/** Which lane somebody wants, and for what. */
export interface ReservedLane {
  /** Its number. Default: any. */
  readonly lane?: number | undefined;
  /** Whether the model's adapters count for the text. Default: true. */
  readonly adapters?: boolean | undefined;
}

/** No lane is free, and the caller did not want to wait for one. */
export class NoLaneError extends SinterError {
  constructor(count: number) {
    super(
      "memory",
      `all ${count} lanes of the model are taken`,
      "Close a session, wait for one that closes, or compile the model for more texts: --lanes.",
    );
    this.name = "NoLaneError";
  }
}

/** Running fewer tokens than this costs no more than a copy does. */
const WORTH_COPYING = 16;
/** Milliseconds between two looks at timers and signals, where runs follow each other. */
const LISTEN_MS = 8;

export class Lanes {
  readonly all: readonly Lane[];
  /** Most tokens that one `run` takes, of all lanes together. */
  readonly chunk: number;
  /** Columns of the logits: one for each id, unless the model tells fewer classes apart. */
  readonly classes: number;
  /** The positions that a lane has. */
  readonly context: number;
  readonly rings: readonly Ring[];
  /**
   * Whether a token's logits depend on its text alone. Then what one text has in the cache is of use to
   * another one that begins alike.
   */
  readonly consistent: boolean;
  /**
   * Draws tokens without the host. Undefined: they are drawn from logits, one by one. Where there are several
   * lanes, its kernels are those of `prefill`.
   */
  readonly loop: LaneLoop | undefined;
  /** A text's run of which everything can be seen; no lane changes by it. Undefined: not compiled for it. */
  readonly look: LookEntry | undefined;
  readonly #source: LanesSource;
  #uses = 0;
  #listened = performance.now();

  constructor(source: LanesSource) {
    const { count, chunk, classes, sizes, rings, consistent } = source;
    this.#source = source;
    this.chunk = chunk;
    this.classes = classes;
    this.context = sizes.context;
    this.rings = rings;
    this.consistent = consistent;
    this.loop = source.loop && new LaneLoop(source.loop, (spans) => this.ran(spans));
    this.look = source.look;
    this.all = Array.from({ length: count }, (_, number) => new Lane(number, rings));
    for (const { number, isAdapted } of this.all) source.adapt?.(number, isAdapted);
  }

  /** A run that gives something of each row. Undefined: the module was not compiled for it. */
  rowEntry(name: RowEntryName): RowEntry | undefined {
    return this.#source.rowEntry?.(name);
  }

  /**
   * Runs 1 … `chunk` tokens: stretches of different lanes, each with all of its earlier positions in the
   * cache. Their logits stay until the next run; what `by` gives instead, until its next one.
   */
  async run(spans: readonly LaneTokens[], by: TokenRun = this.#source): Promise<void> {
    this.#check(spans, by.chunk);
    try {
      await by.run(spans.map(({ lane, start, tokens }) => ({ lane: lane.number, start, tokens })));
    } catch (cause) {
      for (const { lane } of spans) lane.lose();
      throw cause;
    }
    await this.ran(spans);
  }

  /** Notes what has run in the lanes, and lets timers and signals in now and then. */
  async ran(spans: readonly LaneTokens[]): Promise<void> {
    for (const { lane, start, tokens } of spans) {
      lane.ran(start, tokens);
      lane.used = ++this.#uses;
    }
    if (performance.now() - this.#listened < LISTEN_MS) return;
    await this.#source.breathe();
    this.#listened = performance.now();
  }

  /** Logits [classes] after the last token of a span of the last run. */
  readLogits(into: Float32Array, span = 0): void {
    into.set(this.#source.logits(span).subarray(0, this.classes));
  }

  /** The lane that has this holder's text. */
  of(holder: object): Lane | undefined {
    return this.all.find((lane) => lane.holder === holder);
  }

  /**
   * A lane for this holder to run tokens in: its own, else one that it may have. Throws `NoLaneError` where
   * others own all of them. It becomes the holder's only when it says so (`Lane.holder`). Of free lanes, one
   * is taken that has the beginning of `text`.
   */
  take(holder: object, text: readonly number[] = []): Lane {
    const owned = this.all.find((lane) => lane.owner === holder);
    const lane = owned ?? this.of(holder) ?? this.#leastUsed(text);
    if (!lane) throw new NoLaneError(this.all.length);
    this.#adapt(lane, true);
    return lane;
  }

  /**
   * Gives a lane to an owner, who has it until `release`: the one with this number, if one is named.
   * Undefined: it has an owner, or all of them have. `adapters`: whether the model's count for the text.
   */
  reserve(
    owner: object,
    text: readonly number[] = [],
    { lane: number, adapters = true }: ReservedLane = {},
  ): Lane | undefined {
    const lane =
      this.all.find((l) => l.owner === owner) ??
      (number === undefined ? this.#leastUsed(text, adapters) : this.all[number]);
    if (!lane || (lane.owner !== undefined && lane.owner !== owner)) return undefined;
    this.#adapt(lane, adapters);
    lane.owner = owner;
    if (lane.holder !== owner) lane.holder = undefined;
    return lane;
  }

  /** Whether adapters count for what runs in a lane: what was run otherwise is of no use to it. */
  #adapt(lane: Lane, on: boolean): void {
    if (lane.isAdapted === on) return;
    this.#source.adapt?.(lane.number, on);
    lane.lose();
    lane.isAdapted = on;
  }

  /** Gives up the lane of an owner or holder. What is in it stays there, for texts that begin alike. */
  release(user: object): void {
    for (const lane of this.all) {
      if (lane.owner === user) lane.owner = undefined;
      if (lane.holder === user) lane.holder = undefined;
    }
  }

  /**
   * Brings as much of the text's beginning into the lane as some lane has, by a copy within the memory, and
   * returns how many tokens that is. Copies where that spares at least so many tokens.
   */
  takeOver(lane: Lane, text: readonly number[], least = WORTH_COPYING): number {
    const own = lane.common(text);
    const { copy } = this.#source;
    if (!this.consistent || !copy) return own;
    const others = this.all
      .filter((l) => l !== lane)
      .map((from) => ({ from, count: from.common(text, lane.isAdapted) }));
    const best = others.reduce((a, b) => (b.count > a.count ? b : a), { from: lane, count: own });
    if (best.count < own + least) return own;
    lane.lose();
    // a ring is not divided by positions
    const written = this.rings.length === 0 ? best.count : best.from.written;
    copy(best.from.number, lane.number, written);
    lane.become(best.from, best.count, written);
    return best.count;
  }

  /** The weights have changed: what is in the lanes was made by the old ones. */
  loseAll(): void {
    for (const lane of this.all) lane.lose();
  }

  /**
   * Free ones first, whose texts nobody brings back; of these, the one that has most of the new text. One
   * that would lose more of what it has than it keeps does not count: what it keeps can be copied from it.
   */
  #leastUsed(text: readonly number[], isAdapted = true): Lane | undefined {
    const rank = (lane: Lane): number => (lane.holder === undefined || lane.isFresh ? 0 : 1);
    const has = (lane: Lane): number => {
      const common = rank(lane) === 0 && this.consistent ? lane.common(text, isAdapted) : 0;
      return this.#source.copy && 2 * common < lane.tokens.length ? 0 : common;
    };
    return this.all
      .filter((lane) => lane.owner === undefined)
      .toSorted((a, b) => rank(a) - rank(b) || has(b) - has(a) || a.used - b.used)[0];
  }

  #check(spans: readonly LaneTokens[], chunk: number): void {
    const { context, vocab } = this.#source.sizes;
    const rows = spans.reduce((sum, { tokens }) => sum + tokens.length, 0);
    if (rows > chunk) throw new SinterError("bug", `${rows} tokens in a run of ${chunk} at most`);
    if (spans.length === 0 || new Set(spans.map(({ lane }) => lane)).size < spans.length)
      throw new SinterError("bug", "a run has one stretch of tokens for each of its lanes");
    for (const { start, tokens } of spans) {
      if (tokens.length === 0 || start < 0 || start + tokens.length > context)
        throw new SinterError(
          "bug",
          `${tokens.length} tokens at position ${start} of a context of ${context}`,
        );
      for (const token of tokens)
        if (!(Number.isInteger(token) && token >= 0 && token < vocab))
          throw new SinterError(
            "input",
            `token ${token} is outside of the model's vocabulary of ${vocab}`,
            "Ids are whole numbers from 0 on.",
          );
    }
  }
}

/** The holder when tokens are run by position, without a session. */
const BY_POSITION = {};

/**
 * Runs tokens by position, for callers who keep account of what is in the cache themselves. Throws where they
 * would go on from what a session has left there, or from what older weights have made. The logits are those
 * of the last run's first span.
 */
export async function feedByPosition(lanes: Lanes, tokens: readonly number[], start: number): Promise<void> {
  const lane = lanes.take(BY_POSITION);
  if (start > 0 && lane.holder !== BY_POSITION && !lane.isFresh)
    throw new SinterError(
      "bug",
      `the cache does not hold what was fed by position before position ${start}: a session has used ` +
        "it, or the weights have changed",
      "Feed from position 0, or use a session (createSession): it brings its tokens back.",
    );
  lane.holder = BY_POSITION;
  for (let at = 0; at < tokens.length; at += lanes.chunk)
    await lanes.run([{ lane, start: start + at, tokens: tokens.slice(at, at + lanes.chunk) }]);
}
