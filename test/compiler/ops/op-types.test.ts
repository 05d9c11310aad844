/**
 * What the types of an op's file refuse. Each "@ts-expect-error" below fails `tsc` as soon as the line behind
 * it is accepted; what is left to run is that such an op is otherwise like any other.
 */
import { expect, test } from "vitest";
import { ops } from "../../../compiler/ops/index.ts";
import { defineOp, oneOf } from "../../../compiler/ops/kit/op.ts";
import type { Related } from "../../../compiler/ops/kit/related.ts";

const rest = {
  doc: "out = x",
  flops: () => 0,
  reference() {},
  tasks: () => 1,
  emit() {},
  cases: [],
} as const;

test("attributes have the types of their defaults", () => {
  const op = defineOp("x[R,C] -> out[R,C]", {
    ...rest,
    attrs: { heads: 1, causal: true, form: oneOf<"wide" | "tall">("wide") },
    flops: ({ R }, { heads, causal, form }) => R * heads * (causal ? 1 : 2) * (form === "tall" ? 3 : 1),
    // @ts-expect-error -- there is no attribute `width`
    bytes: (_d, attrs) => attrs.width,
    // @ts-expect-error -- `form` is never "narrow"
    tasks: (_d, { attrs }) => (attrs.form === "narrow" ? 1 : 2),
    cases: [
      { d: { R: 1, C: 1 }, attrs: { form: "tall" } },
      // @ts-expect-error -- heads is a number
      { d: { R: 1, C: 1 }, attrs: { heads: "four" } },
      // @ts-expect-error -- there is no tensor `y`
      { d: { R: 1, C: 1 }, with: ["y"] },
    ],
  });
  expect(op.flops({ R: 5, C: 1 }, { ...op.attrs, form: "tall" })).toBe(15);
});

test("a gradient names the forward's tensors", () => {
  const op = defineOp("x[R] w[R]? -> out[R]", {
    ...rest,
    backward: () => [
      { op: "add_vector", ins: { a: "d_out", b: "w" }, outs: { out: "d_x" } },
      { cotangent: "d_w", equals: "d_out" },
    ],
  });
  expect(op.backward!(() => true, {})).toHaveLength(2);
  defineOp("x[R] -> out[R]", {
    ...rest,
    // @ts-expect-error -- there is no tensor y of which this could be the cotangent
    backward: () => [{ op: "add_vector", ins: { a: "d_out", b: "x" }, outs: { out: "d_y" } }],
  });
  defineOp("x[R] -> out[R]", {
    ...rest,
    // @ts-expect-error -- an input has no cotangent before the gradient is known
    backward: () => [{ cotangent: "d_x", equals: "d_x" }],
  });
});

/** The table with one op more: right where its gradient's steps are ones that there are. */
const related = <Table extends Related<Table>>(table: Table): Table => table;

test("a gradient's steps are ops of the table, with their arguments", () => {
  const step = { ins: { a: "d_out", b: "x" }, outs: { out: "d_x" } } as const;
  const good = defineOp("x[R] -> out[R]", { ...rest, backward: () => [{ op: "add_vector", ...step }] });
  expect(related({ ...ops, good }).good).toBe(good);
  const unknownOp = defineOp("x[R] -> out[R]", { ...rest, backward: () => [{ op: "add_vectors", ...step }] });
  // @ts-expect-error -- there is no op add_vectors
  related({ ...ops, unknownOp });
  const unknownArgument = defineOp("x[R] -> out[R]", {
    ...rest,
    backward: () => [{ ...step, op: "add_vector", ins: { ...step.ins, c: "x" } }],
  });
  // @ts-expect-error -- add_vector has no argument c
  related({ ...ops, unknownArgument });
  const missing = defineOp("x[R] -> out[R]", {
    ...rest,
    backward: () => [{ ...step, op: "add_vector", ins: { a: "d_out" } }],
  });
  // @ts-expect-error -- add_vector needs b
  related({ ...ops, missing });
  const unknownAttribute = defineOp("x[R,C] -> out[R,C]", {
    ...rest,
    backward: () => [
      { op: "activate", ins: { x: "d_out" }, outs: { out: "d_x" }, attrs: { activate: "gelu" } },
    ],
  });
  // @ts-expect-error -- activate has no attribute `activate`
  related({ ...ops, unknownAttribute });
});

test("what replaces an op is an op of the table", () => {
  const [by, weights] = ["embed_quantised", "x"] as const;
  const good = defineOp("x[R] -> out[R]", { ...rest, quantised: { by, weights, transposed: false } });
  expect(related({ ...ops, good }).good.quantised!.by).toBe(by);
  const wrong = defineOp("x[R] -> out[R]", {
    ...rest,
    quantised: { by: "embed_in_few_bits", weights, transposed: false },
  });
  // @ts-expect-error -- there is no op embed_in_few_bits
  related({ ...ops, wrong });
});
