/** What every row of the table of activations has to keep to, whatever its kernels do. */
import { expect, test } from "vitest";
import { activations } from "../../../compiler/ops/kit/activations.ts";

test.each(Object.entries(activations))("%s is 0 at 0", (name, { value }) => {
  const found =
    `${name}(0) is ${value(0)}. Rows are padded with zeros, which kernels send through the ` +
    "activation too, and which have to stay zeros: take the value at 0 off (softplus(x) − ln 2), or make " +
    "it an operation of its own that masks the last columns (writeRow and keep of kit/row-loops.ts).";
  expect(value(0) === 0, found).toBe(true);
});

test.each(Object.entries(activations))(
  "%s has the slope that its values have",
  (_, { value, slope, slopeAtZero }) => {
    const step = 1e-5;
    expect(slope(0)).toBeCloseTo(slopeAtZero, 15);
    for (const x of [-5.3, -2.1, -0.7, -0.1, 0.1, 0.7, 2.1, 5.3])
      expect(slope(x)).toBeCloseTo((value(x + step) - value(x - step)) / (2 * step), 7);
  },
);
