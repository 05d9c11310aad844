/**
 * A verb of the command line. One verb, one file in `verbs/`, one row in `verbs/index.ts`; help, completions
 * and docs are made from the table.
 */
import type { Command } from "commander";

/** The outside world, as the verbs see it; tests hand in their own. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** A terminal is on the other side of `out`: colours, a live line. */
  readonly tty: boolean;
  /** Width of the terminal now. */
  readonly columns: number;
  /** Calls back whenever the terminal's width has changed; returns what ends that. */
  onResize?(changed: () => void): () => void;
  readonly cwd: string;
}

export interface Verb {
  readonly name: string;
  readonly summary: string;
  /** Arguments, options, examples. */
  configure(command: Command): void;
  /** Returns the exit code (see runtime/base/errors.ts). Throws SinterError for what a user can cause. */
  run(args: readonly string[], options: Record<string, unknown>, io: Io): Promise<number>;
}
