/**
 * Differentiation, graph by graph, in f64: the gradients that it adds are the slopes of the objective. Whole
 * models, and what an objective may be: weighted, a sum of several, continued by further nodes.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { buildGraph } from "../../../compiler/3-graph/build.ts";
import { freeze } from "../../../compiler/3-graph/freeze.ts";
import { whole, type Graph, type Node, type Term, type Value } from "../../../compiler/3-graph/ir.ts";
import { verifyGraph } from "../../../compiler/3-graph/verify.ts";
import { differentiate } from "../../../compiler/4-grad/differentiate.ts";
import { saveForBackward } from "../../../compiler/4-grad/save.ts";
import { blockHead } from "../../../compiler/5-fuse/blocks.ts";
import { fuse } from "../../../compiler/5-fuse/fuse.ts";
import { dropUnread } from "../../../compiler/5-fuse/unread.ts";
import { inProject } from "../../support/paths.ts";
import { interpret } from "../../support/interpret.ts";
import { numbersFor, SCALE, sumOf, worstSlope } from "../../support/slopes.ts";

const LONG = 60_000; // ms

function trainingGraph(spec: string, set: Record<string, string> = {}): Graph {
  const source = readFileSync(inProject(`test/parity/specs/${spec}.sinter`), "utf8");
  const { models, diagnostics } = checkSource(source, { set });
  expect(diagnostics).toEqual([]);
  const [model] = models;
  const { batch, context } = model!.train;
  return buildGraph(model!, { entry: "train", batch, context });
}

/** As in compile.ts, the graph checked after every pass. */
function passed(graph: Graph, passes: readonly ((g: Graph) => Graph)[]): Graph {
  let current = graph;
  verifyGraph(current, "nothing");
  for (const pass of passes) {
    current = pass(current);
    verifyGraph(current, pass.name);
  }
  return current;
}
const toTheEnd = [differentiate, dropUnread, fuse, saveForBackward];
const opsOf = (graph: Graph): string[] => graph.sections.flatMap((s) => s.nodes.map((n) => n.op));

describe("gradients of whole models are the slopes of their objective", () => {
  test.each(["gpt2", "llama", "qk-norm", "mixture-masked"])(
    "%s",
    (spec) => {
      const start = trainingGraph(spec, { "train.batch": "1", "train.context": "8" });
      const graph = passed(start, toTheEnd);
      const terms = start.objective.map((t) => t.value.value);
      expect(terms.includes("layers.experts.balance")).toBe(spec === "mixture-masked");
      const given = numbersFor(graph, { tokens: 29, targets: 29 });
      const { worst, where, largest } = worstSlope(start, graph, given, sumOf(terms));
      expect(largest).toBeGreaterThan(1e-3);
      expect(worst, where).toBeLessThan(1);
      expect(opsOf(graph)).not.toContain("default_weight"); // fused: kernels take the number itself
    },
    LONG,
  );
});

/** What a model of one linear map has: x · w = logits [R, V], losses of the rows and their sum. */
const R = 6;
const V = 5;
const value = (name: string, shape: readonly number[], more: Partial<Value>): [string, Value] => [
  name,
  { name, shape, dtype: "f32", storage: "activation", slices: 1, ...more },
];
const node = (op: Node["op"], ins: string, outs: string, more: Partial<Node> = {}): Node => {
  const refs = (text: string) =>
    Object.fromEntries(
      text.split(" ").map((pair) => {
        const [arg, name] = pair.split("=");
        return [arg!, whole(name!)];
      }),
    );
  return { op, ins: refs(ins), outs: refs(outs), attrs: {}, ...more };
};

function linearModel(objective: readonly Term[], more: readonly Node[] = []): Graph {
  return {
    entry: "train",
    batch: 1,
    context: R,
    values: new Map([
      value("x", [R, 4], { storage: "input" }),
      value("targets", [R], { storage: "input", dtype: "i32" }),
      value("weights", [R], { storage: "input" }),
      value("others", [R], { storage: "input" }),
      value("w", [4, V], { storage: "parameter" }),
      value("logits", [R, V], {}),
      value("losses", [R], { storage: "output" }),
      value("logprobs", [R], { storage: "output" }),
      value("loss", [2], { storage: "output" }),
      value("total", [R], {}),
    ]),
    sections: [
      {
        name: "output",
        role: "head",
        times: 1,
        order: "up",
        carries: [],
        nodes: [
          node("matmul", "a=x b=w", "out=logits"),
          node("cross_entropy", "logits=logits targets=targets", "losses=losses logprobs=logprobs"),
          node("loss_sum", "losses=losses targets=targets", "loss=loss", { accumulate: "flag" }),
          ...more,
        ],
      },
    ],
    objective,
  };
}

describe("an objective", () => {
  const given = numbersFor(differentiate(linearModel([{ value: whole("losses") }])), {
    tokens: V,
    targets: V,
  });
  const check = (start: Graph, objective: (after: Map<string, Float64Array[]>) => number): Graph => {
    const graph = passed(start, toTheEnd);
    const { worst, where, largest } = worstSlope(start, graph, given, objective);
    expect(largest).toBeGreaterThan(1e-3);
    expect(worst, where).toBeLessThan(1);
    return graph;
  };
  const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, v, i) => sum + v * b[i]!, 0);
  const sum = (a: Float64Array): number => a.reduce((total, v) => total + v, 0);
  const of = (numbers: Map<string, Float64Array[]>, name: string): Float64Array => numbers.get(name)![0]!;

  test("weighs each row by hyper.scale where nobody says otherwise", () => {
    check(linearModel([{ value: whole("losses") }]), (after) => SCALE * sum(of(after, "losses")));
  });

  test("weighs each row by its weight, in one kernel with the loss", () => {
    const graph = check(linearModel([{ value: whole("losses"), weights: whole("weights") }]), (after) =>
      dot(of(after, "losses"), of(given, "weights")),
    );
    expect(opsOf(graph)).toEqual(["matmul", "cross_entropy_grad", "loss_sum", "matmul_tn"]);
    expect(graph.values.has("hyper")).toBe(false);
  });

  test("is a sum of terms: weighted losses, their plain sum, weighted log-probabilities", () => {
    const terms = [
      { value: whole("losses"), weights: whole("weights") },
      { value: whole("logprobs"), weights: whole("others") },
      { value: whole("loss") },
    ];
    check(
      linearModel(terms),
      (after) =>
        dot(of(after, "losses"), of(given, "weights")) +
        dot(of(after, "logprobs"), of(given, "others")) +
        SCALE * of(after, "loss")[0]!,
    );
  });

  test("goes on: what nodes make of a loss is the term", () => {
    const term = { value: whole("total"), weights: whole("weights") };
    const zero = linearModel([term], [node("add_vector", "a=losses b=logprobs", "out=total")]);
    const gradient = of(interpret(passed(zero, toTheEnd), given), "w.grad");
    expect(Math.max(...gradient.map(Math.abs))).toBeLessThan(1e-12); // losses + logprobs = 0
    check(
      linearModel([term], [node("add_vector", "a=losses b=losses", "out=total")]),
      (after) => 2 * dot(of(after, "losses"), of(given, "weights")),
    );
  });

  test("reaches parameters through a matrix that is computed itself", () => {
    const plain = linearModel([{ value: whole("losses") }]);
    const [head] = plain.sections;
    const start: Graph = {
      ...plain,
      values: new Map([
        ...plain.values,
        value("u", [4, 2], { storage: "parameter" }),
        value("v", [2, V], { storage: "parameter" }),
        value("w", [4, V], {}),
      ]),
      sections: [{ ...head!, nodes: [node("matmul", "a=u b=v", "out=w"), ...head!.nodes] }],
    };
    const graph = passed(start, toTheEnd);
    const sums = graph.sections.flatMap((s) => s.nodes).filter((n) => n.op === "matmul_tn");
    expect(sums.map((n) => [n.outs["out"]!.value, n.accumulate])).toEqual([
      ["d_w", "never"],
      ["v.grad", "flag"],
    ]);
    const numbers = numbersFor(graph, { tokens: V, targets: V });
    const { worst, where, largest } = worstSlope(start, graph, numbers, sumOf(["losses"]));
    expect(largest).toBeGreaterThan(1e-3);
    expect(worst, where).toBeLessThan(1);
  });

  test("that is empty has no backward", () => {
    const graph = linearModel([]);
    expect(differentiate(graph).sections).toEqual(graph.sections);
  });

  test("a row whose weight is 0 has no gradient, whatever its logits are", () => {
    const graph = passed(linearModel([{ value: whole("losses"), weights: whole("weights") }]), [
      differentiate,
    ]);
    const broken = new Map(given);
    broken.set("weights", [Float64Array.from({ length: R }, (_, r) => (r === 1 ? 0 : 1))]);
    broken.set("w", [given.get("w")![0]!.map(() => NaN)]);
    const d_logits = of(interpret(graph, broken), "d_logits");
    expect([...d_logits.subarray(V, 2 * V)]).toEqual(Array(V).fill(0));
    expect(d_logits[0]).toBeNaN();
  });
});

test(
  "in blocks of rows, weights come in blocks too, and what weighs the rows is computed before them",
  () => {
    const source = trainingGraph("gpt2", { layers: "1" });
    const start: Graph = {
      ...source,
      values: new Map([...source.values, value("weights", [32], { storage: "input" })]),
      objective: [{ value: whole("token_losses"), weights: whole("weights") }, { value: whole("loss") }],
    };
    const graph = passed(start, [...toTheEnd, (g) => blockHead(g, 4096)]);
    expect(graph.sections.filter((s) => s.role === "head").map((s) => s.times)).toEqual([1, 2, 1]);
    const given = numbersFor(start, { tokens: 29, targets: 29 });
    given.set("hyper", numbersFor(graph, { tokens: 29, targets: 29 }).get("hyper")!);
    const weights = given.get("weights")![0]!;
    const { worst, where } = worstSlope(
      start,
      graph,
      given,
      (after) =>
        after.get("token_losses")![0]!.reduce((sum, v, r) => sum + v * weights[r]!, 0) +
        SCALE * after.get("loss")![0]![0]!,
    );
    expect(worst, where).toBeLessThan(1);
  },
  LONG,
);

describe("parameters that are not trained", () => {
  const start = trainingGraph("qk-norm");
  const gradients = (graph: Graph): string[] =>
    [...graph.values.values()].filter((v) => v.storage === "gradient").map((v) => v.of!);

  test("have no gradient; those of the others are the same", () => {
    const trains = (name: string): boolean => /attention\.(qkv|q_norm)/.test(name);
    const all = passed(start, toTheEnd);
    const some = passed(freeze(start, trains), toTheEnd);
    expect(gradients(some).sort()).toEqual(gradients(all).filter(trains).sort());
    const given = numbersFor(all, { tokens: 29, targets: 29 });
    const [one, other] = [all, some].map((g) => interpret(g, given));
    for (const name of gradients(some))
      expect(other!.get(`${name}.grad`), name).toEqual(one!.get(`${name}.grad`));
  });

  test("nothing is computed that leads to none: a trained head has no backward of the layers", () => {
    const graph = passed(
      freeze(start, (name) => name.startsWith("output.")),
      toTheEnd,
    );
    expect(graph.sections.map((s) => s.name)).toEqual(["embed", "layer", "output"]);
    expect(opsOf(graph).filter((op) => /_(tn|d[xw]|backward)$/.test(op))).toEqual(["rmsnorm_dw"]);
    expect([...graph.values.keys()].filter((name) => /layers.*(rstd|lse)$/.test(name))).toEqual([]);
    for (const { name, storage, slices } of graph.values.values())
      if (storage === "activation") expect(slices, name).toBe(1); // nothing outlives its layer
  });
});
