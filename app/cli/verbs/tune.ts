/**
 * `sinter tune SPEC`: the fastest tiles for this spec's shapes on this machine, measured, and kept in a file
 * that the compiler honours.
 */
import { existsSync } from "node:fs";
import { loadavg } from "node:os";
import { resolve } from "node:path";
import { planModule } from "../../../compiler/compile.ts";
import { kernelKey, kernelName, type KernelSpec } from "../../../compiler/6-tile/kernel-spec.ts";
import { hasChoice } from "../../../compiler/6-tile/chosen-tiles.ts";
import type { Dims } from "../../../compiler/ops/kit/signature.ts";
import { counted } from "../../../runtime/contract/amounts.ts";
import { MAX_WORKERS } from "../../../runtime/contract/control.ts";
import { targets } from "../../../runtime/contract/targets.ts";
import { bestTarget } from "../../../runtime/engine/choose-target.ts";
import { exitCodes } from "../../../runtime/base/errors.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { writeOutput } from "../terminal/files.ts";
import { moduleNames } from "../../../runtime/contract/manifest.ts";
import { fits } from "../../../compiler/planned-memory.ts";
import { refuseTooLarge } from "../options/memory-plan.ts";
import { flag, named, read, real, text, withDefault } from "../options/option.ts";
import { workersOption } from "../options/run-options.ts";
import { checkOptions, oneModel, specOptions } from "../options/spec.ts";
import { tuneKernel, type Tuned } from "../../../bench/measure/measure-tiles.ts";
import { readTuneFile, sameMachine, thisMachine, writeTuneText, type Choice } from "../options/tune-file.ts";
import { tunePath } from "../options/tune-options.ts";
import { defineVerb } from "./verb.ts";
import type { Io } from "../terminal/io.ts";

const options = {
  ...specOptions,
  target: read(
    text("<names>", `${targets.join(", ")}, several with commas (default: what \`train\` uses here)`),
    (given) => given.split(",").map((name) => named("target", targets, name)),
  ),
  module: read(text("<name>", "train or infer (default: both, as far as they fit)"), (given) =>
    named("module", moduleNames, given),
  ),
  seconds: withDefault(
    "60",
    real("<seconds>", "for measuring, all shapes together; compiling comes on top", {
      least: 0.01,
      most: 36_000,
    }),
  ),
  workers: workersOption("default: all cores"),
  out: text("<file>", "default: sinter.tune.json beside the spec, which compile and train then honour", {
    short: "o",
  }),
  fresh: flag("forget what the file holds; otherwise other shapes stay in it"),
  json: flag("machine-readable"),
};

export const tuneVerb = defineVerb({
  name: "tune",
  summary: "find the fastest tiles for a spec's shapes here",
  arguments: [{ name: "<spec>", help: "spec file; - is standard input" }],
  options,
  notes: [
    "Every candidate is compared with the operation's reference before it is timed.",
    "Tiles never make a result wrong, but where they cut long sums (KC, KB) at other places",
    "the last bits differ: for the same bits, the same spec and the same file.",
    "Results do not depend on the number of workers either way.",
  ],
  examples: [
    "sinter tune specs/nanogpt-cpu.sinter",
    "sinter tune specs/gpt2.sinter --module infer --target wide --seconds 120",
  ],
  async run([spec], asked, io) {
    const { model } = oneModel(spec!, checkOptions(asked), io);
    const { workers = Math.min(nodeHost.cores, MAX_WORKERS), json } = asked;
    const path = asked.out === undefined ? tunePath(spec!, io) : resolve(io.cwd, asked.out);
    const before = asked.fresh || !existsSync(path) ? [] : earlier(path, io);
    const chosen = asked.target ?? [await bestTarget(nodeHost)];
    const modules = asked.module ? [asked.module] : moduleNames;
    const how = { targets: chosen };
    const plans = modules.map((name) => planModule(model, name, how));
    if (!plans.some(fits)) refuseTooLarge(model, plans.at(-1)!, how);
    const shapes = shapesOf(plans.filter(fits));
    noteLoad(io);
    const say = (line: string): void => (json ? undefined : io.out(`${line}\n`));
    const on = `${shapes.length} shapes on ${counted(workers, "worker")}`;
    say(`${model.name}: ${on}; * = better than the compiler's own choice`);
    // the file is written after every shape, so that an interrupted run loses nothing
    const keep = (rows: readonly Row[]): void => writeChoices(path, before, rows, workers);
    keep([]); // a folder that cannot be written to is found before an hour of measuring
    const rows: Row[] = [];
    for (const [i, shape] of shapes.entries()) {
      if (io.tty && !json) io.err(`\r${i + 1}/${shapes.length} ${kernelName(shape.spec)}\x1b[K`);
      const tuned = await tuneKernel(shape.spec, workers, (1000 * asked.seconds) / shapes.length);
      if (io.tty && !json) io.err("\r\x1b[K");
      rows.push({ ...shape, tuned });
      keep(rows);
      say(rowText(rows.at(-1)!, i + 1, shapes.length));
    }
    const facts = { file: path, workers, shapes: rows.map(jsonRow) };
    io.out(json ? `${JSON.stringify(facts, null, 2)}\n` : summary(rows, rows.filter(isBetter).length, path));
    return exitCodes.ok;
  },
});

function noteLoad(io: Io): void {
  const load = loadavg()[0]!;
  if (load > nodeHost.cores / 2)
    io.err(
      `note: other programs keep this machine busy (load ${load.toFixed(1)}): what is found may be chance\n`,
    );
}

/** Writes the file: the better choices of what has been measured, and the earlier ones of other shapes. */
function writeChoices(path: string, before: readonly Choice[], rows: readonly Row[], workers: number): void {
  const choices = rows.filter(isBetter).map((row) => choiceOf(row, workers));
  const measured = new Set(rows.map((r) => keyOf(r.spec)));
  const others = before.filter((c) => !measured.has(keyOf({ ...c, opName: c.op })));
  writeOutput(path, writeTuneText({ version: 1, machine: thisMachine(), choices: [...others, ...choices] }));
}

interface Shape {
  readonly spec: KernelSpec;
  /** Number of calls in one run of each entry. */
  readonly calls: ReadonlyMap<string, number>;
}
interface Row extends Shape {
  readonly tuned: Tuned;
}

const keyOf = (s: Pick<KernelSpec, "target" | "opName" | "d" | "attrs" | "tensors">): string =>
  JSON.stringify([s.target, s.opName, s.d, s.attrs, s.tensors]);
const tilesText = (tiles: Dims): string =>
  Object.entries(tiles)
    .map(([name, value]) => `${name} ${value}`)
    .join(" ");
const jsonRow = ({ spec: s, calls, tuned }: Row) => ({
  target: s.target,
  op: s.opName,
  d: s.d,
  own: s.tiles,
  calls: Object.fromEntries(calls),
  ...tuned,
});
const choiceOf = ({ spec: s, tuned }: Row, workers: number): Choice => ({
  target: s.target,
  op: s.opName,
  d: s.d,
  attrs: s.attrs,
  tensors: s.tensors,
  tiles: tuned.tiles,
  ms: tuned.ms,
  ownMs: tuned.ownMs,
  workers,
});

/** The choices that the file holds already, when this machine and these versions made them. */
function earlier(path: string, io: Io): readonly Choice[] {
  const { file } = readTuneFile(path, io);
  if (sameMachine(file.machine, thisMachine())) return file.choices;
  io.err(`note: ${path} was of another machine or version: it begins anew\n`);
  return [];
}

/** Shapes with a smaller share of all shapes' arithmetic are not tuned. */
const LEAST_SHARE = 0.002;

/** All kernels that have a choice of tiles, each once, the costliest first. */
function shapesOf(plans: readonly ReturnType<typeof planModule>[]): Shape[] {
  const shapes = new Map<string, { spec: KernelSpec; calls: Map<string, number> }>();
  for (const [target, programs] of plans.flatMap((p) => [...p.programs]))
    for (const program of programs)
      for (const section of program.sections)
        for (const { spec } of section.calls) {
          if (!hasChoice(spec)) continue;
          const key = `${target} ${kernelKey(spec)}`;
          const shape = shapes.get(key) ?? { spec, calls: new Map<string, number>() };
          const { entry } = program.graph;
          shapes.set(key, shape);
          // both modules hold evaluate, prefill and decode: the same calls, so they are counted once
          if (
            plans.length === 1 ||
            entry === "train" ||
            plans.findIndex((p) => [...p.programs.values()].includes(programs)) === plans.length - 1
          )
            shape.calls.set(entry, (shape.calls.get(entry) ?? 0) + section.times);
        }
  const cost = ({ spec, calls }: Shape): number =>
    spec.op.flops(spec.d, spec.attrs) * [...calls.values()].reduce((a, b) => a + b, 0);
  const all = [...shapes.values()];
  const total = all.reduce((sum, shape) => sum + cost(shape), 0);
  return all.filter((shape) => cost(shape) >= LEAST_SHARE * total).sort((a, b) => cost(b) - cost(a));
}

const isBetter = ({ spec, tuned }: Row): boolean =>
  tuned.ms < tuned.ownMs && JSON.stringify(tuned.tiles) !== JSON.stringify(spec.tiles);

function rowText(row: Row, at: number, of: number): string {
  const { spec: s, tuned } = row;
  const better = isBetter(row);
  const gain = better ? `× ${(tuned.ownMs / tuned.ms).toFixed(2)}` : "";
  const place = `${at}/${of}`.padStart(6);
  const kernel = `${s.target.padEnd(7)} ${kernelName(s).padEnd(38)}`;
  return `${place} ${better ? "*" : " "} ${kernel} ${gain.padStart(6)}  ${tilesText(tuned.tiles)}`;
}

/** What the choices save in each run of an entry, over the kernels that were measured. */
function summary(rows: readonly Row[], better: number, path: string): string {
  const entries = new Set(rows.flatMap((r) => [...r.calls.keys()]));
  const saved = [...entries]
    .map((entry) => {
      const ms = rows.reduce(
        (sum, { calls, tuned }) => sum + (calls.get(entry) ?? 0) * (tuned.ownMs - tuned.ms),
        0,
      );
      return ms > 0 ? `${entry} ${ms.toFixed(ms < 1 ? 3 : 1)} ms` : undefined;
    })
    .filter((text) => text !== undefined);
  const savings = saved.length > 0 ? `; saved per call: ${saved.join(", ")}` : "";
  return `${better} of ${rows.length} shapes got other tiles${savings}\n${path}\n`;
}
