/**
 * A verb of the command line. One verb, one file in `verbs/`, one row in `verbs/index.ts`; help, completions
 * and docs are made from the table.
 */
import type { Command } from "commander";
import type { Io } from "../terminal/io.ts";

export interface Verb {
  readonly name: string;
  readonly summary: string;
  /** Arguments, options, examples. */
  configure(command: Command): void;
  /** Returns the exit code (see runtime/base/errors.ts). Throws SinterError for what a user can cause. */
  run(args: readonly string[], options: Record<string, unknown>, io: Io): Promise<number>;
}
