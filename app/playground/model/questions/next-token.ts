/** What the open model says of the next token of a text, and how its tokens read. */
import { shownToken } from "../../../../runtime/look/token-text.ts";
import { promptTokens } from "../../../../runtime/sample/generate.ts";
import { createSession } from "../../../../runtime/sample/session.ts";
import type { Call } from "../../page/thread-call.ts";
import type { OpenedModel } from "../opened-run.ts";

export interface NextAsked {
  readonly prompt: string;
  /** Tokens that the text has got since. */
  readonly drawn: readonly number[];
}

export interface NextToken {
  /** All tokens of the text: of a long prompt its end, as much as there is room for. */
  readonly tokens: readonly number[];
  /** A number for each id; −∞ for those that are never drawn. Absent: there is no room for another token. */
  readonly logits?: Float32Array;
  /** Updates that the model had made. */
  readonly step: number;
}

export interface Vocabulary {
  /** How each token reads, by its id. */
  readonly texts: readonly string[];
  /** Tokens that end a text. */
  readonly ends: readonly number[];
}

export const nextTokenQuestions = (opened: () => OpenedModel) => ({
  async nextToken({ prompt, drawn }: NextAsked, { signal }: Call): Promise<NextToken> {
    const run = opened();
    const { model, tokenizer } = run;
    const { context } = model.manifest.model.sizes;
    const tokens = [...promptTokens(tokenizer, prompt).slice(-context), ...drawn];
    if (tokens.length > context) return { tokens, step: run.step };
    const { fed, step } = await run.still(async () => ({
      fed: await createSession(model).feed(tokens, signal),
      step: run.step,
    }));
    const logits = fed.logits.slice(0, Math.min(tokenizer.size, fed.logits.length));
    for (const id of tokenizer.absent ?? []) if (id < logits.length) logits[id] = -Infinity;
    return { tokens, logits, step };
  },

  vocabulary(): Vocabulary {
    const { tokenizer } = opened();
    const { endOfText, beginOfText, stops } = tokenizer;
    return {
      texts: Array.from({ length: tokenizer.size }, (_, id) => shownToken(tokenizer, id).text),
      ends: [endOfText, beginOfText, ...stops].filter((id) => id !== undefined),
    };
  },
});
