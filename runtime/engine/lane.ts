/**
 * A lane: the place where the keys and values of one text are, and what is known of them. A module has one
 * lane or several (lanes.ts).
 */

/**
 * The holder of a lane that nobody has used. Positions may then be left out, as measurements do: their keys
 * and values are zeros.
 */
const FRESH = {};

/** The cache of a sliding window: a ring of `rows` positions, of which a token sees the last `window`. */
export interface Ring {
  readonly window: number;
  readonly rows: number;
}

export class Lane {
  /** Its number in the module, from 0 on. */
  readonly number: number;
  /**
   * Whose text is in the lane: a session, say, by an object of its own. Undefined: nobody goes on from what
   * is there. It is set by whoever runs tokens.
   */
  holder: object | undefined = FRESH;
  /** Who has it for themselves; nobody else gets it until they give it back. Undefined: anybody. */
  owner: object | undefined;
  /** The number of its last use: the smallest one was used least recently. */
  used = 0;
  /** Whether the model's adapters count for its text, where there are any. */
  isAdapted = true;
  readonly #rings: readonly Ring[];
  #tokens: number[] = [];
  /** Positions that were written since position 0 was: a ring has the last ones of these. */
  #written = 0;

  constructor(number: number, rings: readonly Ring[]) {
    this.number = number;
    this.#rings = rings;
  }

  get isFresh(): boolean {
    return this.holder === FRESH;
  }

  /** The tokens whose keys and values are there, from position 0 on; empty where that is not known. */
  get tokens(): readonly number[] {
    return this.#tokens;
  }

  get written(): number {
    return this.#written;
  }

  /** These tokens were run at positions `start` … */
  ran(start: number, tokens: readonly number[]): void {
    if (start > this.#tokens.length) {
      this.#tokens = []; // positions were left out
      this.#written = start + tokens.length;
      return;
    }
    if (start < this.#tokens.length) this.#tokens = this.#tokens.slice(0, start);
    for (const token of tokens) this.#tokens.push(token);
    this.#written = start === 0 ? tokens.length : Math.max(this.#written, this.#tokens.length);
  }

  /** Nobody knows what is there now. */
  lose(): void {
    this.holder = undefined;
    this.#tokens = [];
  }

  /**
   * The lane has become a copy of the other one, as far as its first `count` positions; so many were written.
   */
  become(other: Lane, count: number, written: number): void {
    this.#tokens = other.tokens.slice(0, count);
    this.#written = written;
  }

  /**
   * How many of the first tokens of a text are there, and can be gone on from. The last one never counts: it
   * always runs, because what comes after it is asked for. `isAdapted`: whether adapters count for the text.
   */
  common(text: readonly number[], isAdapted = this.isAdapted): number {
    if (isAdapted !== this.isAdapted) return 0; // they are other keys and values
    const most = Math.min(this.#tokens.length, Math.max(0, text.length - 1));
    let count = 0;
    while (count < most && this.#tokens[count] === text[count]) count++;
    return canGoBackTo(count, this.#written, this.#rings) ? count : 0;
  }
}

/**
 * Whether a text of which so many positions were written can be cut back to its first `count` tokens and go
 * on from there. The next token sees the last `window` positions; a ring has lost the oldest of these where
 * later tokens, now cut off, were written over them.
 */
export const canGoBackTo = (count: number, written: number, rings: readonly Ring[]): boolean =>
  rings.every(({ window, rows }) => Math.max(0, written - rows) <= Math.max(0, count - window + 1));

/** Tokens at consecutive positions `start` … of a lane, whose earlier positions are there. */
export interface LaneTokens {
  readonly lane: Lane;
  readonly start: number;
  readonly tokens: readonly number[];
}
