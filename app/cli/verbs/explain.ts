/**
 * `sinter explain CODE`: the long form of a diagnostic. `sinter explain SPEC`: what the compiler did with it,
 * and why.
 */
import { planModule } from "../../../compiler/compile.ts";
import { type ModuleName, moduleNames } from "../../../runtime/contract/manifest.ts";
import { explainPlan, type Topic } from "../../../compiler/explain.ts";
import { codes, isCode, messages, type Code } from "../../../compiler/diagnostics/messages.ts";
import { nearest } from "../../../compiler/diagnostics/nearest.ts";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { memoryLimit, targetOption, withMemoryOption, type Options } from "../options/run-options.ts";
import { cacheOption, weightsOption, withCacheOption, withWeightsOption } from "../options/weights.ts";
import { checkOptions, oneModel, withSpecOptions } from "../options/spec.ts";
import { tilesFor, withTuneOptions } from "../options/tune-file.ts";
import type { Verb } from "./verb.ts";
import { reflow } from "../terminal/reflow.ts";
import type { Io } from "../terminal/io.ts";

export const explainVerb: Verb = {
  name: "explain",
  summary: "explain a diagnostic's code, or what becomes of a spec",
  configure(command) {
    withCacheOption(
      withWeightsOption(
        withMemoryOption(
          withTuneOptions(
            withSpecOptions(
              command.argument(
                "[code or spec]",
                "a code such as E0203, or a spec file; without one, all codes are listed",
              ),
            ),
          ),
        ),
      ),
    )
      .option("--fusion", "which operations became one, by which rule, and why")
      .option("--tiles", "sizes, tiles and tasks of every kernel")
      .option("--arena", "which buffer lies where, and when it is alive")
      .option("--module <name>", "train or infer", "train")
      .option("--target <name>", "simd, relaxed or wide (of --tiles)", "wide")
      .addHelpText(
        "after",
        "\nexamples:\n  sinter explain E0203\n  sinter explain specs/quickstart.sinter --arena\n  " +
          "sinter explain specs/gpt2.sinter --fusion --module infer",
      );
  },
  async run(args, options, io) {
    const [asked] = args;
    if (asked === undefined) {
      io.out(`${codes.map((c) => `${c}  ${messages[c].title}`).join("\n")}\n`);
      return exitCodes.ok;
    }
    if (/[./\\]/.test(asked)) {
      io.out(explainSpec(asked, options, io));
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
};

function explainSpec(path: string, options: Options, io: Io): string {
  const { model } = oneModel(path, checkOptions(options), io);
  const name = options["module"] as ModuleName;
  if (!moduleNames.includes(name))
    throw new SinterError(
      "usage",
      `there is no module \`${String(name)}\``,
      `modules: ${moduleNames.join(", ")}`,
    );
  const plan = planModule(model, name, {
    targets: [targetOption(options)!],
    tiles: tilesFor(path, options, io),
    memoryLimit: memoryLimit(options),
    weights: weightsOption(options),
    cache: cacheOption(options),
  });
  const topics = (["fusion", "tiles", "arena"] as const satisfies readonly Topic[]).filter(
    (t) => options[t] === true,
  );
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
