/**
 * Says whether a model fits into memory. Planning is exact and cheap, so it is asked before anything is
 * compiled.
 */
import { planModule } from "../../../compiler/compile.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import type { ModulePlan, PartitionPlan } from "../../../compiler/plan.ts";
import { moduleNames, type ModuleName } from "../../../runtime/contract/manifest.ts";
import type { Model, TrainSettings } from "../../../runtime/contract/model.ts";
import { fits, memoryBytes, placements, workerBytes, workersOn } from "../../../compiler/planned-memory.ts";
import { partitionText } from "../../../compiler/3-graph/print.ts";
import { bytesFor, cacheBytes, leastBytes } from "../../../compiler/7-place/place.ts";
import { MEMORY_LIMIT } from "../../../runtime/contract/memory-import.ts";
import { PLANNED_WORKERS } from "../../../runtime/contract/worker-memory.ts";
import {
  neededBytes,
  refuseBeyond,
  workText,
  type MachineMemory,
  type NeededMemory,
} from "../../../runtime/engine/machine-memory.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { percent, sizeText, thousands } from "../../../runtime/contract/amounts.ts";

/**
 * "6,415,310,848 bytes in 2 parts (3.05 GiB: embedding, layers 0…22, output; …)", with so many workers. What
 * does not fit is told as it was planned.
 */
export function bytesText(model: Model, plan: ModulePlan, workers = PLANNED_WORKERS): string {
  const { placement, over } = plan;
  const plain = (bytes: number): string => `${thousands(bytes)} bytes`;
  const bytes = memoryBytes(plan, workers);
  if (!over) return `${plain(bytes)} (${sizeText(bytes)})`;
  if (!over.partitions)
    return (
      `${plain(placement.bytes)} (${sizeText(placement.bytes)}, more than the ${limitText(over.limit)} of ` +
      `one memory${uncut(over.tooLarge)})`
    );
  return (
    `${plain(bytes)} in ${over.partitions.length} parts ` + `(${partsText(model, over.partitions, workers)})`
  );
}

/** Why the module cannot be cut into smaller memories. */
const uncut = (tooLarge: NonNullable<ModulePlan["over"]>["tooLarge"]): string =>
  !tooLarge ? "" : `, and ${pieces[tooLarge.what]} alone needs ${sizeText(tooLarge.plan.placement.bytes)}`;

/**
 * "3.26 GiB for embedding, layers 0…3, output; 2 × 2.77 GiB for layers 4…9": neighbours of equal size
 * together.
 */
function partsText(model: Model, parts: readonly PartitionPlan[], workers: number): string {
  const groups: PartitionPlan[][] = [];
  for (const part of parts) {
    const last = groups.at(-1);
    const inside = (p: PartitionPlan): boolean => p.partition.every((s) => !s.embed && !s.output);
    if (last && inside(last[0]!) && inside(part) && last[0]!.placement.bytes === part.placement.bytes)
      last.push(part);
    else groups.push([part]);
  }
  return groups.map((group) => groupText(model, group, workers)).join("; ");
}

/** Neighbours of equal size: "2 × 2.77 GiB for layers 4…9". */
function groupText(model: Model, group: readonly PartitionPlan[], workers: number): string {
  const [{ partition, placement }] = group as [PartitionPlan];
  const size = sizeText(bytesFor(placement, workers));
  if (group.length === 1) return `${size} for ${partitionText(model, partition)}`;
  const { to } = group.at(-1)!.partition[0]!;
  return `${group.length} × ${size} for ${partitionText(model, [{ ...partition[0]!, to }])}`;
}

const limitText = (limit: number): string => (limit === MEMORY_LIMIT ? "4 GiB" : sizeText(limit));

/** The model trained the other way: with its layers computed again in the backward, or kept. */
function otherwise(model: Model): Model {
  const { recompute, ...train } = model.train;
  return { ...model, train: recompute ? train : { ...train, recompute: "layers" } };
}

/** "with `recompute layers`: train 26,345,472 bytes (25.1 MiB)". Nothing where it makes no difference. */
function recomputeLine(model: Model, train: ModulePlan, options: CompileOptions, cores: number): string[] {
  const plan = planModule(otherwise(model), "train", options);
  if (plan.placement.bytes === train.placement.bytes) return [];
  const how = model.train.recompute ? "without" : "with";
  return [`  ${how} \`recompute layers\`: train ${bytesText(model, plan, workersOn(plan, cores))}`];
}

/**
 * What makes a training module smaller, for whoever was refused; `suits`: what is small enough. Said are all
 * bytes that are planned, or what `bytesOf` counts of them.
 */
function smallerTraining(
  model: Model,
  options: CompileOptions,
  suits: (plan: ModulePlan) => boolean,
  bytesOf = ({ placement }: ModulePlan): number => placement.bytes,
): string {
  const { train } = model;
  const then = (change: Partial<TrainSettings>): string => {
    const plan = planModule({ ...model, train: { ...train, ...change } }, "train", options);
    return `(${sizeText(bytesOf(plan))} then${suits(plan) ? "" : ", still too much"})`;
  };
  const layers = { recompute: "layers" } as const;
  const moments = { optimizer: "adamw8" } as const;
  const ways = [
    ...(train.recompute ? [] : [`\`recompute layers\` ${then(layers)}`]),
    ...(train.optimizer ? [] : [`\`optimizer adamw8\` ${then(moments)}`]),
  ];
  const both = ways.length === 2 ? `, or both ${then({ ...layers, ...moments })}` : "";
  const settings = "Make it smaller with --set (train.batch, train.context, width)";
  return ways.length === 0 ? settings : `${settings}, or train with ${ways.join(", ")}${both}`;
}

/** Throws a SinterError of kind "memory" that names the largest regions. */
export function refuseTooLarge(model: Model, plan: ModulePlan, options: CompileOptions): void {
  if (!plan.over?.tooLarge) return;
  const {
    limit,
    tooLarge: {
      what,
      plan: { placement },
    },
  } = plan.over;
  const largest = [...placement.regions]
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, 3)
    .map((r) => `${r.name} ${sizeText(r.bytes)}`);
  const end =
    limit === MEMORY_LIMIT ? "a WebAssembly memory ends at 4 GiB" : `one memory may have ${sizeText(limit)}`;
  const smaller =
    plan.name === "train"
      ? smallerTraining(model, options, fits)
      : "Make it smaller with --set (context, train.batch, train.context, width)";
  throw new SinterError(
    "memory",
    `${model.name}: the module \`${plan.name}\` needs ${sizeText(plan.placement.bytes)} and is cut into ` +
      `parts, but ${pieces[what]} alone needs ${sizeText(placement.bytes)}, ${end} (${largest.join(", ")})`,
    `${smaller}${limit === MEMORY_LIMIT ? "" : ", or raise --memory-limit"}.`,
  );
}

/** Throws `memory` where this machine cannot have what training writes; says what would make it smaller. */
export function refuseBeyondMachine(
  model: Model,
  needed: NeededMemory,
  machine: MachineMemory,
  options: CompileOptions,
): void {
  const { bytes } = planModule(model, "train", options).placement;
  // of a plan that is smaller, as much less is written
  const bytesOf = ({ placement }: ModulePlan): number => neededBytes(needed) - (bytes - placement.bytes);
  const suits = (plan: ModulePlan): boolean => bytesOf(plan) <= machine.available;
  refuseBeyond(
    workText(model.name, "train"),
    needed,
    machine,
    () => `${smallerTraining(model, options, suits, bytesOf)}.`,
  );
}

const pieces = { layer: "one layer", embedding: "the embedding", output: "the output" } as const;

/** Plans every module asked for, and refuses the first that does not fit. */
export function planAll(
  model: Model,
  modules: readonly ModuleName[],
  options: CompileOptions = {},
): ModulePlan[] {
  return modules.map((name) => {
    const plan = planModule(model, name, options);
    refuseTooLarge(model, plan, options);
    return plan;
  });
}

/**
 * "memory: train 43,646,976 bytes (41.6 MiB), infer …" on a machine of so many cores, what of it is the
 * workers', and what it is needed for.
 */
export function memoryLine(model: Model, options: CompileOptions, cores: number): string {
  const plans = moduleNames.map((name) => planModule(model, name, options));
  const [train, infer] = plans as [ModulePlan, ModulePlan];
  const least = leastBytes(train.placement, "train");
  const planned = memoryBytes(train, workersOn(train, cores));
  const modules = plans.map((plan) => `${plan.name} ${bytesText(model, plan, workersOn(plan, cores))}`);
  const pieces = plans.filter(fits).map((plan) => workersText(plan, workersOn(plan, cores)));
  return [
    `  memory: ${modules.join(", ")}`,
    ...(pieces.length > 0 ? [`  base + workers × bytes of each: ${pieces.join(", ")}`] : []),
    ...recomputeLine(model, train, options, cores),
    ...cacheLine(model, infer, options),
    ...(options.lanes !== undefined && options.lanes > 1
      ? cacheLine(model, train, { ...options, cache: "f32" })
      : []),
    `  a step: at least ${thousands(least)} bytes for weights, gradients, moments and needed ` +
      `activations; planned ${percent(planned / least - 1, 1)} more`,
  ].join("\n");
}

/** "train 43,384,832 + 2 × 131,072": what does not depend on the workers, and what each of them takes. */
const workersText = (plan: ModulePlan, workers: number): string =>
  `${plan.name} ${thousands(memoryBytes(plan, 0))} + ${workers} × ${thousands(workerBytes(plan))}`;

/** "of infer, keys and values of 1,024 positions: 8 lanes × 75,497,472 = 603,979,776 bytes (576 MiB)". */
function cacheLine(
  model: Model,
  { name, placement }: ModulePlan,
  { cache: format, lanes = 1 }: CompileOptions,
): string[] {
  const bytes = cacheBytes(placement);
  if (bytes === 0) return [];
  const inFormat = format && format !== "f32" ? ` in ${format}` : "";
  const positions = `keys and values of ${thousands(model.sizes.context)} positions`;
  const each = lanes > 1 ? `${lanes} lanes × ${thousands(bytes / lanes)} = ` : "";
  return [`  of ${name}, ${positions}: ${each}${thousands(bytes)} bytes (${sizeText(bytes)})${inFormat}`];
}

/** The memory of the module `infer`: in all, of which so much for the keys and values of all lanes. */
export interface InferMemory {
  readonly bytes: number;
  readonly cacheBytes: number;
  readonly workers: number;
}

/**
 * With so many workers; undefined: as many as a machine of so many cores has where nothing else is said.
 * Throws `memory` where the module does not fit into WebAssembly's memories.
 */
export function inferMemory(
  model: Model,
  options: CompileOptions,
  workers: number | undefined,
  cores: number,
): InferMemory {
  const [plan] = planAll(model, ["infer"], options) as [ModulePlan];
  const count = workers ?? workersOn(plan, cores);
  const cache = placements(plan).reduce((sum, placement) => sum + cacheBytes(placement), 0);
  return { bytes: memoryBytes(plan, count), cacheBytes: cache, workers: count };
}

/** A module of a model that is trained, or a stage after it. */
export interface TrainedModule {
  readonly model: Model;
  readonly options: CompileOptions;
}

/** What a training module's memory is made of. */
export interface TrainingMemory {
  /** With as many workers as a machine of so many cores has where nothing else is said. */
  readonly memory: number;
  readonly workers: number;
  readonly workerMemory: number;
  /** Bytes by what they are for: "parameters", "first moments", "key-value cache". */
  readonly regions: Readonly<Record<string, number>>;
}

export function trainingMemory({ model, options }: TrainedModule, cores: number): TrainingMemory {
  const plan = planModule(model, "train", options);
  const workers = workersOn(plan, cores);
  const regions: Record<string, number> = {};
  for (const placement of placements(plan))
    // the last region is the planned workers'
    for (const { name, bytes } of placement.regions.slice(0, -1))
      regions[name] = (regions[name] ?? 0) + bytes;
  return { memory: memoryBytes(plan, workers), workers, workerMemory: workerBytes(plan), regions };
}

/** "sft 43,646,976 bytes (41.6 MiB): parameters 3.2 MiB, gradients …": the larger parts, largest first. */
export function trainingMemoryText(name: string, m: TrainingMemory): string {
  const { memory, regions, workers, workerMemory } = m;
  const parts = Object.entries({ ...regions, [`${workers} workers`]: workers * workerMemory })
    .filter(([, bytes]) => bytes >= memory / 1000)
    .sort(([, a], [, b]) => b - a)
    .map(([region, bytes]) => `${region} ${sizeText(bytes)}`);
  return `${name} ${thousands(memory)} bytes (${sizeText(memory)}): ${parts.join(", ")}`;
}

/**
 * Each module's memory, for `check --json`: bytes in all its memories, with as many workers as a machine of
 * so many cores has where nothing else is said; the number of those workers; what each of them takes of it.
 */
export function plannedMemory(
  model: Model,
  options: CompileOptions,
  cores: number,
): Record<"memory" | "workers" | "workerMemory", Record<ModuleName, number>> {
  const plans = moduleNames.map((name) => planModule(model, name, options));
  const each = (of: (plan: ModulePlan) => number): Record<ModuleName, number> =>
    Object.fromEntries(plans.map((plan) => [plan.name, of(plan)])) as Record<ModuleName, number>;
  return {
    memory: each((plan) => memoryBytes(plan, workersOn(plan, cores))),
    workers: each((plan) => workersOn(plan, cores)),
    workerMemory: each(workerBytes),
  };
}
