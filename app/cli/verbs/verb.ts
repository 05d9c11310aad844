/**
 * A verb of the command line. One verb, one file in `verbs/`, one row in `verbs/index.ts`. The help is made
 * from the verb's tables, and its options are read and checked here, at the door: what `run` gets is typed.
 */
import type { Command } from "commander";
import { declareOptions, readOptions, type Options, type OptionTable } from "../options/option.ts";
import type { Io } from "../terminal/io.ts";

export interface Argument {
  /** "<dir>"; "[spec]" where it may be left out; "<spec...>" where there may be several. */
  readonly name: string;
  readonly help: string;
  /** Shown in the help; `run` puts it in. */
  readonly standard?: string;
}

export interface VerbTable<Table extends OptionTable> {
  readonly name: string;
  readonly summary: string;
  readonly arguments: readonly Argument[];
  readonly options: Table;
  /** Text below the options; it takes the terminal's width. */
  readonly notes?: readonly string[];
  /** Command lines, one each. */
  readonly examples: readonly string[];
  /** Text below the examples. */
  readonly after?: string;
  /** Returns the exit code (see runtime/base/errors.ts). Throws SinterError for what a user can cause. */
  run(args: readonly string[], options: Options<Table>, io: Io): Promise<number>;
}

export interface Verb {
  readonly name: string;
  readonly summary: string;
  /** Tells the parser about arguments, options and examples. */
  configure(command: Command): void;
  /** `given`: options as the parser found them. */
  run(args: readonly string[], given: Readonly<Record<string, unknown>>, io: Io): Promise<number>;
}

export const defineVerb = <const Table extends OptionTable>(verb: VerbTable<Table>): Verb => ({
  name: verb.name,
  summary: verb.summary,
  configure(command) {
    for (const { name, help, standard } of verb.arguments) command.argument(name, help, standard);
    declareOptions(command, verb.options);
    command.addHelpText("after", helpBelow(verb));
  },
  run: async (args, given, io) => verb.run(args, readOptions(verb.options, given), io),
});

function helpBelow({ notes, examples, after }: VerbTable<OptionTable>): string {
  const lines = notes ? ["", ...notes] : [];
  if (examples.length > 0) lines.push("", "examples:", ...examples.map((line) => `  ${line}`));
  if (after !== undefined) lines.push(after);
  return lines.join("\n");
}
