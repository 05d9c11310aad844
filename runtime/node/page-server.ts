/**
 * Serves a page that uses Sinter from this machine (`sinter page`): the files of a folder (with ranges, so
 * that weights can be streamed), the browser's runtime as JavaScript under /sinter/, and the two headers that
 * give a page shared memory. Where the folder has no index.html, the example is the page.
 *
 * In the checkout the runtime is TypeScript, which a browser does not read: its types are taken away. The
 * built package has JavaScript, which is served as it is. Nothing is bundled.
 */
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import nodeModule from "node:module";
import { dirname, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

const RUNTIME = fileURLToPath(new URL("..", import.meta.url));
/** How the runtime's files end: in the checkout .ts, in the built package .js. */
export const EXTENSION = import.meta.url.slice(-3);
const PREFIX = "/sinter/";
const EXAMPLE = join(RUNTIME, "browser/example.html");
const mimeTypes: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript",
  ts: "text/javascript",
  json: "application/json",
  css: "text/css",
  wasm: "application/wasm",
  txt: "text/plain; charset=utf-8",
  svg: "image/svg+xml",
  png: "image/png",
  webmanifest: "application/manifest+json",
};
const isolation = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
} as const;

/** A TypeScript file as a browser takes it; imports of other such files end in .js. */
export const asJavaScript = (typescript: string): string =>
  nodeModule.stripTypeScriptTypes(typescript).replaceAll(/(["'])(\.{1,2}\/[^"'\n]+)\.ts\1/g, "$1$2.js$1");

/** What a page has no use for: Node's part, reports, and what was built from these files. */
const notForPages = (path: string): boolean =>
  ["node", "report", "dist"].some((folder) => path.startsWith(folder + sep));

/** A built file names a map that is not served. */
export const withoutMap = (javaScript: string): string =>
  javaScript.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n");

/** The browser's runtime as JavaScript: paths without the prefix. */
export const runtimeFiles = (): readonly string[] =>
  readdirSync(RUNTIME, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(EXTENSION) && !notForPages(path))
    .map((path) => `${path.slice(0, -3)}.js`);

const read = new Map<string, { readonly mtimeMs: number; readonly text: string }>();

/** A file of the runtime as JavaScript, as it is on the disk now. */
function runtimeFile(path: string): string {
  const file = join(RUNTIME, path.slice(0, -3) + EXTENSION);
  const { mtimeMs } = statSync(file);
  const known = read.get(path);
  if (known?.mtimeMs === mtimeMs) return known.text;
  const found = readFileSync(file, "utf8");
  const text = EXTENSION === ".ts" ? asJavaScript(found) : withoutMap(found);
  read.set(path, { mtimeMs, text });
  return text;
}

export interface PageServerOptions {
  readonly folder: string;
  /** 0: any port that is free. */
  readonly port: number;
  /** What it listens on. Default: 127.0.0.1, and then only what this machine asks for by name is answered. */
  readonly host?: string;
  /** false: without the headers, as most servers are. */
  readonly isolated?: boolean;
  /** Sent with every answer. */
  readonly headers?: Readonly<Record<string, string>>;
  /** false: answers without ranges. */
  readonly ranges?: boolean;
  /** Is asked first; true: it has answered. */
  readonly handle?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

/** The address at which nobody but this machine is heard. */
const LOOPBACK = "127.0.0.1";

export async function startPageServer({
  folder,
  port,
  host = LOOPBACK,
  isolated = true,
  headers = {},
  ranges = true,
  handle,
}: PageServerOptions): Promise<{ readonly url: string; readonly server: Server }> {
  const root = resolve(folder);
  const runtime = new Set(runtimeFiles());
  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries({ ...(isolated && isolation), ...headers }))
      response.setHeader(name, value);
    if (handle?.(request, response)) return;
    if (host === LOOPBACK && !isLocal(request.headers.host)) return void response.writeHead(403).end();
    const path = pathOf(request.url!);
    if (path === undefined) return void response.writeHead(400).end();
    const own = path.startsWith(PREFIX) ? path.slice(PREFIX.length) : "";
    if (request.method !== "GET" && request.method !== "HEAD") return void response.writeHead(405).end();
    if (runtime.has(own))
      return void response.writeHead(200, { "content-type": mimeTypes["js"] }).end(runtimeFile(own));
    const named = join(root, path.endsWith("/") ? `${path}index.html` : path);
    if (!named.startsWith(root + sep)) return void response.writeHead(404).end();
    const file = (path === "/" || path === "/example.html") && !existsSync(named) ? EXAMPLE : named;
    sendFile(file, ranges ? request.headers.range : undefined, ranges, request.method === "HEAD", response);
  });
  await new Promise<void>((done, failed) => server.once("error", failed).listen(port, host, done));
  const address = server.address();
  const name = host === LOOPBACK ? "localhost" : host.includes(":") ? `[${host}]` : host;
  return { url: `http://${name}:${typeof address === "object" && address ? address.port : port}/`, server };
}

/** A page elsewhere whose name has come to mean this machine (DNS rebinding) sends its own name. */
export const isLocal = (host: string | undefined): boolean =>
  /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(host ?? "");

/** Undefined: what was asked for is no path. */
function pathOf(url: string): string | undefined {
  try {
    const path = decodeURIComponent(new URL(url, "http://localhost").pathname);
    return path.includes("\0") ? undefined : path;
  } catch {
    return undefined;
  }
}

/** Sends a file, or its bytes from A to B (RFC 9110 §14: "bytes=A-B", a single range). */
function sendFile(
  file: string,
  range: string | undefined,
  ranges: boolean,
  headOnly: boolean,
  response: ServerResponse,
): void {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat?.isFile()) return void response.writeHead(404).end();
  const asked = /^bytes=(\d+)-(\d*)$/.exec(range ?? "");
  const from = asked ? Number(asked[1]) : 0;
  const to = Math.min(asked?.[2] ? Number(asked[2]) : Infinity, stat.size - 1);
  const head = {
    "content-type": mimeTypes[file.slice(file.lastIndexOf(".") + 1)] ?? "application/octet-stream",
    etag: `"${stat.size}-${stat.mtimeMs}"`,
    "cache-control": "no-cache",
    ...(ranges && { "accept-ranges": "bytes" }),
  };
  if (asked && (from > to || from >= stat.size))
    return void response.writeHead(416, { "content-range": `bytes */${stat.size}` }).end();
  response.writeHead(asked ? 206 : 200, {
    ...head,
    "content-length": to - from + 1,
    ...(asked && { "content-range": `bytes ${from}-${to}/${stat.size}` }),
  });
  if (headOnly || stat.size === 0) return void response.end();
  const stream = createReadStream(file, { start: from, end: to, highWaterMark: 1 << 20 });
  stream.on("error", () => response.destroy());
  response.on("close", () => stream.destroy());
  stream.pipe(response);
}

/** Writes the runtime's JavaScript into a folder. Returns how many files. */
export function writeRuntime(folder: string): number {
  const files = runtimeFiles();
  for (const file of files) {
    const to = join(folder, file);
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, runtimeFile(file));
  }
  return files.length;
}
