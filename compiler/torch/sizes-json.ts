/**
 * The sizes of an exported program, model.json: everything that model.py does not say. So model.py is the
 * same text for a model and for its shadow, and what is tried on the shadow is the code that runs at full
 * size.
 */
import type { Model, Part } from "../../runtime/contract/model.ts";
import { layerParts, partsOf } from "../2-check/parameters.ts";
import { paddedVocab } from "../planner/padded-vocab.ts";
import { buildGraph } from "../3-graph/build.ts";
import { moduleNames } from "./module-names.ts";

/** `initial`: standard deviations of first weights, of maps into the residual stream and of all others. */
export interface Initial {
  readonly std: number;
  readonly residual: number;
}

/** Rows behind the vocabulary of the shadow, so that what is tried on it has some. */
export const SHADOW_PADDING = 64;

export function sizesJson(
  model: Model,
  structure: string,
  initial: Initial,
  rows = paddedVocab(model.sizes.vocab),
): object {
  const { sizes: s, train, tokenizer } = model;
  const names = moduleNames(model);
  const parts = [
    ...layerParts(model).map((part) => [names.layer.get(part.name)!, partSizes(model, part)] as const),
    ...partsOf(model.output).map((part) => [names.output.get(part.name)!, partSizes(model, part)] as const),
    ...(model.embed.norm ? [[model.embed.norm.name, partSizes(model, model.embed.norm)] as const] : []),
  ];
  return {
    name: model.name,
    structure,
    vocab: s.vocab,
    padded_vocab: rows,
    context: s.context,
    width: s.width,
    layers: s.layers,
    tokenizer,
    initial,
    parts: Object.fromEntries(parts),
    train: trainJson(train),
  };
}

/** What a part's module is made with. */
function partSizes(model: Model, part: Part): object {
  switch (part.part) {
    case "layernorm":
    case "rmsnorm":
      return { width: part.width };
    case "attention":
      return {
        width: part.width,
        heads: part.heads,
        kv_heads: part.kvHeads,
        head_dim: part.headDim,
        ...(part.window !== undefined && { windows: windowsOf(model, part.window) }),
        ...(part.rope && {
          rope: { theta: part.rope.theta, linear: part.rope.linear ?? 1, ...part.rope.scaling },
        }),
      };
    case "mlp":
    case "swiglu":
    case "geglu":
      return { width: part.width, hidden: part.hidden };
    case "experts":
      return { width: part.width, hidden: part.hidden, count: part.count, top: part.top };
    case "linear":
      return { width: part.width, out: part.out };
    default:
      return part satisfies never;
  }
}

/** How many positions each layer's attention sees; 0: all of them. */
function windowsOf({ sizes, pattern = ["banded"] }: Model, window: number): number[] {
  return Array.from({ length: sizes.layers }, (_, i) =>
    pattern[i % pattern.length] === "banded" ? window : 0,
  );
}

const trainJson = (train: Model["train"]): object => ({
  batch: train.batch,
  context: train.context,
  steps: train.steps,
  accumulate: train.accumulate,
  lr: train.lr,
  min_lr: train.minLr,
  warmup: train.warmup,
  schedule: train.schedule,
  beta1: train.beta1,
  beta2: train.beta2,
  eps: train.eps,
  decay: train.decay,
  clip: train.clip,
  seed: train.seed,
  held_out: train.heldOut,
});

/** The standard deviations that the graph gives matrices when a run begins. */
export function initialOf(model: Model): Initial {
  const graph = buildGraph(model, { entry: "train", batch: 1, context: 1 });
  const stds = [...graph.values.values()].flatMap(({ init }) => (init?.kind === "normal" ? [init.std] : []));
  return { std: Math.max(...stds), residual: Math.min(...stds) };
}
