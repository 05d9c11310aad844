/**
 * Files over HTTP, to read. A large file is one open answer that is read as it comes in: nowhere is it as a
 * whole, and whoever reads it slowly slows it down. To go back, or far ahead, costs a request from there on
 * (Range, RFC 9110 §14); a server that does not know ranges sends everything again.
 */
import { SinterError } from "../base/errors.ts";
import { onlyRead, type Files, type ReadableFile } from "../base/files.ts";

export interface FetchOptions {
  /** Hears how many bytes of `path` have come in, and how many it has. */
  readonly onProgress?: (path: string, loaded: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Up to so many bytes are read and dropped rather than asked for anew. */
const SKIP = 1 << 20;
/** How often an answer that broke off is asked for again, from where it broke off. */
const RETRIES = 3;

/** `base` is what paths are relative to; by default the page's address. Nothing can be listed or written. */
export function fetchFiles(base: string | URL = globalThis.location.href, options: FetchOptions = {}): Files {
  const urlOf = (path: string): URL => new URL(path, base);
  return {
    async exists(path) {
      const answer = await get(urlOf(path), { method: "HEAD" }, options.signal);
      const noHead = answer.status === 405 || answer.status === 501;
      return isFile(
        noHead ? await get(urlOf(path), { headers: { range: "bytes=0-0" } }, options.signal) : answer,
      );
    },
    async read(path) {
      const answer = await get(urlOf(path), {}, options.signal);
      if (!answer.ok) throw refused(path, answer);
      return new Uint8Array(await answer.arrayBuffer());
    },
    open: (path) => openRemote(path, urlOf(path), options),
    ...onlyRead("files behind an address are only read"),
  };
}

/** Servers of single-page applications (Vite's, for one) answer with the page where there is no file. */
const isFile = ({ ok, headers }: Response): boolean =>
  ok && !headers.get("content-type")?.startsWith("text/html");

async function get(url: URL, init: RequestInit, signal: AbortSignal | undefined): Promise<Response> {
  try {
    return await fetch(url, signal ? { ...init, signal } : init);
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new SinterError(
      "input",
      `cannot fetch ${url.href}: ${(cause as Error).message}`,
      "Is the server up? Files of another origin have to be sent with Access-Control-Allow-Origin.",
    );
  }
}

const refused = (path: string, { status, statusText }: Response): SinterError =>
  new SinterError(
    "input",
    `cannot read ${path}: the server answers ${`${status} ${statusText}`.trim()}`,
    status === 404 ? "Check the address." : undefined,
  );

/** Asks for the file and opens its answer, from which it will be read. */
async function openRemote(path: string, url: URL, options: FetchOptions): Promise<ReadableFile> {
  const file = new RemoteFile(path, url, options);
  await file.open();
  return file;
}

/** An answer that is being read. */
interface Stream {
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  /** The next byte of the answer is byte `at` of the file. */
  at: number;
  /** Bytes that came in, and that nobody has asked for yet. */
  rest: Uint8Array;
}

class RemoteFile implements ReadableFile {
  readonly #path: string;
  readonly #url: URL;
  readonly #options: FetchOptions;
  #bytes = 0;
  /** Whether the server can send a file from any byte on. */
  #hasRanges = true;
  /** What the server says of the file's version. */
  #version: string | null = null;
  #stream: Stream | undefined;
  /** The last piece that was read: the next one may begin within it. */
  #last = { at: 0, bytes: new Uint8Array() };

  constructor(path: string, url: URL, options: FetchOptions) {
    this.#path = path;
    this.#url = url;
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  async open(): Promise<void> {
    const { stream, bytes } = await this.#request(0, "default");
    this.#bytes = bytes;
    this.#stream = stream;
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const end = offset + length;
    if (end > this.#bytes)
      throw new SinterError("corrupt", `${this.#path} ends at byte ${this.#bytes}; ${end} were expected`);
    const out = new Uint8Array(length);
    let at = offset + this.#copyAgain(offset, out);
    for (let failures = 0; at < end;) {
      try {
        await this.#reach(at, failures > 0);
        await this.#advance(at, end, (chunk, from) => {
          out.set(chunk, from - offset);
          at = from + chunk.length;
        });
      } catch (cause) {
        await this.close();
        if (this.#options.signal?.aborted || cause instanceof SinterError) throw cause;
        if (++failures > RETRIES) throw this.#brokeOff(at, cause as Error);
      }
    }
    this.#last = { at: offset, bytes: length <= SKIP ? out : new Uint8Array() };
    return out;
  }

  async fill(offset: number, into: Uint8Array): Promise<void> {
    into.set(await this.read(offset, into.length));
  }

  /** Drops the answer. A later read asks again. */
  async close(): Promise<void> {
    const stream = this.#stream;
    this.#stream = undefined;
    await stream?.reader.cancel().catch(() => {});
  }

  /** Copies what the last piece has of this one; returns how many bytes. */
  #copyAgain(offset: number, out: Uint8Array): number {
    const { at, bytes } = this.#last;
    if (offset < at || offset >= at + bytes.length) return 0;
    const again = bytes.subarray(offset - at, offset - at + out.length);
    out.set(again);
    return again.length;
  }

  /** Makes sure that the answer comes to byte `at` soon: asks again where it would not. */
  async #reach(at: number, isRetry: boolean): Promise<void> {
    const stream = this.#stream;
    if (stream && stream.at <= at && (at - stream.at <= SKIP || !this.#hasRanges)) return;
    await this.close();
    // a retry goes past the browser's cache, which would mend an answer with pieces of another version
    const cache = isRetry ? "no-store" : "default";
    this.#stream = (await this.#request(this.#hasRanges ? at : 0, cache)).stream;
  }

  /** Reads on to byte `to`, and hands over what comes after byte `from`. */
  async #advance(from: number, to: number, take: (chunk: Uint8Array, at: number) => void): Promise<void> {
    const s = this.#stream!;
    while (s.at < to) {
      if (s.rest.length === 0) {
        const { done, value } = await s.reader.read();
        if (done) throw new Error(`the answer ended at byte ${s.at}`);
        s.rest = value;
        this.#options.onProgress?.(this.#path, s.at + value.length, this.#bytes);
      }
      const n = Math.min(s.rest.length, to - s.at);
      const skip = Math.min(n, Math.max(0, from - s.at));
      if (n > skip) take(s.rest.subarray(skip, n), s.at + skip);
      s.rest = s.rest.subarray(n);
      s.at += n;
    }
  }

  /** Asks for the file from byte `from` on. `bytes` is the length of the whole file. */
  async #request(
    from: number,
    cache: RequestCache,
  ): Promise<{ readonly stream: Stream; readonly bytes: number }> {
    const headers = { range: `bytes=${from}-` };
    const answer = await get(this.#url, { headers, cache }, this.#options.signal);
    const isEmpty = answer.status === 416 && from === 0; // no byte is in range
    if (isEmpty) return { stream: streamFrom(new Blob([]).stream(), 0), bytes: 0 };
    if (!answer.ok || !answer.body) throw refused(this.#path, answer);
    const found = answer.headers.get("etag") ?? answer.headers.get("last-modified");
    if (this.#version !== null && found !== this.#version)
      throw new SinterError(
        "corrupt",
        `${this.#path} changed on the server while it was read`,
        "Load it again.",
      );
    this.#version = found;
    this.#hasRanges = answer.status === 206;
    const first = this.#hasRanges ? from : 0;
    return { stream: streamFrom(answer.body, first), bytes: lengthOf(answer, first, this.#path) };
  }

  #brokeOff(at: number, { message }: Error): SinterError {
    return new SinterError(
      "input",
      `${this.#path} broke off at byte ${at} of ${this.#bytes}: ${message}`,
      "Is the server up? Load it again.",
    );
  }
}

const streamFrom = (body: ReadableStream<Uint8Array>, at: number): Stream => ({
  reader: body.getReader(),
  at,
  rest: new Uint8Array(),
});

/** The length of the whole file, of which this answer is all, or what begins at byte `first`. */
function lengthOf({ headers }: Response, first: number, path: string): number {
  // another origin's header may be hidden from us
  const whole = /\/(\d+)$/.exec(headers.get("content-range") ?? "")?.[1];
  const compressed = !["", "identity"].includes(headers.get("content-encoding") ?? "");
  const total =
    whole !== undefined
      ? Number(whole)
      : compressed
        ? NaN
        : first + Number(headers.get("content-length") ?? NaN);
  if (Number.isSafeInteger(total)) return total;
  throw new SinterError(
    "input",
    `cannot read ${path}: the server does not say how long it is`,
    "It has to send Content-Length, uncompressed, or know ranges.",
  );
}
