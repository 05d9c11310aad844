/**
 * A shadow: a model of the same structure in sizes that train here in seconds, so that what is tried on it is
 * what runs at full size. Kept are the equations, the pattern of layers (two rounds of it at least), heads to
 * each head of keys and values, what is tied, biases, norms, rope, and the proportions of widths; a mixture
 * keeps up to eight experts, and two for each token.
 */
import type { Model } from "../../runtime/contract/model.ts";
import { parameterCount } from "../2-check/parameters.ts";
import { printSpec } from "../print-spec.ts";
import { scaleModel } from "./scale-model.ts";
import { structureHash } from "./structure.ts";

/** Parameters of a shadow, at most, where nobody says how many. */
export const SHADOW_PARAMETERS = 1_000_000;
/** All bytes, so that any text is one to learn. */
const VOCAB = 256;
const CONTEXT = 64;
const HEAD_DIM = 16;
const EXPERTS = 8;
const TOP = 2;
/** Widths are tried in these steps, and other widths are multiples of it. */
const STEP = 16;
const MOST_WIDTH = 1024;

/** The widest shadow with no more parameters; the narrowest there is, where all have more. */
export function shadowOf(model: Model, parameters = SHADOW_PARAMETERS): Model {
  const { layers, headDim, context } = model.sizes;
  const round = model.pattern?.length ?? 1;
  const to = {
    layers: Math.min(layers, 2 * round),
    vocab: VOCAB,
    context: Math.min(context, CONTEXT),
    headDim: Math.min(headDim, HEAD_DIM),
    experts: EXPERTS,
    top: TOP,
    multiple: STEP,
  };
  const at = (width: number): Model => ({
    ...scaleModel(model, { ...to, width }),
    name: `${model.name}-shadow`,
    tokenizer: "bytes",
  });
  let best = at(STEP);
  for (let width = 2 * STEP; width <= Math.min(MOST_WIDTH, model.sizes.width); width += STEP) {
    const wider = at(width);
    if (parameterCount(wider) > parameters) break;
    best = wider;
  }
  return best;
}

/** The shadow as a spec that trains at once, with the hash that it shares with the model. */
export async function shadowSpec(model: Model, parameters?: number): Promise<string> {
  const shadow = shadowOf(model, parameters);
  const hash = await structureHash(shadow);
  if (hash !== (await structureHash(model)))
    throw new Error(`the shadow of ${model.name} has another structure than the model`);
  return printSpec(shadow, {
    comment: [
      `Shadow of ${model.name}: the same structure in small sizes.`,
      `Structure ${hash}`,
      "Train: sinter train FILE",
    ],
    train: "batch 8  steps 100  lr 2e-3  warmup 10",
  });
}
