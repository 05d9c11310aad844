import { describe, expect, test } from "vitest";
import { kernelName, kernelSpec } from "../../../compiler/6-tile/kernel-spec.ts";
import { ops } from "../../../compiler/ops/index.ts";
import type { Op } from "../../../compiler/ops/kit/op.ts";

describe("a kernel's name", () => {
  test("says the operation, its sizes by letter, and what was fused into it", () => {
    const attrs = { activation: "gelu_tanh" };
    const spec = kernelSpec("matmul", ops.matmul, { M: 768, K: 128, N: 512 }, attrs, ["bias"], "wide");
    expect(kernelName(spec)).toBe("matmul_M768_K128_N512_bias_gelu_tanh");
  });

  test("is a name in AssemblyScript, of bounded length, for every case of every operation", () => {
    for (const [name, op] of Object.entries(ops as Readonly<Record<string, Op>>))
      for (const c of op.cases) {
        const spec = kernelSpec(name, op, c.d, c.attrs ?? {}, c.with ?? [], "simd");
        expect(kernelName(spec)).toMatch(/^[a-z]\w{1,119}$/);
      }
  });

  test("stays short where an attribute is long text", () => {
    const attrs = { pattern: Array(64).fill("128").join("_") };
    const spec = kernelSpec("windows", ops.windows, { N: 64, O: 1 }, attrs, [], "simd");
    expect(kernelName(spec)).toHaveLength(120);
  });
});
