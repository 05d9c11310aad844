/** The spec of a published model: what a person would have written, in the formatter's layout. */
import { format } from "../../../compiler/1-parse/format.ts";
import { NORM_EPS, QK_NORM_EPS } from "../../../runtime/contract/defaults.ts";
import { call, ropeOptions, type Said } from "../../../compiler/print-spec.ts";
import type { TokenizerName } from "../../../runtime/contract/model.ts";
import {
  isWindowed,
  type Architecture,
  type Experts,
} from "../../../runtime/formats/architecture/architecture.ts";
import { thousands } from "../../../runtime/contract/amounts.ts";
import { baseName } from "../../../runtime/base/files.ts";
import type { Published } from "../../../runtime/formats/published.ts";

export interface SpecFacts {
  /** Where the model comes from, for the first line. */
  readonly source: string;
  readonly tokenizer: TokenizerName;
  /** Number of parameters in the weights; the compiler has to arrive at the same number. */
  readonly parameters: number;
  /** Settings of the sampler that it was published with. */
  readonly sample?: Readonly<Record<string, number>>;
  /** Settings to train it further with. */
  readonly train?: Readonly<Record<string, number>>;
}

/** The same of a model that was opened. */
export function specOfPublished(
  { architecture, options, index, title, file }: Published,
  facts: Omit<SpecFacts, "source" | "parameters">,
): string {
  let parameters = 0;
  for (const [name, { elements }] of index) if (!options.naming.ignored.test(name)) parameters += elements;
  return specOf(architecture, { source: `${baseName(file.path)}, ${title}`, parameters, ...facts });
}

export function specOf(
  a: Architecture,
  { source, tokenizer, parameters, sample = {}, train = {} }: SpecFacts,
): string {
  const text = [
    `// Imported from ${source.replace(/[^\x20-\x7e]/g, "?")}.`,
    `model ${a.name} {`,
    `  ${sizes(a).join("   ")}`,
    "",
    `  embed ${a.family === "gpt2" ? "token + position" : "token"}`,
    "  layer {",
    `    x += ${attention(a)}`,
    `    x += ${feedForward(a)}`,
    "  }",
    `  output ${call("linear", norm(a), { bias: ifTrue(a.bias.head), tied: ifTrue(a.tied) })}`,
    "",
    `  tokenizer ${tokenizer}`,
    ...section("train", train),
    ...section("sample", sample),
    "",
    `  expect parameters ${digits(parameters)}`,
    "}",
    "",
  ].join("\n");
  const { text: formatted } = format(text);
  if (formatted === undefined) throw new Error(`the spec of ${a.name} has a syntax error:\n${text}`);
  return formatted;
}

/** The model's sizes; what the language works out by itself is left out. */
function sizes(a: Architecture): string[] {
  const alternates = a.pattern && isWindowed(a) ? ` alternate ${a.pattern.join(", ")}` : "";
  return [
    `vocab ${a.vocab}`,
    `context ${a.context}`,
    `width ${a.width}`,
    `layers ${a.layers}${alternates}`,
    `heads ${a.heads}`,
    ...(a.kvHeads === a.heads ? [] : [`kv_heads ${a.kvHeads}`]),
    ...(a.headDim * a.heads === a.width ? [] : [`head_dim ${a.headDim}`]),
    ...(isWindowed(a) ? [`band ${a.window}`] : []),
  ];
}

function section(name: string, values: Readonly<Record<string, number>>): string[] {
  const settings = Object.entries(values).map(([key, value]) => `${key} ${value}`);
  return settings.length === 0 ? [] : ["", `  ${name} { ${settings.join("  ")} }`];
}

const digits = (n: number): string => thousands(n).replaceAll(",", "_");
const short = (eps: number): string => (eps < 1e-4 ? eps.toExponential() : `${eps}`);

/** For an option that is false by default. */
const ifTrue = (value: boolean): true | undefined => value || undefined;
const epsUnless = (usual: number, eps: number): string | undefined =>
  eps === usual ? undefined : short(eps);

function norm({ family, eps, bias }: Architecture): string {
  if (family === "gpt2")
    return call("layernorm", "x", {
      eps: epsUnless(NORM_EPS, eps),
      bias: bias.norm ? undefined : false,
    });
  return call("rmsnorm", "x", { eps: epsUnless(NORM_EPS, eps), bias: ifTrue(bias.norm) });
}

const attention = (a: Architecture): string =>
  call("attention", norm(a), {
    rope: a.rope && call("rope", undefined, ropeOptions(a.rope)),
    qk_norm: a.qkNorm && call("rmsnorm", undefined, { eps: epsUnless(QK_NORM_EPS, a.qkNorm.eps) }),
    bias: ifTrue(a.bias.qkv),
    out_bias: a.bias.attentionOut === a.bias.qkv ? undefined : a.bias.attentionOut,
  });

function feedForward(a: Architecture): string {
  const { activation, experts } = a;
  const hidden = a.hidden === 4 * a.width ? "4 * width" : a.hidden;
  const bias = ifTrue(a.bias.ffn);
  if (a.family === "gpt2") return call("mlp", norm(a), { hidden, activation, bias });
  if (experts)
    return call("experts", norm(a), {
      ...expertOptions(experts),
      hidden: a.hidden,
      activation: activation === "silu" ? undefined : activation,
    });
  if (activation === "silu") return call("swiglu", norm(a), { hidden, bias });
  return call("geglu", norm(a), { hidden, activation, bias });
}

/**
 * In all published mixtures that can be imported, the weights of a token's experts add up to 1. For one
 * expert, the language's default is another.
 */
const expertOptions = ({ count, top, balance }: Experts): Said => ({
  count,
  top,
  renormalise: ifTrue(top === 1),
  balance,
});
