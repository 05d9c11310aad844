/**
 * The model as it was when the stage began, in the memory of the one that is trained: what is trained is
 * exchanged for a copy of its first numbers, and back. It costs 4 bytes for each trained parameter; the
 * adapters alone, where adapters are trained. What comes out has the bits that the start had.
 */
import type { RunningModel } from "../../engine/model.ts";
import type { Numbers, Tensor } from "../../engine/tensors.ts";

export interface Reference {
  /** What the copy takes. */
  readonly bytes: number;
  /** Does work with the model as it was. The model has to be free, and others must not use it meanwhile. */
  within<T>(work: () => Promise<T>): Promise<T>;
}

/** Gives one slice of a parameter as it lies in memory, padding included. */
type Slice = (tensor: Tensor, slice: number) => Numbers;

/** The reference is the model as it stands now. */
export const referenceNow = (model: RunningModel): Reference =>
  referenceOf(model, (tensor, slice) => tensor.padded(slice).slice());

/** The reference has other numbers: `slice` gives them, and they are kept. */
export function referenceOf(model: RunningModel, slice: Slice): Reference {
  const trained = trainedParameters(model).flatMap((tensor) =>
    Array.from({ length: tensor.place.slices }, (_, i) => ({
      now: tensor.padded(i),
      other: slice(tensor, i),
    })),
  );
  const exchange = (): void => {
    for (const { now, other } of trained) {
      const kept = now.slice();
      now.set(other);
      other.set(kept);
    }
    model.weightsChanged();
  };
  return {
    bytes: trained.reduce((sum, { other }) => sum + other.byteLength, 0),
    async within(work) {
      exchange();
      try {
        return await work();
      } finally {
        exchange();
      }
    },
  };
}

/** Those that have a gradient. */
export function trainedParameters(model: RunningModel): readonly Tensor[] {
  const trained = new Set(model.of("gradient").map(({ place }) => place.of));
  return model.of("parameter").filter(({ place }) => trained.has(place.name));
}
