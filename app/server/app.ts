/**
 * The server as a function from requests to answers: who may ask, which route answers, what is counted and
 * logged. It listens nowhere; `listen.ts` does.
 */
import { randomUUID } from "node:crypto";
import type { HttpBindings } from "@hono/node-server";
import { Hono, type Context } from "hono";
import { cors } from "hono/cors";
import type { Call, Route, Service } from "./api/call.ts";
import { ApiError, asApiError } from "./api/errors.ts";
import { readBody } from "./api/read-body.ts";
import { routes } from "./api/routes.ts";
import { checkHost, checkKey, checkOrigin, isAllowedOrigin, type AccessRules } from "./access.ts";
import type { Page } from "./page.ts";
import type { ServerLog } from "./log.ts";

/** Most bytes of a request's body. */
export const MOST_BODY_BYTES = 1 << 20;

export interface AppOptions {
  readonly access: AccessRules;
  /** What is at /. Undefined: nothing. */
  readonly page: Page | undefined;
  readonly log: ServerLog;
}

interface Variables {
  /** Of the request, for the log and the client. */
  readonly id: string;
  /** The name of the route that answers. */
  route: string;
}
/** Node's request and answer, where there is a connection. */
type Env = { Bindings: Partial<HttpBindings>; Variables: Variables };
type Requested = Context<Env>;

export type ServerApp = Hono<Env>;

export function createApp(service: Service, options: AppOptions): ServerApp {
  const { access, page, log } = options;
  const app: ServerApp = new Hono<Env>();
  app.use((c, next) => observed(c, next, service, log));
  app.use(async (c, next) => {
    const host = c.req.header("host");
    checkHost(host, access);
    checkOrigin(c.req.header("origin"), host, access);
    return next();
  });
  if (access.corsOrigins.length > 0) app.use(corsOf(access));
  if (page) {
    app.get("/", (c) => {
      c.set("route", "/");
      return c.body(page.html, 200, page.headers);
    });
    app.all("/", (c) => refuseMethod(c, "GET"));
  }
  for (const route of routes)
    for (const path of route.paths) {
      app.on(route.method, path, (c) => answer(c, route, service, options));
      app.all(path, (c) => refuseMethod(c, route.method)); // no path has two methods
    }
  app.notFound((c) => notFound(c).response);
  app.onError((cause, c) => {
    const error = asApiError(cause);
    log.failed(c.get("id"), error);
    return error.response;
  });
  return app;
}

const corsOf = (access: AccessRules) =>
  cors({
    origin: (origin) => (isAllowedOrigin(origin, access) ? origin : null),
    allowMethods: ["GET", "POST"],
    exposeHeaders: ["x-request-id", "retry-after"],
    maxAge: 600,
  });

/** Gives the request its id; counts and logs it when the last byte has gone, or the client has. */
async function observed(
  c: Requested,
  next: () => Promise<void>,
  { metrics }: Service,
  log: ServerLog,
): Promise<void> {
  const began = performance.now();
  const id = randomUUID().replaceAll("-", "");
  c.set("id", id);
  c.set("route", "none");
  const ended = (): void => {
    const entry = { id, method: c.req.method, route: c.get("route"), status: c.res.status };
    const ms = performance.now() - began;
    metrics.requestEnded(entry.route, entry.status, ms);
    log.ended({ ...entry, ms });
  };
  const outgoing = c.env.outgoing;
  await next();
  c.header("x-request-id", requestId(id));
  c.header("x-content-type-options", "nosniff");
  if (outgoing && !outgoing.destroyed) outgoing.once("close", ended);
  else ended();
}

const requestId = (id: string): string => `req_${id}`;

async function answer(
  c: Requested,
  route: Route,
  service: Service,
  { access, log }: AppOptions,
): Promise<Response> {
  c.set("route", route.paths[0]!);
  if (!route.isOpen) checkKey(c.req.raw.headers, access);
  return route.run(callOf(c, service, log));
}

function callOf(c: Requested, service: Service, log: ServerLog): Call {
  const id = c.get("id");
  const given = new AbortController();
  const giveUp = (): void => given.abort(new ApiError("client gone", "the client has gone"));
  whenGone(c, giveUp);
  return {
    ...service,
    id,
    signal: given.signal,
    giveUp,
    report: (cause) => log.failed(id, asApiError(cause)),
    cut: () => void c.env.outgoing?.destroy(),
    query: new URL(c.req.url).searchParams,
    path: c.req.param(),
    async text() {
      const text = await readBody(c.req.raw, MOST_BODY_BYTES);
      log.body?.(id, text);
      return text;
    },
  };
}

/**
 * Calls when the connection closes before the whole answer has been sent, streamed or not. A listener on the
 * request's own signal would keep the request for ever: Node keeps that signal until the request is gone.
 */
function whenGone(c: Requested, gone: () => void): void {
  const { outgoing } = c.env;
  if (!outgoing) return c.req.raw.signal.addEventListener("abort", gone, { once: true });
  if (outgoing.closed) return gone();
  outgoing.once("close", () => {
    if (!outgoing.writableFinished) gone();
  });
}

const notFound = (c: Requested): ApiError =>
  new ApiError("no route", `there is no route ${c.req.method} ${JSON.stringify(c.req.path)}`);

function refuseMethod(c: Requested, allow: string): never {
  throw new ApiError("wrong method", `${c.req.path} takes ${allow}, not ${c.req.method}`, {
    headers: { allow },
  });
}
