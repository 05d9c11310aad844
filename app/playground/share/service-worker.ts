/**
 * Keeps the page for visits without a network, and gives it shared memory on hosts that cannot send the two
 * headers for that, when the visitor has asked for it. It is written as sw.js beside index.html when the page
 * is built (service-worker-file.ts), with the names of the files that belong to this version.
 *
 * The page itself comes from the network where there is one, so that a new version is seen at once; its other
 * files have their content's hash in their names, so a kept one is as good as a fetched one. What the page
 * needs to be opened is fetched when a version is installed, everything else when it is first asked for.
 */
interface Lasting extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Lasting {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}
interface Scope {
  readonly registration: { readonly scope: string };
  readonly clients: { claim(): Promise<void> };
  addEventListener(type: "install" | "activate", listener: (event: Lasting) => void): void;
  addEventListener(type: "fetch", listener: (event: Fetching) => void): void;
  addEventListener(type: "message", listener: (event: Lasting & MessageEvent<Wish>) => void): void;
}
/** What the page asks for; it is answered on the port that comes with it. */
type Wish = "isolate";

/** The hash of everything that this version is made of. */
declare const VERSION: string;
/** The files to fetch at once, relative to this one. */
declare const FIRST_FILES: readonly string[];

const scope = globalThis as unknown as Scope;
const PREFIX = "sinter-page-";
const CACHE = PREFIX + VERSION;
/** Outlives versions. */
const WISHES = "sinter-wishes";
const ISOLATE = new URL("isolate", scope.registration.scope).href;
/** Longer than this, nobody waits for a network that does not answer. */
const PATIENCE_MS = 3000;
const hashed = /\/assets\/.+-[\w-]{8}\.\w+$/;

scope.addEventListener("install", (event) => event.waitUntil(install()));
scope.addEventListener("activate", (event) => event.waitUntil(activate()));
scope.addEventListener("message", (event) => event.waitUntil(fulfil(event)));
scope.addEventListener("fetch", (event) => {
  const { request } = event;
  const isOurs = request.url.startsWith(scope.registration.scope) && !request.headers.has("range");
  if (request.method === "GET" && isOurs) event.respondWith(answer(request));
});

async function install(): Promise<void> {
  const cache = await caches.open(CACHE);
  await Promise.all(
    FIRST_FILES.map(async (name) => {
      const url = new URL(name, scope.registration.scope).href;
      const kept = hashed.test(url) ? await caches.match(url) : undefined; // of the version before
      const response = kept ?? (await fetch(url, { cache: "reload" }));
      if (!response.ok) throw new Error(`${url}: ${response.status}`);
      await cache.put(url, response);
    }),
  );
}

/**
 * Pages that are open already are taken over, but nobody waits for that: Firefox asks their threads as well,
 * and one that trains asleep in Atomics.wait never answers; until then every request of the page would hang.
 */
async function activate(): Promise<void> {
  void scope.clients.claim();
  const others = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(others.map((name) => caches.delete(name)));
}

async function fulfil({ ports }: MessageEvent<Wish>): Promise<void> {
  await (await caches.open(WISHES)).put(ISOLATE, new Response(""));
  ports[0]?.postMessage("done");
}

async function answer(request: Request): Promise<Response> {
  const response = await (request.mode === "navigate" ? newestPage(request) : keptFirst(request));
  const isWished = (await caches.match(ISOLATE, { cacheName: WISHES })) !== undefined;
  return isWished && response.type !== "opaqueredirect" ? isolated(response) : response;
}

async function newestPage(request: Request): Promise<Response> {
  const kept = await caches.match(scope.registration.scope, { cacheName: CACHE });
  if (!kept) return fetch(request);
  const late = new Promise<Response>((resolve) => setTimeout(() => resolve(kept), PATIENCE_MS));
  const fetched = fetch(request).then((response) => (response.status < 500 ? response : kept));
  return Promise.race([fetched, late]).catch(() => kept);
}

async function keptFirst(request: Request): Promise<Response> {
  const kept = await caches.match(request, { cacheName: CACHE, ignoreVary: true });
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok && hashed.test(request.url))
    await (await caches.open(CACHE)).put(request, response.clone());
  return response;
}

/** With the headers that give a page shared memory; its threads' scripts need them too. */
function isolated(response: Response): Response {
  const headers = new Headers(response.headers);
  headers.set("cross-origin-opener-policy", "same-origin");
  headers.set("cross-origin-embedder-policy", "require-corp");
  headers.set("cross-origin-resource-policy", "same-origin");
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}
