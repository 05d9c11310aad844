/** `--weights`: a trained model used with its weights in fewer bits. Its run has a module for f32; another is compiled in memory. */
import type { Command } from "commander";
import { bestTarget } from "../../runtime/choose-target.ts";
import type { Bundle } from "../../runtime/bundle.ts";
import { SinterError } from "../../runtime/errors.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { compileModel } from "../compile.ts";
import type { Model } from "../2-check/model.ts";
import { nearest } from "../diagnostics/nearest.ts";
import { weightFormats, type Target, type WeightFormat, type WeightMix, type Weights } from "../op.ts";
import { planAll } from "./plan.ts";
import type { Options } from "./run-options.ts";

export const withWeightsOption = (command: Command): Command =>
  command.option("--weights <format>", `how matrices are kept in memory: ${weightFormats.join(", ")}; less memory and more tokens a second, less exact. Of a mix: q4_0,table=q8_0,output=q8_0`);

const places = ["table", "output"] as const;

/** Undefined: it was not given. */
export function weightsOption(options: Options): Weights | undefined {
  const text = options["weights"];
  if (text === undefined) return undefined;
  const [others, ...rest] = String(text).split(","), mix: { -readonly [K in keyof WeightMix]: WeightMix[K] } = { others: formatNamed(others!) };
  for (const part of rest) {
    const [key, value] = part.split("="), place = places.find((p) => p === key);
    if (!place || value === undefined) throw new SinterError("usage", `--weights: \`${part}\` is no part of a mix`, `for example --weights q4_0,${places.map((p) => `${p}=q8_0`).join()}`);
    mix[place] = formatNamed(value);
  }
  return rest.length === 0 ? mix.others : mix;
}

function formatNamed(text: string): WeightFormat {
  const found = weightFormats.find((format) => format === text), near = nearest(text, weightFormats);
  if (!found) throw new SinterError("usage", `there is no weight format \`${text}\``, `formats: ${weightFormats.join(", ")}${near ? `; did you mean ${near}?` : ""}`);
  return found;
}

/** The bundle's model, or a variant of it, with an `infer` module that keeps its weights so. Without either: the bundle itself. */
export async function bundleWithWeights(bundle: Bundle, weights: Weights | undefined, target: Target | undefined, variant?: Model): Promise<Bundle> {
  if (weights === undefined && variant === undefined) return bundle;
  const options = { targets: [target ?? await bestTarget(nodeHost)], modules: ["infer"], ...(weights && { weights }) } as const, model = variant ?? bundle.manifest.model;
  planAll(model, options.modules, options);
  return compileModel(model, options);
}
