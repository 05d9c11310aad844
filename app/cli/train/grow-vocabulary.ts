/**
 * A model that gets rows for more tokens: its table, its output, and what its spec says. The new rows begin
 * as the mean of the others, moved a little, so that they are neither likelier than any other token nor all
 * the same.
 */
import { parse } from "../../../compiler/1-parse/parse.ts";
import { facts, isFact } from "../../../compiler/2-check/facts.ts";
import type { Span } from "../../../compiler/diagnostics/span.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Expression, Model } from "../../../runtime/contract/model.ts";
import { normalQuantile } from "../../../runtime/engine/init.ts";

/** The model with a vocabulary of `vocab` tokens. */
export const withVocabulary = (model: Model, vocab: number): Model => ({
  ...model,
  sizes: { ...model.sizes, vocab },
  output: withClasses(model.output, vocab),
});

/** The outermost map of the output goes to the vocabulary. */
function withClasses(e: Expression, vocab: number): Expression {
  if (e.kind === "apply" && e.part.part === "linear") return { ...e, part: { ...e.part, out: vocab } };
  throw new SinterError("bug", "an output that does not end in a linear map");
}

/** The spec's text with this vocabulary, and with the facts that follow from it. */
export function specWithVocabulary(source: string, model: Model): string {
  const { file } = parse(source);
  const node = file.models.find(({ name }) => name.text === model.name);
  if (!node) return source;
  const changes: { readonly span: Span; readonly text: string }[] = [];
  const vocab = node.items.find((item) => item.kind === "setting" && item.key.text === "vocab");
  if (vocab?.kind === "setting" && vocab.value)
    changes.push({ span: vocab.value.span, text: `${model.sizes.vocab}` });
  else changes.push({ span: behindBrace(source, node.span), text: `\n  vocab ${model.sizes.vocab}` });
  for (const item of node.items)
    if (item.kind === "expect" && isFact(item.fact.text))
      changes.push({ span: item.value.span, text: `${facts[item.fact.text].of(model)}` });
  return changes
    .sort((a, b) => b.span.start - a.span.start)
    .reduce((text, { span, text: put }) => text.slice(0, span.start) + put + text.slice(span.end), source);
}

function behindBrace(source: string, { start }: Span): Span {
  const at = source.indexOf("{", start) + 1;
  return { start: at, end: at };
}

/** How far new rows are moved from the mean of the others: as far as rows are when a model begins. */
const STD = 0.02;

/**
 * The numbers of a tensor whose dimension `axis` grows from `from` to `to`, in the tensor's order. `name` and
 * `seed` name the stream of random numbers.
 */
export function grownTensor(
  values: Float32Array,
  { shape, axis, to, name, seed }: GrowingTensor,
): Float32Array {
  const from = shape[axis]!;
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const outer = shape.slice(0, axis).reduce((a, b) => a * b, 1);
  const { word } = randomStream(seed, `new tokens/${name}`);
  const out = new Float32Array(outer * to * inner);
  for (let o = 0; o < outer; o++) {
    out.set(values.subarray(o * from * inner, (o + 1) * from * inner), o * to * inner);
    for (let i = 0; i < inner; i++) {
      let sum = 0;
      for (let row = 0; row < from; row++) sum += values[(o * from + row) * inner + i]!;
      for (let row = from; row < to; row++)
        out[(o * to + row) * inner + i] = sum / from + STD * normalQuantile((word() + 0.5) / 2 ** 32);
    }
  }
  return out;
}

export interface GrowingTensor {
  readonly shape: readonly number[];
  readonly axis: number;
  readonly to: number;
  readonly name: string;
  readonly seed: number;
}
