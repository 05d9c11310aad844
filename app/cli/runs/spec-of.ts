/** The spec of a published model: what a person would have written, in the formatter's layout. */
import { format } from "../../../compiler/1-parse/format.ts";
import type { Rope, TokenizerName } from "../../../runtime/contract/model.ts";
import {
  isWindowed,
  type Architecture,
  type Experts,
} from "../../../runtime/formats/architecture/architecture.ts";
import { thousands } from "../../../runtime/contract/amounts.ts";

export interface SpecFacts {
  /** Where it comes from, for the first line. */
  readonly source: string;
  readonly tokenizer: TokenizerName;
  /** Counted in the weights: the compiler has to arrive at the same number. */
  readonly parameters: number;
  /** Settings of the sampler that it was published with. */
  readonly sample?: Readonly<Record<string, number>>;
}

export function specOf(a: Architecture, { source, tokenizer, parameters, sample = {} }: SpecFacts): string {
  const text = `// Imported from ${source.replace(/[^\x20-\x7e]/g, "?")}.
model ${a.name} {
  vocab ${a.vocab}   context ${a.context}   width ${a.width}   layers ${a.layers}${a.pattern && isWindowed(a) ? ` alternate ${a.pattern.join(", ")}` : ""}   heads ${a.heads}${a.kvHeads === a.heads ? "" : `   kv_heads ${a.kvHeads}`}${a.headDim * a.heads === a.width ? "" : `   head_dim ${a.headDim}`}${isWindowed(a) ? `   band ${a.window}` : ""}

  embed token${a.family === "gpt2" ? " + position" : ""}
  layer {
    x += attention(${norm(a)}${attentionOptions(a)})
    x += ${feedForward(a)}
  }
  output linear(${norm(a)}${a.bias.head ? ", bias: true" : ""}${a.tied ? ", tied: true" : ""})

  tokenizer ${tokenizer}
${sampleSection(sample)}
  expect parameters ${digits(parameters)}
}
`;
  const { text: formatted } = format(text);
  if (formatted === undefined) throw new Error(`the spec of ${a.name} has a syntax error:\n${text}`);
  return formatted;
}

function sampleSection(sample: Readonly<Record<string, number>>): string {
  const settings = Object.entries(sample).map(([name, value]) => `${name} ${value}`);
  return settings.length === 0 ? "" : `\n  sample { ${settings.join("  ")} }\n`;
}

const digits = (n: number): string => thousands(n).replaceAll(",", "_");
const option = (condition: boolean, text: string): string => (condition ? `, ${text}` : "");

/** The parts' own. */
const EPS = 1e-5;
const QK_EPS = 1e-6;
const short = (eps: number): string => (eps < 1e-4 ? eps.toExponential() : `${eps}`);

function norm({ family, eps, bias }: Architecture): string {
  const ofNorm = family === "gpt2" ? option(!bias.norm, "bias: false") : option(bias.norm, "bias: true");
  return `${family === "gpt2" ? "layernorm" : "rmsnorm"}(x${option(eps !== EPS, `eps: ${short(eps)}`)}${ofNorm})`;
}

function attentionOptions({ rope, bias, qkNorm }: Architecture): string {
  const turned = rope ? `rope: rope(${ropeOptions(rope)})` : "";
  const normed = `qk_norm: rmsnorm(${qkNorm?.eps === QK_EPS ? "" : `eps: ${short(qkNorm?.eps ?? 0)}`})`;
  return (
    option(rope !== undefined, turned) +
    option(qkNorm !== undefined, normed) +
    option(bias.qkv, "bias: true") +
    option(bias.attentionOut !== bias.qkv, `out_bias: ${bias.attentionOut}`)
  );
}

function ropeOptions({ theta, linear = 1, scaling }: Rope): string {
  const llama3 =
    scaling &&
    `factor: ${scaling.factor}, low: ${scaling.low}, high: ${scaling.high}, original: ${scaling.original}`;
  return `theta: ${theta}${option(linear !== 1, `linear: ${linear}`)}${llama3 ? `, ${llama3}` : ""}`;
}

/**
 * The weights of a token's experts add up to 1 in all published mixtures that are read; the language's
 * default for one expert is another.
 */
const expertOptions = ({ count, top, balance }: Experts): string =>
  `count: ${count}, top: ${top}${option(top === 1, "renormalise: true")}${option(balance !== undefined, `balance: ${balance}`)}`;

function feedForward(a: Architecture): string {
  const hidden = a.hidden === 4 * a.width ? "4 * width" : `${a.hidden}`;
  const biases = option(a.bias.ffn, "bias: true");
  if (a.family === "gpt2") return `mlp(${norm(a)}, hidden: ${hidden}, activation: ${a.activation}${biases})`;
  if (a.experts)
    return `experts(${norm(a)}, ${expertOptions(a.experts)}, hidden: ${a.hidden}${option(a.activation !== "silu", `activation: ${a.activation}`)})`;
  return a.activation === "silu"
    ? `swiglu(${norm(a)}, hidden: ${hidden}${biases})`
    : `geglu(${norm(a)}, hidden: ${hidden}, activation: ${a.activation}${biases})`;
}
