/** `sinter profile SPEC`: where a step's time goes, kernel by kernel. */
import { limitMeter, limitsNow } from "../../../bench/measure/limits.ts";
import { profiled, profileModel } from "../../../bench/measure/profile.ts";
import { profileLines } from "../../../bench/measure/profile-lines.ts";
import { exitCodes } from "../../../runtime/base/errors.ts";
import { MAX_WORKERS } from "../../../runtime/contract/control.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { bestTarget } from "../../../runtime/engine/choose-target.ts";
import { flag, named, read, real, text, withDefault } from "../options/option.ts";
import { planAll } from "../options/memory-plan.ts";
import { targetOption, workersOption } from "../options/run-options.ts";
import { checkOptions, oneModel, specOptions } from "../options/spec.ts";
import { defineVerb } from "./verb.ts";

export const profileVerb = defineVerb({
  name: "profile",
  summary: "where the time of a step goes, kernel by kernel",
  arguments: [{ name: "<spec>", help: "a spec file; - is standard input" }],
  options: {
    ...specOptions,
    entry: withDefault(
      "train",
      read(text("<name>", `${profiled.join(", ")}: a training step, a prompt, one token`), (given) =>
        named("entry", profiled, given, { list: "use " }),
      ),
    ),
    target: targetOption("simd, relaxed or wide; default: the best that runs here"),
    workers: workersOption("default: one for each core", "<count>"),
    seconds: withDefault("3", real("<seconds>", "of measuring", { least: 0.1, most: 600 })),
    json: flag("machine-readable"),
  },
  notes: [
    "Wait: at the barrier after a kernel, for the workers that are not done.",
    "Limit: the time that a kernel takes at least on this machine, in per cent of the time taken: for its",
    "multiply-adds and functions (e^x, activations), or for reading what it touches from the cache that",
    "holds it, or from memory.",
    "Then the same by operation, in ms: at least for multiply-adds, functions or bytes, and what is above.",
  ],
  examples: [
    "sinter profile specs/nanogpt-cpu.sinter",
    "sinter profile specs/gpt2.sinter --entry decode --workers 2",
  ],
  async run([path], options, io) {
    const { entry, workers = Math.min(nodeHost.cores, MAX_WORKERS) } = options;
    const { model } = oneModel(path!, checkOptions(options), io);
    const target = options.target ?? (await bestTarget(nodeHost));
    planAll(model, [entry === "train" ? "train" : "infer"], { targets: [target] });
    const ms = 1000 * options.seconds;
    const meter = limitMeter();
    const profile = await profileModel(model, { entry, target, workers, meter, ms });
    const limits = await limitsNow(meter, [target], [workers]);
    await meter.close();
    if (options.json) {
      io.out(`${JSON.stringify({ model: model.name, limits, ...profile }, null, 1)}\n`);
      return exitCodes.ok;
    }
    const arithmetic = `${limits.fma[target]![workers]!.toFixed(0)} GFLOP/s`;
    const memory = `${limits.read[workers]!.toFixed(1)} GB/s`;
    const lines = [`${model.name}: limits ${arithmetic}, ${memory}`, ...profileLines(profile)];
    io.out(`${lines.join("\n")}\n`);
    return exitCodes.ok;
  },
});
