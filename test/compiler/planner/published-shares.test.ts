/**
 * Published shares of a device's peak follow from the published speeds beside them, each by the convention
 * that its authors count with; and figures that can only be met in part, with what is known of the rest.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { bloomAsked, otherModel } from "../../../app/studies/planner/other-steps.ts";
import { check } from "../../../compiler/index.ts";
import { costsOf, type ModelCosts } from "../../../compiler/planner/costs.ts";
import { trainingFlops } from "../../../compiler/planner/flops.ts";
import { serving } from "../../../compiler/planner/inference.ts";
import { planOf } from "../../../compiler/planner/plan.ts";
import { peakOf } from "../../../compiler/planner/step-time.ts";
import { acceleratorNamed } from "../../../compiler/planner/tables/hardware.ts";
import { inProject } from "../../support/paths.ts";

const models = ["gpt2", "llama3"].flatMap(
  (file) => check(readFileSync(inProject(`specs/${file}.sinter`), "utf8")).models,
);
const costs = (name: string): ModelCosts =>
  costsOf(models.find((model) => model.name === name) ?? otherModel(name));
const on = (card: string) => acceleratorNamed(card)!;

/** Operations of a token, by what its authors count. */
const counts = {
  causal: (of: ModelCosts, sequence: number) => trainingFlops(of, sequence, "causal"),
  full: (of: ModelCosts, sequence: number) => trainingFlops(of, sequence, "full"),
  /** With the table of tokens, which nothing is multiplied with. */
  "full, 6·N": (of: ModelCosts, sequence: number) =>
    trainingFlops(of, sequence, "full") + 6 * (of.parameters - of.multiplying),
  /** The forward once more, where it is computed again. */
  "full, again": (of: ModelCosts, sequence: number) => (4 / 3) * trainingFlops(of, sequence, "full"),
} as const;
type Count = keyof typeof counts;

/** torchtitan divides by this; NVIDIA's sheet has 989.4. */
const TITAN = 989e12;
const [H100, A100] = [peakOf(on("h100"), "bf16"), peakOf(on("a100"), "bf16")];
/** Korthikanti et al. 2022, table 5: seconds of a step → tokens per second of one of as many devices. */
const rate = (sequences: number, seconds: number, devices: number) => (sequences * 2048) / seconds / devices;

const published: readonly (readonly [string, number, number, number, Count, number])[] = [
  // torchtitan, 2024-12 and 2025-06; its count of 2024-11 had the table of tokens
  ["llama3-8b", 8192, 6667, TITAN, "full", 39.0],
  ["llama3-8b", 8192, 6514, TITAN, "full", 38.1],
  ["llama3-8b", 8192, 2973, A100, "full, 6·N", 58.2],
  ["llama3-70b", 8192, 331, A100, "full, 6·N", 51.7],
  // tensor parallelism, and with exchanges that hide behind products
  ["llama3-8b", 8192, 4378, TITAN, "full", 25.6],
  ["llama3-8b", 8192, 4809, TITAN, "full", 28.2],
  ["llama3-70b", 8192, 597, TITAN, "full", 29.1],
  ["llama3-70b", 8192, 652, TITAN, "full", 31.8],
  ["llama3.1-405b", 8192, 109, TITAN, "full", 29.0],
  ["llama3.1-405b", 8192, 177, 1979e12, "full", 23.5],
  // fms-fsdp
  ["llama2-7b", 4096, 3760, A100, "full, 6·N", 56.5],
  // llm.c, and a compiled step of PyTorch 2.11
  ["gpt2", 1024, 468_000, H100, "causal", 38],
  ["gpt2", 1024, 218_000, A100, "causal", 56],
  ["gpt2-xl", 1024, 46_800, H100, "causal", 46],
  ["gpt2-xl", 1024, 48_500, H100, "causal", 48],
  ["gpt2", 1024, 501_600, H100, "full, 6·N", 43.6],
  // Korthikanti et al. 2022, and Megatron-LM's README of 2022-06
  ["megatron-22b", 2048, rate(4, 1.1, 8), A100, "full", 41.5],
  ["megatron-175b", 2048, rate(64, 13.75, 64), A100, "full", 51.4],
  ["megatron-530b", 2048, rate(280, 37.83, 280), A100, "full", 56.0],
  ["megatron-1t", 2048, rate(512, 71.49, 512), A100, "full", 56.3],
  ["megatron-175b", 2048, rate(1536, 32, 1024), A100, "full, again", 44],
];

test.each(published)(
  "%s at %i positions, %d tokens a second of %d FLOP/s: %s, %d %",
  (model, sequence, each, peak, count, share) => {
    const found = (100 * counts[count](costs(model), sequence) * each) / peak;
    expect(Math.abs(found / share - 1)).toBeLessThan(0.01);
  },
);

test("nanochat's 10,949 s for 4.33e19 operations on eight H100 are half of the peak", () => {
  expect(4.33e19 / (10_949 * 8 * H100)).toBeCloseTo(0.5, 2);
});

test("BLOOM: 60 GB of each of 48 devices that hold it once, of which 44 are counted", () => {
  const plan = planOf(otherModel("bloom"), { ...bloomAsked, card: on("a100") });
  if ("together" in plan) throw new Error("uneven");
  const { settings, memory, costs: of } = plan;
  expect(settings.tensor * settings.pipeline).toBe(48);
  // weights, and with masters and moments: the checkpoints, 329 GiB and 2.3 TiB
  expect(2 * of.parameters).toBe(352_494_485_504);
  expect(14 * of.parameters).toBe(2_467_461_398_528);
  // states of the fullest stage, six of seventy layers and the table: 6 bytes, and 12 among eight replicas
  const states = memory.terms[0]!.bytes;
  expect(states / 7.5 / (of.parameters / 48)).toBeCloseTo(1.25, 2);
  expect(memory.bytes / 60e9).toBeCloseTo(0.73, 2);
  // DeepSpeed has gradients in bf16 beside those in fp32, and activations that tensors do not divide
  const activations = memory.terms.find(({ name }) => name === "activations")!.bytes;
  const more = 2 * (states / 7.5) + (settings.tensor - 1) * activations;
  expect((memory.bytes + more) / 60e9).toBeCloseTo(0.91, 2);
});

test("weights in 8 and 4 bits are written no faster than memory allows (gpt-fast, one A100)", () => {
  const [seven, seventy] = [costs("llama2-7b"), costs("llama2-70b")];
  // what is counted over what was measured: kernels of small or packed weights stay below the memory's rate
  for (const [of, weight, measured, ratio] of [
    [seven, 1, 155.6, 1.32],
    [seven, 0.5, 196.8, 2.06],
    [seventy, 1, 19.1, 1.07],
    [seventy, 0.5, 25.3, 1.61],
  ] as const) {
    const asked = { texts: 1, context: 200, tensor: 1, weight, cache: 2 };
    const { decodeRate } = serving(of, asked, on("a100"), "bf16");
    expect(decodeRate / measured).toBeCloseTo(ratio, 1);
  }
});
