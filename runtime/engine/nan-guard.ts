/**
 * Ends a run that has gone wrong, and says where: in which tensor is the first value that is not a number.
 */
import { SinterError } from "../base/errors.ts";
import type { RunningModel, StepResult } from "./model.ts";
import { checkpointName, type Tensor } from "./tensors.ts";

/**
 * Throws `input` when the loss or the gradient norm is NaN or infinite. The parameters are unharmed, since
 * the module itself leaves such an update out.
 */
export function guardAgainstNaN(model: RunningModel, step: number, { loss, norm }: StepResult): void {
  if (Number.isFinite(loss) && Number.isFinite(norm)) return;
  const what = Number.isFinite(loss) ? `the gradient norm is ${norm}` : `the loss is ${loss}`;
  const where =
    firstNotFinite(model.of("parameter"), "") ??
    firstNotFinite(model.of("gradient"), "the gradient of ") ??
    "none in parameters and gradients, so it arose between them";
  throw new SinterError(
    "input",
    `step ${step}: ${what}; the first value that is not a number: ${where}`,
    "Train with a smaller learning rate (--set lr=…), a longer warm-up, or clipping (--set clip=1). The " +
      "last checkpoint is unharmed.",
  );
}

function firstNotFinite(tensors: readonly Tensor[], prefix: string): string | undefined {
  for (const tensor of tensors)
    for (let slice = 0; slice < tensor.place.slices; slice++) {
      const values = tensor.dense(slice);
      const at = values.findIndex((value) => !Number.isFinite(value));
      if (at < 0) continue;
      const name = checkpointName({ ...tensor.place, name: tensor.place.of ?? tensor.place.name }, slice);
      return `${prefix}${name}[${Math.floor(at / tensor.columns)},${at % tensor.columns}] = ${values[at]}`;
    }
  return undefined;
}
