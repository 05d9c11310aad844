/**
 * The same structure in other sizes: width, layers, vocabulary and context change, and what follows from them
 * goes with them: heads of the same head_dim, as many of them for each head of keys and values, hidden rows,
 * bands and rope's original context in the same proportion. The equations stay as they are.
 */
import type { Assignment, Expression, Model, Part, Sizes } from "../../runtime/contract/model.ts";

export interface Scaled {
  readonly width?: number | undefined;
  readonly layers?: number | undefined;
  readonly vocab?: number | undefined;
  readonly context?: number | undefined;
  readonly headDim?: number | undefined;
  /** At most so many experts, and so many for each token. */
  readonly experts?: number | undefined;
  readonly top?: number | undefined;
  /** What widths other than the model's are rounded to a multiple of. Default: 64. */
  readonly multiple?: number | undefined;
}

type Heads = Pick<Sizes, "heads" | "kvHeads" | "headDim">;
type Attention = Extract<Part, { part: "attention" }>;

/** How sizes of the old model become sizes of the new one. */
interface Scale {
  readonly old: Sizes;
  readonly width: number;
  readonly vocab: number;
  readonly context: number;
  readonly to: Scaled;
}

export function scaleModel(model: Model, to: Scaled): Model {
  const { sizes: old, embed } = model;
  const { width = old.width, vocab = old.vocab, context = old.context, layers = old.layers } = to;
  const scale: Scale = { old, width, vocab, context, to };
  const assign = (a: Assignment): Assignment => ({ ...a, value: scaleExpression(a.value, scale) });
  return {
    ...model,
    sizes: { ...old, width, vocab, context, layers, ...scaleHeads(old, scale) },
    embed: { ...embed, ...(embed.norm && { norm: { ...embed.norm, width } }) },
    layer: model.layer.map(assign),
    output: scaleExpression(model.output, scale),
  };
}

function scaleExpression(e: Expression, scale: Scale): Expression {
  switch (e.kind) {
    case "value":
      return e;
    case "add":
      return { ...e, left: scaleExpression(e.left, scale), right: scaleExpression(e.right, scale) };
    case "apply":
      return { ...e, part: scalePart(e.part, scale), input: scaleExpression(e.input, scale) };
  }
}

function scalePart(part: Part, scale: Scale): Part {
  const { old, vocab, to } = scale;
  const width = scaleWidth(part.width, scale);
  switch (part.part) {
    case "attention":
      return { ...part, width, ...scaleHeads(part, scale), ...scaleReach(part, scale) };
    case "experts": {
      const count = Math.min(part.count, to.experts ?? part.count);
      const top = Math.min(part.top, count, to.top ?? part.top);
      return { ...part, width, hidden: scaleWidth(part.hidden, scale), count, top };
    }
    case "mlp":
    case "swiglu":
    case "geglu":
      return { ...part, width, hidden: scaleWidth(part.hidden, scale) };
    case "linear":
      return { ...part, width, out: part.out === old.vocab ? vocab : scaleWidth(part.out, scale) };
    default:
      return { ...part, width };
  }
}

/** The model's width is the new one; others keep their proportion to it, in multiples, and never vanish. */
function scaleWidth(size: number, { width, old, to: { multiple = 64 } }: Scale): number {
  if (size === old.width) return width;
  return Math.max(1, Math.round((size * width) / old.width / multiple)) * multiple;
}

/** Heads of keys and values come with whole groups of queries. */
function scaleHeads({ heads, kvHeads, headDim: was }: Heads, { width, old, to }: Scale): Heads {
  const headDim = to.headDim ?? was;
  const group = heads / kvHeads;
  const scaled = Math.max(1, Math.round((kvHeads * was * width) / (old.width * headDim)));
  return { heads: scaled * group, kvHeads: scaled, headDim };
}

/** A band, and the context from which rope was stretched. */
function scaleReach({ window, rope }: Attention, { context, old }: Scale): Partial<Attention> {
  const scaled = (positions: number): number => Math.max(1, Math.round((positions * context) / old.context));
  const { scaling } = rope ?? {};
  return {
    ...(window !== undefined && { window: scaled(window) }),
    ...(rope &&
      scaling && { rope: { ...rope, scaling: { ...scaling, original: scaled(scaling.original) } } }),
  };
}
