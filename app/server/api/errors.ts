/**
 * What can go wrong with a request, as clients see it: `{"error": {"message", "type", "param", "code"}}`.
 * Types and codes are OpenAI's where it has one, else llama.cpp's. OpenAI's clients repeat a request at 408,
 * 409, 429 and from 500 on, so what can never succeed has another status.
 */
import { SinterError } from "../../../runtime/base/errors.ts";
import { ServingError, type Refusal } from "../pool/serving.ts";

/** THE table of errors. */
export const errorKinds = {
  "wrong value": { status: 400, type: "invalid_request_error", code: "invalid_value" },
  "bad JSON": { status: 400, type: "invalid_request_error", code: "invalid_json" },
  "bad request": { status: 400, type: "invalid_request_error", code: "bad_request" },
  "not supported": { status: 400, type: "not_supported_error", code: "not_supported" },
  "prompt too long": { status: 400, type: "exceed_context_size_error", code: "context_length_exceeded" },
  "bad key": { status: 401, type: "authentication_error", code: "invalid_api_key" },
  forbidden: { status: 403, type: "permission_error", code: "forbidden" },
  "no route": { status: 404, type: "not_found_error", code: "not_found" },
  "no model": { status: 404, type: "not_found_error", code: "model_not_found" },
  "wrong method": { status: 405, type: "not_found_error", code: "method_not_allowed" },
  "too slow": { status: 408, type: "invalid_request_error", code: "request_timeout" },
  "too large": { status: 413, type: "invalid_request_error", code: "request_too_large" },
  "head too large": { status: 431, type: "invalid_request_error", code: "headers_too_large" },
  /** Nobody reads the answer any more. nginx's number, for the log. */
  "client gone": { status: 499, type: "invalid_request_error", code: "client_closed_request" },
  bug: { status: 500, type: "server_error", code: "internal_error" },
  "model failed": { status: 500, type: "server_error", code: "model_failed" },
  "switched off": { status: 501, type: "not_supported_error", code: "switched_off" },
  loading: { status: 503, type: "unavailable_error", code: "loading" },
  draining: { status: 503, type: "unavailable_error", code: "shutting_down" },
  "queue full": { status: 503, type: "unavailable_error", code: "queue_full" },
  "no free slot": { status: 503, type: "unavailable_error", code: "no_free_slot" },
  "out of time": { status: 503, type: "unavailable_error", code: "deadline_exceeded" },
} as const satisfies Record<
  string,
  { readonly status: number; readonly type: string; readonly code: string }
>;
export type ErrorKind = keyof typeof errorKinds;

export interface ErrorFacts {
  /** The field of the body that is wrong: "messages[0].content". */
  readonly param?: string;
  /** More fields of the error object. */
  readonly fields?: Readonly<Record<string, number>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

export class ApiError extends Error {
  readonly kind: ErrorKind;
  readonly facts: ErrorFacts;

  constructor(kind: ErrorKind, message: string, facts: ErrorFacts = {}) {
    super(message, { cause: facts.cause });
    this.name = "ApiError";
    this.kind = kind;
    this.facts = facts;
  }

  get status(): number {
    return errorKinds[this.kind].status;
  }

  /** The body of the answer. */
  get object(): object {
    const { type, code } = errorKinds[this.kind];
    const { param = null, fields } = this.facts;
    return { error: { message: this.message, type, param, code, ...fields } };
  }

  get headers(): Readonly<Record<string, string>> {
    // what is off stays off: OpenAI's clients need not try again
    return { ...(this.status === 501 && { "x-should-retry": "false" }), ...this.facts.headers };
  }

  get response(): Response {
    return Response.json(this.object, { status: this.status, headers: this.headers });
  }
}

/** What a pool's refusal is to a client. */
const kindOfRefusal = {
  "prompt too long": "prompt too long",
  "queue full": "queue full",
  draining: "draining",
  loading: "loading",
  "model failed": "model failed",
  "bad token": "wrong value",
  "bad lane": "wrong value",
  "not built": "not supported",
} as const satisfies Record<Refusal["kind"], ErrorKind>;

/** Anything that a route throws. What is nobody's fault but ours says so, and nothing about its inside. */
export function asApiError(cause: unknown): ApiError {
  if (cause instanceof ApiError) return cause;
  if (cause instanceof ServingError) return refusalError(cause);
  // a tokenizer or a chat format that does not take a text
  if (cause instanceof SinterError && cause.kind === "input")
    return new ApiError("wrong value", cause.message, { cause });
  return new ApiError("bug", "this is a bug of the server's; its log says more", { cause });
}

function refusalError(cause: ServingError): ApiError {
  const { refusal, message } = cause;
  const kind = kindOfRefusal[refusal.kind];
  switch (refusal.kind) {
    case "prompt too long":
      return new ApiError(kind, tooLong(refusal.promptTokens, refusal.context), {
        cause,
        fields: { n_prompt_tokens: refusal.promptTokens, n_ctx: refusal.context },
      });
    case "queue full":
      return new ApiError(kind, message, { cause, headers: retryAfter(refusal.retryAfterSeconds) });
    case "draining":
    case "loading":
      return new ApiError(kind, message, { cause, headers: retryAfter(1) });
    case "bad lane":
      return new ApiError(kind, message, { cause, param: "id_slot" });
    default:
      return new ApiError(kind, message, { cause });
  }
}

const tooLong = (promptTokens: number, context: number): string =>
  `the request exceeds the available context size: its prompt has ${promptTokens} tokens, and the context ` +
  `${context}; shorten it, or start the server with a larger --ctx-size`;

export const retryAfter = (seconds: number): Readonly<Record<string, string>> => ({
  "retry-after": `${Math.max(1, Math.ceil(seconds))}`,
});
