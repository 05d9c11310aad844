/** Number formats in which a module keeps weights, and keys and values, while it uses them. */

/** What the elements of a tensor in memory are. */
export type DType = "f32" | "i32";

/** How weights are kept; how their rows lie in memory is in weight-rows.ts. */
export const weightFormats = ["f32", "bf16", "q8_0", "q4_0"] as const;
export type WeightFormat = (typeof weightFormats)[number];
/** Those that take fewer bits than an f32. */
export type QuantisedFormat = Exclude<WeightFormat, "f32">;

/**
 * Matrices that are not all alike: by tensor (without the layer's number: "layers.attention.qkv.weight"), by
 * place, and all others.
 */
export interface WeightMix {
  readonly others: WeightFormat;
  /** The token embedding, also where it is the output's matrix. */
  readonly table?: WeightFormat;
  /** The output's own matrix. */
  readonly output?: WeightFormat;
  readonly tensors?: Readonly<Record<string, WeightFormat>>;
}
export type Weights = WeightFormat | WeightMix;

export function weightFormatOf(weights: Weights, tensor: string): WeightFormat {
  if (typeof weights === "string") return weights;
  const { tensors = {} } = weights;
  if (Object.hasOwn(tensors, tensor)) return tensors[tensor]!;
  const place = weightPlace(tensor);
  return (place && weights[place]) ?? weights.others;
}

/** Which of a mix's places a tensor has. */
export const weightPlace = (tensor: string): "table" | "output" | undefined =>
  tensor === "token_embedding.weight" ? "table" : tensor.startsWith("output.") ? "output" : undefined;

/** How keys and values of earlier positions are kept: compiler/ops/attention/kit/cache-layout.ts. */
export const cacheFormats = ["f32", "q8_0"] as const;
export type CacheFormat = (typeof cacheFormats)[number];
