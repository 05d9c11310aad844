/** `sinter shadow SPEC`: the same structure in sizes that train here, as a spec. */
import { shadowSpec, SHADOW_PARAMETERS } from "../../../compiler/planner/shadow.ts";
import { exitCodes } from "../../../runtime/base/errors.ts";
import { thousands } from "../../../runtime/contract/amounts.ts";
import { amount } from "../options/amount.ts";
import { flag, text } from "../options/option.ts";
import { checkOptions, oneModel, specOptions } from "../options/spec.ts";
import { createText } from "../terminal/files.ts";
import { defineVerb } from "./verb.ts";

export const shadowVerb = defineVerb({
  name: "shadow",
  summary: "the same structure in sizes that train here in seconds",
  arguments: [{ name: "<spec>", help: "a spec file; - is standard input" }],
  options: {
    ...specOptions,
    parameters: amount("<n>", `most parameters, as 4M (default: ${thousands(SHADOW_PARAMETERS)})`),
    output: text("<file>", "where the spec is written (default: standard output)", { short: "o" }),
    force: flag("write over a file that is there"),
  },
  notes: [
    "A shadow has the model's equations, its pattern of layers, ratio of heads, norms, biases and rope;",
    "width, layers, vocabulary and context are small. Both have the same structure hash, which says so.",
  ],
  examples: [
    "sinter shadow specs/llama3.sinter --model llama3.1-405b",
    "sinter shadow specs/gpt4-rumour.sinter -o shadow.sinter",
  ],
  async run([path], { parameters, output, force, ...given }, io) {
    const { model } = oneModel(path!, checkOptions(given), io);
    const spec = await shadowSpec(model, parameters);
    if (output === undefined) io.out(spec);
    else createText(output, io.cwd, spec, { force });
    return exitCodes.ok;
  },
});
