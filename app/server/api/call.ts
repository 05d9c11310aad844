/** A request on its way through the routes, whatever server it came through. */
import * as v from "valibot";
import type { ServedFacts, Serving } from "../pool/serving.ts";
import type { Metrics } from "./metrics.ts";
import { ApiError } from "./errors.ts";
import { checkBody, parseJson } from "./read-body.ts";
import { refuseUnsupported } from "./refusals.ts";
import { servedAs, type NamedFacts } from "./served-as.ts";

/** What is the same for all requests. */
export interface Service {
  readonly serving: Serving;
  readonly metrics: Metrics;
  readonly settings: ServiceSettings;
}

export interface ServiceSettings {
  /** Milliseconds that a request may take. Undefined: as long as it likes. */
  readonly timeoutMs?: number | undefined;
  /** After so long a silence a stream has a comment, so that nobody on the way takes it for dead. */
  readonly pingMs: number;
  /** A client that takes nothing for so long is cut off. */
  readonly stallMs: number;
  readonly hasMetrics: boolean;
  readonly hasSlots: boolean;
  /** The model has a chat format of its own, and not only the plain one. */
  knowsChats(): boolean;
  /** The release, for /props. */
  readonly version: string;
}

export interface Call extends Service {
  readonly id: string;
  /** Comes when the client has gone, or the request was given up. */
  readonly signal: AbortSignal;
  giveUp(): void;
  /** Tells the log of what went wrong. */
  report(cause: unknown): void;
  /** Ends the connection at once. */
  cut(): void;
  readonly query: URLSearchParams;
  /** Parts of the path that a route has left open, by name. */
  readonly path: Readonly<Record<string, string>>;
  /** The body's text. */
  text(): Promise<string>;
}

export interface Route {
  readonly method: "GET" | "POST";
  /** All of them mean the same; the first one is its name. */
  readonly paths: readonly string[];
  /** true: answers without a key. */
  readonly isOpen?: boolean;
  /** What the body has to be. */
  readonly schema?: v.GenericSchema;
  readonly run: (call: Call) => Response | Promise<Response>;
}

/** A route whose body is an object of this schema. */
export const post = <const Schema extends v.GenericSchema>(
  paths: readonly string[],
  schema: Schema,
  run: (call: Call, body: v.InferOutput<Schema>, facts: NamedFacts) => Promise<Response>,
): Route => ({
  method: "POST",
  paths,
  schema,
  run: async (call) => {
    const facts = loadedFacts(call);
    const body = parseJson(await call.text());
    const checked = checkBody(schema, body);
    refuseUnsupported(body);
    return run(call, checked, servedAs(facts, body["model"]));
  },
});

/** Throws `loading` while there is no model yet, and `model failed` where there will be none. */
export function loadedFacts({ serving }: Service): ServedFacts {
  const { facts, state } = serving;
  if (state === "draining")
    throw new ApiError("draining", "the server is shutting down", { headers: { "retry-after": "5" } });
  if (facts) return facts;
  if (state === "failed") throw new ApiError("model failed", "the model could not be loaded");
  throw new ApiError("loading", "Loading model", { headers: { "retry-after": "1" } });
}

/** Seconds since 1970. */
export const now = (): number => Math.floor(Date.now() / 1000);
