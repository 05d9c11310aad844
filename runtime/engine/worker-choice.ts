/**
 * How many of a pool's workers take part in an entry. All are not always the fastest: small kernels are over
 * before the last worker has come, two workers on one core take each other's caches, memory serves a few as
 * well as many. So the first runs of an entry try all of them, then half as many, and so on, until fewer are
 * clearly slower; then the fastest number stays. Nobody waits for that, since each of these runs is one that
 * was asked for, and no bit of a result depends on the number.
 */

/** Keeps what was found for the next time, by names that say all it depends on but the machine. */
export interface WorkerStore {
  read(key: string): number | undefined;
  /** Does nothing where it cannot be kept: it is found again. */
  write(key: string, workers: number): void;
}

let store: WorkerStore | undefined;

/** What models find that are opened from now on is kept there. Undefined: only while they are open. */
export const useWorkerStore = (used: WorkerStore | undefined): void => void (store = used);

/** Of so many runs of each number the fastest counts: the first ones touch pages and wake threads. */
const RUNS = 4;
/** Fewer workers have to be faster than more by this. */
const GAIN = 1.03;
/** Still fewer are not tried where these are slower by so much; after a single run, where by twice. */
const CLEARLY = 1.15;
const TWICE = 2;

/** Of one entry, with one number of rows. */
export class WorkerChoice {
  /** How many are to take part in the next run. */
  workers: number;
  #found: { readonly workers: number; readonly ms: number } | undefined;
  #times: number[] = [];
  #isOpen: boolean;
  readonly #keep: (workers: number) => void;

  /** `known`: what was found before. */
  constructor(most: number, known: number | undefined, keep: (workers: number) => void = () => undefined) {
    this.#isOpen = known === undefined;
    this.workers = Math.min(most, known ?? most);
    this.#keep = keep;
  }

  /** The last run took so many milliseconds; where runs differ in length, of a unit of it. */
  took(ms: number): void {
    if (!this.#isOpen || !(ms > 0)) return;
    this.#times.push(ms);
    const least = Math.min(...this.#times);
    const slower = this.#found === undefined ? 0 : least / this.#found.ms;
    if (slower > TWICE) return this.#end();
    if (this.#times.length < RUNS) return;
    if (this.#found === undefined || slower * GAIN < 1) this.#found = { workers: this.workers, ms: least };
    if (slower > CLEARLY || this.workers === 1) return this.#end();
    this.#times = [];
    this.workers = this.workers >> 1;
  }

  #end(): void {
    this.#isOpen = false;
    this.workers = this.#found!.workers;
    this.#keep(this.workers);
  }
}

/** Of all entries of a module; `code` says which module it is. */
export class WorkerChoices {
  readonly #most: number;
  readonly #code: string;
  readonly #choices = new Map<string, WorkerChoice>();

  constructor(most: number, code: string) {
    this.#most = most;
    this.#code = code;
  }

  /** `run`: the entry, and what else decides how much work it is: "decode 1". */
  of(run: string): WorkerChoice {
    let choice = this.#choices.get(run);
    if (choice === undefined) {
      const key = `${run}, ${this.#most} workers, ${this.#code}`;
      choice = new WorkerChoice(this.#most, store?.read(key), (workers) => store?.write(key, workers));
      this.#choices.set(run, choice);
    }
    return choice;
  }
}
