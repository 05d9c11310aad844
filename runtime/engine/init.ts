/**
 * Draws the initial parameters. Every slice of every tensor has its own random stream, which is named after
 * the tensor as checkpoints name it and gives one number per element, in row-major order. So neither the
 * layout nor the padding nor the order of tensors changes a number.
 */
import { randomStream } from "../base/random.ts";
import { log } from "../contract/exact-math.ts";
import type { TensorPlace } from "../contract/manifest.ts";
import { checkpointName, type Tensor } from "./tensors.ts";

export function initParameters(parameters: readonly Tensor[], seed: number): void {
  for (const tensor of parameters) {
    const { place } = tensor;
    for (let slice = 0; slice < place.slices; slice++) tensor.fill(slice, initialNumbers(place, slice, seed));
  }
}

/** Gives the numbers that a slice begins with, one after the other. */
export function initialNumbers(place: TensorPlace, slice: number, seed: number): () => number {
  const { init, name } = place;
  if (!init) throw new Error(`parameter ${name} has no initial values`);
  const { word } = randomStream(seed, `init/${checkpointName(place, slice)}`);
  const share = (): number => (word() + 0.5) / 4294967296;
  switch (init.kind) {
    case "constant":
      return () => init.value;
    case "uniform":
      return () => init.bound * (2 * share() - 1);
    case "normal":
      return () => init.std * normalQuantile(share());
  }
}

/**
 * The inverse of the normal distribution's cumulative function, exact to 1e-7 relative. It takes one number
 * for one, so the length of a stream is known. Wichura, "Algorithm AS 241: the percentage points of the
 * normal distribution", 1988, PPND7.
 */
export function normalQuantile(p: number): number {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) {
    const r = 0.180625 - q * q;
    return (
      (q * (((59.10937472 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179)) /
      (((67.1875636 * r + 78.757757664) * r + 17.895169469) * r + 1)
    );
  }
  const r = Math.sqrt(-log(q < 0 ? p : 1 - p));
  const s = r <= 5 ? r - 1.6 : r - 5;
  const tail =
    r <= 5
      ? (((0.17023821103 * s + 1.3067284816) * s + 2.75681539) * s + 1.4234372777) /
        ((0.12021132975 * s + 0.7370016425) * s + 1)
      : (((0.017337203997 * s + 0.42868294337) * s + 3.081226386) * s + 6.657905115) /
        ((0.012258202635 * s + 0.24197894225) * s + 1);
  return q < 0 ? -tail : tail;
}
