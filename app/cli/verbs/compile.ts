/** `sinter compile SPEC -o DIR`: a bundle of wasm modules, manifest and readable kernels. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { compileModel, planModule } from "../../../compiler/compile.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import {
  moduleNames,
  type Manifest,
  type ModuleManifest,
  type ModuleName,
} from "../../../runtime/contract/manifest.ts";
import { counted, sizeText, thousands } from "../../../runtime/contract/amounts.ts";
import { askedEntries } from "../../../runtime/contract/entries.ts";
import { targets } from "../../../runtime/contract/targets.ts";
import { defaultWorkers, memoryBytesFor } from "../../../runtime/contract/worker-memory.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { wholeFolder } from "../terminal/whole-folder.ts";
import { fits } from "../../../compiler/planned-memory.ts";
import { bytesText, planAll, refuseTooLarge } from "../options/memory-plan.ts";
import { flag, named, optionalText, read, text, withDefault } from "../options/option.ts";
import { memoryOptions } from "../options/run-options.ts";
import { checkOptions, oneModel, specOptions } from "../options/spec.ts";
import { tilesFor } from "../options/tune-file.ts";
import { tuneOptions } from "../options/tune-options.ts";
import { cacheOption, numericsOption, weightsOption } from "../options/weights.ts";
import { defineVerb } from "./verb.ts";

/** Reads a list with commas; each name has to be in `known`. */
const several = <const Name extends string>(kind: string, known: readonly Name[], given: string): Name[] =>
  given.split(",").map((name) => named(kind, known, name));

const options = {
  ...specOptions,
  ...tuneOptions,
  weights: weightsOption,
  ...memoryOptions,
  cache: cacheOption,
  numerics: numericsOption,
  out: text("<dir>", "folder of the bundle (default: generated/MODEL)", { short: "o" }),
  target: withDefault(
    "wide,relaxed,simd",
    read(text("<names>", "simd, relaxed, wide, or several with commas"), (given) =>
      several("target", targets, given),
    ),
  ),
  module: read(
    text("<names>", "train, infer, or both with a comma (default: both, as far as they fit)"),
    (given) => several("module", moduleNames, given),
  ),
  entries: read(
    text(
      "<names>",
      `more than they have: ${askedEntries.join(", ")}, or several with commas (look: of train too)`,
    ),
    (given) => several("entry", askedEntries, given),
  ),
  dump: optionalText(
    "[stage]",
    "also write what each stage made, to DIR/dump " +
      "(a stage: differentiate, fuse, save, tiles, arena, kernels …)",
  ),
  verify: flag("check the graph after every pass"),
  json: flag("machine-readable"),
};

export const compileVerb = defineVerb({
  name: "compile",
  summary: "compile a spec to a bundle of wasm modules",
  arguments: [{ name: "<spec>", help: "spec file; - is standard input" }],
  options,
  examples: [
    "sinter compile specs/nanogpt-cpu.sinter -o out/nanogpt",
    "sinter compile specs/gpt2.sinter --model gpt2-xl --module infer --target wide",
    "sinter compile specs/gpt2.sinter --model gpt2-xl --module infer --weights q8_0",
    "sinter compile specs/quickstart.sinter -o out/quickstart --dump=fuse",
  ],
  async run([spec], asked, io) {
    const { model } = oneModel(spec!, checkOptions(asked), io);
    const { weights, cache, numerics, memoryLimit, lanes, entries, verify } = asked;
    const how = { tiles: tilesFor(spec!, asked, io), weights, cache, numerics, memoryLimit, lanes, entries };
    const modules = modulesFor(model, asked.module, how, io.err);
    const folder = resolve(io.cwd, asked.out ?? join("generated", model.name));
    const dumped = new Map<string, string>();
    const dump = (file: string, contents: string): void => {
      if (asked.dump === true || file.includes(asked.dump!)) dumped.set(join("dump", file), contents);
    };
    const began = performance.now();
    const { manifest, files } = await compileModel(model, {
      ...how,
      targets: asked.target,
      modules,
      verify,
      ...(asked.dump !== undefined && { dump }),
    });
    const ms = performance.now() - began;
    if (asked.dump !== undefined && dumped.size === 0)
      throw new SinterError("usage", `no stage is called \`${asked.dump}\``, "--dump alone writes them all");
    await wholeFolder(folder, "manifest.json", (temporary) => {
      for (const [file, contents] of [...files, ...dumped]) {
        mkdirSync(dirname(join(temporary, file)), { recursive: true });
        writeFileSync(join(temporary, file), contents);
      }
    });
    const { parameters } = manifest;
    const facts = { folder, ms: Math.round(ms), parameters, modules: manifest.modules };
    io.out(asked.json ? `${JSON.stringify(facts, null, 2)}\n` : summary(folder, ms, manifest, dumped.size));
    return exitCodes.ok;
  },
});

function summary(
  folder: string,
  ms: number,
  { model, parameters, modules }: Manifest,
  dumped: number,
): string {
  const rows = Object.entries(modules).flatMap(([name, module]) => {
    const memories: readonly ModuleManifest[] = module.parts ?? [module];
    const workers = defaultWorkers(memories, nodeHost.cores);
    return memories.flatMap((memory, i) => {
      const title = module.parts ? `${name} ${i}` : name;
      const size = `${sizeText(memoryBytesFor(memory, workers))} of memory, ${counted(workers, "worker")}`;
      return Object.entries(memory.wasm).map(([target, { bytes }]) =>
        [
          `  ${title.padEnd(6)} ${target.padEnd(8)}`,
          `${thousands(bytes).padStart(9)} bytes of wasm   ${size}`,
        ].join(" "),
      );
    });
  });
  const seconds = (ms / 1000).toFixed(2);
  const lines = [
    `${model.name}: ${thousands(parameters)} parameters, compiled in ${seconds} s`,
    ...rows,
    dumped > 0 ? `${folder}, ${dumped} dumps in ${join(folder, "dump")}` : folder,
  ];
  return `${lines.join("\n")}\n`;
}

/** The modules that were asked for, refused if one does not fit; by default all that fit. */
function modulesFor(
  model: Model,
  asked: readonly ModuleName[] | undefined,
  how: CompileOptions,
  warn: (text: string) => void,
): readonly ModuleName[] {
  if (asked !== undefined) {
    planAll(model, asked, how);
    return asked;
  }
  const plans = moduleNames.map((name) => planModule(model, name, how));
  const fitting = plans.filter(fits);
  if (fitting.length === 0) refuseTooLarge(model, plans.at(-1)!, how);
  for (const plan of plans)
    if (!fits(plan)) warn(`note: left out the module \`${plan.name}\`: it needs ${bytesText(model, plan)}\n`);
  return fitting.map((plan) => plan.name);
}
