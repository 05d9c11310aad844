/**
 * Checkpoints of a model: step-000250.safetensors holds the weights, the optimizer's moments, and everything
 * else that the next step depends on. A resumed run computes the same bits as one that was never interrupted.
 * checkpoint-file.ts says what is in a file.
 *
 * A file counts only when all of it verifies. Which one is the latest is found by looking: no pointer is
 * stored.
 */
import {
  openCheckpoint,
  writeCheckpoint,
  type OpenCheckpoint,
  type TensorToSave,
} from "./checkpoint-file.ts";
import { SinterError } from "../base/errors.ts";
import type { Files } from "../base/files.ts";
import type { RunningModel } from "../engine/model.ts";
import type { Moment } from "../contract/moment-codes.ts";
import { nameIn } from "./renamed.ts";
import { plainFormat } from "./stored-format.ts";
import { rowTaker } from "./take-rows.ts";
import { checkpointName, momentInCodes, type Tensor } from "../engine/tensors.ts";
import type { TrainState } from "./train-state.ts";

/** A slice of a tensor, under its name in a checkpoint. */
interface Item {
  readonly name: string;
  readonly tensor: Tensor;
  readonly slice: number;
  /** Of the parameter, also where this is a moment of it in 8 bits. */
  readonly shape: readonly number[];
  readonly moment?: Moment;
}

export const checkpointFile = (step: number): string => `step-${String(step).padStart(6, "0")}.safetensors`;
const CHECKPOINT = /^step-(\d{6,})\.safetensors$/;

/** Everything of a model that a checkpoint holds, in the manifest's order. */
function itemsOf(model: RunningModel, withMoments: boolean): Item[] {
  const storages = withMoments ? (["parameter", "moment1", "moment2"] as const) : (["parameter"] as const);
  return storages.flatMap((storage) =>
    model.of(storage).flatMap((tensor) => {
      const named =
        storage === "parameter"
          ? tensor.place
          : { ...tensor.place, name: tensor.place.of ?? tensor.place.name };
      const prefix = storage === "parameter" ? "" : `${storage}.`;
      const moment = momentInCodes(tensor.place);
      return Array.from({ length: tensor.place.slices }, (_, slice) => ({
        name: prefix + checkpointName(named, slice),
        tensor,
        slice,
        shape: (moment ? model.tensors.get(named.name)! : tensor).place.shape,
        ...(moment && { moment }),
      }));
    }),
  );
}

/** How many of the newest checkpoints are kept, and whether the weights that a run began with are. */
export interface KeptCheckpoints {
  readonly newest: number;
  readonly start: boolean;
}

/**
 * Writes a checkpoint, then removes all but those that are kept, and the best one that the state names.
 * Returns the file's name. Refuses a model that has a NaN or Inf.
 */
export async function saveCheckpoint(
  files: Files,
  folder: string,
  model: RunningModel,
  state: TrainState,
  keep: number | KeptCheckpoints,
): Promise<string> {
  const { newest: count, start } = typeof keep === "number" ? { newest: keep, start: false } : keep;
  const items = itemsOf(model, true).map(({ name, tensor, slice, shape, moment }): TensorToSave => ({
    name,
    shape,
    ...(moment && { format: { ...plainFormat, moment } }),
    bytes: () => [bytesOf(tensor.dense(slice))],
  }));
  const name = checkpointFile(state.step);
  await model.inTurn(() => writeCheckpoint(files, folder, name, items, state));
  for (const { file, step } of (await listCheckpoints(files, folder)).slice(count))
    if (step !== state.best?.step && !(start && step === 0)) await files.remove(`${folder}/${file}`);
  return name;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array<ArrayBufferLike> =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** Newest first. */
export async function listCheckpoints(
  files: Files,
  folder: string,
): Promise<readonly { readonly file: string; readonly step: number }[]> {
  const found = (await files.list(folder)).flatMap((file) => {
    const match = CHECKPOINT.exec(file);
    return match ? [{ file, step: Number(match[1]) }] : [];
  });
  return found.sort((a, b) => b.step - a.step);
}

/**
 * Clears a folder without a record, in which a run is to begin. Weights of step 0 were left by a run that
 * never began, and are removed. Those of a later step belong to a run that has lost its record: throws
 * `input`, unless `force` says to remove them too.
 */
export async function clearUnfinished(files: Files, folder: string, force: boolean): Promise<void> {
  for (const { file, step } of await listCheckpoints(files, folder)) {
    if (step > 0 && !force)
      throw new SinterError(
        "input",
        `${folder} holds a checkpoint of step ${step}, and no run.json that says what of`,
        "Restore run.json from a copy, use another folder, or --force to remove it.",
      );
    await files.remove(`${folder}/${file}`);
  }
}

export interface Loaded {
  readonly file: string;
  readonly state: TrainState;
  /** Why newer files were passed over: they did not verify. */
  readonly skipped: readonly string[];
}

export interface LoadOptions {
  /** "weights": without the moments, for models that will not be trained. */
  readonly what: "all" | "weights";
  /** Hears once how many bytes there are to read; `read` hears the bytes of every piece. */
  readonly total?: (bytes: number) => unknown;
  readonly read?: (bytes: number) => void;
  readonly accept?: Accept | undefined;
  /** What is read in the checkpoint's place: the same with its adapters merged, for example. */
  readonly through?: ((checkpoint: OpenCheckpoint) => Promise<OpenCheckpoint>) | undefined;
}

/** Says why a checkpoint of this state is not to be used; undefined when it may be. */
export type Accept = (state: TrainState) => string | undefined;

/**
 * Loads the newest checkpoint that verifies. Undefined: the folder has none. Throws `corrupt` when it has
 * some, but none verifies.
 */
export async function loadNewest(
  files: Files,
  folder: string,
  model: RunningModel,
  options: LoadOptions | LoadOptions["what"],
): Promise<Loaded | undefined> {
  const found = await newest(files, folder, async (path) => loadCheckpoint(files, path, model, options));
  return found && { file: found.file, state: found.what, skipped: found.skipped };
}

/**
 * Loads the weights that a run is used by: those of the step that its newest checkpoint names as the best,
 * where it names one that is there; otherwise the newest. Of the newest only the head is read then.
 */
export async function loadBest(
  files: Files,
  folder: string,
  model: RunningModel,
  options: LoadOptions,
): Promise<Loaded | undefined> {
  const opened = await openNewest(files, folder, options.accept);
  if (!opened) return undefined;
  await opened.checkpoint.close();
  const file = await betterThan(opened, files, folder);
  if (file === undefined) return loadNewest(files, folder, model, options);
  return {
    file,
    state: await loadCheckpoint(files, `${folder}/${file}`, model, options),
    skipped: opened.skipped,
  };
}

export interface Opened {
  readonly checkpoint: OpenCheckpoint;
  /** Why newer files were passed over. */
  readonly skipped: readonly string[];
}

/**
 * Opens the checkpoint that a run goes on from, to read from it without a model. Undefined: the folder has
 * none. Throws `corrupt` when it has some, but none can be opened.
 */
export async function openNewest(files: Files, folder: string, accept?: Accept): Promise<Opened | undefined> {
  const found = await newest(files, folder, async (path) => {
    const opened = await openCheckpoint(files, path);
    const why = accept?.(opened.state);
    if (why === undefined) return opened;
    await opened.close();
    throw refused(path, why);
  });
  return found && { checkpoint: found.what, skipped: found.skipped };
}

/** Opens, as openNewest does, the checkpoint that a run is used by (`loadBest`). */
export async function openBest(files: Files, folder: string, accept?: Accept): Promise<Opened | undefined> {
  const found = await openNewest(files, folder, accept);
  if (!found) return undefined;
  const file = await betterThan(found, files, folder);
  if (file === undefined) return found;
  await found.checkpoint.close();
  return { checkpoint: await openCheckpoint(files, `${folder}/${file}`), skipped: found.skipped };
}

/** The file of the best step that a checkpoint names. Undefined: it is this one, or it is no longer there. */
async function betterThan({ checkpoint }: Opened, files: Files, folder: string): Promise<string | undefined> {
  const { best, step } = checkpoint.state;
  const file = best && best.step !== step ? checkpointFile(best.step) : undefined;
  return file !== undefined && (await files.exists(`${folder}/${file}`)) ? file : undefined;
}

const refused = (path: string, why: string): SinterError =>
  new SinterError("corrupt", `${path}: ${why}`, "Is it a checkpoint of this run?");

interface Newest<T> {
  readonly file: string;
  readonly what: T;
  readonly skipped: readonly string[];
}

/**
 * Tries the files from the newest on. `use` throws SinterError where a file is of no use; then the next is
 * tried.
 */
async function newest<T>(
  files: Files,
  folder: string,
  use: (path: string) => Promise<T>,
): Promise<Newest<T> | undefined> {
  const skipped: string[] = [];
  for (const { file } of await listCheckpoints(files, folder)) {
    try {
      return { file, what: await use(`${folder}/${file}`), skipped };
    } catch (error) {
      if (!(error instanceof SinterError)) throw error;
      skipped.push(error.message);
    }
  }
  if (skipped.length === 0) return undefined;
  throw new SinterError(
    "corrupt",
    `no checkpoint in ${folder} can be used: ${skipped.join("; ")}`,
    "Restore one from a copy, or train again into another folder.",
  );
}

/** Reads one file into the model, tensor by tensor, each checked against its hash. */
export async function loadCheckpoint(
  files: Files,
  path: string,
  model: RunningModel,
  options: LoadOptions | LoadOptions["what"],
): Promise<TrainState> {
  const { what, total, read, accept, through }: LoadOptions =
    typeof options === "string" ? { what: options } : options;
  const file = await openCheckpoint(files, path);
  try {
    const why = accept?.(file.state);
    if (why !== undefined) throw refused(path, why);
    const opened = through ? await through(file) : file;
    const moments = what === "all" && opened.state.step > 0;
    const items = itemsOf(model, moments);
    // a newer file that turned out to be damaged may have set some
    if (what === "all" && !moments) clearMoments(model);
    total?.(
      items.reduce((sum, { name }) => sum + bytesIn(opened.tensors.get(nameIn(opened.tensors, name))), 0),
    );
    await model.inTurn(async () => {
      model.weightsChanged();
      for (const { name, tensor, slice, shape, moment } of items) {
        const format = opened.formatOf(name);
        if (format.moment !== moment) throw otherMoments(path, name, moment);
        const take = rowTaker(tensor, slice, format);
        await opened.rows(name, shape, (bytes, first, count) => {
          take(bytes, first, count);
          read?.(bytes.length);
        });
      }
    });
    return opened.state;
  } finally {
    await file.close();
  }
}

const otherMoments = (path: string, name: string, wanted: Moment | undefined): SinterError =>
  new SinterError(
    "input",
    `${path}: ${name} is kept in ${wanted ? "f32" : "8 bits"}, and this model keeps it in ` +
      (wanted ? "8 bits (optimizer adamw8)" : "f32 (optimizer adamw)"),
    "Go on with the optimizer that the run has; or begin a run with its weights: --from.",
  );

const bytesIn = (tensor: { readonly begin: number; readonly end: number } | undefined): number =>
  tensor ? tensor.end - tensor.begin : 0;

function clearMoments(model: RunningModel): void {
  for (const tensor of [...model.of("moment1"), ...model.of("moment2")])
    for (let slice = 0; slice < tensor.place.slices; slice++) tensor.padded(slice).fill(0);
}
