/** `--weights`: a trained model used with its weights in fewer bits. Its run has a module for f32; another is compiled in memory. */
import type { Command } from "commander";
import { bestTarget } from "../../runtime/choose-target.ts";
import type { Bundle } from "../../runtime/bundle.ts";
import { SinterError } from "../../runtime/errors.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { compileModel } from "../compile.ts";
import { nearest } from "../diagnostics/nearest.ts";
import { weightFormats, type Target, type WeightFormat } from "../op.ts";
import { planAll } from "./plan.ts";
import type { Options } from "./run-options.ts";

export const withWeightsOption = (command: Command): Command =>
  command.option("--weights <format>", `how matrices are kept in memory: ${weightFormats.join(", ")}; less memory and more tokens a second, less exact`);

/** Undefined: it was not given. */
export function weightsOption(options: Options): WeightFormat | undefined {
  const text = options["weights"];
  const found = weightFormats.find((format) => format === text);
  if (text !== undefined && !found)
    throw new SinterError("usage", `there is no weight format \`${String(text)}\``, `formats: ${weightFormats.join(", ")}${nearest(String(text), weightFormats) ? `; did you mean ${nearest(String(text), weightFormats)}?` : ""}`);
  return found;
}

/** The bundle's model with an `infer` module that keeps its weights so. Without a format: the bundle itself. */
export async function bundleWithWeights(bundle: Bundle, weights: WeightFormat | undefined, target: Target | undefined): Promise<Bundle> {
  if (weights === undefined) return bundle;
  const options = { targets: [target ?? await bestTarget(nodeHost)], modules: ["infer"], weights } as const;
  planAll(bundle.manifest.model, options.modules, options);
  return compileModel(bundle.manifest.model, options);
}
