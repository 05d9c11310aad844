/**
 * GPT-2 with a key-value cache as an ONNX graph (opset 20), for ONNX Runtime. Attention is com.microsoft's
 * MultiHeadAttention, which both of its builds have and which reads the cache in place of a chain of standard
 * operators; everything else is standard.
 *
 *   tokens[1,T] past_key_l[1,H,P,D] past_value_l[1,H,P,D]
 *     ->  logits[1,V] after the last token, present_key_l[1,H,P+T,D] present_value_l[1,H,P+T,D]
 */
import {
  externalTensor,
  FLOAT,
  INT64,
  integers,
  model,
  node,
  tensor,
  value,
  type Attribute,
  type External,
} from "./onnx.ts";
import { concat } from "../../runtime/base/bytes.ts";
import { bytes, type Bytes } from "../../runtime/base/protobuf-write.ts";

export interface Gpt2Sizes {
  readonly vocab: number;
  readonly context: number;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly hidden: number;
}

/** One tensor as the graph wants it: linear layers are [in,out]; dense f32, row-major. */
export interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
}

/**
 * The weights in the order of the file that holds them. Names are those of Sinter's checkpoints for
 * specs/gpt2.sinter.
 */
export function gpt2Weights(s: Gpt2Sizes): Weight[] {
  const { vocab: V, context: L, width: C, hidden: F } = s;
  const linear = (name: string, K: number, N: number): Weight[] => [
    { name: `${name}.weight`, shape: [K, N] },
    { name: `${name}.bias`, shape: [N] },
  ];
  const norm = (name: string): Weight[] => [
    { name: `${name}.weight`, shape: [C] },
    { name: `${name}.bias`, shape: [C] },
  ];
  return [
    { name: "token_embedding.weight", shape: [V, C] },
    { name: "position_embedding.weight", shape: [L, C] },
    ...Array.from({ length: s.layers }, (_, l) => [
      ...norm(`layers.${l}.layernorm_1`),
      ...linear(`layers.${l}.attention.qkv`, C, 3 * C),
      ...linear(`layers.${l}.attention.out`, C, C),
      ...norm(`layers.${l}.layernorm_2`),
      ...linear(`layers.${l}.mlp.up`, C, F),
      ...linear(`layers.${l}.mlp.down`, F, C),
    ]).flat(),
    ...norm("output.layernorm"),
  ];
}

export const weightBytes = ({ shape }: Weight): number => 4 * shape.reduce((a, b) => a * b, 1);
export const pastNames = (layers: number): string[] =>
  Array.from({ length: layers }, (_, l) => [`past_key_${l}`, `past_value_${l}`]).flat();
export const presentName = (past: string): string => past.replace("past", "present");

/** A graph under construction. Each method adds a node and returns the name of its output. */
class GraphBuilder {
  readonly nodes: Bytes[] = [];
  readonly constants: Bytes[] = [];

  emit(
    op: string,
    inputs: readonly string[],
    output: string,
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string {
    this.nodes.push(node(op, inputs, [output], attributes));
    return output;
  }

  /** One whole number. */
  constant(name: string, number: number): string {
    this.constants.push(tensor(name, INT64, [], integers([number])));
    return name;
  }

  norm(x: string, name: string): string {
    const attributes = { axis: -1, epsilon: { float: 1e-5 } };
    return this.emit("LayerNormalization", [x, `${name}.weight`, `${name}.bias`], `${name}.out`, attributes);
  }

  linear(x: string, name: string): string {
    const product = this.emit("MatMul", [x, `${name}.weight`], `${name}.product`);
    return this.emit("Add", [product, `${name}.bias`], `${name}.out`);
  }

  sum(a: string, b: string, output: string): string {
    return this.emit("Add", [a, b], output);
  }
}

/** The model's bytes. Weights lie in `file`, one after the other, in the order of `gpt2Weights`. */
export function gpt2Onnx(s: Gpt2Sizes, file: string): Bytes {
  const g = new GraphBuilder();
  let x = embedding(g);
  for (let l = 0; l < s.layers; l++) x = layer(g, x, l, s.heads);
  const last = g.emit("Gather", [x, g.constant("last", -1)], "row", { axis: 1 });
  const row = g.norm(last, "output.layernorm");
  g.emit("Gemm", [row, "token_embedding.weight"], "logits", { transB: 1 });

  const cache = (length: string) => [1, s.heads, length, s.width / s.heads] as const;
  const caches = pastNames(s.layers);
  const weights = placed(gpt2Weights(s), file);
  return model("gpt2", 20, {
    nodes: g.nodes,
    initializers: [...g.constants, ...weights.map(([w, at]) => externalTensor(w.name, FLOAT, w.shape, at))],
    inputs: [value("tokens", INT64, [1, "T"]), ...caches.map((name) => value(name, FLOAT, cache("P")))],
    outputs: [
      value("logits", FLOAT, [1, s.vocab]),
      ...caches.map((name) => value(presentName(name), FLOAT, cache("PT"))),
    ],
  });
}

/** The tokens' rows of the table, plus those of their positions, which begin after the cached ones. */
function embedding(g: GraphBuilder): string {
  const one = g.constant("one", 1);
  const two = g.constant("two", 2);
  const length = g.emit("Gather", [g.emit("Shape", ["tokens"], "tokens.shape"), one], "length");
  const past = g.emit("Gather", [g.emit("Shape", ["past_key_0"], "past.shape"), two], "past");
  const positions = g.emit("Range", [past, g.sum(past, length, "total"), one], "positions");
  const embedded = g.emit("Gather", ["token_embedding.weight", "tokens"], "embedded");
  const places = g.emit("Gather", ["position_embedding.weight", positions], "places");
  return g.sum(embedded, places, "x");
}

function layer(g: GraphBuilder, x: string, l: number, heads: number): string {
  const name = `layers.${l}`;
  const qkv = g.linear(g.norm(x, `${name}.layernorm_1`), `${name}.attention.qkv`);
  const parts = ["q", "k", "v"].map((part) => `${name}.${part}`);
  g.nodes.push(node("Split", [qkv], parts, { axis: 2, num_outputs: 3 }));
  const attended = `${name}.attended`;
  const attention = node(
    "MultiHeadAttention",
    // query, key, value, bias, key_padding_mask, attention_bias, past_key, past_value
    [...parts, "", "", "", `past_key_${l}`, `past_value_${l}`],
    [attended, `present_key_${l}`, `present_value_${l}`],
    { num_heads: heads, unidirectional: 1 },
  );
  const domain = bytes(7, new TextEncoder().encode("com.microsoft") as Bytes); // NodeProto.domain
  g.nodes.push(concat([attention, domain]));
  const middle = g.sum(x, g.linear(attended, `${name}.attention.out`), `${name}.middle`);
  const up = g.linear(g.norm(middle, `${name}.layernorm_2`), `${name}.mlp.up`);
  const hidden = g.emit("Gelu", [up], `${name}.hidden`, { approximate: "tanh" });
  return g.sum(middle, g.linear(hidden, `${name}.mlp.down`), `${name}.end`);
}

function placed(weights: readonly Weight[], file: string): (readonly [Weight, External])[] {
  let offset = 0;
  return weights.map((w) => {
    const at = { file, offset, bytes: weightBytes(w) };
    offset += at.bytes;
    return [w, at] as const;
  });
}
