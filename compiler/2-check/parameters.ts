/**
 * Parameter count by formula: which tensors a model has, part by part. The graph builder makes the same ones;
 * a test holds them together.
 */
import {
  nameIn,
  POSITION_TABLE,
  TOKEN_TABLE,
  type ParameterSection,
} from "../../runtime/contract/parameter-names.ts";
import type { Expression, Head, Model, Part } from "../../runtime/contract/model.ts";

export interface ParameterTensor {
  /** As in checkpoints, without the layer's number: "layers.attention.qkv.weight". */
  readonly name: string;
  readonly shape: readonly number[];
}

export interface PartCount {
  readonly section: ParameterSection;
  readonly name: string;
  readonly tensors: readonly ParameterTensor[];
  /** Parameters of one, and how many there are (layers). */
  readonly each: number;
  readonly times: number;
  readonly total: number;
}

const tensor = (name: string, ...shape: number[]): ParameterTensor => ({ name, shape });
const when = (condition: boolean, ...tensors: ParameterTensor[]): ParameterTensor[] =>
  condition ? tensors : [];
const elements = (t: ParameterTensor): number => t.shape.reduce((a, b) => a * b, 1);

/**
 * A part's own tensors, as [in, out] where they are matrices. A tied linear has no weight of its own. What
 * importers must know:
 *
 *   attention.qkv   columns: q of all heads, k of all kv_heads, v of all kv_heads, head_dim each.
 *                   Query head h uses kv head ⌊h · kv_heads / heads⌋;
 *                   rope turns columns 2i and 2i + 1 of a head together ("interleaved", as in Meta's files;
 *                   Hugging Face's pair i with i + head_dim/2)
 *   attention.q_norm, k_norm   one factor per column of a head, in the order of qkv's columns
 *   swiglu, geglu   down( f(x · gate) ∘ (x · up) ): w1, w3, w2 of Meta's files are gate, up, down
 *   experts         [count, in, out], one matrix per expert; router [width, count]
 */
export function partTensors(part: Part, stem: string): ParameterTensor[] {
  return tensorsOf(part).map((t) => ({ ...t, name: `${stem}.${t.name}` }));
}

function tensorsOf(part: Part): ParameterTensor[] {
  switch (part.part) {
    case "layernorm":
    case "rmsnorm":
      return [
        ...when(part.weight, tensor("weight", part.width)),
        ...when(part.bias, tensor("bias", part.width)),
      ];
    case "attention": {
      const inner = part.heads * part.headDim;
      const qkv = inner + 2 * part.kvHeads * part.headDim;
      return [
        tensor("qkv.weight", part.width, qkv),
        ...when(part.bias, tensor("qkv.bias", qkv)),
        ...when(
          part.qkNorm !== undefined,
          tensor("q_norm.weight", part.headDim),
          tensor("k_norm.weight", part.headDim),
        ),
        tensor("out.weight", inner, part.width),
        ...when(part.outBias ?? part.bias, tensor("out.bias", part.width)),
      ];
    }
    case "mlp":
      return [
        tensor("up.weight", part.width, part.hidden),
        ...when(part.bias, tensor("up.bias", part.hidden)),
        tensor("down.weight", part.hidden, part.width),
        ...when(part.bias, tensor("down.bias", part.width)),
      ];
    case "swiglu":
    case "geglu":
      return [
        ...["gate", "up"].flatMap((map) => [
          tensor(`${map}.weight`, part.width, part.hidden),
          ...when(part.bias, tensor(`${map}.bias`, part.hidden)),
        ]),
        tensor("down.weight", part.hidden, part.width),
        ...when(part.bias, tensor("down.bias", part.width)),
      ];
    case "experts":
      return [
        tensor("router.weight", part.width, part.count),
        ...when(part.gated, tensor("gate.weight", part.count, part.width, part.hidden)),
        tensor("up.weight", part.count, part.width, part.hidden),
        tensor("down.weight", part.count, part.hidden, part.width),
      ];
    case "linear":
      return [
        ...when(!part.tied, tensor("weight", part.width, part.out)),
        ...when(part.bias, tensor("bias", part.out)),
      ];
    default:
      return part satisfies never;
  }
}

/** Parameters of one part. */
export const partParameters = (part: Part): number =>
  tensorsOf(part).reduce((sum, t) => sum + elements(t), 0);

/** A scalar head's tensors; it reads what the output's linear map reads. */
export function headTensors({ name, bias }: Head, output: Expression): ParameterTensor[] {
  const stem = nameIn("head", name);
  const width = outermost(output).part.width;
  return [tensor(`${stem}.weight`, width), ...when(bias, tensor(`${stem}.bias`, 1))];
}

/** The linear map that ends the output. */
export function outermost(output: Expression): Extract<Expression, { kind: "apply" }> {
  if (output.kind !== "apply") throw new Error("an output ends in a linear map: the checker refuses others");
  return output;
}

/** Parts in the order in which they are computed. */
export function partsOf(expression: Expression): Part[] {
  switch (expression.kind) {
    case "value":
      return [];
    case "add":
      return [...partsOf(expression.left), ...partsOf(expression.right)];
    case "apply":
      return [...partsOf(expression.input), expression.part];
  }
}

export const layerParts = (model: Pick<Model, "layer">): Part[] =>
  model.layer.flatMap((a) => partsOf(a.value));

type Counted = Pick<Model, "sizes" | "embed" | "layer" | "output" | "head">;

export function parameterRows({ sizes, embed, layer, output, head }: Counted): PartCount[] {
  const row = (
    section: PartCount["section"],
    name: string,
    tensors: readonly ParameterTensor[],
    times: number,
  ): PartCount => {
    const each = tensors.reduce((sum, t) => sum + elements(t), 0);
    return { section, name, tensors, each, times, total: each * times };
  };
  return [
    row("embed", "token", [tensor(TOKEN_TABLE, sizes.vocab, sizes.width)], 1),
    ...(embed.position
      ? [row("embed", "position", [tensor(POSITION_TABLE, sizes.context, sizes.width)], 1)]
      : []),
    ...(embed.norm
      ? [row("embed", embed.norm.name, partTensors(embed.norm, nameIn("embed", embed.norm.name)), 1)]
      : []),
    ...layerParts({ layer }).map((part) =>
      row("layer", part.name, partTensors(part, nameIn("layer", part.name)), sizes.layers),
    ),
    ...partsOf(output).map((part) =>
      row("output", part.name, partTensors(part, nameIn("output", part.name)), 1),
    ),
    ...(head ? [row("head", head.name, headTensors(head, output), 1)] : []),
  ];
}

/** What one token's pass uses: of a mixture's experts, as many as a token is sent to. */
export const activeParameters = (model: Counted): number =>
  parameterCount(model) -
  [
    ...layerParts(model).map((part) => [part, model.sizes.layers] as const),
    ...partsOf(model.output).map((part) => [part, 1] as const),
  ].reduce(
    (sum, [part, times]) =>
      sum +
      (part.part === "experts"
        ? times * (part.count - part.top) * (part.gated ? 3 : 2) * part.width * part.hidden
        : 0),
    0,
  );

export const parameterCount = (model: Counted): number =>
  parameterRows(model).reduce((sum, r) => sum + r.total, 0);
