/**
 * The texts that grow on one open model: they join and leave between two steps, until the model fails or is
 * closed.
 */
import type { RunningModel } from "../../../runtime/engine/model.ts";
import { TextBatch, type BatchText } from "../../../runtime/sample/batch.ts";
import type { AskedText } from "./asked-text.ts";
import { checkAsk } from "./check-ask.ts";
import type { ServedFacts } from "./serving.ts";

/** Most milliseconds for which a prompt holds up texts that grow. */
export const PROMPT_MS = 100;

export class OpenTexts {
  readonly model: RunningModel;
  readonly #facts: ServedFacts;
  readonly #batch: TextBatch;
  readonly #asked = new WeakMap<BatchText, AskedText>();
  readonly #failed: (cause: unknown) => void;
  #grows = false;

  /** `failed` hears why the model is of no use any more. */
  constructor(model: RunningModel, facts: ServedFacts, failed: (cause: unknown) => void) {
    this.model = model;
    this.#facts = facts;
    this.#batch = new TextBatch(model, facts.tokenizer, { promptMs: PROMPT_MS });
    this.#failed = failed;
  }

  /** How many tokens of texts are in all lanes together. */
  get heldTokens(): number {
    return this.#batch.held.reduce((sum, tokens) => sum + tokens, 0);
  }

  /** It joins with the next step, or fails where it could never be answered. */
  add(asked: AskedText): void {
    try {
      checkAsk(asked.ask, this.#facts);
      this.#asked.set(asked.join(this.#batch), asked);
    } catch (error) {
      asked.fail(error);
    }
    if (!this.#grows) void this.#grow();
  }

  async #grow(): Promise<void> {
    this.#grows = true;
    try {
      while (this.#batch.size > 0)
        for (const grown of await this.#batch.grow()) this.#asked.get(grown.text)!.take(grown);
    } catch (cause) {
      this.#failed(cause);
    } finally {
      this.#grows = false;
    }
  }
}
