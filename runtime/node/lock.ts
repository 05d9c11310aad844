/**
 * One trainer per folder. The lock is a file that names its process, when that process began, and on which
 * machine. The file appears with its text in it, or not at all.
 *
 * A lock whose process is gone is taken over. If several trainers could do that at once, one of them would
 * take away the lock that another has just got. So the right to take away a lock with a certain text is
 * itself a lock, `lock.after-HASH`; a process that dies with this right leaves one that is taken over in the
 * same way.
 */
import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import { hostname } from "node:os";
import { SinterError } from "../base/errors.ts";
import { fileError } from "./files.ts";

const LOCK = "lock";
/** How often a lock that is changing hands is looked at, and the time between two looks. */
const ATTEMPTS = 50;
const LOOK_MS = 10;

interface Owner {
  readonly pid: number;
  /**
   * When the process began, in clock ticks since boot (Linux): tells it from a later one with the same
   * number.
   */
  readonly began?: string | undefined;
  /**
   * The machine and its last start, since process numbers mean something there only. Absent in locks of
   * earlier releases.
   */
  readonly host?: string | undefined;
  readonly boot?: string | undefined;
  /** Tells two locks of one process apart. */
  readonly nonce?: string;
}

/** Throws `input` when another trainer holds the folder. Returns the function that lets go of it. */
export function lockFolder(folder: string): () => void {
  const path = `${folder}/${LOCK}`;
  const mine: Owner = {
    pid: process.pid,
    began: began(process.pid),
    host: hostname(),
    boot: boot(),
    nonce: randomBytes(8).toString("hex"),
  };
  const text = JSON.stringify(mine);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (claim(path, text)) return () => letGo(path, text);
    const held = readOr(path);
    if (held === undefined) continue; // let go just now
    const owner = parse(held);
    if (owner && alive(owner)) throw busy(folder, owner);
    if (!takeAway(path, held, text)) pause(LOOK_MS); // another is at it
  }
  throw new SinterError(
    "input",
    `cannot lock ${folder}: other trainers are starting in it too`,
    "Use another --out.",
  );
}

/** Whether a trainer is at work in the folder. */
export function isLocked(folder: string): boolean {
  const held = readOr(`${folder}/${LOCK}`);
  const owner = held === undefined ? undefined : parse(held);
  return owner !== undefined && alive(owner);
}

function busy(folder: string, { pid, host }: Owner): SinterError {
  const elsewhere = host !== undefined && host !== hostname();
  const who = `process ${pid}${elsewhere ? ` on ${host}` : ""}`;
  const hint = "Wait for it to end, or use another --out.";
  const wayOut = ` If it is certain that it runs no more, remove ${folder}/${LOCK}.`;
  return new SinterError(
    "input",
    `${folder} is in use by another trainer (${who})`,
    elsewhere ? hint + wayOut : hint,
  );
}

/** Gives a file that is already written the lock's name, by a link. False: the name is taken. */
function claim(path: string, text: string): boolean {
  const written = `${path}.${process.pid}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    fs.writeFileSync(written, text);
  } catch (cause) {
    throw fileError("lock", path, cause);
  }
  try {
    fs.linkSync(written, path);
    return true;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    // taken; or swept away by the holder, with other temporary files
    if (code === "EEXIST" || code === "ENOENT") return false;
    throw fileError("lock", path, cause);
  } finally {
    fs.rmSync(written, { force: true });
  }
}

const letGo = (path: string, text: string): void => {
  if (readOr(path) === text) fs.rmSync(path, { force: true });
};

/** Takes a dead owner's lock away. False: another process has the right to do so, or has done it. */
function takeAway(path: string, seen: string, text: string): boolean {
  const right = `${path}.after-${createHash("sha256").update(seen).digest("hex").slice(0, 16)}`;
  if (!claim(right, text)) {
    const held = readOr(right);
    const owner = held === undefined ? undefined : parse(held);
    if (held === undefined || (owner && alive(owner))) return false;
    return takeAway(right, held, text);
  }
  try {
    // nobody else may take this text away, and its owner is gone
    if (readOr(path) === seen) fs.rmSync(path, { force: true });
    return true;
  } finally {
    letGo(right, text);
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
    return Number.isInteger(owner.pid) && owner.pid > 0 ? owner : undefined;
  } catch {
    return undefined; // not a lock of ours
  }
}

/**
 * Whether a lock's owner still runs. Of a process on another machine nobody here can tell, so it counts as
 * alive.
 */
function alive({ pid, began: then, host, boot: started }: Owner): boolean {
  if (host !== undefined && host !== hostname()) return true;
  if (started !== undefined && boot() !== undefined && started !== boot()) return false;
  try {
    process.kill(pid, 0);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const now = began(pid);
  if (now === ENDED) return false;
  return then === undefined || now === undefined || then === now;
}

/**
 * When a process began. In /proc/PID/stat, the state is the first field after the name, and the start time
 * the twentieth (proc(5)).
 */
function began(pid: number): string | undefined {
  const stat = readOr(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields?.[0] === "Z" ? ENDED : fields?.[19];
}

const ENDED = "ended, and not yet collected by its parent";

/** Linux has a number for each start of the machine. */
const boot = (): string | undefined => readOr("/proc/sys/kernel/random/boot_id")?.trim();

const pause = (ms: number): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
