/**
 * Fields that are known and cannot be done. A field that nobody knows is ignored, as other servers do; but to
 * leave out one of these would change the answer without a word, so they are refused by name unless they have
 * a value that means nothing.
 */
import { ApiError } from "./errors.ts";

type Body = Readonly<Record<string, unknown>>;

interface Refused {
  /** Values that ask for nothing. Absent, null, false, "" and empty lists and objects are always such. */
  readonly neutral?: readonly unknown[];
  readonly isNeutral?: (value: unknown, body: Body) => boolean;
  /** What the user can do. */
  readonly help: string;
}

const noConstraints = "there is no constrained sampling; ask for the form in the prompt";
const noSampler = "this sampler is not there; temperature, top_k, top_p, min_p and the penalties are";

/** THE table of fields that are refused. */
export const refusedFields: Readonly<Record<string, Refused>> = {
  tools: {
    isNeutral: (_, { messages }) => Array.isArray(messages),
    help: "conversations have tools: /v1/chat/completions",
  },
  tool_choice: {
    neutral: ["none", "auto"],
    help: "answers are text, and no tool can be forced",
  },
  response_format: {
    isNeutral: (value) =>
      typeof value === "object" && value !== null && "type" in value && value.type === "text",
    help: noConstraints,
  },
  grammar: { help: noConstraints },
  json_schema: { help: noConstraints },
  guided_json: { help: noConstraints },
  guided_regex: { help: noConstraints },
  guided_choice: { help: noConstraints },
  guided_grammar: { help: noConstraints },
  structured_outputs: { help: noConstraints },
  allowed_token_ids: { help: "logit_bias forbids single ids" },
  bad_words: { help: "logit_bias with false forbids tokens" },
  functions: { help: "describe them in a message of the system" },
  function_call: { neutral: ["none", "auto"], help: "answers are text, and no function can be forced" },
  best_of: {
    isNeutral: (value, { n }) => value === (n ?? 1),
    help: "ask for n texts with logprobs, and choose among them",
  },
  use_beam_search: { help: "texts are drawn token by token" },
  suffix: { help: "there is no filling in" },
  modalities: { isNeutral: (value) => JSON.stringify(value) === '["text"]', help: "answers are text" },
  audio: { help: "answers are text" },
  web_search_options: { help: "the model knows what it has learnt" },
  stop_token_ids: { help: "use stop, which takes texts and the names of special tokens" },
  min_tokens: { neutral: [0], help: "use ignore_eos with max_tokens" },
  include_stop_str_in_output: { help: "`stopping_word` of /completion names the text" },
  truncate_prompt_tokens: { help: "send what is to be read: nothing is cut silently" },
  n_keep: { neutral: [0, -1], help: "a text ends where its context is full, and says so" },
  prompt_logprobs: { help: "use /v1/completions with echo and logprobs" },
  post_sampling_probs: { help: "n_probs gives the model's own probabilities" },
  mirostat: { neutral: [0], help: noSampler },
  dynatemp_range: { neutral: [0], help: noSampler },
  typical_p: { neutral: [1], help: noSampler },
  xtc_probability: { neutral: [0], help: noSampler },
  dry_multiplier: { neutral: [0], help: noSampler },
  top_n_sigma: { isNeutral: (value) => typeof value === "number" && value <= 0, help: noSampler },
  t_max_predict_ms: { neutral: [0, -1], help: "sinter serve --timeout bounds every request" },
  n_indent: { neutral: [0], help: "stop takes texts" },
  timings_per_token: { help: "the last chunk has the timings" },
  lora: { help: "adapters have a name of their own, which `model` chooses: --adapter" },
  image_data: { help: "the model reads text" },
};

/** Throws `not supported` for the first field that asks for something which cannot be done. */
export function refuseUnsupported(body: Body): void {
  for (const [name, { neutral = [], isNeutral, help }] of Object.entries(refusedFields)) {
    const value = body[name];
    if (isNothing(value) || neutral.includes(value) || isNeutral?.(value, body)) continue;
    const shown = JSON.stringify(value);
    const given = shown.length <= 40 ? ` ${shown}` : "";
    throw new ApiError("not supported", `${name}${given} is not supported: ${help}`, { param: name });
  }
  const { stream, stream_options: options } = body;
  if (stream !== true && typeof options === "object" && options !== null)
    throw new ApiError("wrong value", "stream_options goes with stream: true", { param: "stream_options" });
  if (typeof options === "object" && options !== null && "continuous_usage_stats" in options)
    if (options.continuous_usage_stats === true)
      throw new ApiError("not supported", "continuous_usage_stats is not supported: use include_usage", {
        param: "stream_options.continuous_usage_stats",
      });
}

const isNothing = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === false ||
  value === "" ||
  (typeof value === "object" && Object.keys(value).length === 0);
