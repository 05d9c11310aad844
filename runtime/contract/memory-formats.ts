/** The number formats in which a module keeps weights, keys and values in memory. */
import { isAdapter, isNameIn, TOKEN_TABLE } from "./parameter-names.ts";

/** The type of a tensor's elements in memory; a quantised tensor has words, i32. */
export type DType = "f32" | "i32";

/** How weights can be kept. The order of a quantised row's bytes is in weight-rows.ts. */
export const weightFormats = ["f32", "bf16", "q8_0", "q4_0"] as const;
export type WeightFormat = (typeof weightFormats)[number];
/** The formats that take fewer bits than an f32. */
export type QuantisedFormat = Exclude<WeightFormat, "f32">;

/** A format for some tensors, for the embedding and the output, and for all other matrices. */
export interface WeightMix {
  readonly others: WeightFormat;
  /** The format of the token embedding, also where that is the output's matrix too. */
  readonly table?: WeightFormat;
  /** The format of a matrix that the output has for itself. */
  readonly output?: WeightFormat;
  /** By a tensor's name without the layer's number: "layers.attention.qkv.weight". */
  readonly tensors?: Readonly<Record<string, WeightFormat>>;
}
export type Weights = WeightFormat | WeightMix;

export function weightFormatOf(weights: Weights, tensor: string): WeightFormat {
  if (isAdapter(tensor)) return "f32"; // small, and what makes the difference
  if (typeof weights === "string") return weights;
  const { tensors = {} } = weights;
  if (Object.hasOwn(tensors, tensor)) return tensors[tensor]!;
  const place = weightPlace(tensor);
  return (place && weights[place]) ?? weights.others;
}

/** Where a mix mentions the tensor by what it is for. */
export const weightPlace = (tensor: string): "table" | "output" | undefined =>
  tensor === TOKEN_TABLE ? "table" : isNameIn("output", tensor) ? "output" : undefined;

/**
 * How keys and values of earlier positions can be kept; how they lie in memory is in
 * compiler/ops/attention/kit/cache-layout.ts.
 */
export const cacheFormats = ["f32", "q8_0"] as const;
export type CacheFormat = (typeof cacheFormats)[number];
