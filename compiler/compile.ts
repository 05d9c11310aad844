/**
 * The compiler's table of contents: checked model → plan → bundle. (Text → checked model: 1-parse and
 * 2-check, `checkSource`.)
 *
 *   3-graph   one node per step of the mathematics        5-fuse    fewer, larger nodes
 *   4-grad    + backward and update (entry train)          6-tile    kernels with sizes, tiles, tasks
 *   7-place   an address for everything                    8-emit    AssemblyScript
 *   9-bundle  wasm, manifest, report
 *
 * Pure: no files, clock or randomness. Same model and options, same bytes.
 */
import {
  entriesOfModule,
  lookEntries,
  rowEntries,
  segmentEntry,
  type EntryName,
} from "../runtime/contract/entries.ts";
import { moduleNames, type Manifest, type ModuleName, type Numerics } from "../runtime/contract/manifest.ts";
import { MEMORY_LIMIT } from "../runtime/contract/memory-import.ts";
import type { CacheFormat, Weights } from "../runtime/contract/memory-formats.ts";
import type { Model } from "../runtime/contract/model.ts";
import type { Objective } from "../runtime/contract/objective.ts";
import { targets as allTargets, type Target } from "../runtime/contract/targets.ts";
import { isAdapter, isNameIn, nameIn } from "../runtime/contract/parameter-names.ts";
import { outermost, partTensors } from "./2-check/parameters.ts";
import { addAdapters, type AdapterOptions } from "./3-graph/adapters.ts";
import { buildGraph, type EntrySpec } from "./3-graph/build.ts";
import { prefillRows } from "./3-graph/builder.ts";
import { exposeInside } from "./3-graph/expose.ts";
import { freeze } from "./3-graph/freeze.ts";
import type { Graph } from "./3-graph/ir.ts";
import { structureOf, type Partition } from "./3-graph/partition.ts";
import { readsLogits } from "./3-graph/objective.ts";
import { printGraph } from "./3-graph/print.ts";
import { verifyGraph } from "./3-graph/verify.ts";
import { differentiate } from "./4-grad/differentiate.ts";
import { addOptimizer } from "./4-grad/optimize.ts";
import { recomputeLayers } from "./4-grad/recompute.ts";
import { saveForBackward } from "./4-grad/save.ts";
import { blockHead } from "./5-fuse/blocks.ts";
import { settleCarries } from "./5-fuse/carries.ts";
import { fuse, type FusionEvent } from "./5-fuse/fuse.ts";
import { quantiseCache } from "./5-fuse/quantise-cache.ts";
import { quantiseWeights } from "./5-fuse/quantise-weights.ts";
import { splitFewRows } from "./5-fuse/split.ts";
import { dropUnread } from "./5-fuse/unread.ts";
import { printProgram, tileGraph, type Program } from "./6-tile/program.ts";
import { printArena } from "./7-place/arena.ts";
import { placeModule, type Placement } from "./7-place/place.ts";
import { emitModule } from "./8-emit/module.ts";
import type { BuiltModule } from "./9-bundle/built-module.ts";
import { bundleFiles, manifestOf } from "./9-bundle/bundle.ts";
import type { CompileOptions } from "./compile-options.ts";
import { runPasses, runStage, type Pass, type Stage } from "./pipeline.ts";
import { planMemories, type ModulePlan, type PartitionPlan, type PlanPartition } from "./plan.ts";

/** What a pass may know beside the graph: its entry, and how its module stores what it reads most of. */
interface EntryContext {
  readonly module: ModuleName;
  readonly isTrain: boolean;
  readonly isLook: boolean;
  readonly weights: Weights;
  readonly cache: CacheFormat;
  readonly model: Model;
  /** Rows, or lanes, say by how much their adapters count. */
  readonly adapted: Pick<AdapterOptions, "byRow" | "byLane">;
  readonly options: CompileOptions;
  readonly trains: CompileOptions["trains"];
  /** What was fused, for `explain` and the report. */
  record(event: FusionEvent): void;
}

const recomputes = ({ isTrain, model }: EntryContext): boolean =>
  isTrain && model.train.recompute === "layers";

/** An entry's graph → the graph that is compiled. The order is that of the list. */
const graphPasses: readonly Pass<Graph, EntryContext>[] = [
  {
    name: "adapters",
    when: ({ options }) => options.lora !== undefined,
    why: "before anything is frozen: what they stand beside is",
    run: (graph, { model, options, adapted }) => addAdapters(graph, model, { ...options.lora!, ...adapted }),
  },
  {
    name: "freeze",
    when: ({ trains }) => trains !== undefined,
    why: "before gradients: none of it is ever asked for",
    run: (graph, { trains }) => freeze(graph, trains!),
  },
  {
    name: "differentiate",
    when: ({ isTrain }) => isTrain,
    why: "backward and forward are fused by the same rules, so it comes first",
    run: differentiate,
  },
  {
    name: "expose",
    when: ({ isLook }) => isLook,
    why: "before fusion: what is to be seen stays as it is written",
    run: exposeInside,
  },
  {
    name: "unread",
    why: "before fusion: what nobody reads keeps nobody apart",
    run: dropUnread,
  },
  {
    name: "fuse",
    why: "one trip through memory instead of several",
    run: (graph, { record }) => fuse(graph, record),
  },
  {
    name: "recompute",
    when: recomputes,
    why: "after fusion: the backward reads the very values of a run that saves them",
    run: recomputeLayers,
  },
  {
    name: "forward",
    when: recomputes,
    why: "after what is computed again: the forward itself leaves out what only the backward would read",
    run: dropUnread,
  },
  {
    name: "save",
    when: ({ isTrain }) => isTrain,
    why: "after fusion: what was fused away need not outlive its layer",
    run: saveForBackward,
  },
  {
    name: "blocks",
    why: "logits of all rows would be the largest tensor by far",
    run: (graph, { options }) => blockHead(graph, options.logitBytes),
  },
  {
    name: "optimize",
    when: ({ isTrain }) => isTrain,
    why: "one pass over all parameters, once all gradients have their names",
    run: (graph, { model }) => addOptimizer(graph, model.train.optimizer),
  },
  {
    name: "quantise",
    when: ({ weights }) => weights !== "f32",
    why: "after fusion: whatever became one product reads one matrix",
    run: (graph, { weights, module, options: { numerics } }) =>
      quantiseWeights(graph, weights, { numerics, training: module === "train" }),
  },
  {
    name: "cache",
    when: ({ cache }) => cache !== "f32",
    why: "one operation for another, whatever stands around it",
    run: (graph, { cache }) => quantiseCache(graph, cache),
  },
  {
    name: "split",
    when: ({ isTrain }) => !isTrain,
    why: "after fusion: the second half takes over what was fused into the product",
    run: (graph, { options }) => splitFewRows(graph, options.splitBytes),
  },
  {
    name: "carries",
    why: "last: a copy is needed only where fusion left no room for sharing",
    run: settleCarries,
  },
];

type Programs = ReadonlyMap<Target, readonly Program[]>;
type Sources = ReadonlyMap<Target, string>;

const tile: Stage<readonly Graph[], Programs, CompileOptions> = {
  why: "sizes are known now, and registers differ from target to target",
  run: (graphs, { targets = allTargets, tiles }) =>
    new Map(targets.map((target) => [target, graphs.map((g) => tileGraph(g, target, tiles))])),
  texts: (programs) =>
    [...programs].map(([target, list]) => [`tiles-${target}.txt`, list.map(printProgram).join("\n")]),
};

const place: Stage<Programs, Placement, CompileOptions> = {
  why: "after tiling: scratch depends on tiles, and all targets share one layout of memory",
  run: (programs, { profile }) => placeModule(programs, profile),
  texts: ({ arenas }) => [...arenas].map(([entry, { placed }]) => [`${entry}/arena.txt`, printArena(placed)]),
};

const emit: Stage<PartitionPlan, Sources, CompileOptions> = {
  why: "last of what is written down: addresses and sizes stand in the code as numbers",
  run: ({ programs, placement }) =>
    new Map([...programs].map(([target, list]) => [target, emitModule(target, list, placement)])),
  texts: (sources) => [...sources].map(([target, source]) => [`kernels.${target}.ts`, source]),
};

/** The entries of a module, and how much each takes at once. */
function entriesOf(model: Model, module: ModuleName, { perRow, ...options }: CompileOptions): EntrySpec[] {
  const { batch, context } = model.train;
  const objective = objectiveIn(module, options);
  const { packed = false } = options;
  const rows = { batch, context, packed, ...perRow, ...(objective && { objective }) };
  const most = prefillRows(model);
  const { lanes = 1, entries = [] } = options;
  const specs: { readonly [name in EntryName]: EntrySpec & { readonly entry: name } } = {
    train: { entry: "train", ...rows },
    evaluate: { entry: "evaluate", ...rows },
    prefill: { entry: "prefill", rows: most, spans: Math.min(lanes, most), lanes },
    score: {
      entry: "score",
      rows: Math.min(SCORE_ROWS, most),
      spans: Math.min(lanes, SCORE_ROWS, most),
      lanes,
    },
    embed: { entry: "embed", rows: most, spans: Math.min(lanes, most), lanes },
    look: { entry: "look", batch: 1, context: most },
    lens: { entry: "lens", batch: 1, context: Math.min(SCORE_ROWS, most) },
    decode: { entry: "decode", rows: 1, spans: 1, lanes },
    generate: { entry: "generate", rows: lanes > 1 ? most : 1, spans: Math.min(lanes, most), lanes },
  };
  const more = module === "infer" ? rowEntries.filter((name) => entries.includes(name)) : [];
  const look = entries.includes("look") ? lookEntries : [];
  return [...entriesOfModule[module], ...more, ...look].map((name) => specs[name]);
}

/** Rows of the entries `score` and `lens`: their logits are in memory at once. */
const SCORE_ROWS = 32;

/** Who says by how much adapters count: rows of a batch where asked, lanes of a module that only infers. */
const adaptedBy = (
  module: ModuleName,
  spec: EntrySpec,
  { perRow }: CompileOptions,
): EntryContext["adapted"] =>
  spec.entry === "look" || spec.entry === "lens"
    ? {}
    : "batch" in spec
      ? { byRow: perRow?.adapters === true }
      : module === "infer"
        ? { byLane: { lanes: spec.lanes ?? 1, spans: spec.spans ?? 1 } }
        : {};

/** Products of a training module are in f32, and have one order however many rows there are. */
const numericsOf = (module: ModuleName, { numerics = "consistent" }: CompileOptions): Numerics =>
  module === "infer" ? numerics : "consistent";

/** What is evaluated elsewhere are the next token's cross-entropies. */
const objectiveIn = (module: ModuleName, { objective }: CompileOptions): Objective | undefined =>
  module === "train" ? objective : undefined;

/** What is trained: what was asked for, without the vocabulary's map where no objective reads its logits. */
function trainsOf(model: Model, module: ModuleName, options: CompileOptions): CompileOptions["trains"] {
  const objective = objectiveIn(module, options);
  const { batch, context } = model.train;
  const isNew = (name: string): boolean => isAdapter(name) || isNameIn("head", name);
  const trains = options.trains ?? (options.lora ? isNew : undefined);
  if (!objective || readsLogits({ entry: "train", batch, context, ...options.perRow, objective }))
    return trains;
  const { part } = outermost(model.output);
  const unread = partTensors(part, nameIn("output", part.name)).map((t) => t.name);
  return (name) => !unread.includes(name) && (trains?.(name) ?? true);
}

/** What is sampled in training is computed as what is trained is: with caches in f32. */
const formatsOf = (
  module: ModuleName,
  { weights = "f32", cache = "f32" }: CompileOptions,
): Pick<EntryContext, "weights" | "cache"> => ({ weights, cache: module === "infer" ? cache : "f32" });

/**
 * Everything but the code: what runs, in what order, where everything lies. Fast; `check`, `explain` and
 * `compile` share it.
 */
export function planModule(model: Model, name: ModuleName, options: CompileOptions = {}): ModulePlan {
  const plan: PlanPartition = (partition, folder) => planPartition(model, name, partition, options, folder);
  const isWatched = options.dump !== undefined || options.verify === true;
  return planMemories(
    model,
    name,
    options.memoryLimit ?? MEMORY_LIMIT,
    isWatched ? plan : eachStructureOnce(model, plan),
  );
}

/** Partitions of one structure have one plan, but for the layers that it is about. */
function eachStructureOnce(model: Model, plan: PlanPartition): PlanPartition {
  const known = new Map<string, PartitionPlan>();
  return (partition, folder) => {
    const structure = structureOf(model, partition);
    const made = known.get(structure) ?? plan(partition, folder);
    known.set(structure, made);
    return { ...made, partition };
  };
}

/** One memory's programs and addresses. Without a folder for its dumps: only to see how large it is. */
function planPartition(
  model: Model,
  name: ModuleName,
  partition: Partition,
  options: CompileOptions,
  folder: string | undefined,
): PartitionPlan {
  const dump = dumpIn(options, folder);
  const trains = trainsOf(model, name, options);
  const fusions = new Map<string, FusionEvent[]>();
  const graphOf = (spec: EntrySpec, segments: Partition, entry: string): Graph => {
    const events: FusionEvent[] = [];
    fusions.set(entry, events);
    const context: EntryContext = {
      module: name,
      isTrain: spec.entry === "train",
      isLook: spec.entry === "look",
      ...formatsOf(name, options),
      model,
      adapted: adaptedBy(name, spec, options),
      options,
      trains,
      record: (event) => events.push(event),
    };
    return runPasses(buildGraph(model, spec, segments, entry), graphPasses, context, printGraph, {
      ...(dump && { dump: (file, text) => dump(`${entry}/${file}`, text) }),
      ...(options.verify && folder !== undefined && { verify: verifyGraph }),
    });
  };
  const isWhole = partition.every(({ embed, output }) => embed && output);
  const specs = entriesOf(model, name, options).filter(
    ({ entry }) => isWhole || !lookEntries.some((look) => look === entry),
  );
  const graphs = partition.flatMap((segment, i) =>
    specs.flatMap((spec) => {
      if (spec.entry !== "train") return graphOf(spec, [segment], segmentEntry(spec.entry, i));
      return i === 0 ? graphOf(spec, partition, spec.entry) : [];
    }),
  );
  const programs = runStage(tile, graphs, options, dump);
  const placement = runStage(place, programs, options, dump);
  const objective = objectiveIn(name, options);
  const { lanes = 1, lora } = options;
  const asked = { ...(objective && { objective }), ...(lora && { lora }) };
  const numerics = numericsOf(name, options);
  return { name, partition, lanes, numerics, programs, placement, fusions, ...asked };
}

/** The caller's dump, into a folder. */
const dumpIn = (options: CompileOptions, folder: string | undefined) =>
  options.dump && folder !== undefined
    ? (file: string, text: string) => options.dump?.(`${folder}/${file}`, text)
    : undefined;

/** Whether some weights are not f32. A module infer may be asked for formats that all are f32. */
const hasFewerBits = ({ name, placement }: ModulePlan): boolean =>
  name === "infer" || [...placement.persistent.values()].some(({ value }) => value.quantised !== undefined);

export interface Compiled {
  readonly manifest: Manifest;
  /** Bundle file name → contents. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  readonly plans: readonly ModulePlan[];
}

export async function compileModel(model: Model, options: CompileOptions = {}): Promise<Compiled> {
  const { modules = moduleNames, weights = "f32" } = options;
  const plans = modules.map((name) => planModule(model, name, options));
  if (weights !== "f32" && !plans.some(hasFewerBits))
    throw new Error(
      "no weights of the module train can be kept in fewer bits: all of them are trained. Freeze some, by " +
        "`lora` or `trains`, or leave out `weights`",
    );
  for (const { name, placement, over } of plans)
    if (over && !over.partitions)
      throw new Error(`the module ${name} needs ${placement.bytes} bytes, more than ${over.limit}`);
  const built = plans.map((plan) => emitted(plan, options));
  return { ...(await bundleFiles(model, built)), plans };
}

/** What a bundle's manifest says, without the code: for its types. */
export function describeModel(model: Model, options: Omit<CompileOptions, "targets"> = {}): Manifest {
  const { modules = moduleNames } = options;
  const of = { ...options, targets: [allTargets[0]] };
  return manifestOf(
    model,
    modules.map((name) => emitted(planModule(model, name, of), of)),
  );
}

/** The module with its kernels, one source for each target; each partition has its own. */
function emitted(plan: ModulePlan, options: CompileOptions): BuiltModule {
  const withSources = (part: PartitionPlan, folder: string): BuiltModule => ({
    ...part,
    sources: runStage(emit, part, options, dumpIn(options, folder)),
  });
  const partitions = plan.over?.partitions?.map((p, i) => withSources(p, `${plan.name}/part${i}`));
  return partitions ? { ...plan, sources: new Map(), partitions } : withSources(plan, plan.name);
}
