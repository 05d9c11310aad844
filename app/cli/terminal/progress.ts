/**
 * Shows how many bytes of a long task are done: on a terminal one line that is written over, elsewhere a line
 * every few seconds, and nothing for what takes less than a second.
 */
import { duration, sizeText } from "../../../runtime/contract/amounts.ts";
import { LiveLine } from "./live-line.ts";
import type { Io } from "./io.ts";

const QUICK_MS = 1000;
const LIVE_MS = 100;
const PLAIN_MS = 5000;

export interface ByteProgress {
  add(bytes: number): void;
  /** Takes the live line away. */
  end(): void;
}

export function byteProgress(io: Io, what: string, total: number): ByteProgress {
  const began = performance.now();
  const live = new LiveLine(io, (text) => io.err(text));
  let done = 0;
  let next = began + QUICK_MS;
  return {
    add(bytes) {
      done += bytes;
      const now = performance.now();
      if (now < next) return;
      next = now + (io.tty ? LIVE_MS : PLAIN_MS);
      const seconds = (now - began) / 1000;
      const left = done === 0 ? 0 : (seconds * (total - done)) / done;
      const line =
        `${what}: ${sizeText(done)} of ${sizeText(total)}, ${sizeText(done / seconds)}/s, ` +
        `${duration(left)} left`;
      if (io.tty) live.show(() => line);
      else io.err(`${line}\n`);
    },
    end: () => live.end(),
  };
}
