/**
 * A run with adapters, its own or those of `--adapter`: which module answers, and how its checkpoint is read.
 *
 *   the base's matrices are f32    they are merged while the checkpoint is read
 *   they are kept in fewer bits    they stay beside them, in f32: what they add is often less than half a
 *                                  step of the base's numbers, and would vanish if it was rounded to these
 *   both are served                they stay beside them, whatever they are kept in
 */
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Files } from "../../../runtime/base/files.ts";
import type { Bundle } from "../../../runtime/engine/bundle.ts";
import type { ModuleManifest } from "../../../runtime/contract/manifest.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import { sameShape } from "../../../runtime/formats/architecture/fit.ts";
import { readPeft } from "../../../runtime/formats/peft.ts";
import { ADAPTER_CONFIG, peftNames } from "../../../runtime/formats/peft-names.ts";
import {
  adapterIn,
  baseHash,
  loraOf,
  withBeside,
  withMerged,
  withoutAdapters,
  type Adapter,
} from "../../../runtime/store/adapter.ts";
import type { LoadOptions } from "../../../runtime/store/checkpoint.ts";
import type { Lora } from "../../../runtime/contract/model.ts";
import { holdsRun, type Run } from "../../../runtime/store/run-folder.ts";
import type { StageRecord } from "../../../runtime/store/run-record.ts";
import { checkpointName } from "../../../runtime/engine/tensors.ts";
import { bundleWithWeights, isAsItIs, weightsIn, type AskedModule } from "../options/weights.ts";
import { pathFrom, type Io } from "../terminal/io.ts";
import { openMerged, openWeights } from "./open-weights.ts";

export interface AdaptedRun {
  readonly bundle: Bundle;
  /** Undefined: the checkpoint is read as it is. */
  readonly through?: LoadOptions["through"];
}

export interface AdaptedOptions {
  readonly target: Target | undefined;
  readonly variant: Model | undefined;
  /** Of `--adapter`. */
  readonly adapter: Adapter | undefined;
  /** They stay beside f32 matrices too, so that texts can do without them. Default: false. */
  readonly beside?: boolean;
}

/** The bundle that answers as is asked: the run's own, or one that is compiled in memory. */
export async function adaptedRun(
  { bundle: own, folder }: Run,
  asked: AskedModule,
  { target, variant, adapter, beside = false }: AdaptedOptions,
): Promise<AdaptedRun> {
  const { manifest } = own;
  const has = moduleOf(manifest).lora;
  if (!adapter && (!has || isAsItIs(own, asked, variant)))
    return { bundle: await bundleWithWeights(own, asked, target, variant) };
  if (adapter && beside) refuseWhole(adapter, folder);
  const lora = loraBeside(own, adapter, beside);
  if (!lora) {
    const plain = variant ?? (has ? manifest.model : undefined);
    return {
      bundle: await bundleWithWeights(own, asked, target, plain),
      async through(checkpoint) {
        const base = await withoutAdapters(checkpoint, manifest);
        return adapter ? withMerged(base, adapter) : base;
      },
    };
  }
  if (adapter && has && weightsIn(own) !== "f32")
    throw new SinterError(
      "input",
      `${folder} has adapters of its own, beside matrices of fewer bits than f32`,
      "Name the base that it began from.",
    );
  const bundle = await bundleWithWeights(own, { ...asked, lora }, target, variant);
  if (!adapter) return { bundle };
  return {
    bundle,
    through: async (checkpoint) => withBeside(await withoutAdapters(checkpoint, manifest), adapter, lora),
  };
}

/**
 * What the module that answers has of adapters beside its matrices. Undefined: it has none, or they are
 * merged.
 */
export function loraBeside(
  own: Run["bundle"],
  adapter: Adapter | undefined,
  beside: boolean,
): Lora | undefined {
  if (weightsIn(own) === "f32" && !(adapter && beside)) return undefined;
  return adapter ? loraOf(adapter) : moduleOf(own.manifest).lora;
}

/** What stands in the place of the base's tensors cannot stand beside them. */
function refuseWhole({ whole }: Adapter, folder: string): void {
  if (whole.size > 0)
    throw new SinterError(
      "input",
      `the adapters have new rows of ${[...whole.keys()].join(", ")}, which ${folder} would lose`,
      "Use the run that they come from: it answers with them.",
    );
}

const moduleOf = ({ modules }: Run["bundle"]["manifest"]): ModuleManifest =>
  (modules.infer ?? modules.train)!;

export interface OpenedAdapter {
  readonly adapter: Adapter;
  /** Where it is of a run: how that writes dialogues. */
  readonly stage?: StageRecord | undefined;
}

/**
 * The adapters of a folder: a run that has some, or PEFT's. Throws SinterError "input" where they are not of
 * this base. `open` opens a run's folder.
 */
export async function openAdapter(
  files: Files,
  given: string,
  run: Run,
  open: (dir: string, io: Io) => Promise<Run>,
  io: Io,
): Promise<OpenedAdapter> {
  const folder = pathFrom(io, given);
  if (await holdsRun(files, folder)) {
    const from = await open(given, io);
    const { adapter, base } = await adapterOfRun(files, from, io);
    checkShapes(adapter, run, given);
    await checkBase(files, run, adapter, base, given, io);
    return { adapter, stage: from.record.stage };
  }
  if (!(await files.exists(`${folder}/${ADAPTER_CONFIG}`)))
    throw new SinterError(
      "input",
      `${given} holds no adapters: neither a run nor ${ADAPTER_CONFIG}`,
      "Name the folder of a run that was trained with adapters (sinter sft --lora 8), or one of PEFT's.",
    );
  const { model } = run.bundle.manifest;
  const read = await readPeft(files, folder, peftNames(model, moduleOf(run.bundle.manifest).tensors));
  for (const note of read.notes) io.err(`note: ${note}\n`);
  if (read.base !== undefined) await checkBase(files, run, read.adapter, read.base, given, io);
  else
    io.err(
      `note: ${given} does not say by a hash which base it is of; it names ${read.baseName ?? "none"}\n`,
    );
  return { adapter: read.adapter };
}

/** A run's adapters, and the hash of the matrices that they stand beside. */
export async function adapterOfRun(
  files: Files,
  run: Run,
  io: Io,
): Promise<{ readonly adapter: Adapter; readonly base: string; readonly step: number }> {
  const module = moduleOf(run.bundle.manifest);
  if (!module.lora)
    throw new SinterError(
      "input",
      `${run.folder} has no adapters`,
      "Runs have some that were trained with --lora RANK, or a block lora { … }.",
    );
  const checkpoint = await openWeights(files, run, io);
  try {
    const adapter = await adapterIn(checkpoint, module);
    return { adapter, base: await baseHash(checkpoint, adapter), step: checkpoint.state.step };
  } finally {
    await checkpoint.close();
  }
}

/** Throws where the run lacks a matrix of this shape. */
function checkShapes({ maps, whole }: Adapter, { bundle, folder }: Run, from: string): void {
  const has = new Map(
    moduleOf(bundle.manifest)
      .tensors.filter(({ storage }) => storage === "parameter")
      .flatMap((place) =>
        Array.from(
          { length: place.slices },
          (_, slice) => [checkpointName(place, slice), place.shape] as const,
        ),
      ),
  );
  for (const [name, { shape }] of [...maps, ...whole]) {
    const found = has.get(name);
    if (found && sameShape(found, shape)) continue;
    throw new SinterError(
      "input",
      `${from} is of another base than ${folder}: ` +
        `${name} is [${shape}] there, and ${found ? `[${found}]` : "not there"} here`,
      whole.has(name)
        ? `Its tokens are new: use ${from} itself, which is whole.`
        : "Name the base that it began from.",
    );
  }
}

async function checkBase(
  files: Files,
  run: Run,
  adapter: Adapter,
  wanted: string,
  from: string,
  io: Io,
): Promise<void> {
  const base = await openMerged(files, run, io);
  try {
    if ((await baseHash(base, adapter)) === wanted) return;
  } finally {
    await base.close();
  }
  throw new SinterError(
    "input",
    `${from} is of another base than ${run.folder}: the hash of its matrices differs`,
    "Name the base that it began from.",
  );
}
