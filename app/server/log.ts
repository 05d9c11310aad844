/** What is written down about requests: a line each, without what they say unless that is asked for. */
import { timeText } from "../../runtime/contract/amounts.ts";
import { errorKinds, type ApiError } from "./api/errors.ts";

export interface RequestEntry {
  readonly id: string;
  readonly method: string;
  /** Its name in the table of routes; "none": there is none. */
  readonly route: string;
  readonly status: number;
  readonly ms: number;
}

export interface ServerLog {
  ended(entry: RequestEntry): void;
  /** A request that was refused, or that failed, also in the middle of a stream. */
  failed(id: string, error: ApiError): void;
  /** Gets what is asked, where this is to be written down. */
  body?(id: string, text: string): void;
}

export const logModes = ["off", "errors", "requests", "prompts"] as const;
export type LogMode = (typeof logModes)[number];

/**
 * off: nothing. errors: what is the server's fault. requests: also a line for each request. prompts: also
 * what is asked.
 */
export function serverLog(mode: LogMode, write: (line: string) => void): ServerLog {
  const at = logModes.indexOf(mode);
  return {
    ended({ id, method, route, status, ms }) {
      if (at >= logModes.indexOf("requests")) write(`${method} ${route} ${status} ${timeText(ms)} req_${id}`);
    },
    failed(id, error) {
      if (at < logModes.indexOf("errors") || errorKinds[error.kind].type !== "server_error") return;
      write(`req_${id}: ${error.message}${causeText(error.cause)}`);
    },
    ...(mode === "prompts" && { body: (id: string, text: string) => write(`req_${id} asks ${text}`) }),
  };
}

const causeText = (cause: unknown): string =>
  cause instanceof Error
    ? `: ${cause.stack ?? cause.message}`
    : cause === undefined
      ? ""
      : `: ${String(cause)}`;
