/**
 * What the exported program calls its modules. A layer of Llama's form has the names of Hugging Face's
 * checkpoints; parts of other layers have the names that they have here.
 */
import type { Expression, Model, Part } from "../../runtime/contract/model.ts";
import { layerParts, partsOf } from "../2-check/parameters.ts";

const HEAD = "lm_head";

/** Part's name → attribute of the layer, and of the model. */
export interface ModuleNames {
  readonly layer: ReadonlyMap<string, string>;
  readonly output: ReadonlyMap<string, string>;
}

const isNorm = ({ part }: Part): boolean => part === "layernorm" || part === "rmsnorm";
const blocks: readonly Part["part"][] = ["mlp", "swiglu", "geglu", "experts"];

export function moduleNames(model: Model): ModuleNames {
  const parts = layerParts(model);
  const published = isPreNorm(model)
    ? ["input_layernorm", "self_attn", "post_attention_layernorm", "mlp"]
    : parts.map(({ name }) => name);
  const output = partsOf(model.output);
  const only = output.filter(isNorm).length === 1;
  return {
    layer: new Map(parts.map(({ name }, i) => [name, published[i]!])),
    output: new Map(
      output.map((part, i) => [
        part.name,
        i === output.length - 1 ? HEAD : only && isNorm(part) ? "norm" : part.name,
      ]),
    ),
  };
}

/** x += attention(norm(x)), then x += a block(norm(x)). */
function isPreNorm({ layer }: Model): boolean {
  const [first, second] = layer.map(({ name, value }) => (name === "x" ? addedTo(value) : undefined));
  const [attention, block] = [first, second].map((e) => e && partsOf(e));
  return (
    layer.length === 2 &&
    attention?.length === 2 &&
    block?.length === 2 &&
    isNorm(attention[0]!) &&
    attention[1]!.part === "attention" &&
    isNorm(block[0]!) &&
    blocks.includes(block[1]!.part)
  );
}

/** What is added to x. */
const addedTo = (e: Expression): Expression | undefined =>
  e.kind === "add" && e.left.kind === "value" && e.left.name === "x" ? e.right : undefined;
