/** A model's configuration in GGUF metadata, both ways (github.com/ggml-org/ggml, docs/gguf.md). */
import { SinterError } from "../errors.ts";
import type { RopeScaling } from "../../compiler/2-check/model.ts";
import { checkSizes, layerKindsOf, modelName, patternOf, type Architecture } from "./architecture.ts";
import type { GgufFile } from "./gguf.ts";
import { f32, list, text, u32, type PairToWrite } from "./gguf-write.ts";
import type { TensorIndex } from "./fit.ts";
import { ggufClasses, typesOf, type PublishedClass } from "./published-classes.ts";
import { allFloats, corruptFile, type StoredTensor } from "./weights.ts";

export const ROPE_FACTORS = "rope_freqs.weight";

/** granite_swa has a logit per head that takes a share of the attention and gives nothing: this one takes none (e to it is 0 in f32). */
export const NO_SINK = -1e9;
export const sinksName = (layer: number): string => `blk.${layer}.attn_sinks.weight`;

export async function architectureOfGguf(file: GgufFile, index: TensorIndex): Promise<{ readonly architecture: Architecture; readonly published: PublishedClass }> {
  const { path } = file, value = (key: string): unknown => file.metadata.get(key);
  const wrong = (key: string, what: string): never => {
    throw corruptFile(path, `the metadata pair ${key} is ${String(value(key))}; ${what} was expected`);
  };
  const type = value("general.architecture"), published = ggufClasses.find((c) => c.type === type);
  if (!published) throw new SinterError("input", `${path}: general.architecture is ${JSON.stringify(type ?? null)}`, `These are read: ${typesOf(ggufClasses)}.`);
  const { family } = published;
  const number = (key: string, otherwise?: number): number => {
    const found = value(`${published.type}.${key}`) ?? otherwise;
    return typeof found === "number" && Number.isFinite(found) ? found : typeof found === "bigint" ? Number(found) : wrong(`${published.type}.${key}`, "a number");
  };
  const experts = number("expert_count", 0) > 0 ? { count: number("expert_count"), top: number("expert_used_count") } : undefined;
  if (experts && published.type !== "llama") throw new SinterError("input", `${path}: it has experts, which are read of llama (Mixtral) alone`);
  if (number("rope.scaling.factor", 1) !== 1) throw new SinterError("input", `${path}: its rotary embedding is scaled by a factor of ${number("rope.scaling.factor", 1)}`, "Plain ones and Llama 3's are read.");
  const token = index.get("token_embd.weight");
  if (!token) throw corruptFile(path, "it has no tensor token_embd.weight: metadata without weights", "Name a file that holds a model.");
  const has = (name: string): boolean => index.has(name);
  const width = number("embedding_length"), heads = number("attention.head_count"), headDim = number("attention.key_length", width / heads);
  const isLlama = family === "llama";
  if (isLlama && number("rope.dimension_count", headDim) !== headDim) throw new SinterError("input", `${path}: its rotary embedding turns ${number("rope.dimension_count")} of ${headDim} columns of a head`, "All of them is what Sinter does.");
  const theta = decimal(number("rope.freq_base", 10000));
  const title = value("general.name"), base = path.slice(path.lastIndexOf("/") + 1);
  const layers = number("block_count"), eps = decimal(number(isLlama ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon"));
  const architecture = checkSizes({
    family, name: modelName(typeof title === "string" && title !== family ? title : base), vocab: token.shape[0] ?? 0, context: number("context_length"), width, layers,
    heads, kvHeads: number("attention.head_count_kv", heads), headDim, hidden: number("feed_forward_length"), activation: isLlama ? "silu" : "gelu_tanh",
    eps, qkNorm: has("blk.0.attn_q_norm.weight") ? { eps } : undefined,
    rope: isLlama ? { theta, ...await scalingOf(index.get(ROPE_FACTORS), theta, headDim, path) } : undefined,
    experts,
    tied: !has("output.weight"),
    bias: { norm: has("output_norm.bias"), qkv: has("blk.0.attn_qkv.bias") || has("blk.0.attn_q.bias"), attentionOut: has("blk.0.attn_output.bias"), ffn: has("blk.0.ffn_up.bias"), head: has("output.bias") },
  }, path, { vocab: "rows of token_embd.weight", context: `${published.type}.context_length`, width: `${published.type}.embedding_length`, layers: `${published.type}.block_count`,
    heads: `${published.type}.attention.head_count`, kvHeads: `${published.type}.attention.head_count_kv`, hidden: `${published.type}.feed_forward_length` });
  return { published, architecture: published.type === "granite_swa" ? { ...architecture, ...await graniteWindows(file, index, architecture, number) } : architecture };
}

/** What granite_swa has beyond Llama's layer and a window: scales of 1 and sinks that take nothing are read, others are not. */
async function graniteWindows(file: GgufFile, index: TensorIndex, a: Architecture, number: (key: string, otherwise?: number) => number): Promise<Pick<Architecture, "window" | "pattern">> {
  const neutral: Readonly<Record<string, readonly number[]>> = { logit_scale: [1], residual_scale: [1, 0], embedding_scale: [1, 0], "attention.scale": [0, Math.fround(1 / Math.sqrt(a.headDim))] };
  for (const [key, values] of Object.entries(neutral))
    if (!values.includes(number(key, values[0]))) throw new SinterError("input", `${file.path}: granite_swa.${key} is ${number(key)}`, "Models whose values are not scaled are read.");
  for (let i = 0; i < a.layers; i++) {
    const sinks = index.get(sinksName(i));
    if (sinks && !(await allFloats(sinks)).every((x) => x < -1000)) throw new SinterError("input", `${file.path}: ${sinksName(i)} takes a share of the attention`, "Attention without sinks is read.");
  }
  const pattern = await file.array("granite_swa.attention.sliding_window_pattern", a.layers);
  if (pattern?.length !== a.layers) throw corruptFile(file.path, `granite_swa.attention.sliding_window_pattern is no list of ${a.layers}`);
  const kinds = pattern.map((banded) => (banded === true || banded === 1 ? "banded" : "dense"));
  return kinds.includes("banded") ? { window: number("attention.sliding_window"), pattern: patternOf(kinds) } : {};
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

/** Metadata of a model that goes out, without those of its tokenizer. `type`: general.architecture, `fileType`: general.file_type. */
export function ggufPairs(a: Architecture, type: string, fileType: number): PairToWrite[] {
  const key = (rest: string): string => `${type}.${rest}`;
  return [
    text("general.architecture", type), text("general.name", a.name), u32("general.file_type", fileType), u32("general.quantization_version", 2),
    u32(key("vocab_size"), a.vocab), u32(key("context_length"), a.context), u32(key("embedding_length"), a.width), u32(key("block_count"), a.layers),
    u32(key("feed_forward_length"), a.hidden), u32(key("attention.head_count"), a.heads),
    ...(a.family === "gpt2" ? [f32(key("attention.layer_norm_epsilon"), a.eps)] : [
      u32(key("attention.head_count_kv"), a.kvHeads), f32(key("attention.layer_norm_rms_epsilon"), a.eps), u32(key("rope.dimension_count"), a.headDim),
      ...(a.experts ? [u32(key("expert_count"), a.experts.count), u32(key("expert_used_count"), a.experts.top)] : []),
      f32(key("rope.freq_base"), a.rope!.theta), u32(key("attention.key_length"), a.headDim), u32(key("attention.value_length"), a.headDim),
    ]),
    ...(type === "granite_swa" ? [
      f32(key("logit_scale"), 1), u32(key("attention.sliding_window"), a.window!), list(key("attention.sliding_window_pattern"), "bool", layerKindsOf(a).map((kind) => kind === "banded")),
    ] : []),
  ];
}
