/**
 * How a checkpoint is known to belong to a run. It names the run's id (run-record.ts); checkpoints of earlier
 * releases do not, and are known by their model, text and tokenizer.
 */
import type { Accept } from "./checkpoint.ts";
import { concat } from "../base/bytes.ts";
import { codeOf, type Manifest } from "../contract/manifest.ts";
import type { Target } from "../contract/targets.ts";
import type { Run } from "./run-folder.ts";
import { sha256 } from "../contract/sha256.ts";
import type { TrainState } from "./train-state.ts";

export type Identity = TrainState["identity"];

/** It has the hashes of the modules' code on a target: under other code, the last bits may differ. */
export async function identityOf(
  { record, tokenizer }: Pick<Run, "record" | "tokenizer">,
  modules: Manifest["modules"],
  target: Target,
): Promise<Identity> {
  const { id, model, data } = record;
  return {
    run: id,
    model,
    data: data.sha256,
    wasm: codeOf(modules)
      .map(({ wasm }) => wasm[target]!.sha256)
      .join(),
    tokenizer: await sha256(concat([...tokenizer.files.values()])),
  };
}

/** Compares these keys, and the run's id where the checkpoint names it. */
const belongs =
  (identity: Identity, keys: readonly string[]): Accept =>
  ({ identity: found }) => {
    const compared = Object.hasOwn(found, "run") ? ["run", ...keys] : keys;
    for (const key of compared) {
      if (!Object.hasOwn(found, key)) return `its training state can not be: identity.${key} is missing`;
      if (found[key] !== identity[key]) return `it is of another run: its ${key} differs`;
    }
    return undefined;
  };

/** For training on: the tokenizer, too, must be the one that the run began with. */
export const toGoOnWith = (identity: Identity): Accept => belongs(identity, ["model", "data", "tokenizer"]);

/** For using the weights. */
export const toUse = ({ record: { id, model, data } }: Pick<Run, "record">): Accept =>
  belongs({ run: id, model, data: data.sha256 }, ["model", "data"]);
