/** POST /v1/completions: texts that go on from prompts, in OpenAI's older form. */
import * as v from "valibot";
import type { TokenLogprob } from "../../../runtime/sample/logprobs.ts";
import type { MadeToken, ServedFacts } from "../pool/serving.ts";
import { post } from "./call.ts";
import {
  countField,
  field,
  flag,
  laneFields,
  lengthField,
  modelField,
  most,
  needed,
  promptField,
  samplingFields,
  streamFields,
  whole,
} from "./fields.ts";
import { LegacyLogprobs, withLogprobs } from "./logprobs.ts";
import { answer, type ChoiceForm } from "./openai-answer.ts";
import { promptsOf, type Prompt } from "./prompts.ts";
import { samplingFor } from "./sampling.ts";
import { finishReason, laneOf, sideBySide, type Place } from "./texts.ts";

export const completionsSchema = v.object({
  prompt: needed("a text, ids, text and ids by turns, or a list of these", promptField),
  max_tokens: lengthField("most tokens to add (default: until the context is full)"),
  ...countField,
  echo: field("the answer begins with the prompt; with `logprobs`, its tokens are scored too", flag),
  logprobs: field("each token's log-probability, and so many of the likeliest", whole(0, most.logprobs)),
  ...samplingFields,
  ...streamFields,
  ...laneFields,
  ...modelField,
});

type Scores = readonly (TokenLogprob | null)[];

export const completionsRoute = post(["/v1/completions"], completionsSchema, async (call, body, facts) => {
  const logprobs = body.logprobs ?? undefined;
  const asked = {
    prompts: promptsOf(body.prompt, facts),
    n: body.n ?? 1,
    sampling: samplingFor(body, { tokens: body.max_tokens, logprobs, continues: true }, facts),
    ...laneOf(body),
  };
  const scores = new Map<Prompt, Scores>();
  const score = async (prompt: Prompt): Promise<void> => {
    const how = { top: logprobs!, signal: call.signal, adapters: facts.adapters };
    scores.set(prompt, await call.serving.score(prompt.tokens, how));
  };
  const isScored = body.echo === true && logprobs !== undefined;
  const prepare = async (): Promise<void> => {
    if (isScored) await sideBySide(call, asked.prompts, score, 1);
  };
  const form = choiceForm(facts, { echo: body.echo === true, logprobs, scores });
  return answer(call, facts, asked, body, form, prepare);
});

interface FormOptions {
  readonly echo: boolean;
  readonly logprobs: number | undefined;
  /** Of the prompts, where they are echoed with log-probabilities. */
  readonly scores: ReadonlyMap<Prompt, Scores>;
}

function choiceForm({ tokenizer }: ServedFacts, { echo, logprobs, scores }: FormOptions): ChoiceForm {
  const writers = new Map<number, LegacyLogprobs>();
  const writerOf = ({ index }: Place): LegacyLogprobs => {
    const known = writers.get(index) ?? new LegacyLogprobs(tokenizer, { continues: !echo });
    writers.set(index, known);
    return known;
  };
  /** Tokens of the text, behind those of the prompt where `prompt` is given. */
  const listsOf = (place: Place, made: readonly MadeToken[], prompt?: Prompt): object | null => {
    if (logprobs === undefined) return null;
    const before = prompt ? prompt.tokens : [];
    const scored = prompt ? scores.get(prompt)! : [];
    return writerOf(place).add([...before, ...made.map(({ id }) => id)], [...scored, ...withLogprobs(made)]);
  };
  return {
    prefix: "cmpl-",
    object: "text_completion",
    chunk: "text_completion",
    whole: (place, made) => ({
      text: (echo ? place.prompt.text : "") + made.text,
      index: place.index,
      logprobs: listsOf(place, made.logprobs ?? [], echo ? place.prompt : undefined),
      finish_reason: finishReason(made),
      truncated: made.isTruncated,
    }),
    opening: (place) =>
      echo
        ? {
            text: place.prompt.text,
            index: place.index,
            logprobs: listsOf(place, [], place.prompt),
            finish_reason: null,
          }
        : undefined,
    piece: (place, text, tokens) => ({
      text,
      index: place.index,
      logprobs: listsOf(place, tokens),
      finish_reason: null,
    }),
    ending: (place, made, rest) => ({
      text: "",
      index: place.index,
      logprobs: rest.length > 0 ? listsOf(place, rest) : null,
      finish_reason: finishReason(made),
      truncated: made.isTruncated,
    }),
  };
}
