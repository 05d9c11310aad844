/**
 * Why a parameter count may differ from the published one: single changes to the model, tried in turn. Those
 * that give exactly the expected count are named.
 */
import { either, grouped } from "../diagnostics/messages/message.ts";
import { isNorm, type Expression, type Model, type Part } from "../../runtime/contract/model.ts";
import { parameterCount } from "./parameters.ts";

/** The model again, with some settings replaced; undefined where that is no model. */
export type Retry = (settings: Readonly<Record<string, number>>) => Model | undefined;

type Change = (part: Part) => Part;

const mapParts = (e: Expression, change: Change): Expression =>
  e.kind === "value"
    ? e
    : e.kind === "add"
      ? { kind: "add", left: mapParts(e.left, change), right: mapParts(e.right, change) }
      : { kind: "apply", part: change(e.part), input: mapParts(e.input, change) };

const inLayer = (model: Model, change: Change): Model => ({
  ...model,
  layer: model.layer.map((a) => ({ ...a, value: mapParts(a.value, change) })),
});
const inOutput = (model: Model, change: Change): Model => ({
  ...model,
  output: mapParts(model.output, change),
});
const inEmbed = (model: Model, change: Change): Model => {
  const norm = model.embed.norm && change(model.embed.norm);
  return norm && isNorm(norm) ? { ...model, embed: { ...model.embed, norm } } : model;
};
const everywhere = (model: Model, change: Change): Model =>
  inOutput(inLayer(inEmbed(model, change), change), change);

type Block = Extract<Part, { part: "attention" | "mlp" | "swiglu" | "geglu" }>;
const isBlock = (p: Part): p is Block => p.part === "attention" || isFeedForward(p);
const isFeedForward = (p: Part): p is Exclude<Block, { part: "attention" }> =>
  p.part === "mlp" || p.part === "swiglu" || p.part === "geglu";

interface WhatIf {
  readonly say: string;
  readonly model: Model | undefined;
}

function* embeddings(model: Model): Generator<WhatIf> {
  const { position } = model.embed;
  const head = model.output.kind === "apply" ? model.output.part : undefined;
  if (head?.part === "linear") {
    const withHead = (changed: Part): Model => inOutput(model, (p) => (p === head ? changed : p));
    yield {
      say: head.tied ? "an output that is not tied" : "`tied: true` in the output",
      model: withHead({ ...head, tied: !head.tied }),
    };
    yield {
      say: head.bias ? "no bias in the output" : "`bias: true` in the output",
      model: withHead({ ...head, bias: !head.bias }),
    };
  }
  const say = position ? "`embed token`, without positions" : "`embed token + position`";
  yield { say, model: { ...model, embed: { ...model.embed, position: !position } } };
}

function* biases(model: Model): Generator<WhatIf> {
  for (const bias of [true, false]) {
    const setting = `\`bias: ${bias}\``;
    const normBias: Change = (p) => (isNorm(p) ? { ...p, bias } : p);
    yield {
      say: `${setting} in attention and mlp`,
      model: inLayer(model, (p) => (isBlock(p) ? { ...p, bias } : p)),
    };
    yield {
      say: `${setting} in attention`,
      model: inLayer(model, (p) => (p.part === "attention" ? { ...p, bias } : p)),
    };
    yield { say: `${setting} in mlp`, model: inLayer(model, (p) => (isFeedForward(p) ? { ...p, bias } : p)) };
    yield { say: `${setting} in the norms`, model: everywhere(model, normBias) };
    yield {
      say: `${setting} everywhere but the output`,
      model: inLayer(everywhere(model, normBias), (p) => ({ ...p, bias })),
    };
    const weight = bias;
    yield {
      say: `norms with \`weight: ${weight}, bias: ${bias}\``,
      model: everywhere(model, (p) => (isNorm(p) ? { ...p, weight, bias } : p)),
    };
  }
}

function* sizes(model: Model, retry: Retry, missing: number): Generator<WhatIf> {
  const { width, heads, headDim, layers, vocab, context } = model.sizes;
  const size = (key: string, value: number, why = ""): WhatIf => ({
    say: `${key} ${value}${why}`,
    model: retry({ [key]: value }),
  });
  if (heads * headDim !== width) yield size("width", heads * headDim, ` (= ${heads} × ${headDim})`);
  if (width % headDim === 0) yield size("heads", width / headDim);
  if (width % heads === 0) yield size("head_dim", width / heads);
  for (const kvHeads of [heads, 1, 2, 4, 8]) if (heads % kvHeads === 0) yield size("kv_heads", kvHeads);
  // sizes that the count is linear in: how many more of them make up for what is missing
  for (const [key, now] of [
    ["layers", layers],
    ["vocab", vocab],
    ["context", context],
  ] as const) {
    const more = retry({ [key]: now + 1 });
    const each = more ? parameterCount(more) - parameterCount(model) : 0;
    const needed = now + missing / each;
    if (each > 0 && Number.isSafeInteger(needed) && needed > 0) yield size(key, needed);
  }
  for (const factor of [2, 3, 4, 5, 6, 8])
    yield {
      say: `\`hidden: ${factor} * width\``,
      model: inLayer(model, (p) => (isFeedForward(p) ? { ...p, hidden: factor * p.width } : p)),
    };
}

/** A sentence that names up to three changes which explain the count, or says that none does. */
export function explainCount(model: Model, expected: number, retry: Retry): string {
  const missing = expected - parameterCount(model);
  const found: string[] = [];
  for (const candidates of [embeddings(model), biases(model), sizes(model, retry, missing)])
    for (const { say, model: changed } of candidates)
      if (found.length < 3 && changed && parameterCount(changed) === expected) found.push(say);
  const verb = found.length === 1 ? "gives" : "would each give";
  if (found.length > 0) return `${either(found)} ${verb} exactly ${grouped(expected)}`;
  const difference = `${missing > 0 ? "+" : "−"}${grouped(Math.abs(missing))}`;
  return `no single change explains the difference of ${difference}`;
}
