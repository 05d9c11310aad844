/**
 * One trainer per folder. The lock names its process and when that began; a lock whose process is gone is taken over. `rename`
 * decides between two that take over at once: only one of them gets the old lock.
 */
import fs from "node:fs";
import { SinterError } from "../errors.ts";
import { fileError } from "./files.ts";

const LOCK = "lock";

interface Owner {
  readonly pid: number;
  /** Start of the process in clock ticks since boot (Linux): tells it from a later one with the same number. */
  readonly began: string | undefined;
}

/** Throws SinterError when another trainer holds the folder. Returns what lets go. */
export function lockFolder(folder: string): () => void {
  const path = `${folder}/${LOCK}`;
  const mine: Owner = { pid: process.pid, began: began(process.pid) };
  const text = JSON.stringify(mine);
  for (let attempt = 0; attempt < 3; attempt++) {
    if (claim(path, text)) {
      return () => {
        if (readOr(path) === text) fs.rmSync(path, { force: true });
      };
    }
    const held = readOr(path);
    if (held === undefined) continue; // let go just now
    const owner = parse(held);
    if (owner && alive(owner)) throw busy(folder, owner);
    takeAway(path, held);
  }
  throw new SinterError("input", `cannot lock ${folder}: other trainers are starting in it too`, "Use another --out.");
}

const busy = (folder: string, { pid }: Owner): SinterError =>
  new SinterError("input", `${folder} is in use by another trainer (process ${pid})`, "Wait for it to end, or use another --out.");

/** The lock appears with its text in it, or not at all: a link to a file that is already written. */
function claim(path: string, text: string): boolean {
  const written = `${path}.${process.pid}.tmp`;
  try {
    fs.writeFileSync(written, text);
    fs.linkSync(written, path);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw fileError("lock", path, cause);
  } finally {
    fs.rmSync(written, { force: true });
  }
}

/** Moves a dead owner's lock aside, and back when it turns out to be a new one. */
function takeAway(path: string, seen: string): void {
  const aside = `${path}.${process.pid}.old.tmp`;
  try {
    fs.renameSync(path, aside);
    if (readOr(aside) !== seen) fs.linkSync(aside, path);
    fs.rmSync(aside, { force: true });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw fileError("take over", path, cause);
  }
}

function readOr(path: string): string | undefined {
  try {
    return fs.readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function parse(text: string): Owner | undefined {
  try {
    const owner = JSON.parse(text) as Owner;
    return Number.isInteger(owner.pid) ? owner : undefined;
  } catch {
    return undefined; // not a lock of ours
  }
}

function alive({ pid, began: then }: Owner): boolean {
  try {
    process.kill(pid, 0);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const now = began(pid);
  if (now === ENDED) return false;
  return then === undefined || now === undefined || then === now;
}

/** Fields of /proc/PID/stat after the name: the state first, the start time twentieth (proc(5)). */
function began(pid: number): string | undefined {
  const stat = readOr(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields?.[0] === "Z" ? ENDED : fields?.[19];
}

const ENDED = "ended, and not yet collected by its parent";
