/** Text from the model that is open, at rest or between two of its steps. */
import { generate } from "../../../../runtime/sample/generate.ts";
import type { Call } from "../../page/thread-call.ts";
import type { SampleAsked, Sampled } from "../model-calls.ts";
import type { OpenedModel } from "../opened-run.ts";

export const sampleQuestions = (opened: () => OpenedModel) => ({
  /** Reports the text piece by piece. */
  async sample({ prompt, tokens, seed }: SampleAsked, { signal, report }: Call<string>): Promise<Sampled> {
    const run = opened();
    const options = { ...run.sampler, prompt, tokens, seed, signal };
    const made = await run.still(() => generate(run.model, run.tokenizer, options, report));
    const { text, tokens: ids, reason, decodeMs } = made;
    return { text, tokens: ids, reason, decodeMs };
  },
});
