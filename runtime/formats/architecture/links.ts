/**
 * Which published tensors a tensor of Sinter's is made of, and how. Sinter stores matrices [in, out] and one
 * matrix for queries, keys and values; published files often [out, in], and three. A link says it in both
 * directions: import gathers by it, export scatters.
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

export interface Piece {
  /** As published, without an optional prefix. */
  readonly name: string;
  /** As published. */
  readonly shape: readonly number[];
  /** Stored [out, in]; Sinter has [in, out]. */
  readonly turned: boolean;
  /** Its columns of Sinter's tensor (elements, of a vector). */
  readonly from: number;
  readonly columns: number;
  /** Of a tensor of several matrices, [experts, in, out]: the first, and how many. */
  readonly matrix: number;
  readonly matrices: number;
  /** Width of a head whose rows stand in halves; 0: in Sinter's order. */
  readonly halves: number;
  /**
   * Stays in f32 when it goes out: vectors, positions and routers are small, and much depends on each number.
   */
  readonly exact: boolean;
}

const whole = { from: 0, matrix: 0, matrices: 1, halves: 0 } as const;

export interface Link {
  /** As Sinter's checkpoints name it. */
  readonly name: string;
  /** [in, out]; [rows, width] of an embedding; [n] of a vector; [experts, in, out]. */
  readonly shape: readonly number[];
  readonly pieces: readonly Piece[];
}

export interface LinkOptions {
  readonly naming: Naming;
  /** Queries, keys and values are one published matrix. */
  readonly fused: boolean;
  /** Matrices are [in, out] (Hugging Face's GPT-2). */
  readonly inOut: boolean;
}

/** Links of all of a model's tensors, layer by layer. `stems`: Sinter's names. */
export function linksOf(a: Architecture, stems: Stems, options: LinkOptions): Link[] {
  const links: Link[] = [];
  const { naming, fused, inOut } = options;
  const inner = a.heads * a.headDim;
  const kv = a.kvHeads * a.headDim;
  const halves = a.rope && naming.rope === "halves" ? a.headDim : 0;
  const stem = (role: Role): string => stems[role] ?? fail(role);
  const published = (role: Role, suffix: Suffix, layer: number, expert = 0): string =>
    publishedName(naming, role, suffix, layer, expert) ?? fail(role);
  /** Embeddings: the same shape everywhere. */
  const table = (role: Role, rows: number): void => {
    const shape = [rows, a.width];
    links.push({
      name: sinterName(stem(role), "weight", 0),
      shape,
      pieces: [
        {
          ...whole,
          name: published(role, "weight", 0),
          shape,
          turned: false,
          columns: a.width,
          exact: role === "position",
        },
      ],
    });
  };
  const vector = (role: Role, suffix: Suffix, layer: number, n: number): void =>
    join(stem(role), suffix, layer, 0, [{ role, columns: n, halves: 0 }]);
  const join = (
    into: string,
    suffix: Suffix,
    layer: number,
    rows: number,
    parts: readonly { role: Role; columns: number; halves: number }[],
  ): void => {
    let from = 0;
    const matrix = suffix === "weight" && rows > 0;
    const pieces = parts.map(({ role, columns, halves }) => {
      const turned = matrix && (!inOut || role === "head");
      const piece = {
        name: published(role, suffix, layer),
        shape: !matrix ? [columns] : turned ? [columns, rows] : [rows, columns],
        turned,
        from,
        columns,
        matrix: 0,
        matrices: 1,
        halves,
        exact: !matrix || role === "router",
      };
      from += columns;
      return piece;
    });
    links.push({ name: sinterName(into, suffix, layer), shape: matrix ? [rows, from] : [from], pieces });
  };
  const linear = (role: Role, layer: number, rows: number, columns: number, bias: boolean): void => {
    join(stem(role), "weight", layer, rows, [{ role, columns, halves: 0 }]);
    if (bias) join(stem(role), "bias", layer, 0, [{ role, columns, halves: 0 }]);
  };
  /** One matrix for each expert. */
  const experts = (role: Role, into: Role, layer: number, rows: number, columns: number): void => {
    const count = a.experts!.count;
    const apart = expertsApart(naming);
    const each = apart ? 1 : count;
    const pieces = Array.from({ length: count / each }, (_, e): Piece => ({
      name: published(role, "weight", layer, e),
      shape: apart ? [columns, rows] : [count, columns, rows],
      turned: true,
      from: 0,
      columns,
      matrix: e,
      matrices: each,
      halves: 0,
      exact: false,
    }));
    links.push({ name: sinterName(stem(into), "weight", layer), shape: [count, rows, columns], pieces });
  };
  const norm = (role: Role, layer: number): void => {
    vector(role, "weight", layer, a.width);
    if (a.bias.norm) vector(role, "bias", layer, a.width);
  };

  table("token", a.vocab);
  if (a.family === "gpt2") table("position", a.context);
  for (let layer = 0; layer < a.layers; layer++) {
    norm("attentionNorm", layer);
    const parts = fused
      ? [{ role: "qkv" as const, columns: inner + 2 * kv, halves: 0 }]
      : [
          { role: "q" as const, columns: inner, halves },
          { role: "k" as const, columns: kv, halves },
          { role: "v" as const, columns: kv, halves: 0 },
        ];
    join(stem("qkv"), "weight", layer, a.width, parts);
    if (a.bias.qkv) join(stem("qkv"), "bias", layer, 0, parts);
    if (a.qkNorm)
      for (const role of ["qNorm", "kNorm"] as const)
        join(stem(role), "weight", layer, 0, [{ role, columns: a.headDim, halves }]);
    linear("attentionOut", layer, inner, a.width, a.bias.attentionOut);
    norm("ffnNorm", layer);
    if (a.experts) {
      // Mixtral's have no biases
      linear("router", layer, a.width, a.experts.count, false);
      experts("expertGate", "gate", layer, a.width, a.hidden);
      experts("expertUp", "up", layer, a.width, a.hidden);
      experts("expertDown", "down", layer, a.hidden, a.width);
      continue;
    }
    if (a.family === "llama") linear("gate", layer, a.width, a.hidden, a.bias.ffn);
    linear("up", layer, a.width, a.hidden, a.bias.ffn);
    linear("down", layer, a.hidden, a.width, a.bias.ffn);
  }
  norm("norm", 0);
  if (!a.tied) join(stem("head"), "weight", 0, a.width, [{ role: "head", columns: a.vocab, halves: 0 }]);
  if (a.bias.head) vector("head", "bias", 0, a.vocab);
  return links;
}

const fail = (role: Role): never => {
  throw new Error(`no name for ${role}`);
};

/**
 * Row (of a head of width d) in halves that holds Sinter's row r of interleaved pairs: 2i ← i, 2i + 1 ← i +
 * d/2.
 */
export const halfOf = (r: number, d: number): number => (r >> 1) + (r & 1 ? d / 2 : 0);

/** The other way: Sinter's column of the published piece's row. */
export function columnOf(row: number, halves: number): number {
  const d = halves;
  const r = row % d;
  return d === 0 ? row : row - r + (r < d / 2 ? 2 * r : 2 * (r - d / 2) + 1);
}

/** Where element `column` of Sinter's piece is among the published piece's rows. */
export const rowOf = (column: number, halves: number): number =>
  halves === 0 ? column : Math.floor(column / halves) * halves + halfOf(column % halves, halves);

/**
 * Calls `move` for each column of each matrix: where it begins in Sinter's tensor and in the published piece,
 * and the step from row to row.
 */
function eachColumn(
  { shape }: Link,
  piece: Piece,
  move: (at: number, width: number, first: number, step: number, rows: number) => void,
): void {
  const rows = shape.at(-2) ?? 1;
  const width = shape.at(-1)!;
  for (let m = 0; m < piece.matrices; m++)
    for (let c = 0; c < piece.columns; c++) {
      const source = rowOf(c, piece.halves);
      const step = piece.turned ? 1 : piece.columns;
      move(
        (piece.matrix + m) * rows * width + piece.from + c,
        width,
        m * rows * piece.columns + (piece.turned ? source * rows : source),
        step,
        rows,
      );
    }
}

/** Published numbers → their columns of Sinter's tensor `into`. */
export function gather(link: Link, piece: Piece, values: Float32Array, into: Float32Array): void {
  eachColumn(link, piece, (at, width, first, step, rows) => {
    for (let r = 0, from = first, to = at; r < rows; r++, from += step, to += width) into[to] = values[from]!;
  });
}

/** The other way. */
export function scatter(link: Link, piece: Piece, from: Float32Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(piece.matrices * (link.shape.at(-2) ?? 1) * piece.columns);
  eachColumn(link, piece, (at, width, first, step, rows) => {
    for (let r = 0, to = first, source = at; r < rows; r++, to += step, source += width)
      out[to] = from[source]!;
  });
  return out;
}
