/**
 * The head in blocks of rows, where other tensors happen to have the logits' shape: vocabulary as wide as
 * the model, as a hidden layer.
 */
import { describe, expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { buildGraph } from "../../../compiler/3-graph/build.ts";
import type { Graph } from "../../../compiler/3-graph/ir.ts";
import { verifyGraph } from "../../../compiler/3-graph/verify.ts";
import { differentiate } from "../../../compiler/4-grad/differentiate.ts";
import { saveForBackward } from "../../../compiler/4-grad/save.ts";
import { blockHead } from "../../../compiler/5-fuse/blocks.ts";
import { fuse } from "../../../compiler/5-fuse/fuse.ts";
import { interpret } from "../../support/interpret.ts";
import { numbersFor, sumOf, worstSlope } from "../../support/slopes.ts";

/** Vocabulary, width and hidden columns are 16; a linear map of that size stands before the last. */
const square = `model square {
  vocab 16 context 16 width 16 layers 2 heads 2
  embed token + position
  layer { x += attention(layernorm(x)) x += mlp(layernorm(x), hidden: width, activation: gelu) }
  output linear(rmsnorm(linear(layernorm(x), out: width)), bias: true)
}`;

const model = checkSource(square).models[0]!;
const start = buildGraph(model, { entry: "train", batch: 3, context: 16 });
const passed = (graph: Graph, passes: readonly ((g: Graph) => Graph)[]): Graph =>
  passes.reduce((g, pass) => {
    const next = pass(g);
    verifyGraph(next, pass.name);
    return next;
  }, graph);

const given = numbersFor(differentiate(start), { tokens: 16, targets: 16 });

describe("vocabulary, width and hidden columns of one size", () => {
  test("the last linear map alone makes the logits", () => {
    const writers = start.sections.flatMap((s) =>
      s.nodes.filter((n) => Object.values(n.outs).some((r) => r.value === "logits")),
    );
    expect(writers.map((n) => n.ins["bias"]?.value)).toEqual(["output.linear_2.bias"]);
    expect([...start.values.keys()].filter((name) => name.startsWith("logits"))).toEqual([
      "logits.unbiased",
      "logits",
    ]);
    for (const entry of ["prefill", "decode"] as const) {
      const { values } = buildGraph(model, { entry, rows: entry === "decode" ? 1 : 16 });
      expect(values.get("logits")).toMatchObject({ storage: "output", shape: [1, 16] });
    }
  });

  test("gradients are the slopes of the loss, in four blocks as in one", () => {
    const whole = passed(start, [differentiate, fuse, saveForBackward]);
    const blocks = passed(whole, [(g) => blockHead(g, 1024)]);
    expect(blocks.sections.map((s) => [s.role, s.times])).toEqual([
      ["embed", 1],
      ["layer", 2],
      ["head", 1],
      ["head", 3],
      ["head", 1],
      ["layer", 2],
      ["embed", 1],
    ]);
    const once = worstSlope(start, whole, given, sumOf(["token_losses"]));
    expect(once.largest).toBeGreaterThan(0.01);
    expect(once.worst, once.where).toBeLessThan(1);
    const [apart, together] = [blocks, whole].map((g) => interpret(g, given)) as [
      ReturnType<typeof interpret>,
      ReturnType<typeof interpret>,
    ];
    for (const { name, storage } of whole.values.values())
      if (storage === "gradient")
        for (const [slice, values] of together.get(name)!.entries())
          values.forEach((v, i) =>
            expect(apart.get(name)![slice]![i], `${name}[${slice}][${i}]`).toBeCloseTo(v, 10),
          );
  });
});
