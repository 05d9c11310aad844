/** The weights that a run is used by, to read from without a model. */
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Files } from "../../../runtime/base/files.ts";
import { withoutAdapters } from "../../../runtime/store/adapter.ts";
import type { OpenCheckpoint } from "../../../runtime/store/checkpoint-file.ts";
import { openBest } from "../../../runtime/store/checkpoint.ts";
import { toUse } from "../../../runtime/store/identity.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import type { Io } from "../terminal/io.ts";

/**
 * The run's checkpoint to use, or, by `openNewest`, that which it goes on from; it has to be closed. Prints a
 * line for each that had to be skipped.
 */
export async function openWeights(
  files: Files,
  run: Run,
  io: Io,
  opened: typeof openBest = openBest,
): Promise<OpenCheckpoint> {
  const found = await opened(files, run.folder, toUse(run));
  if (!found)
    throw new SinterError(
      "input",
      `${run.folder} has no checkpoint yet`,
      "Train it first: sinter train --resume --out DIR",
    );
  for (const why of found.skipped) io.err(`warning: skipped a checkpoint: ${why}\n`);
  return found.checkpoint;
}

/** The same as those of the run's model without adapters: they are merged. */
export async function openMerged(
  files: Files,
  run: Run,
  io: Io,
  opened: typeof openBest = openBest,
): Promise<OpenCheckpoint> {
  const checkpoint = await openWeights(files, run, io, opened);
  try {
    return await withoutAdapters(checkpoint, run.bundle.manifest);
  } catch (cause) {
    await checkpoint.close();
    throw cause;
  }
}
