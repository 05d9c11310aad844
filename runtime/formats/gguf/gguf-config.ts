/** A model's architecture in GGUF metadata, read and written (github.com/ggml-org/ggml, docs/gguf.md). */
import { SinterError } from "../../base/errors.ts";
import { baseName } from "../../base/files.ts";
import type { LayerKind } from "../../contract/model.ts";
import {
  checkSizes,
  layerKindsOf,
  modelName,
  patternOf,
  type Architecture,
  type Experts,
  type Family,
} from "../architecture/architecture.ts";
import type { GgufFile } from "./gguf.ts";
import { decimal, ropeOfGguf, ropePairs } from "./gguf-rope.ts";
import { GgufValues } from "./gguf-values.ts";
import { f32, list, text, u32, type PairToWrite } from "./gguf-write.ts";
import type { TensorIndex } from "../architecture/fit.ts";
import { isGgufType } from "../keys/gguf-model.ts";
import { shownValue } from "../../base/known-keys.ts";
import { ggufClasses, typesOf, type PublishedClass } from "../architecture/published-classes.ts";
import { allFloats, corruptFile } from "../kit/weights.ts";

/**
 * granite_swa has a logit per head (a sink) that takes a share of the attention and contributes nothing. This
 * value takes no share: its exponential is 0 in f32.
 */
export const NO_SINK = -1e9;
export const sinksName = (layer: number): string => `blk.${layer}.attn_sinks.weight`;

export interface ReadGguf {
  readonly architecture: Architecture;
  readonly published: PublishedClass;
  /** Lines for the user. */
  readonly notes: readonly string[];
}

export async function architectureOfGguf(file: GgufFile, index: TensorIndex): Promise<ReadGguf> {
  const { path } = file;
  const type = file.metadata.get("general.architecture");
  const published = isGgufType(type) ? ggufClasses.find((c) => c.type === type) : undefined;
  if (!isGgufType(type) || !published)
    throw new SinterError(
      "input",
      `${path}: general.architecture is ${shownValue(type)}`,
      `These are read: ${typesOf(ggufClasses)}.`,
    );
  const read = new GgufValues(file, type);
  const plain = await sizesOf(read, index, published.family);
  const note = read.note();
  const architecture = { ...plain, ...(await windowsOf(read, index, plain)) };
  return { architecture, published, notes: note === undefined ? [] : [note] };
}

async function sizesOf(read: GgufValues, index: TensorIndex, family: Family): Promise<Architecture> {
  const { path } = read.file;
  const has = (name: string): boolean => index.has(name);
  const isLlama = family === "llama";
  const token = index.get("token_embd.weight");
  if (!token)
    throw corruptFile(
      path,
      "it has no tensor token_embd.weight: metadata without weights",
      "Name a file that holds a model.",
    );
  const layers = read.number("block_count");
  const width = read.number("embedding_length");
  const heads = await read.ofLayers("attention.head_count", layers);
  const headDim = read.number("attention.key_length", width / heads);
  const hidden = await read.ofLayers("feed_forward_length", layers);
  const epsKey = isLlama ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon";
  const eps = decimal(read.number(epsKey));
  const architecture = checkSizes(
    {
      family,
      name: nameOf(read, family),
      vocab: token.shape[0] ?? 0,
      context: read.number("context_length"),
      width,
      layers,
      heads,
      kvHeads: await read.ofLayers("attention.head_count_kv", layers, heads),
      headDim,
      hidden,
      activation: isLlama ? "silu" : "gelu_tanh",
      eps,
      qkNorm: has("blk.0.attn_q_norm.weight") ? { eps } : undefined,
      rope: isLlama ? await ropeOfGguf(read, index, headDim) : undefined,
      experts: expertsOf(read, hidden),
      tied: !has("output.weight"),
      bias: {
        norm: has("output_norm.bias"),
        qkv: has("blk.0.attn_qkv.bias") || has("blk.0.attn_q.bias"),
        attentionOut: has("blk.0.attn_output.bias"),
        ffn: has("blk.0.ffn_up.bias"),
        head: has("output.bias"),
      },
    },
    path,
    {
      vocab: "rows of token_embd.weight",
      context: read.name("context_length"),
      width: read.name("embedding_length"),
      layers: read.name("block_count"),
      heads: read.name("attention.head_count"),
      kvHeads: read.name("attention.head_count_kv"),
      headDim: read.name("attention.key_length"),
      hidden: read.name("feed_forward_length"),
    },
  );
  checkScores(read, architecture);
  return architecture;
}

/**
 * The model's name: from the metadata, otherwise from the file's name, without the number of a split file.
 */
function nameOf({ file: { path, metadata } }: GgufValues, family: Family): string {
  const title = metadata.get("general.name");
  const own = baseName(path).replace(/-\d{5}-of-\d{5}(?=\.gguf$)/, "");
  return modelName(typeof title === "string" && title !== family ? title : own);
}

/**
 * Checks that values are as wide as keys, that scores are divided by the root of that width, and that rope
 * rotates all columns of a head.
 */
function checkScores(read: GgufValues, { headDim, heads, kvHeads, family }: Architecture): void {
  const allColumns = "All of a head's columns are what Sinter takes.";
  if (read.number("attention.value_length", headDim) !== headDim)
    read.refuse("attention.value_length", `its keys have ${headDim} columns`, allColumns);
  if (read.number("rope.dimension_count", headDim) !== headDim)
    read.refuse("rope.dimension_count", `a head has ${headDim} columns`, allColumns);
  const scale = read.number("attention.scale", 0);
  if (scale !== 0 && Math.fround(scale) !== Math.fround(1 / Math.sqrt(headDim)))
    read.refuse(
      "attention.scale",
      `1 / √${headDim} is what Sinter does`,
      "Take weights that were made without it.",
    );
  if (family === "gpt2" && kvHeads !== heads)
    read.refuse(
      "attention.head_count_kv",
      "heads of gpt2 do not share keys and values",
      "Is it another architecture's file?",
    );
}

function expertsOf(read: GgufValues, hidden: number): Experts | undefined {
  const count = read.number("expert_count", 0);
  if (count === 0) {
    if (read.number("expert_used_count", 0) !== 0)
      read.refuse("expert_used_count", "it has no experts", "Is the file whole?");
    return undefined;
  }
  if (read.type !== "llama")
    read.refuse(
      "expert_count",
      "experts are read of llama (Mixtral) alone",
      "Take a model without experts, or a Mixtral.",
    );
  if (read.number("expert_feed_forward_length", hidden) !== hidden)
    read.refuse(
      "expert_feed_forward_length",
      `feed_forward_length is ${hidden}`,
      "Experts of that width are what llama's architecture has.",
    );
  return { count, top: read.number("expert_used_count") };
}

/** Granite's window and kinds of layers. The other architectures have neither. */
async function windowsOf(
  read: GgufValues,
  index: TensorIndex,
  a: Architecture,
): Promise<Pick<Architecture, "window" | "pattern">> {
  if (read.type === "granite_swa") return graniteWindows(read, index, a);
  const window = read.number("attention.sliding_window", 0);
  if (window !== 0 && window < a.context)
    read.refuse(
      "attention.sliding_window",
      `models of architecture ${read.type} are read without a window`,
      "With the Hugging Face folder its window is read.",
    );
  return {};
}

/**
 * Reads what granite_swa has beyond Llama's layer: the window of each layer. Its sinks have to take no
 * attention.
 */
async function graniteWindows(
  read: GgufValues,
  index: TensorIndex,
  a: Architecture,
): Promise<Pick<Architecture, "window" | "pattern">> {
  for (let i = 0; i < a.layers; i++) {
    const sinks = index.get(sinksName(i));
    if (sinks && !(await allFloats(sinks)).every((x) => x < -1000))
      throw new SinterError(
        "input",
        `${read.file.path}: ${sinksName(i)} takes a share of the attention`,
        "Attention without sinks is read.",
      );
  }
  const key = "attention.sliding_window_pattern";
  const pattern = await read.list(key, a.layers);
  if (pattern?.length !== a.layers) read.wrong(key, `a list of ${a.layers}`);
  const kinds = pattern!.map((banded): LayerKind => {
    if (banded === true || banded === 1) return "banded";
    return banded === false || banded === 0 ? "dense" : read.wrong(key, "a list of true and false");
  });
  return kinds.includes("banded")
    ? { window: read.number("attention.sliding_window"), pattern: patternOf(kinds) }
    : {};
}

/**
 * The metadata of a model that goes out, without its tokenizer's. `type` is general.architecture, `fileType`
 * is general.file_type.
 */
export function ggufPairs(a: Architecture, type: string, fileType: number): PairToWrite[] {
  const key = (rest: string): string => `${type}.${rest}`;
  return [
    text("general.architecture", type),
    text("general.name", a.name),
    u32("general.file_type", fileType),
    u32("general.quantization_version", 2),
    u32(key("vocab_size"), a.vocab),
    u32(key("context_length"), a.context),
    u32(key("embedding_length"), a.width),
    u32(key("block_count"), a.layers),
    u32(key("feed_forward_length"), a.hidden),
    u32(key("attention.head_count"), a.heads),
    ...(a.family === "gpt2"
      ? [f32(key("attention.layer_norm_epsilon"), a.eps)]
      : [
          u32(key("attention.head_count_kv"), a.kvHeads),
          f32(key("attention.layer_norm_rms_epsilon"), a.eps),
          u32(key("rope.dimension_count"), a.headDim),
          ...(a.experts
            ? [u32(key("expert_count"), a.experts.count), u32(key("expert_used_count"), a.experts.top)]
            : []),
          f32(key("rope.freq_base"), a.rope!.theta),
          ...ropePairs(type, a.rope!),
          u32(key("attention.key_length"), a.headDim),
          u32(key("attention.value_length"), a.headDim),
        ]),
    ...(type === "granite_swa"
      ? [
          f32(key("logit_scale"), 1),
          u32(key("attention.sliding_window"), a.window!),
          list(
            key("attention.sliding_window_pattern"),
            "bool",
            layerKindsOf(a).map((kind) => kind === "banded"),
          ),
        ]
      : []),
  ];
}
