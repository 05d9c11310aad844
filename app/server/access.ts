/**
 * Who may ask. A page elsewhere can make a browser send requests to this machine: by a name of its own that
 * has come to mean this machine (DNS rebinding: its name is in `Host`), or across origins (its name is in
 * `Origin`). Both are refused unless they are on a list, and the refusal says on which.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { ApiError } from "./api/errors.ts";

export interface AccessRules {
  /** Names under which the server may be asked, besides this machine's own and addresses in figures. */
  readonly allowedHosts: readonly string[];
  /** Origins of pages that may ask, as "https://chat.example"; "*": all. */
  readonly corsOrigins: readonly string[];
  /** Undefined: no key is asked for. */
  readonly apiKey: string | undefined;
}

/** An address in figures cannot be made to mean another machine. */
const address = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[\da-f:.]+\])$/i;

export function checkHost(host: string | undefined, { allowedHosts }: AccessRules): void {
  const name = (host ?? "").replace(/:\d+$/, "").toLowerCase();
  if (name === "localhost" || address.test(name) || allowedHosts.includes(name)) return;
  throw new ApiError(
    "forbidden",
    `this server does not answer to the host ${JSON.stringify(name)}; --allowed-hosts lists its names`,
  );
}

export const isAllowedOrigin = (origin: string, { corsOrigins }: AccessRules): boolean =>
  corsOrigins.includes("*") || corsOrigins.includes(origin);

/** Throws for a request from a page that is neither the server's own nor listed. */
export function checkOrigin(origin: string | undefined, host: string | undefined, rules: AccessRules): void {
  if (origin === undefined || isAllowedOrigin(origin, rules)) return;
  if (host !== undefined && URL.parse(origin)?.host === host.toLowerCase()) return;
  throw new ApiError(
    "forbidden",
    `pages of ${JSON.stringify(origin)} may not use this server; --cors-origins lists those that may`,
  );
}

/** Throws where a key is asked for and neither header has it. */
export function checkKey(headers: Headers, { apiKey }: AccessRules): void {
  if (apiKey === undefined) return;
  const bearer = /^Bearer (.*)$/i.exec(headers.get("authorization") ?? "")?.[1];
  const given = bearer ?? headers.get("x-api-key");
  if (given !== null && isSame(given, apiKey)) return;
  const why = given === null ? "no API key was sent" : "the API key is not this server's";
  throw new ApiError("bad key", `${why}: it goes into the header Authorization: Bearer KEY`, {
    headers: { "www-authenticate": "Bearer" },
  });
}

/** How long this takes says nothing about where two texts differ. */
const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));
const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
