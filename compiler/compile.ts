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
import type { Model } from "../runtime/contract/model.ts";
import { partitionModel, type Cut, type Partition } from "./3-graph/partition.ts";
import { partitionText, printGraph } from "./3-graph/print.ts";
import { buildGraph, type EntrySpec } from "./3-graph/build.ts";
import { prefillRows, type PerRow } from "./3-graph/builder.ts";
import { freeze } from "./3-graph/freeze.ts";
import type { Graph } from "./3-graph/ir.ts";
import { wholeModel } from "./3-graph/segment.ts";
import { verifyGraph } from "./3-graph/verify.ts";
import { differentiate } from "./4-grad/differentiate.ts";
import { addOptimizer } from "./4-grad/optimize.ts";
import { saveForBackward } from "./4-grad/save.ts";
import { blockHead } from "./5-fuse/blocks.ts";
import { quantiseCache } from "./5-fuse/quantise-cache.ts";
import { settleCarries } from "./5-fuse/carries.ts";
import { quantiseWeights } from "./5-fuse/quantise-weights.ts";
import { splitFewRows } from "./5-fuse/split.ts";
import { fuse, type FusionEvent } from "./5-fuse/fuse.ts";
import { dropUnread } from "./5-fuse/unread.ts";
import { printProgram, tileGraph, type Program } from "./6-tile/program.ts";
import type { ChosenTiles } from "./6-tile/tile-choices.ts";
import { printArena } from "./7-place/arena.ts";
import { MEMORY_LIMIT, placeModule, type Placement } from "./7-place/place.ts";
import { emitModule } from "./8-emit/module.ts";
import type { BuiltModule } from "./9-bundle/built-module.ts";
import { bundleFiles } from "./9-bundle/bundle.ts";
import { entriesOfModule, segmentEntry, type EntryName } from "../runtime/contract/entries.ts";
import { moduleNames, type Manifest, type ModuleName } from "../runtime/contract/manifest.ts";
import type { CacheFormat, Weights } from "../runtime/contract/memory-formats.ts";
import { targets as allTargets, type Target } from "../runtime/contract/targets.ts";
import { runPasses, type Pass } from "./pipeline.ts";

export interface CompileOptions {
  /** Default: all three. */
  readonly targets?: readonly Target[];
  /** `train` also holds what `infer` holds, and needs gradients' and moments' memory. Default: both. */
  readonly modules?: readonly ModuleName[];
  /** Gets every stage's text: "train/04-save.txt". */
  dump?(file: string, text: string): void;
  /** Checks the graph after every pass; a violation throws. */
  readonly verify?: boolean;
  /** Tiles measured to be better than the operations' own: from `chooseTiles`. */
  readonly tiles?: ChosenTiles | undefined;
  /**
   * Bytes that one memory may have. Default: `MEMORY_LIMIT`. An infer module that needs more is cut into
   * partitions: 3-graph/partition.ts.
   */
  readonly memoryLimit?: number | undefined;
  /** Bytes of one block of logits: see 5-fuse/blocks.ts. Tests make it small. */
  readonly logitBytes?: number;
  /**
   * Weights, and caches of keys, of at least so many bytes are read in segments when decoding: see
   * 5-fuse/split.ts. Tests make it small.
   */
  readonly splitBytes?: number;
  /**
   * How the module `infer` keeps matrices: runtime/contract/weight-rows.ts. Training needs f32. Default: f32.
   */
  readonly weights?: Weights | undefined;
  /**
   * How the module `infer` keeps keys and values of earlier positions (ops/attention/kit/cache-layout.ts).
   * Default: f32.
   */
  readonly cache?: CacheFormat | undefined;
  /**
   * For objectives that the host computes: `train` takes a weight for each row's loss, `train` and `evaluate`
   * give each row's log-probability. Default: neither.
   */
  readonly perRow?: PerRow;
  /**
   * Which parameters the module `train` trains, by name without the layer's number
   * ("layers.attention.qkv.weight"). Default: all.
   */
  trains?(parameter: string): boolean;
  /** Every kernel and barrier is timed, by worker: the host's clock is one more import. */
  readonly profile?: boolean;
}

/** What one memory holds, and what runs on it. */
export interface PartitionPlan {
  readonly name: ModuleName;
  readonly partition: Partition;
  readonly programs: ReadonlyMap<Target, readonly Program[]>;
  readonly placement: Placement;
  readonly fusions: ReadonlyMap<string, readonly FusionEvent[]>;
}

/** A module as one memory of any size would hold it. */
export interface ModulePlan extends PartitionPlan {
  /** Absent: one memory holds it. */
  readonly over?: {
    readonly limit: number;
    readonly partitions?: readonly PartitionPlan[];
    readonly tooLarge?: { readonly what: TooLarge; readonly plan: PartitionPlan };
  };
}

/** What no memory holds: all of a training module, or a piece that is not cut further. */
export type TooLarge = "training" | Extract<Cut, { tooLarge: string }>["tooLarge"];

export interface Compiled {
  readonly manifest: Manifest;
  /** Bundle file name → contents. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
  readonly plans: readonly ModulePlan[];
}

function entriesOf(model: Model, module: ModuleName, { perRow }: CompileOptions): EntrySpec[] {
  const { batch, context } = model.train;
  const rows = { batch, context, ...perRow };
  const specs: { readonly [name in EntryName]: EntrySpec & { readonly entry: name } } = {
    train: { entry: "train", ...rows },
    evaluate: { entry: "evaluate", ...rows },
    prefill: { entry: "prefill", rows: prefillRows(model) },
    decode: { entry: "decode", rows: 1 },
  };
  return entriesOfModule[module].map((name) => specs[name]);
}

/** How a module keeps what it reads most of. */
interface Kept {
  readonly weights: Weights;
  readonly cache: CacheFormat;
}

/** Training needs f32; what is sampled in between is computed with the same. */
const keptAs = (name: ModuleName, { weights = "f32", cache = "f32" }: CompileOptions): Kept =>
  name === "infer" ? { weights, cache } : { weights: "f32", cache: "f32" };

function graphPasses(
  job: EntrySpec,
  { weights, cache }: Kept,
  options: CompileOptions,
  record: (event: FusionEvent) => void,
): readonly Pass<Graph>[] {
  const freezing: readonly Pass<Graph>[] = [
    {
      name: "freeze",
      why: "first: no gradient of it is ever asked for",
      run: (g) => freeze(g, options.trains!),
    },
  ];
  const training: readonly Pass<Graph>[] = [
    {
      name: "differentiate",
      why: "backward and forward are fused by the same rules, so it comes first",
      run: differentiate,
    },
  ];
  const saving: readonly Pass<Graph>[] = [
    {
      name: "save",
      why: "after fusion: what was fused away need not outlive its layer",
      run: saveForBackward,
    },
  ];
  const update: readonly Pass<Graph>[] = [
    {
      name: "optimize",
      why: "one pass over all parameters, once all gradients have their names",
      run: addOptimizer,
    },
  ];
  const splitting: readonly Pass<Graph>[] = [
    {
      name: "split",
      why: "after fusion: the second half takes over what was fused into the product",
      run: (g) => splitFewRows(g, options.splitBytes),
    },
  ];
  const quantising: readonly Pass<Graph>[] = [
    {
      name: "quantise",
      why: "after fusion: whatever became one product reads one matrix",
      run: (g) => quantiseWeights(g, weights),
    },
  ];
  const caching: readonly Pass<Graph>[] = [
    {
      name: "cache",
      why: "one operation for another, whatever stands around it",
      run: (g) => quantiseCache(g, cache),
    },
  ];
  const isTrain = job.entry === "train";
  return [
    ...(options.trains ? freezing : []),
    ...(isTrain ? training : []),
    {
      name: "unread",
      why: "before fusion: what nobody reads keeps nobody apart",
      run: dropUnread,
    },
    { name: "fuse", why: "one trip through memory instead of several", run: (g) => fuse(g, record) },
    ...(isTrain ? saving : []),
    {
      name: "blocks",
      why: "logits of all rows would be the largest tensor by far",
      run: (g) => blockHead(g, options.logitBytes),
    },
    ...(isTrain ? update : []),
    ...(weights === "f32" ? [] : quantising),
    ...(cache === "f32" ? [] : caching),
    ...(isTrain ? [] : splitting),
    {
      name: "carries",
      why: "last: a copy is needed only where fusion left no room for sharing",
      run: settleCarries,
    },
  ];
}

/**
 * Everything but the code: what runs, in what order, where everything lies. Fast; `check`, `explain` and
 * `compile` share it.
 */
export function planModule(model: Model, name: ModuleName, options: CompileOptions = {}): ModulePlan {
  const whole = planPartition(model, name, [wholeModel(model)], options, name);
  const limit = options.memoryLimit ?? MEMORY_LIMIT;
  if (whole.placement.bytes <= limit) return whole;
  if (name === "train") return { ...whole, over: { limit, tooLarge: { what: "training", plan: whole } } };
  const quiet: CompileOptions = { ...options, dump() {}, verify: false };
  const cut = partitionModel(
    model,
    limit,
    (partition) => planPartition(model, name, partition, quiet, name).placement.bytes,
  );
  if ("tooLarge" in cut)
    return {
      ...whole,
      over: {
        limit,
        tooLarge: { what: cut.tooLarge, plan: planPartition(model, name, cut.partition, quiet, name) },
      },
    };
  const partitions = cut.partitions.map((partition, i) =>
    planPartition(model, name, partition, options, `${name}/part${i}`),
  );
  for (const { partition, placement } of partitions)
    if (placement.bytes > limit)
      throw new Error(`${partitionText(model, partition)} has ${placement.bytes} bytes, more than ${limit}`);
  return { ...whole, over: { limit, partitions } };
}

/** One memory's programs. `folder`: of its dumps. */
function planPartition(
  model: Model,
  name: ModuleName,
  partition: Partition,
  options: CompileOptions,
  folder: string,
): PartitionPlan {
  const kept = keptAs(name, options);
  const fusions = new Map<string, FusionEvent[]>();
  const graphs = partition.flatMap((segment, i) =>
    entriesOf(model, name, options).map((job) => {
      const entry = segmentEntry(job.entry, i);
      const events: FusionEvent[] = [];
      fusions.set(entry, events);
      return runPasses(
        buildGraph(model, job, segment, entry),
        graphPasses(job, kept, options, (e) => events.push(e)),
        printGraph,
        {
          dump: (file, text) => options.dump?.(`${folder}/${entry}/${file}`, text),
          ...(options.verify && { verify: verifyGraph }),
        },
      );
    }),
  );
  const programs = new Map(
    (options.targets ?? allTargets).map(
      (target) => [target, graphs.map((g) => tileGraph(g, target, options.tiles))] as const,
    ),
  );
  const placement = placeModule(programs, options.profile);
  for (const [target, list] of programs)
    options.dump?.(`${folder}/tiles-${target}.txt`, list.map(printProgram).join("\n"));
  for (const [entry, { placed }] of placement.arenas)
    options.dump?.(`${folder}/${entry}/arena.txt`, printArena(placed));
  return { name, partition, programs, placement, fusions };
}

export async function compileModel(model: Model, options: CompileOptions = {}): Promise<Compiled> {
  const plans = (options.modules ?? moduleNames).map((name) => planModule(model, name, options));
  for (const { name, placement, over } of plans)
    if (over && !over.partitions)
      throw new Error(`the module ${name} needs ${placement.bytes} bytes, more than ${over.limit}`);
  const emit = (plan: PartitionPlan, folder: string): BuiltModule => ({
    ...plan,
    sources: new Map(
      [...plan.programs].map(([target, programs]) => {
        const source = emitModule(target, programs, plan.placement);
        options.dump?.(`${folder}/kernels.${target}.ts`, source);
        return [target, source] as const;
      }),
    ),
  });
  const built = plans.map((plan): BuiltModule =>
    plan.over?.partitions
      ? {
          ...plan,
          sources: new Map(),
          partitions: plan.over.partitions.map((p, i) => emit(p, `${plan.name}/part${i}`)),
        }
      : emit(plan, plan.name),
  );
  return { ...(await bundleFiles(model, built)), plans };
}
