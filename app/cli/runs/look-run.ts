/** A run, or a file of a published model, with a module that can be looked into. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AskedEntry } from "../../../runtime/contract/entries.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { holdsRun } from "../../../runtime/store/run-folder.ts";
import type { RunOptions } from "../options/run-options.ts";
import { pathFrom, type Io } from "../terminal/io.ts";
import { importPublished } from "./import-published.ts";
import { loadToSample, openRunAt, type UsedRun } from "./use-run.ts";

const entries: readonly AskedEntry[] = ["look"];
/** A text to look at is short: of a longer context only its keys and values would take memory. */
const MOST_CONTEXT = 512;

/** Runs `work` with the model, then closes it; what a file became is removed. */
export async function withModelToLook<T>(
  path: string,
  options: RunOptions,
  io: Io,
  work: (used: UsedRun) => Promise<T>,
): Promise<T> {
  const source = pathFrom(io, path);
  if (await holdsRun(nodeFiles(), source)) return withRun(path, options, io, work);
  const folder = mkdtempSync(join(tmpdir(), "sinter-look-"));
  try {
    const { notes } = await importPublished(source, {
      files: nodeFiles(),
      folder: join(folder, "run"),
      context: undefined,
      mostContext: MOST_CONTEXT,
      target: options.target,
      memoryLimit: undefined,
      lanes: undefined,
      entries,
      dtype: undefined,
      tiles: undefined,
      io,
    });
    for (const note of notes) io.err(`note: ${note}\n`);
    return await withRun(join(folder, "run"), options, io, work);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function withRun<T>(
  path: string,
  options: RunOptions,
  io: Io,
  work: (used: UsedRun) => Promise<T>,
): Promise<T> {
  const run = await openRunAt(path, io);
  const used = await loadToSample(run, { ...options, entries }, io, {
    variant: shortened(run.bundle.manifest.model),
  });
  try {
    return await work(used);
  } finally {
    await used.model.close();
  }
}

/** The model with a shorter context, where positions are computed. Undefined: it stays as it is. */
const shortened = (model: Model): Model | undefined =>
  model.embed.position || model.sizes.context <= MOST_CONTEXT
    ? undefined
    : { ...model, sizes: { ...model.sizes, context: MOST_CONTEXT } };
