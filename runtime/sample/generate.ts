/**
 * Text from a model: the prompt goes in by chunks, then the text grows token by token, with keys and values
 * of earlier positions in the cache. When the context is full, its newer half is fed again from position 0
 * and becomes the past; or the text ends there (`whenFull`).
 */
import { SinterError } from "../base/errors.ts";
import { Continuation, type ContinuationOptions, type EndReason } from "./continuation.ts";
import type { TokenLogprob } from "./logprobs.ts";
import { nextSteps } from "../engine/lane-loop.ts";
import type { Lanes } from "../engine/lanes.ts";
import type { RunningModel } from "../engine/model.ts";
import { createSession, type Session, type SessionCalls } from "./session.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";

export interface GenerateOptions extends ContinuationOptions {
  /**
   * What happens when the context is full. "shift": the text goes on after its newer half, and of a prompt
   * that does not fit the end is taken. "stop": the text ends, and a prompt that does not fit is an error.
   * Default: shift.
   */
  readonly whenFull?: "shift" | "stop" | undefined;
  /** A session whose cache may hold the beginning of the prompt. Default: a new session. */
  readonly session?: Session | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type { EndReason } from "./continuation.ts";

export interface Generated {
  readonly text: string;
  readonly tokens: readonly number[];
  readonly promptTokens: number;
  /** How many of these had their keys and values in the cache already. */
  readonly cachedTokens: number;
  readonly reason: EndReason;
  /** The stop text that has ended it, where one has. */
  readonly stopText?: string | undefined;
  /** Milliseconds until the first token could be drawn, and for everything after that. */
  readonly prefillMs: number;
  readonly decodeMs: number;
  readonly logprobs?: readonly TokenLogprob[];
}

/** Tokens per second after the first token; undefined when there are too few to tell. */
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
  const text = new Continuation(tokenizer, prompt, o, onText);
  const write = (lanes: Lanes): Promise<Generated> => writeText(session.within(lanes), session, text, o);
  return (await unlessAborted(model.inTurn(write, o.signal), o.signal)) ?? nothing(prompt, o);
}

/** The result of the work; undefined when the signal came first. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T | undefined> {
  try {
    return await work;
  } catch (cause) {
    if (signal?.aborted && cause === signal.reason) return undefined;
    throw cause;
  }
}

/** The result when the text was given up before its first token. */
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
  text: Continuation,
  o: GenerateOptions,
): Promise<Generated> {
  const { context } = session.model.manifest.model.sizes;
  const prompt = o.whenFull === "stop" ? text.prompt : text.prompt.slice(-context);
  const began = performance.now();
  const first = o.tokens > 0 ? await calls.feed(prompt, o.signal) : undefined;
  const prefilled = performance.now();
  const reason = first ? await addTokens(calls, session, text, first.logits, o) : "tokens";
  text.finish();
  return {
    text: text.shown,
    tokens: text.added,
    promptTokens: text.prompt.length,
    cachedTokens: first?.reused ?? 0,
    reason,
    stopText: text.stopText,
    prefillMs: prefilled - began,
    decodeMs: performance.now() - prefilled,
    ...(o.logprobs !== undefined && { logprobs: text.logprobs }),
  };
}

/**
 * Adds a token after the other until the text ends. `first`: the logits after the prompt. Where a module can,
 * it draws them by itself as long as there is room in the context.
 */
async function addTokens(
  calls: SessionCalls,
  session: Session,
  text: Continuation,
  first: Float32Array,
  o: GenerateOptions,
): Promise<EndReason> {
  const { context } = session.model.manifest.model.sizes;
  let logits: Float32Array | undefined = first;
  while (logits && !o.signal?.aborted) {
    const end = text.drawToken(logits);
    if (end) return end;
    const reason = await drawInModule(calls, session, text, o.signal);
    if (reason) return reason;
    const isFull = session.cached.length === context;
    if (isFull && o.whenFull === "stop") return "context";
    logits = isFull ? await shift(calls, text, context, o.signal) : await calls.next(text.tokens.at(-1)!);
  }
  return "aborted";
}

/**
 * Lets the module draw tokens, in pieces of some milliseconds. Returns why the text ends; undefined: it goes
 * on, from logits, since its context is full, or since the module does not draw for it.
 */
async function drawInModule(
  calls: SessionCalls,
  session: Session,
  text: Continuation,
  signal: AbortSignal | undefined,
): Promise<EndReason | undefined> {
  const { context } = session.model.manifest.model.sizes;
  if (session.cached.length === context) return undefined;
  const drawn = text.asDrawn(session.cached.length + 1);
  const drawing = drawn && calls.draw(drawn);
  if (!drawing) return undefined;
  for (let steps = 1; !signal?.aborted;) {
    const before = session.cached.length;
    const began = performance.now();
    const { tokens, ran, end, random, logitsRow } = await drawing.add(steps, signal);
    const stepMs = (performance.now() - began) / ran.length;
    for (const [i, token] of tokens.entries()) {
      const reason = text.takeToken(token);
      if (reason === "stop") drawing.goBack(before + 1 + i); // the module does not know of texts
      if (reason) return reason;
    }
    text.takeRandom(random);
    if (end === "corrupt") text.drawToken(drawing.logits(logitsRow)); // says what is wrong with them
    if (end !== "none") return undefined;
    steps = nextSteps(steps, stepMs);
  }
  return "aborted";
}

/**
 * The context is full: feeds its newer half again from position 0, and returns the logits after it.
 * Undefined: the signal came first.
 */
async function shift(
  calls: SessionCalls,
  text: Continuation,
  context: number,
  signal: AbortSignal | undefined,
): Promise<Float32Array | undefined> {
  const newer = text.tokens.slice(-Math.max(1, context >> 1));
  return (await unlessAborted(calls.feed(newer, signal), signal))?.logits;
}

/**
 * A prompt as ids, after the token that begins every text where the vocabulary has one. A model needs a token
 * to start from; where there is none, that is the token that ends texts, else a line break, else token 0.
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
