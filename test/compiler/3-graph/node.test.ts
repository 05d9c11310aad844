/** Nodes as the builder and the passes make them: what is refused by type, and what is left of arguments. */
import { expect, test } from "vitest";
import { whole } from "../../../compiler/3-graph/ir.ts";
import { nodeOf } from "../../../compiler/3-graph/node.ts";

const [x, y, out] = [whole("x"), whole("y"), whole("out")];

test("an argument that is undefined is left out", () => {
  expect(nodeOf("layernorm", { x, w: undefined }, { out, mean: undefined }, { eps: 0.5 })).toEqual({
    op: "layernorm",
    ins: { x },
    outs: { out },
    attrs: { eps: 0.5 },
  });
});

test("what accumulates adds to an earlier micro-batch's", () => {
  expect(nodeOf("bias_backward", { d_out: x }, { d_bias: out }).accumulate).toBe("flag");
  expect(nodeOf("add", { a: x, b: y }, { out }).accumulate).toBeUndefined();
});

test("names and attributes are the op's", () => {
  const refused = [
    // @ts-expect-error -- add's second input is b
    () => nodeOf("add", { a: x, c: y }, { out }),
    // @ts-expect-error -- add needs b
    () => nodeOf("add", { a: x }, { out }),
    // @ts-expect-error -- layernorm has no output std
    () => nodeOf("layernorm", { x }, { out, std: y }),
    // @ts-expect-error -- eps is a number
    () => nodeOf("layernorm", { x }, { out }, { eps: "small" }),
    // @ts-expect-error -- there is no activation of this name
    () => nodeOf("activate", { x }, { out }, { activation: "tanh" }),
    // @ts-expect-error -- there is no such op
    () => nodeOf("layer_norm", { x }, { out }),
  ];
  expect(refused.at(-1)).toThrow();
});
