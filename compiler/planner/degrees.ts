/**
 * How a model is spread over devices: `devices` = replicate × shard × tensor × pipeline, and what of it a
 * model's sizes do not allow. Context parallelism divides sequences among devices that share the shards of
 * FSDP, so it is a part of `shard`; expert parallelism likewise.
 */
import type { Model } from "../../runtime/contract/model.ts";
import type { Accelerator } from "./tables/hardware.ts";
import { layerParts } from "../2-check/parameters.ts";

export interface Degrees {
  readonly devices: number;
  /** Each matrix is divided among so many devices. */
  readonly tensor: number;
  /** The layers stand in so many stages. */
  readonly pipeline: number;
  /** Each sequence is divided among so many devices. */
  readonly context: number;
  /** A mixture's experts are divided among so many devices. */
  readonly expert: number;
  /** Weights, gradients and moments are divided among so many devices (FSDP, ZeRO-3). */
  readonly shard: number;
}

export type DegreeName = keyof Degrees;

type SizeName = "heads" | "kv_heads" | "layers";

/** What does not divide: which degree, which size of the model or the cluster, and what would do. */
export interface Misfit {
  readonly degree: DegreeName;
  /** The size of the model that stands against it, as a spec names it; absent: it is none of them. */
  readonly size?: SizeName;
  readonly message: string;
  readonly help: string;
}

/** Groups of devices that hold all weights once. */
export const replicas = ({ devices, tensor, pipeline, shard }: Degrees): number =>
  devices / (tensor * pipeline * shard);

/** Devices that read different sequences. */
export const dataRanks = ({ devices, tensor, pipeline, context }: Degrees): number =>
  devices / (tensor * pipeline * context);

/** All that does not fit, each with the sizes on both sides. */
export function misfitsOf(model: Model, degrees: Degrees, { node, title }: Accelerator): Misfit[] {
  const { devices, tensor, pipeline, context, expert, shard } = degrees;
  const misfits: Misfit[] = [];
  const must = (degree: DegreeName, fits: boolean, message: string, help: string, size?: SizeName): void => {
    if (!fits) misfits.push({ degree, message, help, ...(size && { size }) });
  };
  const parts = layerParts(model);
  const divides = (degree: DegreeName, by: number, size: number, of: string, name?: SizeName): void =>
    must(
      degree,
      size % by === 0,
      `${degree} ${by} does not divide ${size} ${of}`,
      `use ${nearestDivisor(size, by)}`,
      name,
    );
  for (const part of parts) {
    if (part.part === "attention") {
      divides("tensor", tensor, part.kvHeads, `kv_heads of ${part.name}`, "kv_heads");
      divides("tensor", tensor, part.heads, `heads of ${part.name}`, "heads");
    }
    if ("hidden" in part) divides("tensor", tensor, part.hidden, `numbers of ${part.name}'s hidden rows`);
    if (part.part === "experts") divides("expert", expert, part.count, `experts of ${part.name}`);
  }
  if (expert > 1)
    must(
      "expert",
      parts.some((p) => p.part === "experts"),
      `expert ${expert}, but ${model.name} has no experts`,
      "use 1",
    );
  const { layers } = model.sizes;
  const tooMany = `pipeline ${pipeline} is more than ${layers} layers`;
  must("pipeline", pipeline <= layers, tooMany, `use ${layers}`, "layers");
  must(
    "tensor",
    tensor <= node,
    `tensor ${tensor} goes beyond a node of ${node} (${title})`,
    `use ${node}: between nodes, the exchange of every layer takes longer than its products`,
  );
  const together = tensor * pipeline * shard;
  const product = `tensor ${tensor} × pipeline ${pipeline} × shard ${shard} = ${together}`;
  must(
    "devices",
    devices % together === 0,
    `${product} does not divide ${devices} devices`,
    `use ${Math.max(1, Math.floor(devices / together)) * together} devices`,
  );
  if (devices % together !== 0) return misfits;
  for (const [name, degree] of [
    ["context", context],
    ["expert", expert],
  ] as const)
    must(
      name,
      (shard * replicas(degrees)) % degree === 0,
      `${name} ${degree} does not divide the ${shard * replicas(degrees)} devices that share a stage`,
      "use a divisor of it",
    );
  return misfits;
}

/** The largest divisor of `size` that is no more than `most`. */
export function nearestDivisor(size: number, most: number): number {
  for (let d = Math.min(size, most); d > 1; d--) if (size % d === 0) return d;
  return 1;
}
