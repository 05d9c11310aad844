/**
 * Moments in 8 bits: three steps of the reference, which kernels follow bit for bit
 * (test/compiler/ops/ops.test.ts), are those of PyTorch (adamw8.py).
 */
import { expect, test } from "vitest";
import { ops } from "../../compiler/ops/index.ts";
import { hyper, HYPER_FLOATS } from "../../runtime/contract/control.ts";
import {
  codeByte,
  momentBytes,
  momentRows,
  MOMENT_BLOCK,
  MOMENT_ROW_WORDS,
} from "../../runtime/contract/moment-codes.ts";
import { pow } from "../../runtime/contract/power.ts";
import { inProject } from "../support/paths.ts";
import { readFixture } from "./read-fixture.ts";

const fixture = readFixture(inProject("test/parity/fixtures/adamw8.safetensors"));
const numbers = (name: string): number[] => [...fixture.get(name)!.values];
const settings = { lr: 1e-2, beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.1, clip: 1 };

const [blocks] = fixture.get("p")!.shape as [number];
const rows = momentRows(blocks);
const d = { N: blocks, L: MOMENT_BLOCK, R: rows, W: MOMENT_ROW_WORDS, H: HYPER_FLOATS, O: 1 };

function hyperAt(step: number): Float64Array {
  const { beta1, beta2 } = settings;
  const all = {
    ...settings,
    step,
    correction1: 1 / (1 - pow(beta1, step)),
    correction2: 1 / (1 - pow(beta2, step)),
  };
  const out = new Float64Array(HYPER_FLOATS);
  for (const [name, value] of Object.entries(all)) out[hyper[name as keyof typeof all]] = value;
  return out;
}

test("three steps have PyTorch's parameters, codes and scales, bit for bit", () => {
  const words = rows * MOMENT_ROW_WORDS;
  const t = { p: Float64Array.from(numbers("p")), m: new Float64Array(words), v: new Float64Array(words) };
  for (const step of [1, 2, 3]) {
    const given = {
      g: Float64Array.from(numbers(`${step}.g`)),
      norm: Float64Array.from(numbers(`${step}.norm`)),
    };
    const made = { p_out: t.p, m_out: t.m, v_out: t.v };
    ops.adamw8.reference(
      { ...t, ...made, ...given, hyper: hyperAt(step) },
      d,
      { blocks, layered: false },
      false,
    );
    expect([...t.p], `p after step ${step}`).toEqual(numbers(`${step}.p`));
    for (const [moment, name] of [
      ["moment1", "m"],
      ["moment2", "v"],
    ] as const) {
      const { codes, scales } = momentBytes(moment, Int32Array.from(t[name]), rows);
      expect([...scales], `${name}_scale after step ${step}`).toEqual(numbers(`${step}.${name}_scale`));
      const found = numbers(`${step}.${name}`).map(
        (_, i) => codes[i - (i % MOMENT_BLOCK) + codeByte(i % MOMENT_BLOCK)],
      );
      expect(found, `${name} after step ${step}`).toEqual(numbers(`${step}.${name}`));
    }
  }
});
