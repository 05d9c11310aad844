/**
 * A run that begins with another run's weights: they become its checkpoint of step 0. Moments begin at zero,
 * and the data at its start. Adapters of the other run are merged into its matrices, so that a run's own
 * adapters always begin at nothing: switched off, the model is what this run began with.
 */
import { checkpointFile } from "../../../runtime/store/checkpoint.ts";
import {
  writeCheckpoint,
  type OpenCheckpoint,
  type TensorToSave,
} from "../../../runtime/store/checkpoint-file.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Files } from "../../../runtime/base/files.ts";
import { identityOf } from "../../../runtime/store/identity.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import { nameIn } from "../../../runtime/store/renamed.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import { checkpointName } from "../../../runtime/engine/tensors.ts";
import { initialNumbers } from "../../../runtime/engine/init.ts";
import { codeOf, type TensorPlace } from "../../../runtime/contract/manifest.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import { isAdapter, isNameIn } from "../../../runtime/contract/parameter-names.ts";
import { grownTensor } from "./grow-vocabulary.ts";
import { openMerged } from "../runs/open-weights.ts";
import { openRunAt } from "../runs/use-run.ts";
import type { Io } from "../terminal/io.ts";

interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly place: TensorPlace;
  readonly slice: number;
}

/** What a stage may add to a model: adapters, and scalar heads. */
const mayBeNew = (name: string): boolean => isAdapter(name) || isNameIn("head", name);

/**
 * Throws `input` and names the tensor where the two models differ, unless it is in the number of tokens, when
 * the vocabulary has grown. Writes nothing.
 */
export function checkSameParameters(source: Run, run: Run): void {
  const have = new Map(handedOn(source).map(({ name, shape }) => [name, shape]));
  const refuse = (why: string): never => {
    throw new SinterError(
      "input",
      `${source.folder} does not fit ${run.record.model}: ${why}`,
      `Its own spec does: ${source.folder}/spec.sinter`,
    );
  };
  for (const { name, shape } of parametersOf(run)) {
    const there = nameIn(have, name);
    if (mayBeNew(name) && !have.has(there)) continue;
    const found = have.get(there) ?? refuse(`it has no tensor ${name} [${shape}]`);
    if (found.join() !== shape.join() && growingAxis(found, shape, source, run) === undefined)
      refuse(`tensor ${name} is [${found}]; the model has [${shape}]`);
    have.delete(there);
  }
  for (const [name, shape] of have) refuse(`tensor ${name} [${shape}] has no place in the model`);
}

/** The dimension that has grown with the vocabulary; undefined where the shapes differ otherwise. */
function growingAxis(
  had: readonly number[],
  has: readonly number[],
  { bundle: before }: Pick<Run, "bundle">,
  { bundle: now }: Pick<Run, "bundle">,
): number | undefined {
  const [from, to] = [before.manifest.model.sizes.vocab, now.manifest.model.sizes.vocab];
  const differing = has.flatMap((size, i) => (size === had[i] ? [] : [i]));
  const [axis, ...more] = differing;
  const isOne = axis !== undefined && more.length === 0 && had.length === has.length;
  return isOne && from < to && had[axis] === from && has[axis] === to ? axis : undefined;
}

function parametersOf({ bundle }: Pick<Run, "bundle">): Parameter[] {
  const { train, infer } = bundle.manifest.modules;
  const tensors: readonly TensorPlace[] = (train ?? infer)!.tensors;
  return tensors
    .filter((t) => t.storage === "parameter")
    .flatMap((place) =>
      Array.from({ length: place.slices }, (_, slice) => ({
        name: checkpointName(place, slice),
        shape: place.shape,
        place,
        slice,
      })),
    );
}

/** What another run begins with: adapters are in the matrices beside which they stand. */
const handedOn = (run: Pick<Run, "bundle">): Parameter[] =>
  parametersOf(run).filter(({ name }) => !isAdapter(name));

/** The run whose weights a new one begins with, and its checkpoint to use, which has to be closed. */
export interface Source {
  readonly run: Run;
  readonly checkpoint: OpenCheckpoint;
}

export async function openSource(files: Files, dir: string, io: Io): Promise<Source> {
  const source = await openRunAt(dir, io);
  return { run: source, checkpoint: await openMerged(files, source, io) };
}

export async function takeWeights(
  files: Files,
  { checkpoint, run: source }: Source,
  run: Run,
): Promise<void> {
  const { record, bundle, folder } = run;
  const { train } = bundle.manifest.modules;
  const [target] = Object.keys(codeOf({ train: train! })[0]!.wasm) as [Target];
  const identity = await identityOf(run, { train: train! }, target);
  const had = new Map(handedOn(source).map((tensor) => [tensor.name, tensor.shape]));
  const { seed } = record.settings;
  const items = parametersOf(run).map(({ name, shape, place, slice }): TensorToSave => ({
    name,
    shape,
    async *bytes() {
      const before = had.get(nameIn(had, name));
      if (!before) {
        const count = shape.reduce((a, b) => a * b, 1);
        yield new Uint8Array(Float32Array.from({ length: count }, initialNumbers(place, slice, seed)).buffer);
        return;
      }
      const axis = growingAxis(before, shape, source, run);
      // plain f32, whatever format the other run stores
      const values = await checkpoint.read(name, before);
      const grown =
        axis === undefined
          ? values
          : grownTensor(values, { shape: before, axis, to: shape[axis]!, name, seed });
      yield new Uint8Array(grown.buffer);
    },
  }));
  const state = {
    step: 0,
    tokens: 0,
    batches: randomStream(record.settings.seed, "batches").state(),
    identity,
  };
  await writeCheckpoint(files, folder, checkpointFile(0), items, state);
}
