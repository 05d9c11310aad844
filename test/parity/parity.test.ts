/**
 * Compiled models against PyTorch: gradients, logits, ten AdamW losses, for every spec; and the same bits
 * from any number of workers.
 */
import { describe, expect, test } from "vitest";
import { targets } from "../../runtime/contract/targets.ts";
import {
  measure,
  measureAccumulated,
  measureEvaluation,
  measureLogits,
  measureRows,
  specNames,
  type Deviation,
  type Measured,
} from "./parity.ts";

const tooFar = (deviations: readonly Deviation[]): readonly Deviation[] =>
  deviations.filter((d) => !(d.ofAllowance <= 1));

describe.each(specNames)("%s", (name) => {
  describe.each(targets)("%s", (target) => {
    test("gradients and ten AdamW losses are PyTorch's; 1 and 2 workers give the same bits", async () => {
      const one = await measure(name, target, 1);
      expect(one.parameters).toEqual({ missing: [], unexpected: [] });
      expect(tooFar([...one.gradients, one.norm])).toEqual([]);
      expect(
        one.losses.map((loss, i) => Math.abs(loss - one.wantedLosses[i]!)).filter((d) => !(d <= 1e-5)),
      ).toEqual([]);
      for (const [i, rate] of one.wantedRates.entries()) expect(one.rates[i]).toBeCloseTo(rate, 8);
      expectSameBits(await measure(name, target, 2), one);
    });
    test("gradients add up over micro-batches", async () =>
      expect(tooFar(await measureAccumulated(name, target))).toEqual([]));
    test.each(["prefill", "decode"] as const)("logits by %s", async (entry) => {
      const module = target === "simd" ? "infer" : "train"; // both hold these entries; one of each is enough
      expect(tooFar([await measureLogits(name, target, entry, module)])).toEqual([]);
    });
  });
});

/** More workers than cores, more than rows, and numbers that divide nothing. */
test.each([3, 5, 8])("%i workers give the bits of one", async (workers) => {
  for (const name of ["odd-sizes", "mixture", "banded"] as const)
    expectSameBits(await measure(name, "simd", workers), await measure(name, "simd", 1));
});

test.each(specNames)("%s: evaluation", async (name) =>
  expect(tooFar([await measureEvaluation(name, "simd")])).toEqual([]),
);

test.each(specNames)("%s: logits of all rows, and what the output layer reads of them", async (name) =>
  expect(tooFar(await measureRows(name))).toEqual([]),
);

function expectSameBits(several: Measured, one: Measured): void {
  expect(several.losses).toEqual(one.losses);
  for (const [tensor, values] of one.trained)
    expect(Buffer.compare(bytes(values), bytes(several.trained.get(tensor)!)), tensor).toBe(0);
}

const bytes = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
