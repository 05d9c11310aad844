/**
 * Text from a model: the prompt in chunks, then token by token, with keys and values of earlier positions in
 * the cache. When the context is full, its newer half is fed again from position 0 and becomes the past; or
 * that is the end (`whenFull`).
 */
import { SinterError } from "../base/errors.ts";
import { logprobReader, type TokenLogprob } from "./logprobs.ts";
import type { Lane } from "../engine/lane.ts";
import type { RunningModel } from "../engine/model.ts";
import { randomStream } from "../base/random.ts";
import { sampleToken, type SamplerSettings } from "./sampler.ts";
import { createSession, type Session, type SessionCalls } from "./session.ts";
import { textStream } from "../tokenizers/base/text-stream.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";

export interface GenerateOptions extends SamplerSettings {
  /** Text, or ids: of a chat, say. */
  readonly prompt: string | readonly number[];
  /** Most tokens to add. */
  readonly tokens: number;
  readonly seed: number;
  readonly stop?: readonly string[];
  /** false: special tokens (marks of turns, say) are drawn, but are no part of the text. Default: true. */
  readonly special?: boolean | undefined;
  /** With each token its log-probability, and so many of the likeliest. */
  readonly logprobs?: number | undefined;
  /**
   * What happens when the context is full. Default: shift. A prompt that does not fit: its end is taken
   * (shift), or an error (stop).
   */
  readonly whenFull?: "shift" | "stop" | undefined;
  /** Where earlier texts' keys and values may be found. Default: a new one. */
  readonly session?: Session | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type EndReason = "tokens" | "stop" | "end of text" | "context" | "aborted";

export interface Generated {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly promptTokens: number;
  /** Of them, those whose keys and values were in the cache. */
  readonly cachedTokens: number;
  readonly reason: EndReason;
  /** Until the first token could be drawn; and for all that came after. */
  readonly prefillMs: number;
  readonly decodeMs: number;
  readonly logprobs?: readonly TokenLogprob[];
}

/** Tokens a second after the first; undefined when there are too few to tell. */
export const decodeRate = ({ tokens, decodeMs }: Generated): number | undefined =>
  tokens.length < 2 ? undefined : ((tokens.length - 1) * 1000) / decodeMs;

/**
 * `onText` gets each piece of new text as soon as it is certain. The text has the model to itself: others
 * wait for its end, and it waits for the ends of those that came before. The signal ends it at any time, also
 * while it waits.
 */
export async function generate(
  model: RunningModel,
  tokenizer: Tokenizer,
  o: GenerateOptions,
  onText: (text: string) => void = () => {},
): Promise<Generated> {
  const session = o.session ?? createSession(model);
  if (session.model !== model)
    throw new SinterError(
      "bug",
      "a session of another model",
      "Make one for this model: createSession(model)",
    );
  const prompt = typeof o.prompt === "string" ? promptTokens(tokenizer, o.prompt) : [...o.prompt];
  const write = (lane: Lane): Promise<Generated> =>
    writeText(session.within(lane), session, tokenizer, prompt, o, onText);
  return (await unlessAborted(model.inTurn(write, o.signal), o.signal)) ?? nothing(prompt, o);
}

/** Undefined: the signal came first. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T | undefined> {
  try {
    return await work;
  } catch (cause) {
    if (signal?.aborted && cause === signal.reason) return undefined;
    throw cause;
  }
}

/** Given up before the first token. */
const nothing = (prompt: readonly number[], { logprobs }: GenerateOptions): Generated => ({
  text: "",
  tokens: [],
  promptTokens: prompt.length,
  cachedTokens: 0,
  reason: "aborted",
  prefillMs: 0,
  decodeMs: 0,
  ...(logprobs !== undefined && { logprobs: [] }),
});

async function writeText(
  calls: SessionCalls,
  session: Session,
  tokenizer: Tokenizer,
  prompt: readonly number[],
  o: GenerateOptions,
  onText: (text: string) => void,
): Promise<Generated> {
  const { context } = session.model.manifest.model.sizes;
  const { whenFull = "shift" } = o;
  const random = randomStream(o.seed, "sample");
  const stream = textStream(o.stop ?? [], tokenizer.cleansSpaces);
  const names = new Map([...tokenizer.special].map(([name, id]) => [id, name]));
  const hidden = o.special === false ? names : undefined;
  const all = [...prompt];
  const logprobs: TokenLogprob[] = [];
  let text = "";
  let reason: EndReason = "tokens";
  const show = (piece: string): void => {
    text += piece;
    if (piece !== "") onText(piece);
  };

  const began = performance.now();
  const first =
    o.tokens > 0
      ? await calls.feed(whenFull === "shift" ? prompt.slice(-context) : prompt, o.signal)
      : undefined;
  let logits = first?.logits;
  const prefilled = performance.now();
  while (logits && all.length - prompt.length < o.tokens) {
    if (o.signal?.aborted) {
      reason = "aborted";
      break;
    }
    const logprobOf = o.logprobs === undefined ? undefined : logprobReader(logits, o.logprobs);
    const token = sampleToken(
      logits,
      o,
      all,
      random,
      Math.min(tokenizer.size, logits.length),
      tokenizer.absent,
    );
    if (ends(tokenizer, token)) {
      reason = "end of text";
      break;
    }
    if (logprobOf) logprobs.push(logprobOf(token));
    all.push(token);
    const mark = hidden?.get(token);
    const bytes = mark === undefined ? tokenizer.bytes(token) : NOTHING;
    const isFirst = all.length - prompt.length === 1 && (o.prompt === "" || typeof o.prompt !== "string");
    const { text: piece, stopped } = stream.push(
      isFirst && tokenizer.addsSpace && bytes[0] === SPACE ? bytes.subarray(1) : bytes,
    );
    show(piece);
    if (stopped || (mark !== undefined && o.stop?.includes(mark))) {
      reason = "stop";
      break;
    }
    if (all.length - prompt.length === o.tokens) break;
    const full = session.cached.length === context;
    if (full && whenFull === "stop") {
      reason = "context";
      break;
    }
    if (!full) {
      logits = await calls.next(token);
      continue;
    }
    logits = (await unlessAborted(calls.feed(all.slice(-Math.max(1, context >> 1)), o.signal), o.signal))
      ?.logits;
    if (!logits) reason = "aborted";
  }
  show(stream.end());
  return {
    text,
    tokens: all.slice(prompt.length),
    promptTokens: prompt.length,
    cachedTokens: first?.reused ?? 0,
    reason,
    prefillMs: prefilled - began,
    decodeMs: performance.now() - prefilled,
    ...(o.logprobs !== undefined && { logprobs }),
  };
}

const ends = (tokenizer: Tokenizer, token: number): boolean =>
  token === tokenizer.endOfText || token === tokenizer.beginOfText || tokenizer.stops.has(token);

const SPACE = 0x20;
const NOTHING = new Uint8Array(0);

/**
 * The token that begins every text, where the vocabulary has one. A model needs a token to start from:
 * otherwise it is, of an empty prompt, <|endoftext|>, else a line break, else token 0.
 */
export function promptTokens(tokenizer: Tokenizer, prompt: string): number[] {
  const begin = tokenizer.beginOfText === undefined ? [] : [tokenizer.beginOfText];
  const ids = prompt === "" ? begin : [...begin, ...tokenizer.encode(prompt)];
  if (ids.length > 0) return ids; // white space may be nothing to a tokenizer
  if (tokenizer.endOfText !== undefined) return [tokenizer.endOfText];
  try {
    const line = tokenizer.encode("\n");
    if (line.length > 0) return line; // to ids, a line break is white space
  } catch (cause) {
    if (!(cause instanceof SinterError)) throw cause;
  }
  return [0];
}
