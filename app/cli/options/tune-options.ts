/** Which tiles a verb compiles with: those of a file that `sinter tune` wrote, or the compiler's own. */
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Io } from "../terminal/io.ts";
import { negation, text, type Options } from "./option.ts";

export const TUNE_FILE = "sinter.tune.json";

export const tuneOptions = {
  tune: text(
    "<file>",
    `tiles from \`sinter tune\` (default: ${TUNE_FILE} beside the spec, when it is of this machine)`,
  ),
  noTune: negation("tune", "the compiler's own tiles"),
};
export type TuneOptions = Options<typeof tuneOptions>;

/**
 * The file's path is beside the spec. A spec from standard input counts as one in the folder of the command.
 */
export const tunePath = (spec: string, io: Io): string =>
  join(spec === "-" ? io.cwd : dirname(resolve(io.cwd, spec)), TUNE_FILE);

/** Is there a file to be read (tune-file.ts)? */
export const hasTuneFile = (spec: string, { tune, noTune }: TuneOptions, io: Io): boolean =>
  !noTune && (tune !== undefined || existsSync(tunePath(spec, io)));
