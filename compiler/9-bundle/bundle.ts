/**
 * Makes the files of a bundle from sources and plans:
 *
 *   manifest.json            all that the runtime needs to know
 *   train.wide.wasm …        a module per purpose and target; `infer` has no gradients and no moments
 *   infer.0.wide.wasm …      where a module is divided into partitions, one for each structure of a partition
 *   train.wide.kernels.ts …  the source of each, for readers
 *   report.txt               sizes, memory, fusions, kernels
 *   index.js, index.d.ts     the bundle as a module that programs import
 */
import type { Model, PartKind } from "../../runtime/contract/model.ts";
import { nameIn } from "../../runtime/contract/parameter-names.ts";
import { segmentEntry, type EntryName, type OutputName } from "../../runtime/contract/entries.ts";
import { objectiveSums, type Objective } from "../../runtime/contract/objective.ts";
import { control, hyper } from "../../runtime/contract/control.ts";
import { PAGE_BYTES } from "../../runtime/contract/memory-import.ts";
import { sha256 } from "../../runtime/contract/sha256.ts";
import { rowFloats } from "../../runtime/contract/tensor-layout.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { LANE_BYTES } from "../../runtime/contract/weight-rows.ts";
import { PLANNED_WORKERS } from "../../runtime/contract/worker-memory.ts";
import { layerParts } from "../2-check/parameters.ts";
import { sumsOf } from "../ops/objective/objective.ts";
import { cacheBands } from "../3-graph/build-attention.ts";
import { sliceBytes } from "../3-graph/ir.ts";
import { runOrder } from "../3-graph/partition.ts";
import { partitionText } from "../3-graph/print.ts";
import { kernelName } from "../6-tile/kernel-spec.ts";
import { legOrder, legsOf, type Leg } from "../6-tile/legs.ts";
import {
  callApplies,
  callBytes,
  callFlops,
  callTouches,
  programFlops,
  type Program,
} from "../6-tile/program.ts";
import { cacheBytes, bytesFor, type Place, type Placement } from "../7-place/place.ts";
import { cachePieces } from "../ops/attention/kit/cache-layout.ts";
import { PANEL } from "../ops/kit/panels.ts";
import { assemble } from "./assemble.ts";
import type { BuiltModule } from "./built-module.ts";
import { indexDts, indexJs } from "./index-files.ts";
import {
  MANIFEST_VERSION,
  type CachePlace,
  type EntryPlace,
  type LookPlace,
  type Manifest,
  type MixturePlace,
  type ModuleManifest,
  type ObjectivePlace,
  type PartitionManifest,
  type ProfileSite,
  type TensorPlace,
  type WasmFile,
} from "../../runtime/contract/manifest.ts";
import { report } from "./report-text.ts";
import { COMPILER_VERSION } from "./version.ts";

const pagesFor = (placement: Placement, workers: number): number =>
  Math.ceil(bytesFor(placement, workers) / PAGE_BYTES);
const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** Kernels are AssemblyScript, which TypeScript would check where they lie below a program's sources. */
const FOR_READERS = "// @ts-nocheck\n";

type WasmFiles = Partial<Record<Target, WasmFile>>;

export async function bundleFiles(
  model: Model,
  modules: readonly BuiltModule[],
): Promise<{ manifest: Manifest; files: Map<string, Uint8Array<ArrayBuffer>> }> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const code = new Map<BuiltModule, WasmFiles>();
  // by target and source: partitions of equal structure share their code
  const made = new Map<string, WasmFile>();
  const build = async (module: BuiltModule, stem: string): Promise<void> => {
    const wasm: WasmFiles = {};
    for (const [target, source] of module.sources)
      wasm[target] = made.get(target + source) ?? (await assembled(target, source, module.placement, stem));
    code.set(module, wasm);
  };
  const assembled = async (
    target: Target,
    source: string,
    placement: Placement,
    stem: string,
  ): Promise<WasmFile> => {
    const built = await assemble(source, target, pagesFor(placement, 1));
    const file = `${stem}.${target}.wasm`;
    files.set(file, built.wasm);
    files.set(`${stem}.${target}.kernels.ts`, encode(FOR_READERS + source));
    const row: WasmFile = {
      file,
      bytes: built.wasm.length,
      sha256: await sha256(built.wasm),
      memoryFlagOffset: built.memoryFlagOffset,
    };
    made.set(target + source, row);
    return row;
  };
  for (const module of modules) {
    for (const [i, part] of (module.partitions ?? []).entries()) await build(part, `${module.name}.${i}`);
    await build(module, module.name);
  }
  const manifest = manifestOf(model, modules, code);
  files.set("manifest.json", encode(JSON.stringify(manifest, null, 1) + "\n"));
  files.set("report.txt", encode(report(manifest, modules)));
  files.set("index.js", encode(indexJs(manifest)));
  files.set("index.d.ts", encode(indexDts(manifest)));
  return { manifest, files };
}

/** `code`: what was made of each module and partition. Nothing was, where only its shape is asked for. */
export function manifestOf(
  model: Model,
  modules: readonly BuiltModule[],
  code: ReadonlyMap<BuiltModule, WasmFiles> = new Map(),
): Manifest {
  const manifests: { train?: ModuleManifest; infer?: ModuleManifest } = {};
  for (const module of modules) {
    const of = (part: BuiltModule): ModuleManifest => moduleManifest(part, code.get(part) ?? {}, model);
    const parts = module.partitions?.map((part) => ({
      holds: partitionText(model, part.partition),
      ...of(part),
    }));
    const whole = of(module);
    manifests[module.name] = parts ? withPartitions(whole, parts, module.partitions!) : whole;
  }
  return {
    version: MANIFEST_VERSION,
    compiler: COMPILER_VERSION,
    model,
    parameters: countParameters(modules[0]!.placement),
    control,
    hyper,
    modules: manifests,
  };
}

export const countParameters = (placement: Placement): number =>
  [...placement.persistent.values()]
    .filter((p) => p.value.storage === "parameter" && !p.value.members)
    .reduce(
      (sum, { value }) =>
        sum + value.slices * (value.quantised?.shape ?? value.shape).reduce((a, b) => a * b, 1),
      0,
    );

function moduleManifest(module: BuiltModule, wasm: WasmFiles, model: Model): ModuleManifest {
  const { placement } = module;
  const programs = [...module.programs.values()][0]!;
  const quantised = [...placement.persistent.values()].some(
    ({ value }) => value.storage === "cache" && value.dtype === "i32",
  );
  return {
    memoryBytes: placement.bytes,
    memoryPages: pagesFor(placement, PLANNED_WORKERS),
    cache: {
      format: quantised ? "q8_0" : "f32",
      bytes: cacheBytes(placement),
      bands: cacheBands(model),
      ...(module.lanes > 1 && { places: cachePlaces(placement) }),
    },
    lanes: module.lanes,
    numerics: module.numerics,
    ...(module.lora && { lora: module.lora }),
    maxWorkers: PLANNED_WORKERS,
    workerBytes: placement.worker.bytes,
    tensors: [...placement.persistent.values()]
      .filter((p) => !p.value.members && p.value.storage !== "cache")
      .map((place) => tensorPlace(place, module.partition[0]!.from)),
    entries: entriesOf(programs).map(([p, { name, sections }], index): EntryPlace => {
      const namesOf = (storage: string) =>
        [...p.graph.values.values()].filter((v) => v.storage === storage).map((v) => v.name);
      const { entry, batch, context } = p.graph;
      const mixtures = mixturesOf(p);
      const look = entry === ("look" satisfies EntryName) && lookPlace(model);
      const hasObjective = p.graph.values.has("objective" satisfies OutputName);
      return {
        name,
        index,
        inputs: namesOf("input"),
        outputs: namesOf("output"),
        batch,
        context,
        flops: programFlops({ sections }),
        ...(hasObjective && { objective: objectivePlace(module.objective!) }),
        ...(look && { look }),
        ...(mixtures.length > 0 && { mixtures }),
      };
    }),
    wasm,
    ...(placement.profile && {
      profile: {
        offset: placement.profile.offset,
        bytesPerWorker: placement.worker.bytes,
        sites: profileSites(programs),
      },
    }),
  };
}

/** What a module exports: entries, or legs of them. */
const entriesOf = (programs: readonly Program[]): readonly (readonly [Program, Leg])[] =>
  programs.flatMap((p) => legsOf(p).map((leg) => [p, leg] as const));

/** Where the lanes of each layer's keys and values are. */
const cachePlaces = ({ persistent }: Placement): CachePlace[] =>
  [...persistent.values()].filter(({ value }) => value.storage === "cache").flatMap(placesOf);

function placesOf({ value, offset: first }: Place): CachePlace[] {
  const shapes = value.sliceShapes ?? [value.shape];
  const bytes = sliceBytes(value);
  let offset = first;
  return Array.from({ length: value.slices }, (_, slice): CachePlace => {
    const n = slice % shapes.length;
    const lane = cachePieces(shapes[n]!, value.dtype === "i32" ? "q8_0" : "f32");
    const place = { offset, ...lane, panelPositions: PANEL };
    offset += bytes[n]!;
    return place;
  });
}

/** How the runtime asks an objective, and where it finds what is logged. */
function objectivePlace({ name, unit, equation, settings, metrics }: Objective): ObjectivePlace {
  const sums = sumsOf(metrics);
  const at = (sum: string): number => objectiveSums.length + sums.indexOf(sum);
  return {
    name,
    unit,
    equation,
    settings: Object.entries(settings).map(([setting, value]) => ({ name: setting, value })),
    metrics: Object.entries(metrics).map(([metric, { sum, per }]) => ({
      name: metric,
      sum: at(sum),
      per: per === undefined ? objectiveSums.indexOf("units") : at(per),
    })),
  };
}

function lookPlace(model: Model): LookPlace {
  const parts = layerParts(model);
  const namesOf = (...kinds: readonly PartKind[]): string[] =>
    parts.filter(({ part }) => kinds.includes(part)).map(({ name }) => nameIn("layer", name));
  return { attention: namesOf("attention"), feedForward: namesOf("mlp", "swiglu", "geglu", "experts") };
}

/** The mixtures of experts whose load is an output of the entry. */
function mixturesOf({ graph }: Program): MixturePlace[] {
  const nodes = graph.sections.flatMap((s) => s.nodes);
  return nodes
    .filter((n) => n.op === "dispatch")
    .flatMap((n): MixturePlace[] => {
      const starts = n.outs["starts"]!.value;
      const choice = n.ins["choice"]!.value;
      const balance = nodes.find((other) => other.op === "balance" && other.ins["choice"]!.value === choice)
        ?.outs["loss"]!.value;
      if (graph.values.get(starts)!.storage !== "output") return [];
      return [{ name: starts.replace(/\.starts$/, ""), starts, ...(balance !== undefined && { balance }) }];
    });
}

/**
 * The manifest of a module that consists of partitions. `whole` was planned as if one memory held it all, so
 * that its names, shapes and costs are right and its addresses are not; what it has and no partition has is
 * left out.
 */
function withPartitions(
  whole: ModuleManifest,
  parts: readonly PartitionManifest[],
  built: readonly BuiltModule[],
): ModuleManifest {
  const order = runOrder(built.map((p) => p.partition));
  const sum = (of: (part: PartitionManifest) => number): number =>
    parts.reduce((total, part) => total + of(part), 0);
  const there = (of: (part: PartitionManifest) => readonly { readonly name: string }[], name: string) =>
    parts.some((part) => of(part).some((item) => item.name === name));
  const tensors = whole.tensors.filter(({ name }) => there((p) => p.tensors, name));
  const entries = whole.entries.filter(({ name }) => there((p) => p.entries, name));
  return {
    ...whole,
    memoryBytes: sum((p) => p.memoryBytes),
    memoryPages: sum((p) => p.memoryPages),
    workerBytes: sum((p) => p.workerBytes!),
    tensors: tensors.map((t) => ({ ...t, offset: -1, stride: -1 })),
    entries: entries.map((e) => ({
      ...e,
      runs:
        e.name === ("train" satisfies EntryName)
          ? legOrder(built.map(trainLegs))
          : order.map(({ partition, segment }) => ({
              part: partition,
              entry: segmentEntry(e.name, segment),
            })),
    })),
    parts,
  };
}

/** The legs of a partition's `train`. */
function trainLegs({ programs }: BuiltModule): readonly Leg[] {
  const [first] = programs.values();
  const program = first!.find(({ graph }) => graph.entry === ("train" satisfies EntryName));
  return program ? legsOf(program) : [];
}

const profileSites = (programs: readonly Program[]): ProfileSite[] =>
  programs.flatMap((p) =>
    p.sections.flatMap((s) =>
      s.calls.map((call) => {
        const applies = callApplies(call);
        return {
          entry: p.graph.entry,
          section: s.name,
          op: call.spec.opName,
          kernel: kernelName(call.spec),
          times: s.times,
          flops: callFlops(call),
          bytes: callBytes(call),
          touches: callTouches(call),
          ...(applies && { applies }),
        };
      }),
    ),
  );

function tensorPlace({ value, offset, stride }: Place, firstLayer: number): TensorPlace {
  const layered = value.layered === true;
  const blocks = layered ? 1 : value.slices; // blocks of rows are contiguous: to the outside one tensor
  const [first, ...rest] = value.quantised?.shape ?? value.shape;
  const words = rowFloats(value.shape.at(-1)! * (rest.length === 0 ? blocks : 1));
  return {
    name: value.name,
    storage: value.storage as TensorPlace["storage"],
    dtype: value.dtype,
    shape: [first! * blocks, ...rest],
    slices: layered ? value.slices : 1,
    layered,
    rowFloats: words,
    offset,
    stride: stride * blocks,
    ...(layered && firstLayer > 0 && { firstLayer }),
    ...(value.of && { of: value.of }),
    ...(value.init && { init: value.init }),
    ...(value.decay !== undefined && { decay: value.decay }),
    ...(value.trained === false && { trained: false }),
    ...(value.quantised && {
      quantised: {
        format: value.quantised.format,
        transposed: value.quantised.transposed,
        ...(value.quantised.format === "q8_0" && { laneBytes: LANE_BYTES }),
      },
    }),
  };
}
