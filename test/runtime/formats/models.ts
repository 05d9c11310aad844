/** What a run folder holds and computes: all numbers of its newest checkpoint, logits, greedy tokens. */
import { likeliestToken } from "../../../runtime/sample/logprobs.ts";
import { openCheckpoint } from "../../../runtime/store/checkpoint-file.ts";
import { listCheckpoints, loadNewest } from "../../../runtime/store/checkpoint.ts";
import { createModel, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { openRun } from "../../../runtime/store/run-folder.ts";
import { checkpointName } from "../../../runtime/engine/tensors.ts";
import { bundleWithWeights } from "../../../app/cli/options/weights.ts";
import type { WeightFormat } from "../../../runtime/contract/memory-formats.ts";
import type { Target } from "../../../runtime/contract/targets.ts";

const files = nodeFiles();

/** All parameters of a run's newest checkpoint. */
export async function parametersOf(folder: string): Promise<Map<string, Float32Array>> {
  const [newest] = await listCheckpoints(files, folder);
  const checkpoint = await openCheckpoint(files, `${folder}/${newest!.file}`);
  const out = new Map<string, Float32Array>();
  const { infer, train } = (await openRun(files, folder)).bundle.manifest.modules;
  for (const place of (infer ?? train)!.tensors.filter((t) => t.storage === "parameter"))
    for (let slice = 0; slice < place.slices; slice++)
      out.set(checkpointName(place, slice), await checkpoint.read(checkpointName(place, slice), place.shape));
  await checkpoint.close();
  return out;
}

export interface ModelUse {
  readonly weights?: WeightFormat;
  readonly target?: Target;
}

export async function withModel<T>(
  folder: string,
  work: (model: RunningModel) => Promise<T>,
  { weights, target }: ModelUse = {},
): Promise<T> {
  const opened = await openRun(files, folder);
  const bundle = await bundleWithWeights(opened.bundle, { weights }, target);
  const model = await createModel(bundle, bundle.manifest.modules.infer ? "infer" : "train", {
    host: nodeHost,
    workers: 1,
    target,
  });
  try {
    await loadNewest(files, folder, model, "weights");
    return await work(model);
  } finally {
    await model.close();
  }
}

/** The logits after each of these tokens, each fed in a call of its own. */
export const logitsOf = (
  folder: string,
  ids: readonly number[],
  use: ModelUse = {},
): Promise<Float32Array[]> =>
  withModel(
    folder,
    async (model) => {
      const out: Float32Array[] = [];
      // a copy, since the model returns a view
      for (const [i, id] of ids.entries()) out.push((await model.feed([id], i)).slice());
      return out;
    },
    use,
  );

export const greedyOf = (folder: string, ids: readonly number[], count: number): Promise<number[]> =>
  withModel(folder, async (model) => {
    const out: number[] = [];
    let logits = await model.feed(ids, 0);
    while (out.length < count) {
      out.push(likeliestToken(logits));
      if (out.length < count) logits = await model.feed([out.at(-1)!], ids.length + out.length - 1);
    }
    return out;
  });
