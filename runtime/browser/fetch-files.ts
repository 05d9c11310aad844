/**
 * Files over HTTP, to read. A large file is one open answer that is read as it comes in: it is nowhere as a
 * whole, and what reads it slowly slows it down. Going back, or far ahead, costs a request from there on
 * (Range, RFC 9110 §14); a server that does not know ranges sends everything again.
 */
import { SinterError } from "../base/errors.ts";
import type { Files, ReadableFile } from "../base/files.ts";

export interface FetchOptions {
  /** Bytes of `path` that have come in, and how many it has. */
  readonly onProgress?: (path: string, loaded: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Rather read so much and drop it than ask again. */
const SKIP = 1 << 20;
/** How often an answer that broke off is asked for again, from where it did. */
const RETRIES = 3;

/** `base`: what paths are relative to; by default the page's address. Nothing can be listed or written. */
export function fetchFiles(base: string | URL = globalThis.location.href, options: FetchOptions = {}): Files {
  const urlOf = (path: string): URL => new URL(path, base);
  const readOnly =
    (action: string) =>
    (path: string): Promise<never> =>
      Promise.reject(
        new SinterError("input", `cannot ${action} ${path}: files behind an address are only read`),
      );
  return {
    async exists(path) {
      const answer = await get(urlOf(path), { method: "HEAD" }, options.signal);
      const noHead = answer.status === 405 || answer.status === 501;
      return noHead
        ? (await get(urlOf(path), { headers: { range: "bytes=0-0" } }, options.signal)).ok
        : answer.ok;
    },
    async read(path) {
      const answer = await get(urlOf(path), {}, options.signal);
      if (!answer.ok) throw refused(path, answer);
      return new Uint8Array(await answer.arrayBuffer());
    },
    open: (path) => openRemote(path, urlOf(path), options),
    list: readOnly("list"),
    makeFolder: readOnly("create folder"),
    create: readOnly("create"),
    append: readOnly("write"),
    rename: readOnly("rename"),
    remove: readOnly("remove"),
    syncFolder: readOnly("write"),
  };
}

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

/** An answer that is being read: its next byte is byte `at` of the file. */
interface Stream {
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  at: number;
  /** Came in, and nobody has asked for it yet. */
  rest: Uint8Array;
}

async function openRemote(
  path: string,
  url: URL,
  { onProgress, signal }: FetchOptions,
): Promise<ReadableFile> {
  let ranges = true;
  let version: string | null = null;
  let stream: Stream | undefined;
  let last = { at: 0, bytes: new Uint8Array() };
  /**
   * `again`: after a failure; past the browser's cache, which would mend an answer with pieces of another
   * version.
   */
  const request = async (from: number, again = false): Promise<{ stream: Stream; bytes: number }> => {
    const answer = await get(
      url,
      { headers: { range: `bytes=${from}-` }, cache: again ? "no-store" : "default" },
      signal,
    );
    if (answer.status === 416 && from === 0)
      return {
        stream: { reader: new Blob([]).stream().getReader(), at: 0, rest: new Uint8Array() },
        bytes: 0,
      };
    if (!answer.ok || !answer.body) throw refused(path, answer);
    const partial = answer.status === 206;
    const first = partial ? from : 0;
    const found = answer.headers.get("etag") ?? answer.headers.get("last-modified");
    if (version !== null && found !== version)
      throw new SinterError("corrupt", `${path} changed on the server while it was read`, "Load it again.");
    version = found;
    ranges = partial;
    return {
      stream: { reader: answer.body.getReader(), at: first, rest: new Uint8Array() },
      bytes: lengthOf(answer, first, path),
    };
  };
  const opened = await request(0);
  const { bytes } = opened;
  stream = opened.stream;
  const drop = async (): Promise<void> => {
    const old = stream;
    stream = undefined;
    await old?.reader.cancel().catch(() => {});
  };

  /** Reads on to byte `to`, hands over what is behind byte `from`. */
  const advance = async (
    from: number,
    to: number,
    take: (chunk: Uint8Array, at: number) => void,
  ): Promise<void> => {
    const s = stream!;
    while (s.at < to) {
      if (s.rest.length === 0) {
        const { done, value } = await s.reader.read();
        if (done) throw new Error(`the answer ended at byte ${s.at}`);
        s.rest = value;
        onProgress?.(path, s.at + value.length, bytes);
      }
      const n = Math.min(s.rest.length, to - s.at);
      const skip = Math.min(n, Math.max(0, from - s.at));
      if (n > skip) take(s.rest.subarray(skip, n), s.at + skip);
      s.rest = s.rest.subarray(n);
      s.at += n;
    }
  };

  const read = async (offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> => {
    if (offset + length > bytes)
      throw new SinterError("corrupt", `${path} ends at byte ${bytes}; ${offset + length} were expected`);
    const out = new Uint8Array(length);
    let at = offset; // what has been read
    if (offset >= last.at && offset < last.at + last.bytes.length) {
      // the end of the last piece again
      const again = last.bytes.subarray(offset - last.at, offset - last.at + length);
      out.set(again);
      at += again.length;
    }
    for (let failures = 0; at < offset + length;) {
      const reachable = stream && stream.at <= at && (at - stream.at <= SKIP || !ranges);
      try {
        if (!reachable) {
          await drop();
          stream = (await request(ranges ? at : 0, failures > 0)).stream;
        }
        await advance(at, offset + length, (chunk, from) => {
          out.set(chunk, from - offset);
          at = from + chunk.length;
        });
      } catch (cause) {
        await drop();
        if (signal?.aborted || cause instanceof SinterError) throw cause;
        if (++failures > RETRIES)
          throw new SinterError(
            "input",
            `${path} broke off at byte ${at} of ${bytes}: ${(cause as Error).message}`,
            "Is the server up? Load it again.",
          );
      }
    }
    last = { at: offset, bytes: out.length <= SKIP ? out : new Uint8Array() };
    return out;
  };
  return {
    bytes,
    read,
    fill: async (offset, into) => into.set(await read(offset, into.length)),
    close: drop,
  };
}

/** Of the whole file, of which this answer is all or what begins at byte `first`. */
function lengthOf({ headers }: Response, first: number, path: string): number {
  // another origin's may be hidden from us
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
