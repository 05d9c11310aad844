/**
 * Says whether a model fits into memory. Planning is exact and cheap, so it is asked before anything is
 * compiled.
 */
import { planModule } from "../../../compiler/compile.ts";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import type { ModulePlan, PartitionPlan } from "../../../compiler/plan.ts";
import { moduleNames, type ModuleName } from "../../../runtime/contract/manifest.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { partitionText } from "../../../compiler/3-graph/print.ts";
import { cacheBytes, leastBytes, MEMORY_LIMIT } from "../../../compiler/7-place/place.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { percent, sizeText, thousands } from "../../../runtime/contract/amounts.ts";

/** A module fits in one memory, or cut into several. */
export const fits = (plan: ModulePlan): boolean => plan.over?.tooLarge === undefined;

/** "6,415,310,848 bytes in 2 parts (3.05 GiB: embedding, layers 0…22, output; …)" */
export function bytesText(model: Model, { placement, over }: ModulePlan): string {
  const plain = (bytes: number): string => `${thousands(bytes)} bytes`;
  if (!over) return `${plain(placement.bytes)} (${sizeText(placement.bytes)})`;
  if (!over.partitions)
    return (
      `${plain(placement.bytes)} (${sizeText(placement.bytes)}, more than the ${limitText(over.limit)} of ` +
      `one memory${uncut(over.tooLarge)})`
    );
  return (
    `${plain(memoryBytes({ placement, over }))} in ${over.partitions.length} parts ` +
    `(${partsText(model, over.partitions)})`
  );
}

/** Why the module cannot be cut into smaller memories. */
const uncut = (tooLarge: NonNullable<ModulePlan["over"]>["tooLarge"]): string =>
  !tooLarge || tooLarge.what === "training"
    ? ""
    : `, and ${pieces[tooLarge.what]} alone needs ${sizeText(tooLarge.plan.placement.bytes)}`;

/**
 * "3.26 GiB for embedding, layers 0…3, output; 2 × 2.77 GiB for layers 4…9": neighbours of equal size
 * together.
 */
function partsText(model: Model, parts: readonly PartitionPlan[]): string {
  const groups: PartitionPlan[][] = [];
  for (const part of parts) {
    const last = groups.at(-1);
    const inside = (p: PartitionPlan): boolean => p.partition.every((s) => !s.embed && !s.output);
    if (last && inside(last[0]!) && inside(part) && last[0]!.placement.bytes === part.placement.bytes)
      last.push(part);
    else groups.push([part]);
  }
  return groups.map((group) => groupText(model, group)).join("; ");
}

/** Neighbours of equal size: "2 × 2.77 GiB for layers 4…9". */
function groupText(model: Model, group: readonly PartitionPlan[]): string {
  const [{ partition, placement }] = group as [PartitionPlan];
  const size = sizeText(placement.bytes);
  if (group.length === 1) return `${size} for ${partitionText(model, partition)}`;
  const { to } = group.at(-1)!.partition[0]!;
  return `${group.length} × ${size} for ${partitionText(model, [{ ...partition[0]!, to }])}`;
}

/** Bytes of all memories of a module together. */
const memoryBytes = ({ placement, over }: Pick<ModulePlan, "placement" | "over">): number =>
  over?.partitions?.reduce((sum, part) => sum + part.placement.bytes, 0) ?? placement.bytes;

const limitText = (limit: number): string => (limit === MEMORY_LIMIT ? "4 GiB" : sizeText(limit));

/** Throws a SinterError of kind "memory" that names the largest regions. */
export function refuseTooLarge(model: Model, plan: ModulePlan): void {
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
  const [needs, hint] =
    what === "training"
      ? [
          `the module \`${plan.name}\` needs`,
          "Make it smaller with --set (train.batch, train.context, width, layers): training needs one " +
            "memory. Its infer module may fit: sinter check SPEC.",
        ]
      : [
          `the module \`${plan.name}\` needs ${sizeText(plan.placement.bytes)} and is cut into parts, ` +
            `but ${pieces[what]} alone needs`,
          "Make it smaller with --set (context, train.batch, train.context, " +
            `width)${limit === MEMORY_LIMIT ? "" : ", or raise --memory-limit"}.`,
        ];
  throw new SinterError(
    "memory",
    `${model.name}: ${needs} ${sizeText(placement.bytes)}, ${end} (${largest.join(", ")})`,
    hint,
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
    refuseTooLarge(model, plan);
    return plan;
  });
}

/** "memory: train 43,646,976 bytes (41.6 MiB), infer …", and what of it is needed for what. */
export function memoryLine(model: Model, options: CompileOptions = {}): string {
  const plans = moduleNames.map((name) => planModule(model, name, options));
  const train = plans[0]!.placement;
  const least = leastBytes(train, "train");
  const modules = plans.map((plan) => `${plan.name} ${bytesText(model, plan)}`);
  return [
    `  memory: ${modules.join(", ")}`,
    ...cacheLine(model, cacheBytes(plans[1]!.placement), options),
    `  a step: at least ${thousands(least)} bytes for weights, gradients, moments and needed ` +
      `activations; planned ${percent(train.bytes / least - 1, 1)} more`,
  ].join("\n");
}

/** "of infer, keys and values of 1,024 positions: 8 lanes × 75,497,472 = 603,979,776 bytes (576 MiB)". */
function cacheLine(model: Model, bytes: number, { cache: format, lanes = 1 }: CompileOptions): string[] {
  if (bytes === 0) return [];
  const inFormat = format && format !== "f32" ? ` in ${format}` : "";
  const positions = `keys and values of ${thousands(model.sizes.context)} positions`;
  const each = lanes > 1 ? `${lanes} lanes × ${thousands(bytes / lanes)} = ` : "";
  return [`  of infer, ${positions}: ${each}${thousands(bytes)} bytes (${sizeText(bytes)})${inFormat}`];
}

/** Bytes of each module, in all its memories, for `check --json`. */
export const planBytes = (model: Model, options: CompileOptions = {}): Record<ModuleName, number> =>
  Object.fromEntries(
    moduleNames.map((name) => [name, memoryBytes(planModule(model, name, options))]),
  ) as Record<ModuleName, number>;
