/** The draw that is shown is the sampler's: same token, same random number, and u falls into its slice. */
import { expect, test } from "vitest";
import { randomStream } from "../../../runtime/base/random.ts";
import { drawInSteps } from "../../../runtime/sample/draw-steps.ts";
import { drawToken, samplerDefaults, type SamplerSettings } from "../../../runtime/sample/sampler.ts";

const logits = Float32Array.from({ length: 40 }, (_, i) => Math.sin(i * 1.3) * 3);
const all = { ...samplerDefaults, temperature: 1, topK: 0, topP: 1, minP: 0, repeatPenalty: 1 };

const settings: Record<string, Partial<SamplerSettings>> = {
  "no cut": {},
  temperature: { temperature: 0.5 },
  "top-k": { topK: 5 },
  "top-p": { topP: 0.7 },
  "min-p": { minP: 0.2 },
  "all of them": { temperature: 1.4, topK: 12, topP: 0.9, minP: 0.05 },
  "with a penalty": { topK: 9, repeatPenalty: 1.5 },
  greedy: { temperature: 0 },
};

test.each(Object.entries(settings))("%s: 200 draws are the sampler's", (_, some) => {
  const chosen = { ...all, ...some };
  const [shown, real] = [randomStream(3, "draws"), randomStream(3, "draws")];
  const kept = logits.slice();
  for (let n = 0; n < 200; n++) {
    const { token, u, slices, cutBy, before } = drawInSteps(logits, chosen, [1, 2], shown);
    const drawn = drawToken(logits.slice(), chosen, [1, 2], real);
    expect(token).toBe(drawn.token);
    expect(shown.state()).toEqual(real.state());
    const slice = slices.find(({ id }) => id === token)!;
    expect(Math.log(slice.to - slice.from)).toBeCloseTo(drawn.logprob, 10);
    if (u === undefined) expect(slices).toEqual([{ id: token, from: 0, to: 1 }]);
    else expect([slice.from <= u, u < slice.to]).toEqual([true, true]);
    expect(cutBy.has(token)).toBe(false);
    expect(before.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
  }
  expect(logits).toEqual(kept);
});

test("each cut is told with what it left, and every id that is gone with the cut that took it", () => {
  const { cuts, cutBy, slices } = drawInSteps(
    Float32Array.from([4, 3, 2, 1, 0]),
    { ...all, topK: 4, topP: 0.95, minP: 0.2 },
    [],
    randomStream(1, "one"),
  );
  expect(cuts).toEqual([
    { by: "topK", left: 4 },
    { by: "topP", left: 3 },
    { by: "minP", left: 2 },
  ]);
  expect([...cutBy]).toEqual([
    [4, "topK"],
    [3, "topP"],
    [2, "minP"],
  ]);
  expect(slices.map(({ id }) => id)).toEqual([0, 1]);
  expect(slices[1]!.from).toBeCloseTo(1 / (1 + Math.exp(-1)), 12);
});
