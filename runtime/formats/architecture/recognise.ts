/**
 * Recognises a checked model as a member of a published family: its architecture, and the names of its
 * tensors. A model that is of neither family has no published form.
 */
import { nameIn, POSITION_TABLE, TOKEN_TABLE } from "../../contract/parameter-names.ts";
import type { Activation, Assignment, Expression, Model, Part } from "../../contract/model.ts";
import { SinterError } from "../../base/errors.ts";
import { layerKindsOf, patternOf, type Architecture, type Biases } from "./architecture.ts";
import type { Stems } from "./naming.ts";

export interface Recognised {
  readonly architecture: Architecture;
  /** The names of its tensors by role. */
  readonly stems: Stems;
}

type PartOf<K extends Part["part"]> = Extract<Part, { readonly part: K }>;
type Norm = PartOf<"layernorm" | "rmsnorm">;

/** Throws `input` with the first thing that neither family has. */
export function recognise(model: Model): Recognised {
  const refuse = refusalOf(model);
  const equations = equationsOf(model, refuse);
  const { attention, ffn, norm } = equations;
  if (!attention.causal) refuse("its attention is not causal");
  const common = commonOf(model, equations);
  const stems = commonStems(equations);
  if (ffn.part === "mlp" && norm.part === "layernorm") {
    checkGpt2(model, attention, common.window, refuse);
    return {
      architecture: { ...common, family: "gpt2", ...feedForwardOf(common.bias, ffn), rope: undefined },
      stems: { ...stems, position: stemOf(POSITION_TABLE), ...feedForwardStems(ffn.name, ["up", "down"]) },
    };
  }
  const gated = ffn.part === "swiglu" || ffn.part === "geglu" || ffn.part === "experts";
  if (!gated || norm.part !== "rmsnorm")
    return refuse(`${norm.part} with ${ffn.part} is neither GPT-2's layer nor Llama's`);
  if (model.embed.position) refuse("it has learned positions and rmsnorm");
  if (!attention.rope) return refuse("its attention has no rope");
  const llama = { ...common, family: "llama", rope: attention.rope, qkNorm: attention.qkNorm } as const;
  const maps = feedForwardStems(ffn.name, ["gate", "up", "down"]);
  if (ffn.part !== "experts")
    return {
      architecture: { ...llama, ...feedForwardOf(common.bias, ffn) },
      stems: { ...stems, ...maps },
    };
  if (!ffn.gated) refuse("its experts have no gates");
  if (!ffn.renormalise) refuse("the weights of a token's experts do not add up to 1 (renormalise: false)");
  return {
    architecture: {
      ...llama,
      ...feedForwardOf(common.bias, { ...ffn, bias: false }),
      experts: { count: ffn.count, top: ffn.top, balance: ffn.balance },
    },
    stems: { ...stems, router: nameIn("layer", `${ffn.name}.router`), ...maps },
  };
}

/** Throws `input`, and says why the model has no published form. */
type Refuse = (why: string) => never;

const refusalOf =
  (model: Model): Refuse =>
  (why) => {
    throw new SinterError(
      "input",
      `${model.name}: ${why}, so no published format has a place for it`,
      "These go out: GPT-2's layer (layernorm, attention, layernorm, mlp) and Llama's (rmsnorm, " +
        "attention with rope, rmsnorm, swiglu), also as Mistral, Mixtral (experts) and Qwen have it.",
    );
  };

/** The parts of a model whose layer is attention and a feed-forward part, each behind a norm. */
interface Equations {
  readonly attention: PartOf<"attention">;
  readonly ffn: Part;
  readonly head: PartOf<"linear">;
  /** The three norms, which differ in nothing but their names. */
  readonly norm: Norm;
  readonly normNames: { readonly attention: string; readonly ffn: string; readonly output: string };
}

function equationsOf(model: Model, refuse: Refuse): Equations {
  const { norm: embedNorm } = model.embed;
  if (embedNorm) refuse(`its embedding has a norm (${embedNorm.part})`);
  const [first, second, ...more] = model.layer.map(
    (a) => residual(a) ?? refuse(`the layer has an equation other than x += part(norm(x))`),
  );
  if (!first || !second || more.length > 0 || first.part.part !== "attention")
    return refuse("its layer is not attention, then a feed-forward part");
  const out = normed(model.output);
  if (!out || out.part.part !== "linear") return refuse("its output is not linear(norm(x))");
  const norm = sameNorms([first.norm, second.norm, out.norm]) ?? refuse("its norms differ from each other");
  const normNames = { attention: first.norm.name, ffn: second.norm.name, output: out.norm.name };
  return { attention: first.part, ffn: second.part, head: out.part, norm, normNames };
}

/** Throws unless a model with layernorm and mlp is GPT-2's in everything else. */
function checkGpt2(
  { embed, sizes }: Model,
  attention: PartOf<"attention">,
  window: number | undefined,
  refuse: Refuse,
): void {
  if (!embed.position) refuse("it has no learned positions");
  if (attention.rope) refuse("it has rope and layernorm");
  if (attention.qkNorm) refuse("it has layernorm, and normalises queries and keys");
  if (window !== undefined) refuse("it has learned positions, and attention that sees less than the context");
  if (attention.kvHeads !== attention.heads) refuse("its heads share keys and values");
  if (attention.heads * attention.headDim !== sizes.width)
    refuse("its heads together are not as wide as the model");
}

/** The name without its suffix: what a stem is. */
const stemOf = (name: string): string => name.replace(/\.weight$/, "");

const commonStems = ({ attention, head, normNames }: Equations): Stems => ({
  token: stemOf(TOKEN_TABLE),
  attentionNorm: nameIn("layer", normNames.attention),
  ffnNorm: nameIn("layer", normNames.ffn),
  norm: nameIn("output", normNames.output),
  ...attentionStems(attention),
  ...headStems(head),
});

const feedForwardOf = (
  bias: Omit<Biases, "ffn">,
  ffn: { readonly hidden: number; readonly activation: Activation; readonly bias: boolean },
) => ({ hidden: ffn.hidden, activation: ffn.activation, bias: { ...bias, ffn: ffn.bias } });

/** What both families have. */
const commonOf = ({ name, sizes, pattern }: Model, { attention, head, norm }: Equations) => ({
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

/** A window counts only where a position can be outside of it. */
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
  qkv: nameIn("layer", `${name}.qkv`),
  qNorm: nameIn("layer", `${name}.q_norm`),
  kNorm: nameIn("layer", `${name}.k_norm`),
  attentionOut: nameIn("layer", `${name}.out`),
});
const headStems = ({ name }: PartOf<"linear">): Stems => ({ head: nameIn("output", name) });
const feedForwardStems = (name: string, maps: readonly ("gate" | "up" | "down")[]): Stems =>
  Object.fromEntries(maps.map((map) => [map, nameIn("layer", `${name}.${map}`)]));

/** The norm and the part of x = x + part(norm(x)). */
function residual({ name, value }: Assignment): { norm: Norm; part: Part } | undefined {
  if (name !== "x" || value.kind !== "add" || !isX(value.left)) return undefined;
  return normed(value.right);
}

/** The norm and the part of part(norm(x)). */
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
