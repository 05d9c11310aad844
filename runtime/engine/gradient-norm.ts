/**
 * The norm of all gradients of a module that is divided over several memories. Each partition has summed the
 * squares of its own (`norm_partial`), chunk by chunk; these are added in the order in which one memory would
 * have them, and as the kernel adds them (compiler/ops/optimizer/grad_norm.ts): the same bits.
 */
import type { TensorName } from "../contract/entries.ts";
import { normChunks } from "../contract/gradient-norm.ts";
import type { ModuleManifest, TensorPlace } from "../contract/manifest.ts";
import { tensorOf, type Partition } from "./partitions.ts";

/** Computes the norm, and writes it to where each partition's update reads it. */
export function totalNorm({ tensors }: ModuleManifest, partitions: readonly Partition[]): void {
  const sums = partitions.map(sumsOf);
  let total = 0;
  for (const { name } of tensors.filter(({ storage }) => storage === "gradient"))
    for (const { gradients, next } of sums)
      for (let left = chunksOf(gradients.get(name)); left > 0; left--) total += next();
  const norm = [Math.sqrt(total)];
  for (const partition of partitions) tensorOf(partition, "norm" satisfies TensorName)?.write(norm);
}

const chunksOf = (gradient: TensorPlace | undefined): number =>
  gradient ? gradient.slices * normChunks(gradient.stride) : 0;

/** A partition's gradients by name, and its sums one after the other. */
function sumsOf(partition: Partition) {
  const sums = tensorOf(partition, "norm_partial" satisfies TensorName)?.padded();
  const gradients = partition.manifest.tensors.filter(({ storage }) => storage === "gradient");
  let at = 0;
  return {
    gradients: new Map(gradients.map((place) => [place.name, place])),
    next: (): number => sums![at++]!,
  };
}
