/** What a profile's parts sum up to, and what they say a step could reach. */
import { expect, test } from "vitest";
import type { KernelRow, Profile } from "../../bench/measure/profile.ts";
import { partsOf, profileLines } from "../../bench/measure/profile-lines.ts";

const row = (op: string, ms: number, least: Partial<KernelRow["least"]>): KernelRow => ({
  section: "layer",
  op,
  kernel: `${op}_M64`,
  calls: 1,
  ms,
  waitingMs: 0,
  share: ms / 100,
  least: { multiplyAdds: 0, functions: 0, bytes: 0, ...least },
  gflops: 100,
  gbs: 1,
  bound: "arithmetic",
  ofLimit: 0.9,
});

/** 8 ms of multiply-adds for each 10 ms. */
const profile: Profile = {
  entry: "train",
  target: "wide",
  workers: 1,
  ms: 100,
  runs: 3,
  tokens: 64,
  gflops: 80,
  limitGflops: 100,
  busyMs: 95.3,
  waitingMs: 4,
  outsideMs: 0.7,
  kernels: [
    row("matmul", 50, { multiplyAdds: 45, functions: 2 }),
    row("adamw", 15, { bytes: 13 }),
    row("matmul", 30, { multiplyAdds: 28 }),
    row("embed", 0.2, { bytes: 0.1 }),
    row("loss_sum", 0.1, { bytes: 0.05 }),
  ],
};

test("kernels by operation, small ones together, then all that is no kernel", () => {
  expect(partsOf(profile).map(({ name, ms }) => [name, Math.round(1000 * ms) / 1000])).toEqual([
    ["matmul", 80],
    ["adamw", 15],
    ["2 other operations", 0.3],
    ["waiting at barriers", 4],
    ["outside of kernels", 0.7],
  ]);
  expect(partsOf(profile).reduce((sum, part) => sum + part.ms, 0)).toBeCloseTo(100, 9);
  expect(partsOf(profile)[0]!.least).toEqual({ multiplyAdds: 73, functions: 2, bytes: 0 });
});

test("the last lines say what would be reached if nothing were above", () => {
  // 80 ms of arithmetic in 73 + 2 + 13 + 0.15 ms
  expect(profileLines(profile).join("\n")).toContain(
    "Were nothing above, this would be 91 % of the limit of multiply-adds (100 GFLOP/s); it is 80 %.",
  );
});
