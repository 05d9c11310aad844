/** Linear maps with and without bias: their nodes, and the names and initial values of their parameters. */
import { nameIn, TOKEN_TABLE } from "../../runtime/contract/parameter-names.ts";
import type { Expression, Part } from "../../runtime/contract/model.ts";
import { activation, emit, initialStd, parameter, type Builder } from "./builder.ts";
import { whole, type Ref } from "./ir.ts";

/**
 * What the names of a part's parameters begin with: "output.linear", and in the layer "attention.qkv", before
 * which "layers." comes.
 */
export const partName = (b: Builder, p: Part, inner?: string): string =>
  [b.layered ? p.name : nameIn(b.stem, p.name), ...(inner ? [inner] : [])].join(".");

const residualParts: readonly Part["part"][] = ["attention", "mlp", "swiglu", "geglu", "experts"];

/**
 * initialStd / √(layers · blocks per layer), where blocks are the parts that add to the residual stream.
 * GPT-2 has two per layer.
 */
export function residualStd(b: Builder): number {
  const count = (e: Expression): number =>
    e.kind === "value"
      ? 0
      : e.kind === "add"
        ? count(e.left) + count(e.right)
        : (residualParts.includes(e.part.part) ? 1 : 0) + count(e.input);
  const blocks = b.model.layer.reduce((sum, a) => sum + count(a.value), 0);
  return initialStd(b) / Math.sqrt(Math.max(1, blocks * b.model.sizes.layers));
}

export function linear(
  b: Builder,
  name: string,
  x: Ref,
  rows: number,
  K: number,
  N: number,
  bias: boolean,
  std: number,
  outName = `${name}.out`,
): Ref {
  const w = parameter(b, `${name}.weight`, [K, N], { kind: "normal", std });
  return withBias(b, name, bias, N, rows, outName, (out) => emit(b, "matmul", { a: x, b: w }, { out }));
}

/** The table of embeddings. When the output is tied, it reads the same one. */
export function tokenTable(b: Builder): Ref {
  const { vocab, width } = b.model.sizes;
  return b.values.has(TOKEN_TABLE)
    ? whole(TOKEN_TABLE)
    : parameter(b, TOKEN_TABLE, [vocab, width], { kind: "normal", std: initialStd(b) });
}

/** logits = x · tableᵀ (+ bias): the token embedding is the output's weight (Press & Wolf 2017). */
export function tiedLinear(
  b: Builder,
  p: Extract<Part, { part: "linear" }>,
  x: Ref,
  rows: number,
  outName = `${partName(b, p)}.out`,
): Ref {
  return withBias(b, partName(b, p), p.bias, p.out, rows, outName, (out) =>
    emit(b, "matmul_nt", { a: x, b: tokenTable(b) }, { out }),
  );
}

function withBias(
  b: Builder,
  name: string,
  bias: boolean,
  N: number,
  rows: number,
  outName: string,
  product: (out: Ref) => void,
): Ref {
  if (!bias) {
    const out = activation(b, outName, [rows, N]);
    product(out);
    return out;
  }
  const unbiased = activation(b, `${outName}.unbiased`, [rows, N]);
  product(unbiased);
  const out = activation(b, outName, [rows, N]);
  emit(
    b,
    "bias",
    { x: unbiased, bias: parameter(b, `${name}.bias`, [N], { kind: "constant", value: 0 }) },
    { out },
  );
  return out;
}
