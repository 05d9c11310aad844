/** `sinter profile SPEC`: where a step's time goes, kernel by kernel. Works in a checkout. */
import { measureLimits } from "../../../bench/measure/limits.ts";
import { profiled, profileLines, profileModel, type ProfiledEntry } from "../../../bench/measure/profile.ts";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { bestTarget } from "../../../runtime/engine/choose-target.ts";
import { planAll } from "../options/plan.ts";
import { realOption, targetOption, textOption, wholeOption } from "../options/run-options.ts";
import { checkOptions, oneModel, withSpecOptions } from "../options/spec.ts";
import type { Verb } from "./verb.ts";

const MAX_WORKERS = 8;

export const profileVerb: Verb = {
  name: "profile",
  summary: "where the time of a step goes, kernel by kernel",
  configure(command) {
    withSpecOptions(command.argument("<spec>", "a spec file; - is standard input"))
      .option("--entry <name>", `${profiled.join(", ")}: a training step, a prompt, one token`, "train")
      .option("--target <name>", "simd, relaxed or wide; default: the best that runs here")
      .option("--workers <count>", "default: one for each core")
      .option("--seconds <seconds>", "of measuring", "3")
      .option("--json", "machine-readable")
      .addHelpText(
        "after",
        "\nWait: at the barrier after a kernel, for the workers that are not done. Limit: the time that " +
          "the measured multiply-add rate and\nread bandwidth allow, in per cent of the time taken; what " +
          "caches hold can be above 100 %.\n\nexamples:\n  sinter profile specs/nanogpt-cpu.sinter\n  " +
          "sinter profile specs/gpt2.sinter --entry decode --workers 2",
      );
  },
  async run([path], options, io) {
    const entry = profiled.find((e) => e === textOption(options, "entry"));
    if (!entry)
      throw new SinterError(
        "usage",
        `there is no entry \`${textOption(options, "entry")}\``,
        `use ${profiled.join(", ")}`,
      );
    const workers = wholeOption(options, "workers", 1, MAX_WORKERS) ?? Math.min(nodeHost.cores, MAX_WORKERS);
    const seconds = realOption(options, "seconds", 0.1, 600)!;
    const { model } = oneModel(path!, checkOptions(options), io);
    const target = targetOption(options) ?? (await bestTarget(nodeHost));
    planAll(model, [entry === "train" ? "train" : "infer"], { targets: [target] });
    const limits = await measureLimits([target], [...new Set([1, workers])]);
    const profile = await profileModel(model, {
      entry: entry as ProfiledEntry,
      target,
      workers,
      limits,
      ms: 1000 * seconds,
    });
    if (options["json"]) io.out(`${JSON.stringify({ model: model.name, limits, ...profile }, null, 1)}\n`);
    else
      io.out(
        `${[
          `${model.name}: limits ${limits.fma[target]![workers]!.toFixed(0)} GFLOP/s, ` +
            `${limits.read[workers]!.toFixed(1)} GB/s`,
          ...profileLines(profile),
        ].join("\n")}\n`,
      );
    return exitCodes.ok;
  },
};
