/**
 * The output layer in blocks of rows, so that [B·T, vocab] is never whole in memory:
 *
 *   before  output: … logits = h · Wᵀ;  d_logits;  d_h = d_logits · W;  dW = d_logitsᵀ · h; …
 *   after   output: …   head × 4: logits = h[i] · Wᵀ; d_logits; d_h[i] = …; dW += …   output_rest: …
 *
 * Rows of a block are a multiple of 16, so that per-row vectors (targets, losses) stay contiguous over the
 * blocks.
 *
 * Where a row's cotangent is made of this row's loss, its equation is computed block by block as well. Where
 * it is made of several rows' losses, the logits are computed a second time:
 *
 *   output: …   head × 4: logits; logprobs[i]   objective: d_logprobs   head_again × 4: logits; d_h[i] = …;
 *   dW += …
 */
import { tensorBytes } from "../../runtime/contract/tensor-layout.ts";
import { ops, type OpName } from "../ops/index.ts";
import type { Op } from "../ops/kit/op.ts";
import { all, each, type Graph, type Node, type Ref, type Section, type Value } from "../3-graph/ir.ts";

/**
 * Logits of one block: large enough that the weight's gradient is not read and written too often, small
 * beside the weights.
 */
export const BLOCK_BYTES = 64 * 1024 * 1024;
const ROW_MULTIPLE = 16;

export function blockHead(graph: Graph, blockBytes = BLOCK_BYTES): Graph {
  const section = graph.sections.find((s) => s.role === "head");
  const read = section?.nodes.find((n) => readsLogits.has(n.op))?.ins["logits"];
  const logits = read && graph.values.get(read.value);
  if (!section || logits?.storage !== "activation") return graph;
  const rows = logits.shape[0]!;
  if (section.nodes.some((n) => n.accumulate === "never")) return graph; // sums over all rows
  const blockRows = rowsPerBlock(rows, tensorBytes(logits.shape) / rows, blockBytes);
  if (blockRows === rows) return graph;
  const parts = divide(graph, section, logits);
  return parts ? inBlocks(graph, section, parts, rows, blockRows) : graph;
}

/** The head's section in parts. Its values: `wide` of one block, `sliced` one slice per block. */
interface Parts {
  readonly before: readonly Node[];
  readonly head: readonly Node[];
  /** What needs all rows of the head, and the head once more with what needs that. */
  readonly second?: { readonly between: readonly Node[]; readonly head: readonly Node[] };
  readonly after: readonly Node[];
  readonly wide: ReadonlySet<string>;
  readonly sliced: ReadonlySet<string>;
}

/** Undefined where blocks cannot be computed one after the other. */
function divide(graph: Graph, section: Section, logits: Value): Parts | undefined {
  const wide = likeLogits(graph, section, logits);
  const touchesWide = (n: Node): boolean => valuesOfNode(n).some((v) => wide.has(v));
  const from = section.nodes.findIndex(touchesWide);
  const to = section.nodes.findLastIndex(touchesWide);
  const inner = section.nodes.slice(from, to + 1);
  const byRow = new Set(madeByRow(inner, touchesWide));
  const head = inner.filter((n) => touchesWide(n) || byRow.has(n));
  const others = inner.filter((n) => !head.includes(n));
  const needed = neededBy(head, others); // weights, and what is made of the losses of all rows
  const waiting = readersOf(valuesWritten(head), [...needed]);
  const second = waiting.length > 0 ? twice(head, waiting, wide) : undefined;
  const first = [...needed].filter((n) => !waiting.includes(n));
  const moved = others.filter((n) => !needed.has(n)); // loss_sum, which reads all rows
  const isRowed = ({ shape, storage }: Value): boolean =>
    shape[0] === logits.shape[0] && storage !== "parameter" && storage !== "gradient";
  const sliced = new Set(
    head.flatMap(valuesOfNode).filter((v) => isRowed(graph.values.get(v)!) && !wide.has(v)),
  );
  // a stack that the layers saved feeds the head directly: it cannot be cut a second time
  if ([...wide, ...sliced].some((name) => graph.values.get(name)!.slices !== 1)) return undefined;
  return {
    before: [...section.nodes.slice(0, from), ...first],
    head: second?.first ?? head,
    ...(second && { second: { between: waiting, head: second.again } }),
    after: [...moved, ...section.nodes.slice(to + 1)],
    wide,
    sliced,
  };
}

/** Nodes that make each row of that row alone, of what the head makes: they can go along with a block. */
function madeByRow(nodes: readonly Node[], isHead: (n: Node) => boolean): readonly Node[] {
  const made = valuesWritten(nodes.filter(isHead));
  const isByRow = ({ op, attrs }: Node): boolean =>
    op === "row_dot_dx" || (op === "objective" && attrs["unit"] === "token");
  const found: Node[] = [];
  for (const node of nodes) {
    if (isHead(node) || !isByRow(node) || !Object.values(node.ins).some((r) => made.has(r.value))) continue;
    found.push(node);
    for (const { value } of Object.values(node.outs)) made.add(value);
  }
  return found;
}

/** Those of `nodes` that read these values, or what nodes make of them. */
function readersOf(values: ReadonlySet<string>, nodes: readonly Node[]): readonly Node[] {
  const made = new Set(values);
  return nodes.filter((node) => {
    if (!Object.values(node.ins).some((r) => made.has(r.value))) return false;
    for (const { value } of Object.values(node.outs)) made.add(value);
    return true;
  });
}

/** The head until `waiting` can be computed; and what is left of it, with what makes the logits once more. */
function twice(
  head: readonly Node[],
  waiting: readonly Node[],
  wide: ReadonlySet<string>,
): { readonly first: readonly Node[]; readonly again: readonly Node[] } {
  const rest = readersOf(valuesWritten(waiting), head);
  const first = head.filter((n) => !rest.includes(n));
  const wanted = new Set(
    rest.flatMap((n) => Object.values(n.ins).map((r) => r.value)).filter((v) => wide.has(v)),
  );
  const makers: Node[] = [];
  for (const node of first.toReversed()) {
    if (!Object.values(node.outs).some((r) => wanted.has(r.value))) continue;
    makers.unshift(node);
    for (const { value } of Object.values(node.ins)) if (wide.has(value)) wanted.add(value);
  }
  return { first, again: [...makers, ...rest] };
}

function inBlocks(graph: Graph, section: Section, parts: Parts, rows: number, blockRows: number): Graph {
  const { wide, sliced } = parts;
  const times = rows / blockRows;
  const values = new Map(graph.values);
  for (const name of [...wide, ...sliced]) {
    const v = values.get(name)!;
    const shape = [blockRows, ...v.shape.slice(1)];
    values.set(name, { ...v, shape, slices: wide.has(name) ? 1 : times });
  }
  const rewrite = (nodes: readonly Node[], ref: (r: Ref) => Ref): Node[] =>
    nodes.map((n) => ({ ...n, ins: mapRefs(n.ins, ref), outs: mapRefs(n.outs, ref) }));
  const outside = (r: Ref): Ref => (sliced.has(r.value) ? all(r.value) : r);
  const inside = (r: Ref): Ref => (sliced.has(r.value) ? each(r.value) : r);
  const overBlocks = (n: Node): Node => (n.accumulate === "flag" ? { ...n, accumulate: "iterations" } : n);
  const blocks = (name: string, nodes: readonly Node[]): Section => ({
    name,
    role: "head",
    times,
    order: "up",
    carries: [],
    nodes: rewrite(nodes, inside).map(overBlocks),
  });
  const { second } = parts;
  const sections = graph.sections.flatMap((s): Section[] => {
    if (s !== section) return [{ ...s, nodes: rewrite(s.nodes, outside) }];
    const once = (name: string, nodes: readonly Node[]): Section => ({
      ...s,
      name,
      nodes: rewrite(nodes, outside),
    });
    return [
      once(s.name, parts.before),
      blocks("head", parts.head),
      ...(second ? [once("objective", second.between), blocks("head_again", second.head)] : []),
      once("output_rest", parts.after),
    ].filter((part) => part.nodes.length > 0);
  });
  return { ...graph, values, sections };
}

/** Those of `nodes` whose results the head reads, and those whose results these read. */
function neededBy(head: readonly Node[], nodes: readonly Node[]): Set<Node> {
  const needed = new Set<Node>();
  const read = new Set(head.flatMap((n) => Object.values(n.ins).map((r) => r.value)));
  for (const node of nodes.toReversed()) {
    if (!Object.values(node.outs).some((r) => read.has(r.value))) continue;
    needed.add(node);
    for (const { value } of Object.values(node.ins)) read.add(value);
  }
  return new Set(nodes.filter((n) => needed.has(n)));
}

const valuesWritten = (nodes: readonly Node[]): Set<string> =>
  new Set(nodes.flatMap((n) => Object.values(n.outs).map((r) => r.value)));

/** What makes the loss of logits, alone or with its gradient. */
const readsLogits: ReadonlySet<string> = new Set<OpName>([
  "cross_entropy",
  "cross_entropy_backward",
  "cross_entropy_grad",
  "entropy",
]);

/**
 * The logits, and what has their shape because it is made of them, or they of it, element by element: their
 * gradient, their sum without the bias. Not rows [R, width] that have the same shape by chance.
 */
function likeLogits(graph: Graph, section: Section, logits: Value): Set<string> {
  const wide = new Set([logits.name]);
  const elsewhere = new Set(
    graph.sections.filter((s) => s !== section).flatMap((s) => s.nodes.flatMap(valuesOfNode)),
  );
  const alike = (name: string): boolean => {
    const { storage, shape } = graph.values.get(name)!;
    return storage === "activation" && `${shape}` === `${logits.shape}` && !elsewhere.has(name);
  };
  for (let before = 0; before < wide.size;) {
    before = wide.size;
    for (const node of section.nodes) {
      const linked = inPlacePairs(node).flat();
      if (linked.some((v) => wide.has(v))) for (const v of linked.filter(alike)) wide.add(v);
    }
  }
  return wide;
}

const valuesOfNode = ({ ins, outs }: Node): string[] =>
  [...Object.values(ins), ...Object.values(outs)].map((r) => r.value);

/** Values of which the first could be written over the second. */
function inPlacePairs({ op, ins, outs }: Node): (readonly [string, string])[] {
  const { inPlace = {} }: Op = ops[op];
  return Object.entries(inPlace).flatMap(([out, places]) =>
    [places!].flat().flatMap((place) => {
      const pair = [outs[out]?.value, ins[place]?.value] as const;
      return pair[0] !== undefined && pair[1] !== undefined ? [[pair[0], pair[1]] as const] : [];
    }),
  );
}

function rowsPerBlock(rows: number, rowBytes: number, blockBytes: number): number {
  const fits = (r: number) => rows % r === 0 && (r === rows || r % ROW_MULTIPLE === 0);
  let best = rows;
  for (let r = rows; r >= ROW_MULTIPLE; r--) {
    if (!fits(r)) continue;
    best = r;
    if (r * rowBytes <= blockBytes) break;
  }
  return best;
}

const mapRefs = (refs: Readonly<Record<string, Ref>>, f: (r: Ref) => Ref): Record<string, Ref> =>
  Object.fromEntries(Object.entries(refs).map(([k, r]) => [k, f(r)]));
