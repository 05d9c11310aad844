/** In which order the kernels of a phase run. */
import { expect, test } from "vitest";
import { benchModel } from "../../../bench/suite/bench-models.ts";
import { dynamicTasksOf } from "../../../compiler/6-tile/kernel-spec.ts";
import { phasesOf } from "../../../compiler/7-place/phases.ts";
import { planModule } from "../../../compiler/compile.ts";
import { tensorBytes } from "../../../runtime/contract/tensor-layout.ts";

test("kernels whose tasks are all fixed come before those that hand theirs out", () => {
  const programs = planModule(benchModel("S"), "train", { targets: ["wide"] }).programs.get("wide")!;
  const { graph, sections } = programs.find((program) => program.graph.entry === "train")!;
  const names = [...graph.values.keys()];
  const apart = 2 ** 30; // bytes: no two values meet
  const phases = phasesOf(graph, sections, (name) => ({
    offset: names.indexOf(name) * apart,
    stride: tensorBytes(graph.values.get(name)!.shape),
  })).flat();
  const kinds = phases.map((phase) =>
    phase.map(({ spec }) => (dynamicTasksOf(spec) ? "dynamic" : "fixed")).join(" "),
  );
  expect(kinds.filter((kind) => /dynamic.* fixed/.test(kind))).toEqual([]);
  expect(kinds.filter((kind) => /fixed.* dynamic/.test(kind))).not.toEqual([]);
  expect(phases.flat()).toHaveLength(sections.reduce((sum, { calls }) => sum + calls.length, 0));
});
