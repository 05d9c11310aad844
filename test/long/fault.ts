/**
 * Loaded before the program (`node --import`): a file system that fails. It counts the operations that change
 * something under the folder. The N-th of them is cut by a SIGKILL of the process itself: before it is done,
 * in its middle (half of the bytes of a write), or after it. Or no byte more is written from the N-th on, as
 * on a full disk. Or operations are only counted.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

export interface Fault {
  /** Operations on other paths are not counted. */
  readonly under: string;
  /** From 1; 0: none. */
  readonly at: number;
  readonly how: "before" | "half" | "after" | "full";
  /** A file to which a line is written: which operation it was, or how many there were. */
  readonly tell: string;
}

type Anything = (...args: unknown[]) => unknown;
/** Operations that need space on the disk. */
const taking = new Set<string>(["writeSync", "writeFileSync", "appendFileSync"]);
const changing = [
  "openSync",
  "writeSync",
  "writeFileSync",
  "appendFileSync",
  "fsyncSync",
  "renameSync",
  "linkSync",
  "rmSync",
  "mkdirSync",
] as const;

const fault = JSON.parse(process.env["SINTER_FAULT"] ?? "null") as Fault | null;
if (fault) install(fault);

function install({ under, at, how, tell }: Fault): void {
  const table = fs as unknown as Record<string, Anything>;
  const real = Object.fromEntries(changing.map((name) => [name, table[name]!.bind(fs)])) as Record<
    (typeof changing)[number],
    Anything
  >;
  const ours = new Set<unknown>(); // descriptors of files under the folder
  let count = 0;
  const isUnder = (path: string): boolean => path === under || path.startsWith(`${under}/`);
  const kill = (name: string, path: unknown): void => {
    real.appendFileSync(tell, `${JSON.stringify({ count, name, how, path: String(path) })}\n`);
    process.kill(process.pid, "SIGKILL");
  };
  for (const name of changing)
    table[name] = (...args) => {
      const [first, second] = args;
      const counted = typeof first === "number" ? ours.has(first) : isUnder(String(first));
      const changes = counted && !(name === "openSync" && second === "r"); // a folder, or a file to read
      if (changes) count++;
      if (changes && how === "full" && at > 0 && count >= at && taking.has(name))
        throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
      const now = changes && count === at;
      if (now && how === "before") kill(name, first);
      if (now && how === "half") {
        half(name, args);
        kill(name, first);
      }
      const result = real[name](...args);
      if (name === "openSync" && counted) ours.add(result);
      if (now && how === "after") kill(name, first);
      return result;
    };
  /** The operations that have a middle; any other is cut before it is done. */
  const half = (name: (typeof changing)[number], args: readonly unknown[]): void => {
    if (name === "writeSync") {
      const [fd, bytes, offset, length, position] = args as [
        number,
        Uint8Array,
        number,
        number,
        number | null,
      ];
      real.writeSync(fd, bytes, offset, length >> 1, position);
    } else if (name === "writeFileSync" || name === "appendFileSync") {
      const [path, text] = args as [string, string];
      real[name](path, text.slice(0, text.length >> 1));
    }
  };
  syncBuiltinESMExports();
  process.on("exit", () => real.appendFileSync(tell, `${JSON.stringify({ count, name: "end" })}\n`));
}
