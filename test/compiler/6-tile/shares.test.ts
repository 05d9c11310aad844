/** Whether many workers have equally much to do, by counting: in whole training steps, and in small cases. */
import { describe, expect, test } from "vitest";
import { benchModel } from "../../../bench/suite/bench-models.ts";
import { turnsOf } from "../../../compiler/6-tile/kernel-spec.ts";
import { callFlops } from "../../../compiler/6-tile/program.ts";
import { sharesOf } from "../../../compiler/6-tile/shares.ts";
import { planModule } from "../../../compiler/compile.ts";

describe.each([16, 32, 64])("%i workers", (workers) => {
  test.each(["S", "M", "gpt2"])(
    "train %s: the busiest one has at most a tenth more than the mean",
    (size) => {
      const program = planModule(benchModel(size), "train", { targets: ["wide"] }).programs.get("wide")!;
      const train = program.find(({ graph }) => graph.entry === "train")!;
      const products = train.sections.flatMap(({ times, calls }) =>
        calls
          .filter(({ node }) => node.op.startsWith("matmul"))
          .map((call) => ({ flops: times * callFlops(call), ...sharesOf(call.spec, workers) })),
      );
      const all = products.reduce((sum, { flops }) => sum + flops, 0);
      const busiest = products.reduce((sum, { flops, imbalance }) => sum + flops * imbalance, 0) / all;
      expect(busiest).toBeGreaterThanOrEqual(1);
      expect(busiest).toBeLessThan(1.1);
    },
  );
});

describe("a product of 1000 tasks, 800 of them fixed, the others in pieces of whole tens", () => {
  const dynamic = { fixed: 800, grain: 50, least: 10 };
  test.each([
    [1, { fixed: 800, grain: 50 }],
    [4, { fixed: 800, grain: 50 }],
    [5, { fixed: 800, grain: 20 }], // 20 least pieces, two for each worker
    [16, { fixed: 800, grain: 10 }],
    [20, { fixed: 800, grain: 10 }],
    [21, { fixed: 1000, grain: 50 }], // one worker would get none
  ])("for %i workers", (workers, turns) => expect(turnsOf(dynamic, 1000, workers)).toEqual(turns));
});

test("M: the last quarter of a product that is shared by rows is cut into twelve pieces or more", () => {
  const { programs } = planModule(benchModel("M"), "train", { targets: ["wide"] });
  const { sections } = programs.get("wide")!.find(({ graph }) => graph.entry === "train")!;
  const products = sections.flatMap(({ calls }) => calls.filter(({ spec }) => spec.opName === "matmul"));
  const large = products.filter(({ spec }) => spec.d["N"]! >= 384);
  expect(large.length).toBeGreaterThan(3);
  for (const { spec } of large) expect(sharesOf(spec, 2).pieces).toBeGreaterThanOrEqual(12);
});
