/** How the module of a stage with adapters is compiled, and what is trained in it. */
import { outermost } from "../../../compiler/2-check/parameters.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { thousands } from "../../../runtime/contract/amounts.ts";
import type { ModuleManifest } from "../../../runtime/contract/manifest.ts";
import type { Lora, Model } from "../../../runtime/contract/model.ts";
import { isAdapter, isNameIn, nameIn, TOKEN_TABLE } from "../../../runtime/contract/parameter-names.ts";
import type { StageModule } from "./begin.ts";

/**
 * Adapters alone are trained, and scalar heads. Where tokens are new, no adapter can teach the model their
 * rows: the table, and an output that has a matrix of its own, are trained whole beside them.
 */
export function adaptedModule(model: Model, lora: Lora, newTokens: boolean): StageModule & { lora: Lora } {
  const output = `${nameIn("output", outermost(model.output).part.name)}.`;
  const isOfTokens = (name: string): boolean => name === TOKEN_TABLE || name.startsWith(output);
  const isNew = (name: string): boolean => isAdapter(name) || isNameIn("head", name);
  return { lora, ...(newTokens && { trains: (name) => isNew(name) || isOfTokens(name) }) };
}

/**
 * "adapters of rank 8 (alpha 16, all): 65,536 numbers are trained, 786,432 stay as they are". Throws
 * SinterError "input" where nothing has got an adapter.
 */
export function trainedText({ tensors }: ModuleManifest, { rank, alpha, on }: Lora): string {
  const parameters = tensors.filter((t) => t.storage === "parameter");
  if (!parameters.some(({ name }) => isAdapter(name)))
    throw new SinterError(
      "input",
      `no linear map of the layers is one of ${on.join(", ")}, so that nothing gets an adapter`,
      "Write `on all`, or leave it out.",
    );
  const count = (list: typeof parameters): string =>
    thousands(list.reduce((sum, { shape, slices }) => sum + slices * shape.reduce((a, b) => a * b, 1), 0));
  const [trained, frozen] = [true, false].map((is) => parameters.filter((t) => (t.trained !== false) === is));
  const formats = new Set(frozen!.flatMap(({ quantised }) => (quantised ? [quantised.format] : [])));
  const whole = trained!.filter(({ name }) => !isAdapter(name)).map(({ name }) => name);
  return (
    `adapters of rank ${rank} (alpha ${alpha}, ${on.join(", ")}): ${count(trained!)} numbers are trained, ` +
    `${count(frozen!)} stay as they are` +
    (formats.size > 0 ? `, matrices in ${[...formats].join(", ")}` : "") +
    (whole.length > 0 ? `; trained whole, for tokens that are new: ${whole.join(", ")}` : "")
  );
}
