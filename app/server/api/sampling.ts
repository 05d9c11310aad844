/** How a request wants its texts to be drawn: its fields, and the spec's settings where it says nothing. */
import { samplerDefaults } from "../../../runtime/sample/sampler.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import type { AskedSampling } from "../pool/serving.ts";
import { ApiError } from "./errors.ts";
import { most } from "./fields.ts";
import type { NamedFacts } from "./served-as.ts";

/** What the schemas make of `samplingFields`. */
export interface SamplingRequest {
  readonly temperature?: number | null | undefined;
  readonly top_k?: number | null | undefined;
  readonly top_p?: number | null | undefined;
  readonly min_p?: number | null | undefined;
  readonly repeat_penalty?: number | null | undefined;
  readonly repetition_penalty?: number | null | undefined;
  readonly repeat_last_n?: number | null | undefined;
  readonly presence_penalty?: number | null | undefined;
  readonly frequency_penalty?: number | null | undefined;
  readonly logit_bias?: BiasRequest | null | undefined;
  readonly seed?: number | null | undefined;
  readonly stop?: string | readonly string[] | null | undefined;
  readonly ignore_eos?: boolean | null | undefined;
  readonly samplers?: readonly string[] | null | undefined;
}

type BiasRequest =
  | Readonly<Record<string, number | false>>
  | readonly (readonly [token: string | number, by: number | false])[];

export interface Wishes {
  /** Most tokens to add; null, undefined or −1: until the context is full. */
  readonly tokens: number | null | undefined;
  /** So many of the likeliest tokens go with each one; undefined: no log-probabilities. */
  readonly logprobs?: number | undefined;
  /** The new text goes on in the middle of the prompt's. */
  readonly continues: boolean;
  /** Stop texts besides the request's. */
  readonly stops?: readonly string[] | undefined;
}

/** A sampling whose seed is known: text i of several is drawn with seed + i. */
export type SeededSampling = AskedSampling & { readonly seed: number };

export function samplingFor(request: SamplingRequest, wishes: Wishes, facts: NamedFacts): SeededSampling {
  const { manifest, tokenizer, context } = facts;
  const { tokens, logprobs, continues, stops = [] } = wishes;
  const spec = { ...samplerDefaults, ...manifest.model.sample };
  const last = request.repeat_last_n ?? spec.repeatLast;
  const own = typeof request.stop === "string" ? [request.stop] : (request.stop ?? []);
  const settings = {
    temperature: request.temperature ?? spec.temperature,
    topK: Math.max(0, request.top_k ?? spec.topK),
    topP: request.top_p ?? spec.topP,
    minP: request.min_p ?? spec.minP,
    repeatPenalty: request.repeat_penalty ?? request.repetition_penalty ?? spec.repeatPenalty,
    repeatLast: last < 0 ? context : last,
    presencePenalty: request.presence_penalty ?? 0,
    frequencyPenalty: request.frequency_penalty ?? 0,
  };
  return {
    ...settings,
    ...switchedOff(request.samplers),
    bias: biasOf(request.logit_bias, tokenizer),
    tokens: tokens === undefined || tokens === null || tokens < 0 ? context : tokens,
    seed: request.seed === undefined || request.seed === null || request.seed < 0 ? anySeed() : request.seed,
    stop: [...own.filter((text) => text !== ""), ...stops],
    ignoreEnd: request.ignore_eos ?? false,
    special: false,
    whenFull: "stop",
    adapters: facts.adapters,
    continues,
    ...(logprobs !== undefined && { logprobs }),
  };
}

const anySeed = (): number => crypto.getRandomValues(new Uint32Array(1))[0]!;

/** Our samplers in their order, by llama.cpp's names, and what turns each off. */
const ownSamplers = {
  penalties: { repeatPenalty: 1, presencePenalty: 0, frequencyPenalty: 0 },
  top_k: { topK: 0 },
  top_p: { topP: 1 },
  min_p: { minP: 0 },
  temperature: { temperature: 1 },
} as const;

/** The settings of samplers that a list leaves out. Others in it do nothing: their settings are refused. */
function switchedOff(asked: SamplingRequest["samplers"]): Partial<AskedSampling> {
  if (asked === undefined || asked === null) return {};
  const names = Object.keys(ownSamplers) as readonly (keyof typeof ownSamplers)[];
  const places = asked.map((name) => names.findIndex((own) => own === name)).filter((place) => place >= 0);
  if (places.some((place, i) => i > 0 && place <= places[i - 1]!))
    throw new ApiError("not supported", `samplers run in the order ${names.join(", ")}, and in no other`, {
      param: "samplers",
    });
  const off = names.filter((name) => !asked.includes(name));
  return Object.assign({}, ...off.map((name) => ownSamplers[name])) as Partial<AskedSampling>;
}

/**
 * By id. In an object a name in figures is an id; any other text, and a text in a pair, means all of its
 * tokens.
 */
function biasOf(asked: SamplingRequest["logit_bias"], tokenizer: Tokenizer): ReadonlyMap<number, number> {
  const pairs = Array.isArray(asked)
    ? (asked as readonly (readonly [string | number, number | false])[])
    : Object.entries(asked ?? {}).map(
        ([name, by]) => [/^\d+$/.test(name) ? Number(name) : name, by] as const,
      );
  const bias = new Map<number, number>();
  for (const [token, by] of pairs)
    for (const id of typeof token === "number" ? [token] : tokenizer.encode(token, { special: true })) {
      if (id >= tokenizer.size)
        throw new ApiError("wrong value", `logit_bias: there is no token ${id}`, { param: "logit_bias" });
      bias.set(id, by === false ? -Infinity : by);
    }
  if (bias.size > most.biases)
    throw new ApiError("wrong value", `logit_bias: more than ${most.biases} tokens`, { param: "logit_bias" });
  return bias;
}
