/**
 * The server on a port: how long a client may take to say what it wants, and how the server ends. The port is
 * opened before the model is loaded, so that one that is taken is known at once.
 */
import { randomUUID } from "node:crypto";
import { createServer, STATUS_CODES, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import type { ServerApp } from "./app.ts";
import { ApiError } from "./api/errors.ts";

export interface ListenOptions {
  readonly host: string;
  /** 0: any port that is free. */
  readonly port: number;
  /** Milliseconds for the head of a request, and for all of it. */
  readonly headMs?: number;
  readonly requestMs?: number;
}

export interface Listening {
  readonly url: string;
  readonly port: number;
  /** No more connections; those that there are may end within so many milliseconds. */
  close(graceMs: number): Promise<void>;
}

const HEAD_MS = 10_000;
const REQUEST_MS = 30_000;
/** Longer than the minute that proxies keep a connection, so that the proxy is the one that ends it. */
const KEEP_ALIVE_MS = 65_000;

/** Rejects as Node does where the port cannot be had. */
export async function listen(app: ServerApp, options: ListenOptions): Promise<Listening> {
  const { host, port, headMs = HEAD_MS, requestMs = REQUEST_MS } = options;
  const answer = getRequestListener(app.fetch as Parameters<typeof getRequestListener>[0], {
    overrideGlobalObjects: false,
    errorHandler: (cause) => unreadable(cause).response,
  });
  const server = createServer(
    {
      headersTimeout: headMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: Math.min(1000, headMs / 2),
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    (request, response) => void answer(request, response),
  );
  server.on("clientError", refuseConnection);
  await new Promise<void>((done, failed) => server.once("error", failed).listen(port, host, done));
  const at = server.address() as AddressInfo;
  const name = host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${name === "0.0.0.0" || name === "[::]" ? "localhost" : name}:${at.port}`,
    port: at.port,
    close: (graceMs) => closed(server, graceMs),
  };
}

/** A request whose address or `Host` is none. */
const unreadable = (cause: unknown): ApiError =>
  new ApiError("bad request", `the request cannot be read: ${(cause as Error).message}`, { cause });

/** What Node cannot read as HTTP, or what takes too long, is answered on the bare connection. */
function refuseConnection(cause: NodeJS.ErrnoException, socket: Duplex): void {
  if (cause.code === "ECONNRESET" || !socket.writable) return;
  const error =
    cause.code === "ERR_HTTP_REQUEST_TIMEOUT"
      ? new ApiError("too slow", "the request took too long to come")
      : cause.code === "HPE_HEADER_OVERFLOW"
        ? new ApiError("head too large", "the request's headers are too large")
        : new ApiError("bad request", "this is no HTTP request");
  const body = JSON.stringify(error.object);
  const head = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}`,
    "connection: close",
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: req_${randomUUID().replaceAll("-", "")}`,
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

async function closed(server: Server, graceMs: number): Promise<void> {
  const ended = new Promise<void>((done) => server.close(() => done()));
  server.closeIdleConnections();
  const late = setTimeout(() => server.closeAllConnections(), graceMs);
  await ended;
  clearTimeout(late);
}
