/**
 * Nodes, checked by type against their op: names of inputs and outputs against the signature, attributes
 * against their defaults. In the graph itself these are records, because passes take nodes as they come.
 */
import type { Attrs, Op } from "../ops/kit/op.ts";
import { ops, type AttrsOf, type InsOf, type OpName, type OutsOf } from "../ops/index.ts";
import type { Node, Ref } from "./ir.ts";

/**
 * A node that reads `ins` and writes `outs`; arguments that are undefined are left out. What accumulates adds
 * to an earlier micro-batch's.
 */
export function nodeOf<K extends OpName>(
  op: K,
  ins: InsOf<K, Ref>,
  outs: OutsOf<K, Ref>,
  attrs: Partial<AttrsOf<K>> = {},
): Node {
  const { accumulates }: Op = ops[op];
  return {
    op,
    ins: present(ins),
    outs: present(outs),
    attrs: attrs as Attrs,
    ...(accumulates?.length && { accumulate: "flag" as const }),
  };
}

const present = <T>(named: Readonly<Record<string, T | undefined>>): Record<string, T> =>
  Object.fromEntries(Object.entries(named).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])));
