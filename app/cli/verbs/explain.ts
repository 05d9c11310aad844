/**
 * `sinter explain CODE`: the long form of a diagnostic. `sinter explain SPEC`: what the compiler did with it,
 * and why.
 */
import { writeFileSync } from "node:fs";
import { planModule } from "../../../compiler/compile.ts";
import { explainPlan, type Topic } from "../../../compiler/explain.ts";
import { codes, isCode, messages, type Code } from "../../../compiler/diagnostics/messages.ts";
import { nearest } from "../../../compiler/diagnostics/nearest.ts";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { moduleNames } from "../../../runtime/contract/manifest.ts";
import { flag, named, read, text, withDefault, type Options } from "../options/option.ts";
import { memoryOptions, targetOption } from "../options/run-options.ts";
import { cacheOption, numericsOption, weightsOption } from "../options/weights.ts";
import { checkOptions, oneModel, specOptions } from "../options/spec.ts";
import { tilesFor } from "../options/tune-file.ts";
import { tuneOptions } from "../options/tune-options.ts";
import { reflow } from "../terminal/reflow.ts";
import { defineVerb } from "./verb.ts";
import { planPage } from "../report/plan-page.ts";
import { pathFrom, type Io } from "../terminal/io.ts";

const options = {
  ...specOptions,
  ...tuneOptions,
  ...memoryOptions,
  weights: weightsOption,
  cache: cacheOption,
  numerics: numericsOption,
  fusion: flag("which operations became one, by which rule, and why"),
  tiles: flag("sizes, tiles and tasks of every kernel"),
  arena: flag("which buffer lies where, and when it is alive"),
  module: withDefault(
    "train",
    read(text("<name>", "train or infer"), (given) => named("module", moduleNames, given)),
  ),
  target: withDefault("wide", targetOption("simd, relaxed or wide (of --tiles)")),
  picture: text("<file>", "write a page that draws the kernels, their values and the memory"),
};

export const explainVerb = defineVerb({
  name: "explain",
  summary: "explain a diagnostic's code, or what becomes of a spec",
  arguments: [
    {
      name: "[code or spec]",
      help: "a code such as E0203, or a spec file; without one, all codes are listed",
    },
  ],
  options,
  examples: [
    "sinter explain E0203",
    "sinter explain specs/quickstart.sinter --arena",
    "sinter explain specs/gpt2.sinter --fusion --module infer",
    "sinter explain specs/gpt2.sinter --picture gpt2.html",
  ],
  async run([asked], given, io) {
    if (asked === undefined) {
      io.out(`${codes.map((c) => `${c}  ${messages[c].title}`).join("\n")}\n`);
      return exitCodes.ok;
    }
    if (/[./\\]/.test(asked)) {
      io.out(explainSpec(asked, given, io));
      return exitCodes.ok;
    }
    const code = /^[ew]?\d+$/i.test(asked) ? codeOf(asked) : undefined;
    if (code === undefined) {
      const near = nearest(asked.toUpperCase(), codes);
      throw new SinterError(
        "usage",
        `there is no code \`${asked}\``,
        near ? `did you mean ${near}?` : "`sinter explain` lists the codes",
      );
    }
    io.out(reflow(explainCode(code), io.columns));
    return exitCodes.ok;
  },
});

function explainSpec(path: string, asked: Options<typeof options>, io: Io): string {
  const { model } = oneModel(path, checkOptions(asked), io);
  const { module, target, memoryLimit, lanes, weights, cache, numerics } = asked;
  const tiles = tilesFor(path, asked, io);
  const plan = planModule(model, module, {
    targets: [target],
    tiles,
    memoryLimit,
    lanes,
    weights,
    cache,
    numerics,
  });
  if (asked.picture !== undefined) {
    writeFileSync(pathFrom(io, asked.picture), planPage(model, plan));
    return `wrote ${asked.picture}\n`;
  }
  const topics = (["fusion", "tiles", "arena"] as const satisfies readonly Topic[]).filter((t) => asked[t]);
  return (topics.length === 0 ? (["summary"] as const) : topics)
    .map((topic) => explainPlan(model, plan, topic))
    .join("\n");
}

/** "E0203", "e0203" and "203" are one code. */
function codeOf(asked: string): Code | undefined {
  const upper = asked.toUpperCase();
  const digits = asked.replace(/\D/g, "").padStart(4, "0");
  return isCode(upper) ? upper : codes.find((c) => c.slice(1) === digits);
}

export function explainCode(code: Code): string {
  const { title, explain, wrong, right } = messages[code] as {
    title: string;
    explain: string;
    wrong?: string;
    right?: string;
  };
  const block = (heading: string, text: string | undefined): string[] =>
    text === undefined ? [] : ["", `${heading}:`, ...text.split("\n").map((l) => `    ${l}`)];
  return [`${code}: ${title}`, "", explain, ...block("wrong", wrong), ...block("right", right), ""].join(
    "\n",
  );
}
