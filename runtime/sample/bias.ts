/**
 * What changes the logits of single ids before the sampler sees them: a number added to some, and penalties
 * for ids that the new text has already. Names and arithmetic are those of OpenAI's interface.
 */
export interface BiasOptions {
  /** Added to the logits of these ids. −Infinity: never drawn. */
  readonly bias?: ReadonlyMap<number, number> | undefined;
  /** Taken from the logit of each id that the new text has; its prompt does not count. Default: 0. */
  readonly presencePenalty?: number | undefined;
  /** The same for each time that the new text has the id. Default: 0. */
  readonly frequencyPenalty?: number | undefined;
}

export class Bias {
  /** Ids that are never drawn. */
  readonly never: ReadonlySet<number>;
  readonly #added: readonly (readonly [id: number, bias: number])[];
  readonly #presence: number;
  readonly #frequency: number;
  readonly #counts = new Map<number, number>();

  constructor({ bias = new Map(), presencePenalty = 0, frequencyPenalty = 0 }: BiasOptions) {
    this.never = new Set([...bias].filter(([, by]) => by === -Infinity).map(([id]) => id));
    this.#added = [...bias].filter(([, by]) => by !== -Infinity && by !== 0);
    this.#presence = presencePenalty;
    this.#frequency = frequencyPenalty;
  }

  /** Whether logits change otherwise than by ids that are never drawn. */
  get isNeeded(): boolean {
    return this.#added.length > 0 || this.#presence !== 0 || this.#frequency !== 0;
  }

  /** The new text has one more token. */
  count(id: number): void {
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
  }

  /** `logits` [classes] is changed. */
  apply(logits: Float32Array): void {
    for (const [id, by] of this.#added) if (id < logits.length) logits[id]! += by;
    if (this.#presence === 0 && this.#frequency === 0) return;
    for (const [id, times] of this.#counts) logits[id]! -= this.#presence + this.#frequency * times;
  }
}
