/**
 * How many of a pool's workers take part in an entry. All are not always the fastest: small kernels are over
 * before the last worker has come, memory serves a few as well as many, and where other programs take cores,
 * everybody waits for the worker that has none. So the first runs of an entry try all of them, then half as
 * many, and so on, until fewer are clearly slower; then the fastest number stays, until runs take another
 * time than they took. Fewer than all are doubted now and then all the same: one worker alone does not take
 * another time when a neighbour of the others goes. Nobody waits for that, since each of these runs is one
 * that was asked for, and no bit of a result depends on the number.
 */
import { isObject } from "../base/schema.ts";
import type { Findings } from "./host.ts";

/** What was fastest, and how many milliseconds a run took then; where runs differ in length, a unit of it. */
export interface Fastest {
  readonly workers: number;
  readonly ms: number;
}

/** Of so many runs of each number the middle one counts: the first ones touch pages and wake threads. */
const RUNS = 5;
/** Fewer workers have to be faster than more by this. */
const GAIN = 1.03;
/** Where they are slower by this, still fewer are not tried. It is seen in two runs. */
const CLEARLY = 1.3;
const SEEN_IN = 2;
/** The machine has changed where runs take by so much more or less time than they took. */
const CHANGED = 1.4;
/** Of how many runs that is about the mean. */
const MEAN_OF = 8;
/** It is looked at after so many runs, each time after twice as many as the last time. */
const PATIENCE = { from: 8, to: 1024 } as const;
/** Fewer than all are doubted after so many runs, each time after twice as many as the last time. */
const TRUST = { from: 32, to: 4096 } as const;

/** Of one entry, with one number of rows. */
export class WorkerChoice {
  /** How many are to take part in the next run. */
  workers: number;
  readonly #most: number;
  readonly #keep: (found: Fastest) => void;
  #best: Fastest | undefined;
  #isOpen: boolean;
  /** While it is open: of the runs with this number. */
  #times: number[] = [];
  /** Once it is not: the mean time of the last runs, and how many there were. */
  #mean: number;
  #runs = 0;
  #patience: number = PATIENCE.from;
  #trust: number = TRUST.from;

  /** `known`: what was found before. */
  constructor(most: number, known: Fastest | undefined, keep: (found: Fastest) => void = () => undefined) {
    this.#most = most;
    this.#keep = keep;
    this.#best = known;
    this.#isOpen = known === undefined;
    this.#mean = known?.ms ?? 0;
    this.workers = Math.min(most, known?.workers ?? most);
  }

  /** The last run took so many milliseconds. */
  took(ms: number): void {
    if (!(ms > 0 && ms < Infinity)) return;
    if (this.#isOpen) this.#try(ms);
    else this.#watch(ms);
  }

  #try(ms: number): void {
    this.#times.push(ms);
    const best = this.#best;
    const isSlower = (time: number): boolean => best !== undefined && time > CLEARLY * best.ms;
    if (this.#times.length >= SEEN_IN && isSlower(Math.min(...this.#times))) return this.#settle();
    if (this.#times.length < RUNS) return;
    const middle = this.#times.toSorted((a, b) => a - b)[RUNS >> 1]!;
    if (best === undefined || middle * GAIN < best.ms) this.#best = { workers: this.workers, ms: middle };
    if (this.workers === 1 || isSlower(middle)) return this.#settle();
    this.#times = [];
    this.workers >>= 1;
  }

  #settle(): void {
    this.#isOpen = false;
    this.workers = this.#best!.workers;
    this.#mean = this.#best!.ms;
    this.#runs = 0;
    this.#keep(this.#best!);
  }

  /** Is it as it was when this number was found? */
  #watch(ms: number): void {
    this.#mean += (ms - this.#mean) / MEAN_OF;
    const change = this.#mean / this.#best!.ms;
    this.#runs++;
    if (this.#runs >= this.#patience && (change >= CHANGED || change <= 1 / CHANGED)) {
      this.#patience = Math.min(2 * this.#patience, PATIENCE.to);
      this.#reopen();
    } else if (this.#runs >= this.#trust && this.workers < this.#most) {
      this.#trust = Math.min(2 * this.#trust, TRUST.to);
      this.#reopen();
    }
  }

  #reopen(): void {
    this.#isOpen = true;
    this.#best = undefined;
    this.#times = [];
    this.workers = this.#most;
  }
}

/** Of all entries of a module: `module` is its name for people, `code` says what its kernels are. */
export class WorkerChoices {
  readonly #most: number;
  readonly #module: string;
  readonly #code: string;
  readonly #findings: Findings | undefined;
  readonly #choices = new Map<string, WorkerChoice>();

  constructor(most: number, module: string, code: string, findings: Findings | undefined) {
    this.#most = most;
    this.#module = module;
    this.#code = code;
    this.#findings = findings;
  }

  /** `run`: the entry, and what else decides how much work it is: "decode 1". */
  async of(run: string): Promise<WorkerChoice> {
    const known = this.#choices.get(run);
    if (known) return known;
    const about = [FASTEST_WORKERS, this.#module, run, `${this.#most}`, this.#code];
    const found = await this.#findings?.read(about);
    const choice = new WorkerChoice(
      this.#most,
      isFastest(found) ? found : undefined,
      (best) => void this.#findings?.write(about, best),
    );
    this.#choices.set(run, choice);
    return choice;
  }
}

/** What findings of this kind begin with. */
const FASTEST_WORKERS = "fastest workers";

/** What was found for an entry of a module. */
export interface EntryFastest extends Fastest {
  readonly module: string;
  /** The entry, and what else decides how much work it is. */
  readonly run: string;
  /** How many workers it was chosen from. */
  readonly most: number;
}

/** Undefined: the finding is of another kind. */
export function entryFastest(about: readonly string[], found: unknown): EntryFastest | undefined {
  const [kind, module, run, most] = about;
  if (kind !== FASTEST_WORKERS || module === undefined || run === undefined) return undefined;
  return isFastest(found) ? { module, run, most: Number(most), ...found } : undefined;
}

const isFastest = (found: unknown): found is Fastest =>
  isObject(found) && typeof found["workers"] === "number" && typeof found["ms"] === "number";
