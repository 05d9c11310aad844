/** Why a parameter count may differ from the published one: single changes to the model, tried in turn. The one that gives exactly the expected count is named. */
import { either, grouped } from "../diagnostics/message.ts";
import type { Expression, Model, Part } from "./model.ts";
import { parameterCount } from "./parameters.ts";

/** The model again, with some settings replaced; undefined where that is no model. */
export type Retry = (settings: Readonly<Record<string, number>>) => Model | undefined;

const mapParts = (e: Expression, change: (part: Part) => Part): Expression =>
  e.kind === "value" ? e
  : e.kind === "add" ? { kind: "add", left: mapParts(e.left, change), right: mapParts(e.right, change) }
  : { kind: "apply", part: change(e.part), input: mapParts(e.input, change) };

const inLayer = (model: Model, change: (part: Part) => Part): Model => ({ ...model, layer: model.layer.map((a) => ({ ...a, value: mapParts(a.value, change) })) });
const inOutput = (model: Model, change: (part: Part) => Part): Model => ({ ...model, output: mapParts(model.output, change) });
const everywhere = (model: Model, change: (part: Part) => Part): Model => inOutput(inLayer(model, change), change);
const root = (model: Model): Part | undefined => (model.output.kind === "apply" ? model.output.part : undefined);

interface WhatIf {
  readonly say: string;
  readonly model: Model | undefined;
}

const isBlock = (p: Part): p is Extract<Part, { part: "attention" | "mlp" }> => p.part === "attention" || p.part === "mlp";
const isNorm = (p: Part): p is Extract<Part, { part: "layernorm" | "rmsnorm" }> => p.part === "layernorm" || p.part === "rmsnorm";

function* candidates(model: Model, retry: Retry, missing: number): Generator<WhatIf> {
  const { sizes } = model, { width, heads, headDim, layers, vocab, context } = sizes, head = root(model);
  const size = (changes: Readonly<Record<string, number>>, why = ""): WhatIf =>
    ({ say: `${Object.entries(changes).map(([key, n]) => `${key} ${n}`).join(" and ")}${why}`, model: retry(changes) });
  if (head?.part === "linear") {
    yield { say: head.tied ? "an output that is not tied" : "`tied: true` in the output", model: inOutput(model, (p) => (p === head ? { ...head, tied: !head.tied } : p)) };
    yield { say: head.bias ? "no bias in the output" : "`bias: true` in the output", model: inOutput(model, (p) => (p === head ? { ...head, bias: !head.bias } : p)) };
  }
  yield { say: model.embed.position ? "`embed token`, without positions" : "`embed token + position`", model: { ...model, embed: { token: true, position: !model.embed.position } } };
  for (const bias of [true, false]) {
    const said = bias ? "`bias: true`" : "`bias: false`";
    yield { say: `${said} in attention and mlp`, model: inLayer(model, (p) => (isBlock(p) ? { ...p, bias } : p)) };
    yield { say: `${said} in attention`, model: inLayer(model, (p) => (p.part === "attention" ? { ...p, bias } : p)) };
    yield { say: `${said} in mlp`, model: inLayer(model, (p) => (p.part === "mlp" ? { ...p, bias } : p)) };
    yield { say: `${said} in the norms`, model: everywhere(model, (p) => (isNorm(p) ? { ...p, bias } : p)) };
    yield { say: `${said} everywhere but the output`, model: inLayer(everywhere(model, (p) => (isNorm(p) ? { ...p, bias } : p)), (p) => ({ ...p, bias })) };
    yield { say: `norms with \`weight: ${bias}, bias: ${bias}\``, model: everywhere(model, (p) => (isNorm(p) ? { ...p, weight: bias, bias } : p)) };
  }
  if (heads * headDim !== width) yield size({ width: heads * headDim }, ` (= ${heads} × ${headDim})`);
  if (width % headDim === 0) yield size({ heads: width / headDim });
  if (width % heads === 0) yield size({ head_dim: width / heads });
  yield size({ kv_heads: heads });
  for (const kv of [1, 2, 4, 8]) if (kv < heads && heads % kv === 0) yield size({ kv_heads: kv });
  const more = retry({ layers: layers + 1 }), perLayer = more ? parameterCount(more) - parameterCount(model) : 0;
  if (perLayer > 0 && Number.isInteger(missing / perLayer) && layers + missing / perLayer > 0) yield size({ layers: layers + missing / perLayer });
  const copies = head?.part === "linear" && !head.tied ? 2 * width + (head.bias ? 1 : 0) : width + (head?.part === "linear" && head.bias ? 1 : 0);
  if (Number.isInteger(missing / copies) && vocab + missing / copies > 0) yield size({ vocab: vocab + missing / copies });
  if (model.embed.position && Number.isInteger(missing / width) && context + missing / width > 0) yield size({ context: context + missing / width });
  for (const [factor, shown] of [[2, "2 * width"], [3, "3 * width"], [4, "4 * width"], [5, "5 * width"], [6, "6 * width"], [8, "8 * width"]] as const)
    yield { say: `\`hidden: ${shown}\``, model: inLayer(model, (p) => (p.part === "mlp" ? { ...p, hidden: factor * p.width } : p)) };
}

/** One sentence, or undefined where no single change explains the difference. */
export function explainCount(model: Model, expected: number, retry: Retry): string | undefined {
  const missing = expected - parameterCount(model), found: string[] = [];
  for (const { say, model: changed } of candidates(model, retry, missing)) {
    if (found.length === 3) break;
    if (changed && parameterCount(changed) === expected && !found.includes(say)) found.push(say);
  }
  if (found.length > 0) return `${either(found)} ${found.length === 1 ? "gives" : "would each give"} exactly ${grouped(expected)}`;
  return `no single change explains the difference of ${missing > 0 ? "+" : "−"}${grouped(Math.abs(missing))}`;
}
