/**
 * How the parameters of a model are called, in the manifest, in checkpoints and wherever published names are
 * translated: by their section, their part and what they are to it.
 *
 *   token_embedding.weight, position_embedding.weight
 *   embed.NORM.…       a norm of the embedding
 *   layers.PART.…      all layers' tensors together: "layers.attention.qkv.weight"
 *   layers.3.PART.…    a single layer's, as checkpoints have it
 *   output.PART.…
 *   head.NAME.…        a scalar head's
 *   ….lora_a, ….lora_b an adapter's, beside the ….weight of its map
 */
export const TOKEN_TABLE = "token_embedding.weight";
export const POSITION_TABLE = "position_embedding.weight";

export type ParameterSection = "embed" | "layer" | "output" | "head";
const stems = { embed: "embed", layer: "layers", output: "output", head: "head" } as const satisfies Record<
  ParameterSection,
  string
>;

/** "layers.attention" for the part `attention` of the layer. */
export const nameIn = (section: ParameterSection, part: string): string => `${stems[section]}.${part}`;
export const isNameIn = (section: ParameterSection, name: string): boolean =>
  name.startsWith(`${stems[section]}.`);

/** "layers.attention.qkv.weight" in layer 3 is "layers.3.attention.qkv.weight". Others stay as they are. */
export const nameInLayer = (name: string, layer: number): string =>
  isNameIn("layer", name) ? `${stems.layer}.${layer}${name.slice(stems.layer.length)}` : name;

/** "layers.3.attention.qkv.weight" is one of "layers.attention.qkv.weight". Others stay as they are. */
export const nameInLayers = (name: string): string => name.replace(/^layers\.\d+\./, `${stems.layer}.`);

/** "layers.attention.qkv.weight" has the adapter "layers.attention.qkv.lora_a", "… .lora_b". */
export const adapterOf = (weight: string, which: "a" | "b"): string =>
  weight.replace(/\.weight$/, `.lora_${which}`);
export const isAdapter = (name: string): boolean => /\.lora_[ab]$/.test(name);
