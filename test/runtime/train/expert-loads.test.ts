/**
 * What a run reports of its experts: means over the steps since the last report, some hundred times in all.
 */
import { expect, test } from "vitest";
import { ExpertLoads } from "../../../runtime/train/expert-loads.ts";

const load = (name: string, ...shares: number[][]) => ({ name, shares, balance: undefined });

test("shares are averaged over the steps between two reports", () => {
  const loads = new ExpertLoads(200); // a report every second step
  expect(loads.add(1, [load("layers.experts", [0.25, 0.75], [1, 0])])).toEqual([]);
  expect(loads.add(2, [load("layers.experts", [0.75, 0.25], [0.5, 0.5])])).toEqual([
    {
      kind: "experts",
      step: 2,
      name: "layers.experts",
      shares: [
        [0.5, 0.5],
        [0.75, 0.25],
      ],
    },
  ]);
  expect(loads.add(3, [load("layers.experts", [1, 0], [1, 0])])).toEqual([]);
  expect(loads.add(4, [load("layers.experts", [1, 0], [1, 0])])[0]!.shares).toEqual([
    [1, 0],
    [1, 0],
  ]);
});

test("each mixture has a report, with four digits, and the last step has one in any case", () => {
  const loads = new ExpertLoads(201); // a report every third step
  expect(loads.add(200, [load("a", [1 / 3, 2 / 3]), load("b", [0, 1])])).toEqual([]);
  expect(loads.add(201, [load("a", [1 / 3, 2 / 3]), load("b", [1, 0])])).toEqual([
    { kind: "experts", step: 201, name: "a", shares: [[0.3333, 0.6667]] },
    { kind: "experts", step: 201, name: "b", shares: [[0.5, 0.5]] },
  ]);
});
