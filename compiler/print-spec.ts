/**
 * A checked model as a spec again: its sizes and equations with everything said that is no default, in the
 * formatter's layout. What it was trained with is left out. Checking the text gives the same model.
 */
import { NORM_EPS, QK_NORM_EPS } from "../runtime/contract/defaults.ts";
import { thousands } from "../runtime/contract/amounts.ts";
import type { Assignment, Expression, Model, Part, Rope, Sizes } from "../runtime/contract/model.ts";
import { format } from "./1-parse/format.ts";
import { parameterCount } from "./2-check/parameters.ts";

export interface PrintOptions {
  /** Lines above the model. */
  readonly comment?: readonly string[];
  /** Settings of training, "batch 8  steps 100". */
  readonly train?: string;
}

export function printSpec(model: Model, { comment = [], train }: PrintOptions = {}): string {
  const { embed, layer, output, tokenizer, name } = model;
  const table = embed.position ? "token + position" : "token";
  const text = [
    ...comment.map((line) => `// ${line}`),
    `model ${name} {`,
    `  ${sizesOf(model).join("   ")}`,
    "",
    `  embed ${embed.norm ? printPart(embed.norm, table, model.sizes) : table}`,
    "  layer {",
    ...layer.map((a) => `    ${assignment(a, model.sizes)}`),
    "  }",
    `  output ${outermost(output, model.sizes)}`,
    "",
    `  tokenizer ${tokenizer}`,
    ...(train === undefined ? [] : [`  train { ${train} }`]),
    "",
    `  expect parameters ${thousands(parameterCount(model)).replaceAll(",", "_")}`,
    "}",
    "",
  ].join("\n");
  const { text: formatted } = format(text);
  if (formatted === undefined) throw new Error(`the printed spec of ${name} does not parse:\n${text}`);
  return formatted;
}

function sizesOf({ sizes: s, pattern }: Model): string[] {
  return [
    `vocab ${s.vocab}`,
    `context ${s.context}`,
    `width ${s.width}`,
    `layers ${s.layers}${pattern ? ` alternate ${pattern.join(", ")}` : ""}`,
    `heads ${s.heads}`,
    ...(s.kvHeads === s.heads ? [] : [`kv_heads ${s.kvHeads}`]),
    ...(s.headDim * s.heads === s.width ? [] : [`head_dim ${s.headDim}`]),
  ];
}

/** `x = x + e` as people write it. */
function assignment({ name, value }: Assignment, sizes: Sizes): string {
  const isSum = value.kind === "add" && value.left.kind === "value" && value.left.name === name;
  return isSum ? `${name} += ${print(value.right, sizes)}` : `${name} = ${print(value, sizes)}`;
}

function print(e: Expression, sizes: Sizes): string {
  switch (e.kind) {
    case "value":
      return e.name;
    case "add": {
      const right = print(e.right, sizes);
      return `${print(e.left, sizes)} + ${e.right.kind === "add" ? `(${right})` : right}`;
    }
    case "apply":
      return printPart(e.part, print(e.input, sizes), sizes);
  }
}

/** The map that ends an output goes to the vocabulary unless it says otherwise, others to the width. */
function outermost(e: Expression, sizes: Sizes): string {
  if (e.kind !== "apply" || e.part.part !== "linear") return print(e, sizes);
  const { out, bias, tied } = e.part;
  return call("linear", print(e.input, sizes), {
    out: unless(sizes.vocab, out),
    bias: unless(false, bias),
    tied: unless(false, tied),
  });
}

/** Options of a part by name; undefined ones are left out: they are the language's defaults. */
export type Said = Readonly<Record<string, string | number | boolean | undefined>>;

const unless = <T>(usual: T, value: T): T | undefined => (value === usual ? undefined : value);

/** "mlp(x, hidden: 3072, activation: gelu)", "rope(theta: 10000)". */
export function call(callee: string, input: string | undefined, said: Said): string {
  const options = Object.entries(said).filter(([, value]) => value !== undefined);
  const list = options.map(([name, value]) => `${name}: ${value}`);
  return `${callee}(${[...(input === undefined ? [] : [input]), ...list].join(", ")})`;
}

const printPart = (part: Part, input: string, sizes: Sizes): string =>
  call(part.part, input, optionsOf(part, sizes));

function optionsOf(part: Part, sizes: Sizes): Said {
  switch (part.part) {
    case "layernorm":
    case "rmsnorm":
      return {
        eps: unless(NORM_EPS, part.eps),
        weight: unless(true, part.weight),
        bias: unless(part.part === "layernorm", part.bias),
      };
    case "attention":
      return {
        ...headOptions(part, sizes),
        bias: unless(false, part.bias),
        out_bias: part.outBias,
        causal: unless(true, part.causal),
        qk_norm: part.qkNorm && call("rmsnorm", undefined, { eps: unless(QK_NORM_EPS, part.qkNorm.eps) }),
        window: part.window,
        rope: part.rope && call("rope", undefined, ropeOptions(part.rope)),
      };
    case "mlp":
    case "swiglu":
    case "geglu":
      return {
        hidden: part.hidden,
        activation: part.part === "swiglu" ? undefined : part.activation,
        bias: unless(false, part.bias),
      };
    case "experts": {
      const { count, top, hidden, gated, activation, renormalise, balance } = part;
      return { count, top, hidden, gated, activation, renormalise, balance };
    }
    case "linear":
      return {
        out: unless(sizes.width, part.out),
        bias: unless(false, part.bias),
        tied: unless(false, part.tied),
      };
    default:
      return part satisfies never;
  }
}

/** Heads that differ from the model's are said, all three, since each changes the others' defaults. */
const headOptions = (
  { heads, kvHeads, headDim }: Pick<Sizes, "heads" | "kvHeads" | "headDim">,
  sizes: Sizes,
): Said =>
  heads === sizes.heads && kvHeads === sizes.kvHeads && headDim === sizes.headDim
    ? {}
    : { heads, kv_heads: kvHeads, head_dim: headDim };

export const ropeOptions = ({ theta, linear = 1, scaling }: Rope): Said => ({
  theta,
  linear: unless(1, linear),
  ...scaling,
});
