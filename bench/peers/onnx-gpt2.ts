/**
 * GPT-2 with a key-value cache as an ONNX graph (opset 20), for ONNX Runtime. Attention is com.microsoft's
 * MultiHeadAttention, which both of its builds have and which reads the cache in place of a chain of standard
 * operators; everything else is standard.
 *
 *   tokens[1,T] past_key_l[1,H,P,D] past_value_l[1,H,P,D]  ->  logits[1,V] after the last token, present_key_l, present_value_l [1,H,P+T,D]
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
import { bytes, concat, type Bytes } from "./protobuf.ts";

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
 * In the order of the file that holds them. Names are those of Sinter's checkpoints for the equations of
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

/** The model's bytes. Weights lie in `file`, one after the other, in the order of `gpt2Weights`. */
export function gpt2Onnx(s: Gpt2Sizes, file: string): Bytes {
  const nodes: Bytes[] = [];
  const constants: Bytes[] = [];
  const emit = (
    op: string,
    inputs: readonly string[],
    output: string,
    attributes: Readonly<Record<string, Attribute>> = {},
  ): string => {
    nodes.push(node(op, inputs, [output], attributes));
    return output;
  };
  const constant = (name: string, values: readonly number[], shape: readonly number[] = []): string => {
    constants.push(tensor(name, INT64, shape, integers(values)));
    return name;
  };
  const norm = (x: string, name: string): string =>
    emit("LayerNormalization", [x, `${name}.weight`, `${name}.bias`], `${name}.out`, {
      axis: -1,
      epsilon: { float: 1e-5 },
    });
  const linear = (x: string, name: string): string =>
    emit("Add", [emit("MatMul", [x, `${name}.weight`], `${name}.product`), `${name}.bias`], `${name}.out`);

  for (const [name, number] of [
    ["one", 1],
    ["two", 2],
    ["last", -1],
  ] as const)
    constant(name, [number]);
  const length = emit("Gather", [emit("Shape", ["tokens"], "tokens.shape"), "one"], "length");
  const past = emit("Gather", [emit("Shape", ["past_key_0"], "past.shape"), "two"], "past");
  const positions = emit("Range", [past, emit("Add", [past, length], "total"), "one"], "positions");
  let x = emit(
    "Add",
    [
      emit("Gather", ["token_embedding.weight", "tokens"], "embedded"),
      emit("Gather", ["position_embedding.weight", positions], "places"),
    ],
    "x",
  );
  for (let l = 0; l < s.layers; l++) {
    const name = `layers.${l}`;
    const qkv = linear(norm(x, `${name}.layernorm_1`), `${name}.attention.qkv`);
    const parts = ["q", "k", "v"].map((part) => `${name}.${part}`);
    const mixed = `${name}.mixed`;
    nodes.push(node("Split", [qkv], parts, { axis: 2, num_outputs: 3 }));
    // inputs: query key value, bias, key_padding_mask, attention_bias, past_key, past_value
    nodes.push(
      concat([
        node(
          "MultiHeadAttention",
          [...parts, "", "", "", `past_key_${l}`, `past_value_${l}`],
          [mixed, `present_key_${l}`, `present_value_${l}`],
          { num_heads: s.heads, unidirectional: 1 },
        ),
        bytes(7, new TextEncoder().encode("com.microsoft") as Bytes), // NodeProto.domain
      ]),
    );
    x = emit("Add", [x, linear(mixed, `${name}.attention.out`)], `${name}.middle`);
    const bent = emit("Gelu", [linear(norm(x, `${name}.layernorm_2`), `${name}.mlp.up`)], `${name}.bent`, {
      approximate: "tanh",
    });
    x = emit("Add", [x, linear(bent, `${name}.mlp.down`)], `${name}.end`);
  }
  const row = norm(emit("Gather", [x, "last"], "row", { axis: 1 }), "output.layernorm");
  emit("Gemm", [row, "token_embedding.weight"], "logits", { transB: 1 });

  const cache = (length: string) => [1, s.heads, length, s.width / s.heads] as const;
  const caches = pastNames(s.layers);
  return model("gpt2", 20, {
    nodes,
    initializers: [
      ...constants,
      ...placed(gpt2Weights(s), file).map(([w, at]) => externalTensor(w.name, FLOAT, w.shape, at)),
    ],
    inputs: [value("tokens", INT64, [1, "T"]), ...caches.map((name) => value(name, FLOAT, cache("P")))],
    outputs: [
      value("logits", FLOAT, [1, s.vocab]),
      ...caches.map((name) => value(presentName(name), FLOAT, cache("PT"))),
    ],
  });
}

function placed(weights: readonly Weight[], file: string): (readonly [Weight, External])[] {
  let offset = 0;
  return weights.map((w) => {
    const at = { file, offset, bytes: weightBytes(w) };
    offset += at.bytes;
    return [w, at] as const;
  });
}
