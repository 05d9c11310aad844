/**
 * The graph IR, on one page.
 *
 *   graph    = value* section* term*                    the terms are its objective
 *   section  = role, times, order, carry*, node*        "layer × 12 up": the nodes run for l = 0 … 11
 *   node     = op, ins { argument: ref }, outs { argument: ref }, attrs
 *   ref      = value, slice                             x   x[l]   x[l+1]   x[0]   x[:]
 *   value    = name, shape, dtype, storage, slices      slices > 1: one per layer or block of rows
 *   term     = value, weights                           Σ of its elements, each times its weight
 *
 * The nodes of a layer stand here once, however many layers there are: `slices` and `ref.slice` say which
 * layer's tensor is meant. Code size therefore does not grow with the number of layers.
 *
 * Names are for people. A pass that looks for a section asks for its role.
 *
 * Differentiation begins with the objective's terms, whose weights are their cotangents. A loss is weighted
 * by a term that has a tensor of weights; it is added to another by a second term; it goes on where nodes
 * read it and what they make of it is the term. For the host these are inputs and outputs of an entry:
 *
 *   evaluate   tokens, targets → logprobs [R]                 the host makes weights of them, row by row
 *   train      tokens, targets, weights [R] → gradients       d_logits = (softmax − onehot) · weights[r]
 */
import { HYPER_FLOATS } from "../../runtime/contract/control.ts";
import { inputTensors, type InputName, type TensorName } from "../../runtime/contract/entries.ts";
import type { DType } from "../../runtime/contract/memory-formats.ts";
import type { Init, Quantised, Storage } from "../../runtime/contract/storage.ts";
import { tensorBytes } from "../../runtime/contract/tensor-layout.ts";
import type { Attrs } from "../ops/kit/op.ts";
import type { OpName } from "../ops/index.ts";

export interface Value {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly storage: Storage;
  readonly slices: number;
  /**
   * Slices of other sizes than `shape`, which is the largest of them: those of one round, over and over.
   * Their addresses: `sliceBytes`.
   */
  readonly sliceShapes?: readonly (readonly number[])[];
  /** One per layer, also in a model of one layer: checkpoints put the layer's number into its name. */
  readonly layered?: boolean;
  /**
   * A region: these values one after the other in memory, seen as one [bytes/64, 16] tensor (the optimizer's
   * view of all parameters).
   */
  readonly members?: readonly string[];
  /** Gradients and moments: the parameter's name. Activations: that of the forward, computed again. */
  readonly of?: string;
  /** Inputs that are fields of the control block: the first of them. All others get memory of their own. */
  readonly control?: "rows" | "spanCount" | "loop" | "hyper";
  /** Parameters: initial values, and whether weight decay applies (matrices only). */
  readonly init?: Init;
  readonly decay?: boolean;
  /** Parameters: false = no gradient, no moments, no update. Absent: true. */
  readonly trained?: boolean;
  /** Parameters kept in fewer bits: `shape` above is [rows, words] then; this is what it holds. */
  readonly quantised?: Quantised;
}

/**
 * `at`: slice number = step · iteration + base. `all`: every slice as one tensor, the first dimension
 * multiplied.
 */
export type Slice =
  | { readonly kind: "at"; readonly step: 0 | 1; readonly base: number }
  | { readonly kind: "all" };
export interface Ref {
  readonly value: string;
  readonly slice: Slice;
}

export interface Node {
  readonly op: OpName;
  readonly ins: Readonly<Record<string, Ref>>;
  readonly outs: Readonly<Record<string, Ref>>;
  readonly attrs: Attrs;
  /**
   * Ops that accumulate: "flag" = add when this is not the step's first micro-batch; "always" = an earlier
   * node of this run has written here; "iterations" = like "flag" in the section's first iteration, "always"
   * in the others; "never" = what they write lives within the run.
   */
  readonly accumulate?: "flag" | "always" | "iterations" | "never";
}

/** At the end of an iteration, `to` becomes what `from` is in the next. Both are activations of one slice. */
export interface Carry {
  readonly from: string;
  readonly to: string;
}

/** What a section is there for. */
export type Role =
  /** Makes the rows x [R, width] that the first layer reads. */
  | "embed"
  | "layer"
  /** Makes what leaves the model of the rows behind the last layer: logits, for example. */
  | "head"
  /** Hands the rows behind its last layer on to the next segment. */
  | "leave"
  | "loss"
  /** Draws tokens from the logits, and makes the next run of them. */
  | "sample"
  /** The optimizer's: it runs only when the host asked for an update. */
  | "update";

export interface Section {
  /** Appears in dumps, in profiles and in comments of the code. No two of a graph have the same. */
  readonly name: string;
  readonly role: Role;
  /** Backward sections: name of the section whose cotangents this one computes. It has the same role. */
  readonly of?: string;
  readonly times: number;
  readonly order: "up" | "down";
  readonly carries: readonly Carry[];
  readonly nodes: readonly Node[];
}

export interface Term {
  readonly value: Ref;
  /** Of the value's shape. Absent: hyper.scale, the same for all elements. */
  readonly weights?: Ref;
}

/** An element of a value, which some node writes. */
export interface Repeat {
  readonly value: string;
  readonly element: number;
}

export interface Graph {
  /** Which job: "train", "evaluate", "prefill", "decode", "generate". */
  readonly entry: string;
  /** Sequences, and rows of each, that one run takes. */
  readonly batch: number;
  readonly context: number;
  readonly values: ReadonlyMap<string, Value>;
  readonly sections: readonly Section[];
  /** What training makes smaller: none in entries that do not train, nor once it is differentiated. */
  readonly objective: readonly Term[];
  /**
   * The sections run again, all of them, as long as this number (i32) is not 0 at their end. Absent: once.
   */
  readonly again?: Repeat;
}

export const whole = (value: string): Ref => ({ value, slice: { kind: "at", step: 0, base: 0 } });
export const each = (value: string, offset = 0): Ref => ({
  value,
  slice: { kind: "at", step: 1, base: offset },
});
export const sliceOf = (value: string, index: number): Ref => ({
  value,
  slice: { kind: "at", step: 0, base: index },
});
export const all = (value: string): Ref => ({ value, slice: { kind: "all" } });

/** Whether other memories have the rest of its model: rows come from them, or go to them (partition.ts). */
export const isPartition = ({ values }: Pick<Graph, "values">): boolean =>
  (["x_in", "x_out"] satisfies TensorName[]).some((name) => values.has(name));

export const isTrained = ({ storage, trained }: Value): boolean =>
  storage === "parameter" && trained !== false;

/** What the host says of a step: control.ts. Declared by the first that reads it. */
export function hyperOf(values: Map<string, Value>): Ref {
  const name = "hyper" satisfies InputName;
  const shape = [HYPER_FLOATS];
  if (!values.has(name))
    values.set(name, { name, shape, storage: "input", slices: 1, ...inputTensors[name] });
  return whole(name);
}

/** Shape that a node sees through a ref. */
export function refShape(
  graph: { readonly values: ReadonlyMap<string, Value> },
  ref: Ref,
): readonly number[] {
  const value = graph.values.get(ref.value);
  if (!value) throw new Error(`no value ${ref.value}`);
  if (ref.slice.kind === "at") return value.shape;
  const [first, ...rest] = value.shape;
  return [first! * value.slices, ...rest];
}

/** Bytes of one slice after the other, of a round. */
export const sliceBytes = ({ shape, sliceShapes }: Value): readonly number[] =>
  (sliceShapes ?? [shape]).map(tensorBytes);

export const sameRef = (a: Ref, b: Ref): boolean => printRef(a) === printRef(b);

export function printRef({ value, slice }: Ref): string {
  if (slice.kind === "all") return `${value}[:]`;
  if (slice.step === 1)
    return `${value}[i${slice.base > 0 ? `+${slice.base}` : slice.base < 0 ? slice.base : ""}]`;
  return slice.base === 0 ? value : `${value}[${slice.base}]`;
}
