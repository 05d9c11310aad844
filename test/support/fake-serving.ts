/**
 * A model for tests of the server's routes: it says what it is told to say, byte by byte, and what it was
 * asked can be looked at.
 */
import type { Manifest } from "../../runtime/contract/manifest.ts";
import { byteTokenizer } from "../../runtime/tokenizers/plain/bytes.ts";
import { plainChat, type ChatFormat } from "../../runtime/tokenizers/chat/chat.ts";
import { createApp, type AppOptions, type ServerApp } from "../../app/server/app.ts";
import { Metrics } from "../../app/server/api/metrics.ts";
import type { ServiceSettings } from "../../app/server/api/call.ts";
import {
  ServingError,
  type MadeToken,
  type Refusal,
  type ServedFacts,
  type Serving,
  type TextAsk,
  type TextMade,
} from "../../app/server/pool/serving.ts";

const tokenizer = byteTokenizer();
export const CONTEXT = 64;
const WIDTH = 4;

const manifest = {
  parameters: 1234,
  model: {
    name: "fake",
    sizes: { vocab: 256, context: CONTEXT, width: WIDTH },
    sample: { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05, repeatPenalty: 1, tokens: 8, seed: 1 },
  },
} as unknown as Manifest;

export interface FakeServing extends Serving {
  /** All that was asked, in order. */
  readonly asks: TextAsk[];
  state: Serving["state"];
  facts: ServedFacts | undefined;
  /** What the next texts say; a text that never ends by itself waits for its signal. */
  says: (ask: TextAsk) => string;
  /** Every further ask is refused so. */
  refusal: Refusal | undefined;
  /** A text fails after so many pieces. */
  failsAfter: number;
  isEndless: boolean;
  busy: number;
}

export function fakeServing(format: ChatFormat | undefined = plainChat(tokenizer)): FakeServing {
  const facts: ServedFacts = {
    manifest,
    tokenizer,
    format,
    name: "fake",
    lanes: 2,
    context: CONTEXT,
    weightsBytes: 4936,
    fingerprint: "fp_0123456789ab",
    spec: "model fake { }\n",
    created: 1_700_000_000,
  };
  const fake: FakeServing = {
    asks: [],
    state: "ready",
    facts,
    ready: Promise.resolve(facts),
    says: ({ sampling }) => ` answer ${sampling.seed}`,
    refusal: undefined,
    failsAfter: Infinity,
    isEndless: false,
    busy: 0,
    async complete(ask) {
      fake.asks.push(ask);
      if (fake.refusal) throw new ServingError(fake.refusal, `refused: ${fake.refusal.kind}`);
      if (ask.tokens.length >= CONTEXT)
        throw new ServingError(
          { kind: "prompt too long", promptTokens: ask.tokens.length, context: CONTEXT },
          "long",
        );
      fake.busy++;
      return say(fake, ask).finally(() => fake.busy--);
    },
    score: async (tokens, { top }) =>
      tokens.map((id, i) => (i === 0 ? null : { id, logprob: -i, top: likeliest(top) })),
    embed: async (tokens) => Float32Array.of(0.5, 0.5, 0.5, tokens.length === 1 ? -0.5 : 0.5),
    lanes: () =>
      [0, 1].map((id) => ({ id, context: CONTEXT, isBusy: id < fake.busy, promptTokens: 3, made: 1 })),
    counts: () => ({
      lanes: 2,
      running: fake.busy,
      waiting: 0,
      usedRatio: 0.25,
      promptTokens: 10,
      cachedTokens: 4,
      madeTokens: 7,
      cancelled: { waiting: 0, prompt: 1, text: 2 },
      restarts: 0,
    }),
    renew: async () => {},
    drain: async () => void (fake.state = "draining"),
    close: async () => {},
  };
  return fake;
}

const likeliest = (top: number): { readonly id: number; readonly logprob: number }[] =>
  Array.from({ length: top }, (_, i) => ({ id: 97 + i, logprob: -0.5 - i }));

/** Says its text, a byte a turn of the event loop. A character is shown with the last of its bytes. */
async function say(fake: FakeServing, ask: TextAsk): Promise<TextMade> {
  const { sampling } = ask;
  const said = [...new TextEncoder().encode(fake.says(ask))].slice(0, sampling.tokens);
  const made: MadeToken[] = [];
  const utf8 = new TextDecoder();
  let text = "";
  let untold: MadeToken[] = [];
  ask.onProgress?.({ total: ask.tokens.length, cached: 0, processed: ask.tokens.length, ms: 1 });
  for (let i = 0; fake.isEndless || i < said.length; i++) {
    await new Promise(setImmediate);
    if (ask.signal.aborted) break;
    if (i === fake.failsAfter) throw new ServingError({ kind: "model failed" }, "a worker has ended");
    const id = said[i % said.length]!;
    const piece = utf8.decode(Uint8Array.of(id), { stream: true });
    const token =
      sampling.logprobs === undefined ? { id } : { id, logprob: -0.25, top: likeliest(sampling.logprobs) };
    made.push(token);
    untold.push(token);
    text += piece;
    if (piece === "") continue;
    ask.onText?.(piece, untold);
    untold = [];
  }
  if (untold.length > 0) ask.onText?.("", untold);
  return {
    text,
    tokens: made.map(({ id }) => id),
    ...(sampling.logprobs !== undefined && {
      logprobs: made.map(({ id, logprob = 0, top = [] }) => ({ id, logprob, top })),
    }),
    promptTokens: ask.tokens.length,
    cached: 1,
    seed: sampling.seed ?? 0,
    stop: ask.signal.aborted ? "aborted" : made.length === sampling.tokens ? "tokens" : "end of text",
    isTruncated: false,
    lane: 0,
    firstTokenMs: 2,
    promptMs: 1,
    madeMs: 3,
  };
}

export const settings: ServiceSettings = {
  pingMs: 30_000,
  stallMs: 30_000,
  hasMetrics: true,
  hasSlots: true,
  knowsChats: () => true,
  version: "0.0.0",
};

/** The server's app before a fake. `failures`: what was nobody's fault but the server's. */
export function fakeApp(
  serving: Serving,
  options: Partial<AppOptions> & { readonly settings?: Partial<ServiceSettings> } = {},
): { readonly app: ServerApp; readonly metrics: Metrics; readonly failures: unknown[] } {
  const failures: unknown[] = [];
  const metrics = new Metrics();
  const app = createApp(
    { serving, metrics, settings: { ...settings, ...options.settings } },
    {
      access: { allowedHosts: [], corsOrigins: [], apiKey: undefined },
      page: undefined,
      log: { ended: () => {}, failed: (_, error) => void (error.status === 500 && failures.push(error)) },
      ...options,
    },
  );
  return { app, metrics, failures };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Where it is JSON. */
  readonly json: unknown;
}

export interface Asked {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Asks without a network. A body that is no text is sent as JSON. */
export async function ask(app: ServerApp, path: string, asked: Asked = {}): Promise<Answer> {
  const response = await app.fetch(requestOf(path, asked), {});
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json");
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson ? (JSON.parse(text) as unknown) : undefined,
  };
}

export function requestOf(path: string, { method, body, headers, signal }: Asked): Request {
  return new Request(`http://localhost${path}`, {
    method: method ?? (body === undefined ? "GET" : "POST"),
    headers: { host: "localhost", ...headers },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
    ...(signal && { signal }),
  });
}

/** The data of server-sent events. */
export const eventsOf = (text: string): string[] =>
  text
    .split("\n\n")
    .filter((event) => event.startsWith("data: "))
    .map((event) => event.slice("data: ".length));
