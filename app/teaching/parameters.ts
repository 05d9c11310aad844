/** A model's parameters as numbers beside it: to begin again with them, hand them on, tell them apart. */
import { sha256 } from "../../runtime/contract/sha256.ts";
import type { RunningModel } from "../../runtime/engine/model.ts";
import { checkpointName } from "../../runtime/engine/tensors.ts";

/** Slices of parameters without padding, by the names that a checkpoint has for them. */
export type Parameters = ReadonlyMap<string, Float32Array>;

export function parametersOf(model: RunningModel): Parameters {
  const found = new Map<string, Float32Array>();
  for (const { place, dense } of model.of("parameter"))
    for (let slice = 0; slice < place.slices; slice++)
      found.set(checkpointName(place, slice), Float32Array.from(dense(slice)));
  return found;
}

/**
 * The model begins with these: parameters of the same names are set, whatever either model was compiled for,
 * and what the optimizer remembers is forgotten.
 */
export function beginWith(model: RunningModel, parameters: Parameters): void {
  for (const { place, write } of model.of("parameter"))
    for (let slice = 0; slice < place.slices; slice++) {
      const values = parameters.get(checkpointName(place, slice));
      if (values) write(values, slice);
    }
  for (const storage of ["moment1", "moment2"] as const)
    for (const { place, fill } of model.of(storage))
      for (let slice = 0; slice < place.slices; slice++) fill(slice, () => 0);
  model.weightsChanged();
}

/** SHA-256 over names and bits: the same where every bit is. */
export async function hashOf(parameters: Parameters): Promise<string> {
  const lines: string[] = [];
  for (const [name, { buffer, byteOffset, byteLength }] of parameters)
    lines.push(`${name} ${await sha256(new Uint8Array(buffer, byteOffset, byteLength))}`);
  return sha256(lines.join("\n"));
}
