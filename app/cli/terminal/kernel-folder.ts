/**
 * The folder of compiled kernels: a module that was compiled once opens without the compiler. Whole bundles
 * lie beside them (options/kept-bundle.ts), and what was found out about the machine
 * (runtime/node/findings.ts). The folder is the user's own (nobody else writes into it, or reads its files),
 * several programs may use it at once, and it has a bound: what was used longest ago goes first. Whatever
 * goes wrong with it costs time, and nothing else.
 *
 * A file is the SHA-256 of what follows, and the bytes. One that is damaged counts as absent.
 */
import { createHash, randomUUID } from "node:crypto";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { basename, isAbsolute, join } from "node:path";
import type { KeptBytes } from "../../../runtime/contract/kept-bytes.ts";

/** Names the folder, or is "off". */
export const KERNEL_CACHE_VARIABLE = "SINTER_KERNEL_CACHE";

/** Bytes that the folder may have. A module of a training run has 50 to 500 KB. */
export const MOST_KERNEL_BYTES = 256 * 2 ** 20;

const UNFINISHED = ".tmp";

/** The names of our files: the folder may hold others, which are left alone. */
const OURS = /^(?:[0-9a-f]{64}\.(?:wasm|json|bundle)|[0-9a-f-]{36}\.tmp)$/;
const DIGEST_BYTES = 32;

/** Where kernels are kept; undefined: nowhere, as the user wishes. */
export function kernelFolder(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const named = environment[KERNEL_CACHE_VARIABLE];
  if (named === "off") return undefined;
  if (named !== undefined && named !== "") return named;
  return join(userCaches(environment), "sinter", "kernels");
}

/** Where the system wants caches: XDG's base directories, Apple's Library, Windows' local data. */
function userCaches({ XDG_CACHE_HOME, LOCALAPPDATA }: NodeJS.ProcessEnv): string {
  if (process.platform === "win32") return LOCALAPPDATA ?? join(homedir(), "AppData", "Local");
  if (process.platform === "darwin") return join(homedir(), "Library", "Caches");
  return XDG_CACHE_HOME !== undefined && isAbsolute(XDG_CACHE_HOME)
    ? XDG_CACHE_HOME
    : join(homedir(), ".cache");
}

/** Undefined: the folder cannot be used, or others may write into it. */
export function kernelCache(folder: string, most = MOST_KERNEL_BYTES): KeptBytes | undefined {
  if (!isOwn(folder)) return undefined;
  let added = Infinity; // bytes since the folder was last looked through
  return {
    read: async (name) => quietly(() => read(join(folder, name))),
    write: async (name, bytes) => {
      quietly(() => write(folder, name, bytes));
      added += bytes.length;
      if (added < most / 8) return;
      quietly(() => prune(folder, most));
      added = 0;
    },
  };
}

/** The same, looked at when it is first asked for something: most verbs compile nothing. */
export function kernelCacheWhenAsked(folder: string): KeptBytes {
  let opened: { readonly cache: KeptBytes | undefined } | undefined;
  const cache = (): KeptBytes | undefined => (opened ??= { cache: kernelCache(folder) }).cache;
  return {
    read: async (name) => cache()?.read(name),
    write: async (name, bytes) => cache()?.write(name, bytes),
  };
}

/** Makes the folder, and says whether the user alone can write into it. */
function isOwn(folder: string): boolean {
  return (
    quietly(() => {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const stat = statSync(folder);
      if (!process.getuid) return true; // Windows: a user's local data are his own
      return stat.uid === process.getuid() && (stat.mode & OTHERS_WRITE) === 0;
    }) ?? false
  );
}

const OTHERS_WRITE = 0o022;

function read(path: string): Uint8Array<ArrayBuffer> | undefined {
  const bytes = contents(path);
  const now = new Date();
  if (bytes) quietly(() => utimesSync(path, now, now)); // used just now
  return bytes;
}

/** Undefined: the file is damaged. */
function contents(path: string): Uint8Array<ArrayBuffer> | undefined {
  const kept = new Uint8Array(readFileSync(path));
  const bytes = kept.slice(DIGEST_BYTES);
  return digestOf(bytes).equals(kept.subarray(0, DIGEST_BYTES)) ? bytes : undefined;
}

/** Under a name of its own first: another program sees the file whole, or not at all. */
function write(folder: string, name: string, bytes: Uint8Array<ArrayBuffer>): void {
  const temporary = join(folder, `${randomUUID()}${UNFINISHED}`);
  try {
    writeFileSync(temporary, Buffer.concat([digestOf(bytes), bytes]), { flag: "wx", mode: 0o600 });
    renameSync(temporary, join(folder, name));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

const digestOf = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

/** What a program left behind that was killed while it wrote. */
const ABANDONED_MS = 60 * 60_000;

/** Brings the folder down to seven eighths of its bound, where it has more than that. */
function prune(folder: string, most: number): void {
  const files = contentsOf(folder).toSorted((a, b) => a.used - b.used);
  let bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  for (const file of files) {
    const isAbandoned = file.path.endsWith(UNFINISHED) && Date.now() - file.used > ABANDONED_MS;
    if (!isAbandoned && bytes <= (most / 8) * 7) continue;
    rmSync(file.path, { force: true });
    bytes -= file.bytes;
  }
}

interface KeptFile {
  readonly path: string;
  readonly bytes: number;
  /** When it was used last, in ms since 1970. */
  readonly used: number;
}

/** Our files in the folder; none where it is not there. */
function contentsOf(folder: string): readonly KeptFile[] {
  const names = quietly(() => readdirSync(folder)) ?? [];
  return names
    .filter((name) => OURS.test(name))
    .flatMap((name) => {
      const path = join(folder, name);
      const stat = quietly(() => statSync(path)); // gone meanwhile: somebody else has removed it
      return stat?.isFile() ? [{ path, bytes: stat.size, used: stat.mtimeMs }] : [];
    });
}

/** How many kernels are kept, and the bytes of all that is. */
export function kernelsKept(folder: string): { readonly files: number; readonly bytes: number } {
  const kept = contentsOf(folder);
  const files = kept.filter(({ path }) => path.endsWith(".wasm")).length;
  return { files, bytes: kept.reduce((sum, file) => sum + file.bytes, 0) };
}

/** What was found out about the machine (runtime/node/findings.ts), what was used last first. */
export const findingsKept = (
  folder: string,
): readonly { readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> }[] =>
  contentsOf(folder)
    .filter(({ path }) => path.endsWith(".json"))
    .toSorted((a, b) => b.used - a.used)
    .flatMap(({ path }) => {
      const bytes = quietly(() => contents(path));
      return bytes ? [{ name: basename(path), bytes }] : [];
    });

function quietly<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
