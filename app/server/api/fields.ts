/**
 * Fields that several requests have, one meaning each. A field that is null is as good as absent. What a
 * field is, and its documentation, stand in one place: the list in app/server/README.md is made from here.
 */
import * as v from "valibot";

/** Bounds of what one request may ask for. */
export const most = {
  /** Texts to one prompt, and prompts of one request. */
  texts: 8,
  prompts: 128,
  stops: 16,
  stopBytes: 256,
  biases: 1024,
  logprobs: 20,
  messages: 2048,
} as const;

/** A field that may be left out. */
export const field = <const Schema extends v.GenericSchema>(documentation: string, schema: Schema) =>
  v.pipe(v.nullish(schema), v.metadata({ documentation }));

/** A field that has to be there. */
export const needed = <const Schema extends v.GenericSchema>(documentation: string, schema: Schema) =>
  v.pipe(schema, v.metadata({ documentation }));

export const flag = v.boolean();
export const whole = (least: number, top = Number.MAX_SAFE_INTEGER) =>
  v.pipe(v.number(), v.safeInteger(), v.minValue(least), v.maxValue(top));
export const real = (least: number, top: number) =>
  v.pipe(v.number(), v.finite(), v.minValue(least), v.maxValue(top));
export const tokenId = whole(0, 2 ** 31 - 1);

/** Text and ids by turns. */
const mixed = v.array(v.union([v.string(), tokenId]));
/** A text, its ids, text and ids by turns; or a list of these. */
export const promptField = v.union([v.string(), v.array(v.union([v.string(), tokenId, mixed]))]);

const stopText = v.pipe(v.string(), v.maxBytes(most.stopBytes));
const biasBy = v.union([real(-1e6, 1e6), v.literal(false)]);
const biasPair = v.tuple([v.union([v.string(), tokenId]), biasBy]);

export const samplingFields = {
  temperature: field("divides the logits; 0: always the likeliest token", real(0, 100)),
  top_k: field("keeps the k likeliest tokens; 0 or -1: all", whole(-1)),
  top_p: field("keeps the likeliest tokens that have this probability together", real(0, 1)),
  min_p: field("keeps tokens at least so many times as likely as the likeliest", real(0, 1)),
  repeat_penalty: field("divides the logits of recent tokens; 1: off", real(1e-6, 1e6)),
  repetition_penalty: field("another name of `repeat_penalty`", real(1e-6, 1e6)),
  repeat_last_n: field("how many tokens are recent; -1: all of the context", whole(-1)),
  presence_penalty: field("taken from the logit of each token that the new text has", real(-2, 2)),
  frequency_penalty: field("the same for each time that the new text has it", real(-2, 2)),
  logit_bias: field(
    "numbers added to logits: an object or pairs; by id or by text (all of its tokens); false: never drawn",
    v.union([
      v.pipe(v.record(v.string(), biasBy), v.maxEntries(most.biases)),
      v.pipe(v.array(biasPair), v.maxLength(most.biases)),
    ]),
  ),
  seed: field("same seed, same text; text i of several has seed + i; -1: any", whole(-1)),
  stop: field(
    `a text before which the answer ends, or up to ${most.stops} of them`,
    v.union([stopText, v.pipe(v.array(stopText), v.maxLength(most.stops))]),
  ),
  ignore_eos: field("goes on behind tokens that end texts: these are never drawn", flag),
  samplers: field(
    "llama.cpp's list: those of penalties, top_k, top_p, min_p and temperature that it leaves out are off; " +
      "their order is this one",
    v.array(v.string()),
  ),
} as const;

export const laneFields = {
  cache_prompt: field(
    "false: runs all of the prompt, whatever of it is known (the answer is the same)",
    flag,
  ),
  id_slot: field("the slot that the text has to have; -1: any", whole(-1)),
} as const;

const usageOptions = v.object({
  include_usage: field("a last chunk says how many tokens there were", flag),
});

export const streamFields = {
  stream: field("the answer comes as server-sent events, piece by piece", flag),
  stream_options: field("`include_usage`: a last chunk without choices has the usage", usageOptions),
  return_progress: field("with `stream`: chunks say how far the prompt has been run", flag),
} as const;

export const modelField = {
  model: field("any name: there is one model, and its own name is answered", v.string()),
} as const;

export const countField = {
  n: field(`texts to each prompt, 1 to ${most.texts}`, whole(1, most.texts)),
} as const;

/** How long a text may become. */
export const lengthField = (documentation: string) =>
  field(`${documentation}; -1: until the context is full`, whole(-1));
