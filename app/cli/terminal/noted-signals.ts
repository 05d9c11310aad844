/** Signals during work that is taken back when it is interrupted: they are noted, and acted on at a check. */
import { SinterError } from "../../../runtime/base/errors.ts";
import { nodeHost } from "../../../runtime/node/host.ts";

/** So many bytes are written between two looks at what has come. */
const LOOK_BYTES = 16 << 20;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export interface NotedSignals {
  /** So many bytes more are done. Throws `interrupted` when a signal has come. */
  check(bytes: number): Promise<void> | void;
  /** Ends the listening. */
  done(): void;
}

/** `outcome`: what the message says about the work: "nothing was imported". */
export function noteSignals(outcome: string): NotedSignals {
  let noted: string | undefined;
  let since = 0;
  const note = (signal: string): void => void (noted = signal);
  for (const signal of SIGNALS) process.on(signal, note);
  const look = async (): Promise<void> => {
    since = 0;
    await nodeHost.breathe(); // signals come between two tasks
    if (noted !== undefined) throw new SinterError("interrupted", `interrupted by ${noted}; ${outcome}`);
  };
  return {
    check(bytes) {
      since += bytes;
      return since < LOOK_BYTES ? undefined : look();
    },
    done() {
      for (const signal of SIGNALS) process.off(signal, note);
    },
  };
}
