/** `sinter compile SPEC -o DIR`: a bundle of wasm modules, manifest and readable kernels. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { compileModel, planModule, type CompileOptions } from "../../../compiler/compile.ts";
import { type ModuleName, moduleNames } from "../../../runtime/contract/manifest.ts";
import { sizeText, thousands } from "../../../runtime/contract/amounts.ts";
import { targets } from "../../../runtime/contract/targets.ts";
import { nearest } from "../../../compiler/diagnostics/nearest.ts";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { wholeFolder } from "../terminal/whole-folder.ts";
import { bytesText, fits, planAll, refuseTooLarge } from "../options/plan.ts";
import { memoryLimit, withMemoryOption } from "../options/run-options.ts";
import { checkOptions, oneModel, withSpecOptions } from "../options/spec.ts";
import { tilesFor, withTuneOptions } from "../options/tune-file.ts";
import type { Verb } from "./verb.ts";
import { cacheOption, weightsOption, withCacheOption, withWeightsOption } from "../options/weights.ts";

export const compileVerb: Verb = {
  name: "compile",
  summary: "compile a spec to a bundle of wasm modules",
  configure(command) {
    withCacheOption(
      withMemoryOption(
        withWeightsOption(
          withTuneOptions(withSpecOptions(command.argument("<spec>", "spec file; - is standard input"))),
        ),
      ),
    )
      .option("-o, --out <dir>", "folder of the bundle (default: generated/MODEL)")
      .option("--target <names>", "simd, relaxed, wide, or several with commas", "wide,relaxed,simd")
      .option("--module <names>", "train, infer, or both with a comma (default: both, as far as they fit)")
      .option(
        "--dump [stage]",
        "also write what each stage made, to DIR/dump (a stage: differentiate, fuse, save, tiles, " +
          "arena, kernels …)",
      )
      .option("--verify", "check the graph after every pass")
      .option("--json", "machine-readable")
      .addHelpText(
        "after",
        `
examples:
  sinter compile specs/nanogpt-cpu.sinter -o out/nanogpt
  sinter compile specs/gpt2.sinter --model gpt2-xl --module infer --target wide
  sinter compile specs/gpt2.sinter --model gpt2-xl --module infer --weights q8_0
  sinter compile specs/quickstart.sinter -o out/quickstart --dump=fuse`,
      );
  },
  async run([spec], options, io) {
    const { model } = oneModel(spec!, checkOptions(options), io);
    const chosen = namesOf("target", String(options["target"]), targets);
    const tiles = tilesFor(spec!, options, io);
    const limit = memoryLimit(options);
    const weights = weightsOption(options);
    const cache = cacheOption(options);
    const modules = modulesFor(
      model,
      options["module"] as string | undefined,
      { tiles, weights, cache, memoryLimit: limit },
      io.err,
    );
    const folder = resolve(io.cwd, (options["out"] as string | undefined) ?? join("generated", model.name));
    const dumped: [string, string][] = [];
    const wanted = options["dump"];
    const began = performance.now();
    const { manifest, files } = await compileModel(model, {
      targets: chosen,
      modules,
      tiles,
      weights,
      cache,
      memoryLimit: limit,
      verify: options["verify"] === true,
      ...(wanted !== undefined && {
        dump: (file: string, text: string) =>
          void (
            (wanted === true || file.includes(String(wanted))) &&
            dumped.push([join("dump", file), text])
          ),
      }),
    });
    const ms = performance.now() - began;
    if (wanted !== undefined && dumped.length === 0)
      throw new SinterError(
        "usage",
        `no stage is called \`${String(wanted)}\``,
        "--dump alone writes them all",
      );
    await wholeFolder(folder, "manifest.json", (temporary) => {
      for (const [file, contents] of [...files, ...dumped]) {
        mkdirSync(dirname(join(temporary, file)), { recursive: true });
        writeFileSync(join(temporary, file), contents);
      }
    });
    if (options["json"])
      io.out(
        `${JSON.stringify({ folder, ms: Math.round(ms), parameters: manifest.parameters, modules: manifest.modules }, null, 2)}\n`,
      );
    else io.out(summary(folder, ms, manifest, dumped.length));
    return exitCodes.ok;
  },
};

function summary(
  folder: string,
  ms: number,
  manifest: Awaited<ReturnType<typeof compileModel>>["manifest"],
  dumped: number,
): string {
  const rows = Object.entries(manifest.modules)
    .flatMap(([name, module]) =>
      (module.parts ?? [module]).map((m, i) => [module.parts ? `${name} ${i}` : name, m] as const),
    )
    .flatMap(([name, m]) =>
      Object.entries(m.wasm).map(
        ([target, w]) =>
          `  ${name.padEnd(6)} ${target.padEnd(8)} ${thousands(w.bytes).padStart(9)} bytes of wasm   ` +
          `${sizeText(m.memoryBytes)} of memory`,
      ),
    );
  return (
    [
      `${manifest.model.name}: ${thousands(manifest.parameters)} parameters, compiled in ` +
        `${(ms / 1000).toFixed(2)} s`,
      ...rows,
      `${folder}${dumped > 0 ? `, ${dumped} dumps in ${join(folder, "dump")}` : ""}`,
    ].join("\n") + "\n"
  );
}

/** What was asked for, refused if it does not fit; by default whatever fits. */
function modulesFor(
  model: Parameters<typeof planModule>[0],
  asked: string | undefined,
  o: CompileOptions,
  warn: (text: string) => void,
): readonly ModuleName[] {
  if (asked !== undefined) {
    const names = namesOf("module", asked, moduleNames);
    planAll(model, names, o);
    return names;
  }
  const plans = moduleNames.map((name) => planModule(model, name, o));
  const fitting = plans.filter(fits);
  if (fitting.length === 0) refuseTooLarge(model, plans.at(-1)!);
  for (const plan of plans)
    if (!fits(plan)) warn(`note: left out the module \`${plan.name}\`: it needs ${bytesText(model, plan)}\n`);
  return fitting.map((plan) => plan.name);
}

function namesOf<T extends string>(
  what: "target" | "module",
  text: string,
  known: readonly T[],
): readonly T[] {
  return text.split(",").map((name) => {
    const found = known.find((k) => k === name.trim());
    if (!found)
      throw new SinterError(
        "usage",
        `there is no ${what} \`${name}\``,
        `${what}s: ${known.join(", ")}${nearest(name, known) ? `; did you mean ${nearest(name, known)}?` : ""}`,
      );
    return found;
  });
}
