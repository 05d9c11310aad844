/**
 * Where the weights of the exported program are in Sinter's tensors. PyTorch's linear maps are [out, in],
 * Sinter's are [in, out]; queries, keys and values are three maps there and one here; rotary positions turn
 * the halves of a head there (as Hugging Face's models do) and neighbouring columns here.
 */
import type { Model, Part } from "../../runtime/contract/model.ts";
import { nameIn, nameInLayer, POSITION_TABLE, TOKEN_TABLE } from "../../runtime/contract/parameter-names.ts";
import { layerParts, partsOf, partTensors } from "../2-check/parameters.ts";
import { moduleNames } from "./module-names.ts";

export interface ProgramTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** The tensor of Sinter's that it is a part of, by its name in checkpoints, and that one's shape. */
  readonly of: string;
  readonly ofShape: readonly number[];
  /** The index in that tensor of this one's element `i`. */
  source(i: number): number;
}

/** Every tensor of the program, in the program's order. */
export function programTensors(model: Model): ProgramTensor[] {
  const { sizes, embed, output } = model;
  const names = moduleNames(model);
  const table = (name: string, of: string, rows: number): ProgramTensor => ({
    name: `model.${name}.weight`,
    shape: [rows, sizes.width],
    of,
    ofShape: [rows, sizes.width],
    source: (i) => i,
  });
  const layers = Array.from({ length: sizes.layers }, (_, layer) =>
    layerParts(model).flatMap((part) =>
      partWeights(part, `model.layers.${layer}.${names.layer.get(part.name)!}`, (inner) =>
        nameInLayer(nameIn("layer", `${part.name}.${inner}`), layer),
      ),
    ),
  );
  const last = partsOf(output).map((part, i, all) => {
    const module = names.output.get(part.name)!;
    const stem = i === all.length - 1 ? module : `model.${module}`;
    return partWeights(part, stem, (inner) => nameIn("output", `${part.name}.${inner}`));
  });
  const { norm } = embed;
  return [
    table("embed_tokens", TOKEN_TABLE, sizes.vocab),
    ...(embed.position ? [table("embed_positions", POSITION_TABLE, sizes.context)] : []),
    ...(norm
      ? partWeights(norm, `model.${norm.name}`, (inner) => nameIn("embed", `${norm.name}.${inner}`))
      : []),
    ...layers.flat(),
    ...last.flat(),
  ];
}

/** `of`: what a part's tensor is called in checkpoints. */
function partWeights(part: Part, module: string, of: (inner: string) => string): ProgramTensor[] {
  const tensors = partTensors(part, "").map(({ name, shape }) => ({ inner: name.slice(1), shape }));
  if (part.part === "attention")
    return tensors.flatMap((t) => attentionWeights(part, module, t, of(t.inner)));
  return tensors.map(({ inner, shape }) => {
    const name = `${module}.${programName(part, inner)}`;
    if (shape.length < 2) return { name, shape, of: of(inner), ofShape: shape, source: (i) => i };
    const rows = shape.at(-2)!;
    const columns = shape.at(-1)!;
    return {
      name,
      shape: [...shape.slice(0, -2), columns, rows],
      of: of(inner),
      ofShape: shape,
      source(i) {
        const matrix = Math.floor(i / (rows * columns)) * rows * columns;
        const [row, column] = [Math.floor((i % (rows * columns)) / rows), i % rows];
        return matrix + column * columns + row;
      },
    };
  });
}

/** "up.weight" → "up_proj.weight"; matrices of experts are parameters themselves. */
function programName({ part }: Part, inner: string): string {
  const [map, what] = inner.split(".");
  if (what === undefined || map === "router") return inner;
  return part === "experts" ? `${map}_proj` : `${map}_proj.${what}`;
}

interface Inner {
  readonly inner: string;
  readonly shape: readonly number[];
}

function attentionWeights(
  part: Extract<Part, { part: "attention" }>,
  module: string,
  { inner, shape }: Inner,
  of: string,
): ProgramTensor[] {
  const { heads, headDim, width, rope } = part;
  /** The column here of row `r` of a head's matrix there. */
  const turned = (r: number): number => {
    const [head, i] = [Math.floor(r / headDim), r % headDim];
    const half = headDim / 2;
    return head * headDim + (i < half ? 2 * i : 2 * (i - half) + 1);
  };
  const same = (r: number): number => r;
  const asRope = rope ? turned : same;
  const own = { of, ofShape: shape };
  switch (inner) {
    case "q_norm.weight":
    case "k_norm.weight":
      return [{ ...own, name: `${module}.${inner.replace(".weight", "")}`, shape, source: asRope }];
    case "out.weight": {
      const rows = heads * headDim;
      const source = (i: number): number => (i % rows) * width + Math.floor(i / rows);
      return [{ ...own, name: `${module}.o_proj.weight`, shape: [width, rows], source }];
    }
    case "out.bias":
      return [{ ...own, name: `${module}.o_proj.bias`, shape, source: same }];
    default:
      return qkvWeights(part, module, { inner, shape }, of, asRope);
  }
}

/** Columns of qkv: q of all heads, k of all heads of keys and values, v of them. */
function qkvWeights(
  { heads, kvHeads, headDim, width }: Extract<Part, { part: "attention" }>,
  module: string,
  { inner, shape }: Inner,
  of: string,
  asRope: (r: number) => number,
): ProgramTensor[] {
  const all = shape.at(-1)!;
  const what = inner.replace("qkv.", "");
  const maps = [
    { name: "q_proj", rows: heads * headDim, first: 0, column: asRope },
    { name: "k_proj", rows: kvHeads * headDim, first: heads * headDim, column: asRope },
    { name: "v_proj", rows: kvHeads * headDim, first: (heads + kvHeads) * headDim, column: (r: number) => r },
  ];
  return maps.map(({ name, rows, first, column }) => ({
    name: `${module}.${name}.${what}`,
    shape: what === "bias" ? [rows] : [rows, width],
    of,
    ofShape: shape,
    source: (i) =>
      what === "bias" ? first + column(i) : (i % width) * all + first + column(Math.floor(i / width)),
  }));
}

/** The program's tensor out of Sinter's. */
export function gatherTensor(
  { shape, source }: ProgramTensor,
  from: ArrayLike<number>,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(shape.reduce((a, b) => a * b, 1));
  for (let i = 0; i < out.length; i++) out[i] = from[source(i)]!;
  return out;
}

/** The program's tensor back into Sinter's. */
export function scatterTensor({ source }: ProgramTensor, from: ArrayLike<number>, to: Float32Array): void {
  for (let i = 0; i < from.length; i++) to[source(i)] = from[i]!;
}
