/** One model's parameters for another of the same form, whatever either was compiled for. */
import type { RunningModel } from "../../../runtime/engine/model.ts";

export function copyParameters(from: RunningModel, to: RunningModel): void {
  const targets = new Map(to.of("parameter").map((tensor) => [tensor.place.name, tensor]));
  for (const tensor of from.of("parameter"))
    for (let slice = 0; slice < tensor.place.slices; slice++)
      targets.get(tensor.place.name)!.padded(slice).set(tensor.padded(slice));
  to.weightsChanged();
}
