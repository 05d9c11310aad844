/**
 * Fusions, as data. Each joins a node with the one that reads its result; `fuse.ts` tries them in this order
 * until none applies, and records where each one fired: `sinter explain SPEC --fusion` prints that.
 */
import type { Attrs } from "../ops/kit/op.ts";
import type { OpName } from "../ops/index.ts";
import type { Node, Ref } from "../3-graph/ir.ts";

export interface Rule {
  readonly name: string;
  readonly why: string;
  /** The first writes `out`, the second reads it as one of `reads`. */
  readonly first: readonly OpName[];
  readonly out: string;
  readonly second: OpName;
  readonly reads: readonly string[];
  /** How it looks before and after, for people. */
  readonly before: string;
  readonly after: string;
  /**
   * When others read the value in between too: the output of the fused node that keeps it. Without: no fusion
   * then.
   */
  readonly keep?: string;
  /**
   * The fused node (without the kept output), or null where it does not fit. `read` is the argument by which
   * the second reads the first.
   */
  join(first: Node, second: Node, read: string): Node | null;
}

const products: readonly OpName[] = ["matmul", "matmul_nt"];
const plain = (attrs: Attrs, key: "activation" | "derivative"): boolean => (attrs[key] ?? "none") === "none";
const has = (node: Node, argument: string): boolean => node.ins[argument] !== undefined;
/** Nothing may follow an added residual; bias and activation come before it. */
const bare = (node: Node): boolean =>
  !has(node, "add") && plain(node.attrs, "activation") && plain(node.attrs, "derivative");
const other = (node: Node, read: string): Ref => node.ins[read === "a" ? "b" : "a"]!;

/** An op reads the one number of all weights, instead of a tensor of them. */
const defaultWeight = (second: OpName, argument: string): Rule => ({
  name: `default weight into ${second}`,
  why: "one number for all: no tensor of weights is written and read",
  before: `${second}(…, ${argument} = default_weight(hyper))`,
  after: `${second}(…, hyper)`,
  first: ["default_weight"],
  out: "weights",
  second,
  reads: [argument],
  join(weight, of) {
    const { [argument]: _, ...others } = of.ins;
    return { ...of, ins: { ...others, ...weight.ins } };
  },
});

export const rules: readonly Rule[] = [
  defaultWeight("cross_entropy_backward", "weights"),
  defaultWeight("balance_backward", "weight"),
  {
    name: "bias into matmul",
    why: "added while the tile is in registers: one trip through [R,N] less",
    before: "bias(matmul(a, b))",
    after: "matmul(a, b, bias)",
    first: products,
    out: "out",
    second: "bias",
    reads: ["x"],
    join: (m, b) =>
      bare(m) && !has(m, "bias")
        ? { ...m, ins: { ...m.ins, bias: b.ins["bias"]! }, outs: { out: b.outs["out"]! } }
        : null,
  },
  {
    name: "activation into matmul",
    why: "the tile is still in registers when the activation wants it",
    before: "activate(matmul(a, b))",
    after: "matmul(a, b) with activation; its bend is stored only if the backward needs it",
    first: products,
    out: "out",
    second: "activate",
    reads: ["x"],
    join: (m, a) =>
      bare(m) ? { ...m, outs: a.outs, attrs: { ...m.attrs, activation: a.attrs["activation"]! } } : null,
  },
  {
    name: "activation's slope into matmul",
    why: "the cotangent is multiplied by f'(x) before it leaves the registers",
    before: "activate_backward(bend, matmul_nt(dout, w))",
    after: "matmul_nt(dout, w) · (gate + f'(0)),  gate = bend",
    first: products,
    out: "out",
    second: "activate_backward",
    reads: ["d_out"],
    join: (m, a) =>
      bare(m) && !has(m, "bias")
        ? {
            ...m,
            ins: { ...m.ins, gate: a.ins["bend"]! },
            outs: { out: a.outs["d_x"]! },
            attrs: { ...m.attrs, derivative: a.attrs["activation"]! },
          }
        : null,
  },
  {
    name: "sum into matmul",
    why:
      "the residual (or the cotangent of another use) is added in registers: saves a write and a read of " +
      "[R,N]",
    before: "add(x, matmul(a, b))",
    after: "matmul(a, b) + x",
    first: products,
    out: "out",
    second: "add",
    reads: ["b", "a"],
    join: (m, s, read) =>
      has(m, "add")
        ? null
        : { ...m, ins: { ...m.ins, add: other(s, read) }, outs: { ...m.outs, out: s.outs["out"]! } },
  },
  {
    name: "sum into norm's backward",
    why: "the residual's cotangent is added while the row is in L1",
    before: "add(dx, layernorm_dx(…))",
    after: "layernorm_dx(…) + dx",
    first: ["layernorm_dx", "rmsnorm_dx"],
    out: "d_x",
    second: "add",
    reads: ["b", "a"],
    join: (n, s, read) =>
      has(n, "add") ? null : { ...n, ins: { ...n.ins, add: other(s, read) }, outs: { d_x: s.outs["out"]! } },
  },
];

/** Two nodes that read the same: the loss and its gradient share the softmax. */
export const twins = [
  {
    name: "loss and its gradient",
    why: "one pass over the logits instead of three; the gradient takes the logits' place in memory",
    before: "cross_entropy(logits); cross_entropy_backward(logits)",
    after: "cross_entropy_grad(logits)",
    first: "cross_entropy",
    second: "cross_entropy_backward",
    shared: "logits",
    fused: "cross_entropy_grad",
  },
] as const satisfies readonly {
  name: string;
  why: string;
  before: string;
  after: string;
  first: OpName;
  second: OpName;
  shared: string;
  fused: OpName;
}[];
