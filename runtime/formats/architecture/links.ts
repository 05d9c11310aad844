/**
 * Which published tensors a tensor of Sinter's is made of, and how. Sinter stores a matrix as [in, out], and
 * has one matrix for queries, keys and values; published files often store [out, in], and have three
 * matrices. A link says how the two belong together, and serves both directions: an import gathers by it, an
 * export scatters by it.
 */
import type { Architecture } from "./architecture.ts";
import {
  expertsApart,
  publishedName,
  sinterName,
  type Naming,
  type Role,
  type Stems,
  type Suffix,
} from "./naming.ts";

/** A published tensor, and the columns of Sinter's tensor that it holds. */
export interface Piece {
  /** The published name, without an optional prefix. */
  readonly name: string;
  /** The published shape. */
  readonly shape: readonly number[];
  /** The published matrix is [out, in], where Sinter has [in, out]. */
  readonly transposed: boolean;
  /** The first of its columns in Sinter's tensor, or of its elements in a vector. */
  readonly from: number;
  readonly columns: number;
  /**
   * In a tensor of several matrices, [experts, in, out]: the first of its matrices, and how many there are.
   */
  readonly matrix: number;
  readonly matrices: number;
  /**
   * Width of a head whose rotary pairs the file stores as two halves; 0 where the rows are in Sinter's order.
   */
  readonly halves: number;
  /** The tensor goes out in f32: vectors, positions and routers are small, and each number matters much. */
  readonly exact: boolean;
}

/** A tensor of Sinter's, and the published pieces that it is made of. */
export interface Link {
  /** The name in Sinter's checkpoints. */
  readonly name: string;
  /** [in, out], or [rows, width] of an embedding, [n] of a vector, [experts, in, out]. */
  readonly shape: readonly number[];
  readonly pieces: readonly Piece[];
}

/** How the file at hand uses its naming. */
export interface LinkOptions {
  readonly naming: Naming;
  /** Queries, keys and values are one published matrix. */
  readonly fused: boolean;
  /** Published matrices are [in, out], as in Hugging Face's GPT-2. */
  readonly inOut: boolean;
}

/** What every link of a model depends on. */
interface Linking {
  readonly a: Architecture;
  readonly options: LinkOptions;
  /** Sinter's name of a role, without the layer's number. */
  stem(role: Role): string;
  published(role: Role, suffix: Suffix, layer: number, expert?: number): string;
}

/** The links of all tensors of a model, layer by layer. `stems` are Sinter's names. */
export function linksOf(a: Architecture, stems: Stems, options: LinkOptions): Link[] {
  const linking: Linking = {
    a,
    options,
    stem: (role) => stems[role] ?? fail(role),
    published: (role, suffix, layer, expert = 0) =>
      publishedName(options.naming, role, suffix, layer, expert) ?? fail(role),
  };
  const layers = Array.from({ length: a.layers }, (_, layer) => layerLinks(linking, layer));
  return [...embeddingLinks(linking), ...layers.flat(), ...outputLinks(linking)];
}

const fail = (role: Role): never => {
  throw new Error(`no name for ${role}`);
};

const embeddingLinks = (linking: Linking): Link[] => [
  tableLink(linking, "token", linking.a.vocab),
  ...(linking.a.family === "gpt2" ? [tableLink(linking, "position", linking.a.context)] : []),
];

const layerLinks = (linking: Linking, layer: number): Link[] => [
  ...normLinks(linking, "attentionNorm", layer),
  ...attentionLinks(linking, layer),
  ...normLinks(linking, "ffnNorm", layer),
  ...(linking.a.experts ? expertLinks(linking, layer) : feedForwardLinks(linking, layer)),
];

function outputLinks(linking: Linking): Link[] {
  const { a } = linking;
  const head = { role: "head", columns: a.vocab, halves: 0 } as const;
  return [
    ...normLinks(linking, "norm", 0),
    ...(a.tied ? [] : [joinedLink(linking, "head", "weight", 0, a.width, [head])]),
    ...(a.bias.head ? [vectorLink(linking, "head", "bias", 0, a.vocab)] : []),
  ];
}

function attentionLinks(linking: Linking, layer: number): Link[] {
  const { a, options } = linking;
  const inner = a.heads * a.headDim;
  const kv = a.kvHeads * a.headDim;
  const halves = a.rope && options.naming.rope === "halves" ? a.headDim : 0;
  const parts: readonly JoinedPart[] = options.fused
    ? [{ role: "qkv", columns: inner + 2 * kv, halves: 0 }]
    : [
        { role: "q", columns: inner, halves },
        { role: "k", columns: kv, halves },
        { role: "v", columns: kv, halves: 0 },
      ];
  const headNorm = (role: "qNorm" | "kNorm"): Link =>
    joinedLink(linking, role, "weight", layer, 0, [{ role, columns: a.headDim, halves }]);
  return [
    joinedLink(linking, "qkv", "weight", layer, a.width, parts),
    ...(a.bias.qkv ? [joinedLink(linking, "qkv", "bias", layer, 0, parts)] : []),
    ...(a.qkNorm ? [headNorm("qNorm"), headNorm("kNorm")] : []),
    ...linearLinks(linking, "attentionOut", layer, inner, a.width, a.bias.attentionOut),
  ];
}

function feedForwardLinks(linking: Linking, layer: number): Link[] {
  const { family, width, hidden, bias } = linking.a;
  return [
    ...(family === "llama" ? linearLinks(linking, "gate", layer, width, hidden, bias.ffn) : []),
    ...linearLinks(linking, "up", layer, width, hidden, bias.ffn),
    ...linearLinks(linking, "down", layer, hidden, width, bias.ffn),
  ];
}

/** The router and the experts of a layer. Mixtral's have no biases. */
function expertLinks(linking: Linking, layer: number): Link[] {
  const { width, hidden, experts } = linking.a;
  return [
    ...linearLinks(linking, "router", layer, width, experts!.count, false),
    matricesLink(linking, "expertGate", "gate", layer, width, hidden),
    matricesLink(linking, "expertUp", "up", layer, width, hidden),
    matricesLink(linking, "expertDown", "down", layer, hidden, width),
  ];
}

/** An embedding table [rows, width], which has the same shape in all files. */
function tableLink({ a, stem, published }: Linking, role: Role, rows: number): Link {
  const shape = [rows, a.width];
  const piece: Piece = {
    name: published(role, "weight", 0),
    shape,
    transposed: false,
    from: 0,
    columns: a.width,
    matrix: 0,
    matrices: 1,
    halves: 0,
    exact: role === "position",
  };
  return { name: sinterName(stem(role), "weight", 0), shape, pieces: [piece] };
}

function normLinks(linking: Linking, role: Role, layer: number): Link[] {
  const { width, bias } = linking.a;
  const suffixes: readonly Suffix[] = bias.norm ? ["weight", "bias"] : ["weight"];
  return suffixes.map((suffix) => vectorLink(linking, role, suffix, layer, width));
}

const vectorLink = (linking: Linking, role: Role, suffix: Suffix, layer: number, n: number): Link =>
  joinedLink(linking, role, suffix, layer, 0, [{ role, columns: n, halves: 0 }]);

/** A matrix [rows, columns], and its bias [columns] where there is one. */
function linearLinks(
  linking: Linking,
  role: Role,
  layer: number,
  rows: number,
  columns: number,
  bias: boolean,
): Link[] {
  const part = { role, columns, halves: 0 };
  return [
    joinedLink(linking, role, "weight", layer, rows, [part]),
    ...(bias ? [joinedLink(linking, role, "bias", layer, 0, [part])] : []),
  ];
}

interface JoinedPart {
  readonly role: Role;
  readonly columns: number;
  readonly halves: number;
}

/**
 * A tensor whose columns are those of the parts, one after the other. With 0 rows it is a vector; otherwise
 * its weight is a matrix [rows, columns of all parts].
 */
function joinedLink(
  { stem, published, options: { inOut } }: Linking,
  into: Role,
  suffix: Suffix,
  layer: number,
  rows: number,
  parts: readonly JoinedPart[],
): Link {
  const isMatrix = suffix === "weight" && rows > 0;
  let from = 0;
  const pieces = parts.map(({ role, columns, halves }): Piece => {
    const transposed = isMatrix && (!inOut || role === "head");
    const matrixShape = transposed ? [columns, rows] : [rows, columns];
    const piece = {
      name: published(role, suffix, layer),
      shape: isMatrix ? matrixShape : [columns],
      transposed,
      from,
      columns,
      matrix: 0,
      matrices: 1,
      halves,
      exact: !isMatrix || role === "router",
    };
    from += columns;
    return piece;
  });
  const shape = isMatrix ? [rows, from] : [from];
  return { name: sinterName(stem(into), suffix, layer), shape, pieces };
}

/**
 * The matrices of a layer's experts, [experts, rows, columns]: published one by one, or all as one tensor.
 */
function matricesLink(
  { a, stem, published, options: { naming } }: Linking,
  role: Role,
  into: Role,
  layer: number,
  rows: number,
  columns: number,
): Link {
  const { count } = a.experts!;
  const apart = expertsApart(naming);
  const each = apart ? 1 : count;
  const pieces = Array.from({ length: count / each }, (_, e): Piece => ({
    name: published(role, "weight", layer, e),
    shape: apart ? [columns, rows] : [count, columns, rows],
    transposed: true,
    from: 0,
    columns,
    matrix: e,
    matrices: each,
    halves: 0,
    exact: false,
  }));
  return { name: sinterName(stem(into), "weight", layer), shape: [count, rows, columns], pieces };
}
