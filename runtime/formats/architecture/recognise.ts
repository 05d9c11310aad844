/**
 * A checked model as a member of a published family: its architecture, and what its tensors are called.
 * Anything else has no published form.
 */
import type { Assignment, Expression, Model, Part } from "../../contract/model.ts";
import { SinterError } from "../../base/errors.ts";
import { layerKindsOf, patternOf, type Architecture } from "./architecture.ts";
import type { Stems } from "./naming.ts";

export interface Recognised {
  readonly architecture: Architecture;
  /** Sinter's names by role. */
  readonly stems: Stems;
}

type PartOf<K extends Part["part"]> = Extract<Part, { readonly part: K }>;
type Norm = PartOf<"layernorm" | "rmsnorm">;

/** Throws `input` with the first thing that neither family has. */
export function recognise(model: Model): Recognised {
  const refuse = (why: string): never => {
    throw new SinterError(
      "input",
      `${model.name}: ${why}, so no published format has a place for it`,
      "These go out: GPT-2's layer (layernorm, attention, layernorm, mlp) and Llama's (rmsnorm, " +
        "attention with rope, rmsnorm, swiglu), also as Mistral, Mixtral (experts) and Qwen have it.",
    );
  };
  if (model.embed.norm)
    refuse(
      `it has ${model.embed.norm.part === "rmsnorm" ? "an" : "a"} ${model.embed.norm.part} of its embedding`,
    );
  const [first, second, ...more] = model.layer.map(
    (a) => residual(a) ?? refuse(`the layer has an equation other than x += part(norm(x))`),
  );
  if (!first || !second || more.length > 0 || first.part.part !== "attention")
    return refuse("its layer is not attention, then a feed-forward part");
  const attention = first.part;
  const ffn = second.part;
  const out = normed(model.output);
  if (!out || out.part.part !== "linear") return refuse("its output is not linear(norm(x))");
  const norms = [first.norm, second.norm, out.norm];
  const shape = sameNorms(norms) ?? refuse("its norms differ from each other");
  const common = commonOf(model, attention, out.part, shape);
  const stems = {
    token: "token_embedding",
    attentionNorm: `layers.${first.norm.name}`,
    ffnNorm: `layers.${second.norm.name}`,
    norm: `output.${out.norm.name}`,
    ...attentionStems(attention),
    ...headStems(out.part),
  };
  if (!attention.causal) refuse("its attention is not causal");

  if (ffn.part === "mlp" && shape.part === "layernorm") {
    if (!model.embed.position) refuse("it has no learned positions");
    if (attention.rope) refuse("it has rope and layernorm");
    if (attention.qkNorm) refuse("it has layernorm, and normalises queries and keys");
    if (common.window !== undefined)
      refuse("it has learned positions, and attention that sees less than the context");
    if (attention.kvHeads !== attention.heads) refuse("its heads share keys and values");
    if (attention.heads * attention.headDim !== model.sizes.width)
      refuse("its heads together are not as wide as the model");
    return {
      architecture: {
        ...common,
        family: "gpt2",
        hidden: ffn.hidden,
        activation: ffn.activation,
        rope: undefined,
        bias: { ...common.bias, ffn: ffn.bias },
      },
      stems: { ...stems, position: "position_embedding", ...feedForwardStems(ffn.name, ["up", "down"]) },
    };
  }
  if ((ffn.part === "swiglu" || ffn.part === "geglu") && shape.part === "rmsnorm") {
    if (model.embed.position) refuse("it has learned positions and rmsnorm");
    if (!attention.rope) return refuse("its attention has no rope");
    return {
      architecture: {
        ...common,
        family: "llama",
        hidden: ffn.hidden,
        activation: ffn.activation,
        rope: attention.rope,
        qkNorm: attention.qkNorm,
        bias: { ...common.bias, ffn: ffn.bias },
      },
      stems: { ...stems, ...feedForwardStems(ffn.name, ["gate", "up", "down"]) },
    };
  }
  if (ffn.part === "experts" && shape.part === "rmsnorm") {
    if (model.embed.position) refuse("it has learned positions and rmsnorm");
    if (!attention.rope) return refuse("its attention has no rope");
    if (!ffn.gated) refuse("its experts have no gates");
    if (!ffn.renormalise) refuse("the weights of a token's experts do not add up to 1 (renormalise: false)");
    return {
      architecture: {
        ...common,
        family: "llama",
        hidden: ffn.hidden,
        activation: ffn.activation,
        rope: attention.rope,
        qkNorm: attention.qkNorm,
        bias: { ...common.bias, ffn: false },
        experts: { count: ffn.count, top: ffn.top, balance: ffn.balance },
      },
      stems: {
        ...stems,
        router: `layers.${ffn.name}.router`,
        ...feedForwardStems(ffn.name, ["gate", "up", "down"]),
      },
    };
  }
  return refuse(`${shape.part} with ${ffn.part} is neither GPT-2's layer nor Llama's`);
}

const commonOf = (
  { name, sizes, pattern }: Model,
  attention: PartOf<"attention">,
  head: PartOf<"linear">,
  norm: Norm,
) => ({
  name,
  vocab: sizes.vocab,
  context: sizes.context,
  width: sizes.width,
  layers: sizes.layers,
  heads: attention.heads,
  kvHeads: attention.kvHeads,
  headDim: attention.headDim,
  eps: norm.eps,
  tied: head.tied,
  ...windowsOf(sizes, attention.window, pattern),
  bias: {
    norm: norm.bias,
    qkv: attention.bias,
    attentionOut: attention.outBias ?? attention.bias,
    head: head.bias,
  },
});

/** A window that nothing is outside of is none. */
function windowsOf(
  { layers, context }: Model["sizes"],
  window: number | undefined,
  pattern: Model["pattern"],
) {
  const kinds = layerKindsOf({ pattern, window, layers });
  return window === undefined || window >= context || !kinds.includes("banded")
    ? {}
    : { window, pattern: patternOf(kinds) };
}

const attentionStems = ({ name }: PartOf<"attention">): Stems => ({
  qkv: `layers.${name}.qkv`,
  qNorm: `layers.${name}.q_norm`,
  kNorm: `layers.${name}.k_norm`,
  attentionOut: `layers.${name}.out`,
});
const headStems = ({ name }: PartOf<"linear">): Stems => ({ head: `output.${name}` });
const feedForwardStems = (name: string, maps: readonly ("gate" | "up" | "down")[]): Stems =>
  Object.fromEntries(maps.map((map) => [map, `layers.${name}.${map}`]));

/** x = x + part(norm(x)) */
function residual({ name, value }: Assignment): { norm: Norm; part: Part } | undefined {
  if (name !== "x" || value.kind !== "add" || !isX(value.left)) return undefined;
  return normed(value.right);
}

/** part(norm(x)) */
function normed(value: Expression): { norm: Norm; part: Part } | undefined {
  if (value.kind !== "apply" || value.input.kind !== "apply" || !isX(value.input.input)) return undefined;
  const norm = value.input.part;
  return norm.part === "layernorm" || norm.part === "rmsnorm" ? { norm, part: value.part } : undefined;
}

const isX = (value: Expression): boolean => value.kind === "value" && value.name === "x";

function sameNorms(norms: readonly Norm[]): Norm | undefined {
  const [first] = norms;
  return first &&
    first.weight &&
    norms.every((n) => n.part === first.part && n.eps === first.eps && n.bias === first.bias && n.weight)
    ? first
    : undefined;
}
