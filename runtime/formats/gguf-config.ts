/** A model's configuration in GGUF metadata, both ways (github.com/ggml-org/ggml, docs/gguf.md). */
import { SinterError } from "../errors.ts";
import type { RopeScaling } from "../../compiler/2-check/model.ts";
import { checkSizes, modelName, type Architecture } from "./architecture.ts";
import type { GgufFile } from "./gguf.ts";
import { f32, text, u32, type PairToWrite } from "./gguf-write.ts";
import type { TensorIndex } from "./fit.ts";
import { allFloats, corruptFile, type StoredTensor } from "./weights.ts";

export const ROPE_FACTORS = "rope_freqs.weight";

export async function architectureOfGguf(file: GgufFile, index: TensorIndex): Promise<Architecture> {
  const { path } = file, value = (key: string): unknown => file.metadata.get(key);
  const wrong = (key: string, what: string): never => {
    throw corruptFile(path, `the metadata pair ${key} is ${String(value(key))}; ${what} was expected`);
  };
  const family = value("general.architecture");
  if (family !== "gpt2" && family !== "llama")
    throw new SinterError("input", `${path}: general.architecture is ${JSON.stringify(family ?? null)}`, "gpt2 and llama are read.");
  const number = (key: string, otherwise?: number): number => {
    const found = value(`${family}.${key}`) ?? otherwise;
    return typeof found === "number" && Number.isFinite(found) ? found : typeof found === "bigint" ? Number(found) : wrong(`${family}.${key}`, "a number");
  };
  if (number("expert_count", 0) > 0) throw new SinterError("input", `${path}: it has experts, which are not read`);
  if (number("rope.scaling.factor", 1) !== 1) throw new SinterError("input", `${path}: its rotary embedding is scaled by a factor of ${number("rope.scaling.factor", 1)}`, "Plain ones and Llama 3's are read.");
  const token = index.get("token_embd.weight");
  if (!token) throw corruptFile(path, "it has no tensor token_embd.weight: metadata without weights", "Name a file that holds a model.");
  const has = (name: string): boolean => index.has(name);
  const width = number("embedding_length"), heads = number("attention.head_count"), headDim = number("attention.key_length", width / heads);
  const isLlama = family === "llama";
  if (isLlama && number("rope.dimension_count", headDim) !== headDim) throw new SinterError("input", `${path}: its rotary embedding turns ${number("rope.dimension_count")} of ${headDim} columns of a head`, "All of them is what Sinter does.");
  const theta = decimal(number("rope.freq_base", 10000));
  const title = value("general.name"), base = path.slice(path.lastIndexOf("/") + 1);
  return checkSizes({
    family, name: modelName(typeof title === "string" && title !== family ? title : base), vocab: token.shape[0] ?? 0, context: number("context_length"), width, layers: number("block_count"),
    heads, kvHeads: number("attention.head_count_kv", heads), headDim, hidden: number("feed_forward_length"), activation: isLlama ? "silu" : "gelu_tanh",
    eps: decimal(number(isLlama ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon")),
    rope: isLlama ? { theta, ...await scalingOf(index.get(ROPE_FACTORS), theta, headDim, path) } : undefined,
    tied: !has("output.weight"),
    bias: { norm: has("output_norm.bias"), qkv: has("blk.0.attn_qkv.bias") || has("blk.0.attn_q.bias"), attentionOut: has("blk.0.attn_output.bias"), ffn: has("blk.0.ffn_up.bias"), head: has("output.bias") },
  }, path, { vocab: "rows of token_embd.weight", context: `${family}.context_length`, width: `${family}.embedding_length`, layers: `${family}.block_count`, heads: `${family}.attention.head_count`,
    kvHeads: `${family}.attention.head_count_kv`, hidden: `${family}.feed_forward_length` });
}

/** The shortest decimal number that is the same f32: 1e-5 for 0.000009999999747378752. */
export function decimal(x: number): number {
  for (let digits = 1; digits < 9; digits++) if (Math.fround(Number(x.toPrecision(digits))) === Math.fround(x)) return Number(x.toPrecision(digits));
  return x;
}

/**
 * By how much each pair's wavelength is stretched [head_dim / 2]: files carry Llama 3's scaling as these factors (tensor rope_freqs.weight).
 * Grattafiori et al. 2024 and the model's published code.
 */
export function ropeFactors(theta: number, headDim: number, { factor, low, high, original }: RopeScaling): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: headDim / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / headDim);
    if (wavelength < original / high) return 1;
    if (wavelength > original / low) return factor;
    const share = (original / wavelength - low) / (high - low);
    return 1 / ((1 - share) / factor + share);
  });
}

/** Published scalings: 3.1 and 3.2. The factors do not say from which numbers they came, so those are tried. */
const knownScalings: readonly RopeScaling[] = [8, 32, 16, 4, 2].map((factor) => ({ factor, low: 1, high: 4, original: 8192 }));

async function scalingOf(tensor: StoredTensor | undefined, theta: number, headDim: number, path: string): Promise<{ scaling?: RopeScaling }> {
  if (!tensor) return {};
  if (tensor.elements !== headDim / 2) throw corruptFile(path, `tensor ${ROPE_FACTORS} is [${tensor.shape}]; the model has [${headDim / 2}]`);
  const found = await allFloats(tensor);
  if (found.every((x) => x === 1)) return {};
  for (const scaling of knownScalings)
    if (ropeFactors(theta, headDim, scaling).every((x, i) => Math.abs(x / found[i]! - 1) < 1e-4)) return { scaling };
  throw new SinterError("input", `${path}: tensor ${ROPE_FACTORS} holds factors of an unknown scaling`, "Plain rotary embeddings and Llama 3's scaling are read.");
}

/** Metadata of a model that goes out, without those of its tokenizer. `fileType`: general.file_type. */
export function ggufPairs(a: Architecture, fileType: number): PairToWrite[] {
  const key = (rest: string): string => `${a.family}.${rest}`;
  return [
    text("general.architecture", a.family), text("general.name", a.name), u32("general.file_type", fileType), u32("general.quantization_version", 2),
    u32(key("vocab_size"), a.vocab), u32(key("context_length"), a.context), u32(key("embedding_length"), a.width), u32(key("block_count"), a.layers),
    u32(key("feed_forward_length"), a.hidden), u32(key("attention.head_count"), a.heads),
    ...(a.family === "gpt2" ? [f32(key("attention.layer_norm_epsilon"), a.eps)] : [
      u32(key("attention.head_count_kv"), a.kvHeads), f32(key("attention.layer_norm_rms_epsilon"), a.eps), u32(key("rope.dimension_count"), a.headDim),
      f32(key("rope.freq_base"), a.rope!.theta), u32(key("attention.key_length"), a.headDim), u32(key("attention.value_length"), a.headDim),
    ]),
  ];
}
