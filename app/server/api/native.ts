/** POST /completion: llama.cpp's own form of going on from prompts. */
import * as v from "valibot";
import type { MadeToken, ServedFacts, TextMade } from "../pool/serving.ts";
import { post } from "./call.ts";
import { streamed } from "./event-stream.ts";
import {
  field,
  flag,
  laneFields,
  lengthField,
  modelField,
  needed,
  promptField,
  samplingFields,
  streamFields,
  whole,
} from "./fields.ts";
import { nativeLogprobs, withLogprobs } from "./logprobs.ts";
import { promptsOf } from "./prompts.ts";
import { samplingFor, type SeededSampling } from "./sampling.ts";
import { laneOf, makeTexts, progressOf, timingsOf, type Place } from "./texts.ts";

const { stream_options: _, ...streaming } = streamFields;

export const nativeSchema = v.object({
  prompt: needed("a text, ids, text and ids by turns, or a list of these", promptField),
  n_predict: lengthField("most tokens to add (default: until the context is full)"),
  n_probs: field("each token's log-probability, and so many of the likeliest; 0: none", whole(0, 100)),
  return_tokens: field("the answer has the ids too", flag),
  response_fields: field(
    "the fields that the answer is to have; / leads into an object",
    v.array(v.string()),
  ),
  ...samplingFields,
  ...streaming,
  ...laneFields,
  ...modelField,
});
type Body = v.InferOutput<typeof nativeSchema>;

export const nativeRoute = post(["/completion", "/completions"], nativeSchema, async (call, body, facts) => {
  const logprobs = body.n_probs ? body.n_probs : undefined;
  const sampling = samplingFor(body, { tokens: body.n_predict, logprobs, continues: true }, facts);
  const asked = { prompts: promptsOf(body.prompt, facts), n: 1, sampling, ...laneOf(body) };
  const ending = (place: Place, made: TextMade, isLast: boolean): object =>
    picked(lastOf(facts, body, sampling, place, made, isLast), body.response_fields);
  if (!body.stream) {
    const answers: object[] = [];
    await makeTexts(call, facts, asked, {
      onMade: (place, made) => void (answers[place.index] = ending(place, made, false)),
    });
    return Response.json(answers.length === 1 ? answers[0] : answers);
  }
  return streamed(call, async (send) => {
    const held = new Map<number, readonly MadeToken[]>();
    await makeTexts(call, facts, asked, {
      onText({ index }, content, added) {
        const tokens = [...(held.get(index) ?? []), ...added];
        held.set(index, content === "" ? tokens : []);
        if (content !== "") send(pieceOf(facts, logprobs !== undefined, index, content, tokens));
      },
      ...(body.return_progress && {
        onProgress: ({ index }, progress) =>
          send({ index, content: "", tokens: [], stop: false, prompt_progress: progressOf(progress) }),
      }),
      onMade: (place, made) => send(ending(place, made, true)),
    });
  });
});

const pieceOf = (
  { tokenizer }: ServedFacts,
  hasLogprobs: boolean,
  index: number,
  content: string,
  tokens: readonly MadeToken[],
): object => ({
  index,
  content,
  tokens: tokens.map(({ id }) => id),
  stop: false,
  ...(hasLogprobs && { completion_probabilities: nativeLogprobs(tokenizer, withLogprobs(tokens)) }),
});

const stopTypes = {
  "end of text": "eos",
  word: "word",
  tokens: "limit",
  context: "limit",
  deadline: "limit",
  aborted: "none",
} as const satisfies Record<TextMade["stop"], string>;

/** The whole answer, or the last event of a stream, which does not repeat what came before. */
function lastOf(
  facts: ServedFacts,
  body: Body,
  sampling: SeededSampling,
  { index, prompt }: Place,
  made: TextMade,
  isEvent: boolean,
): object {
  const { tokenizer } = facts;
  const hasTokens = !isEvent && body.return_tokens === true;
  return {
    index,
    content: isEvent ? "" : made.text,
    tokens: hasTokens ? made.tokens : [],
    id_slot: made.lane ?? -1,
    stop: true,
    model: facts.name,
    tokens_predicted: made.tokens.length,
    tokens_evaluated: made.promptTokens,
    generation_settings: settingsOf(sampling, body),
    prompt: prompt.text,
    has_new_line: made.text.includes("\n"),
    truncated: made.isTruncated,
    stop_type: stopTypes[made.stop],
    stopping_word: made.stopWord ?? "",
    tokens_cached: made.cached,
    timings: timingsOf(made),
    system_fingerprint: facts.fingerprint,
    ...(!isEvent && made.logprobs && { completion_probabilities: nativeLogprobs(tokenizer, made.logprobs) }),
  };
}

/** `generation_settings`, with all that was left to the server: the same again gives the same text. */
export const settingsOf = (sampling: SeededSampling, body: Partial<Body> = {}): object => ({
  n_predict: body.n_predict ?? -1,
  seed: sampling.seed,
  temperature: sampling.temperature,
  top_k: sampling.topK,
  top_p: sampling.topP,
  min_p: sampling.minP,
  repeat_penalty: sampling.repeatPenalty,
  repeat_last_n: sampling.repeatLast,
  presence_penalty: sampling.presencePenalty,
  frequency_penalty: sampling.frequencyPenalty,
  logit_bias: [...(sampling.bias ?? [])].map(([token, bias]) => ({
    token,
    bias: bias === -Infinity ? false : bias,
  })),
  stop: sampling.stop ?? [],
  ignore_eos: sampling.ignoreEnd ?? false,
  n_probs: sampling.logprobs ?? 0,
  stream: body.stream ?? false,
});

/** The fields that were asked for, by their paths: "timings/predicted_n". */
function picked(whole: object, paths: readonly string[] | null | undefined): object {
  if (!paths || paths.length === 0) return whole;
  const at = (path: string): unknown =>
    path
      .split("/")
      .reduce<unknown>(
        (value, key) =>
          typeof value === "object" && value !== null && Object.hasOwn(value, key)
            ? (value as Record<string, unknown>)[key]
            : undefined,
        whole,
      );
  const found = paths.map((path) => [path, at(path)] as const);
  return Object.fromEntries(found.filter(([, value]) => value !== undefined));
}
