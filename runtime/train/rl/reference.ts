/**
 * The model as it was when the stage began, in the memory of the one that is trained: what is trained is
 * exchanged for a copy of its first numbers, and back. It costs 4 bytes for each trained parameter; the
 * adapters alone, where adapters are trained. What comes out has the bits that the start had.
 */
import type { RunningModel } from "../../engine/model.ts";
import type { Tensor } from "../../engine/tensors.ts";

export interface Reference {
  /** What the copy takes. */
  readonly bytes: number;
  /** Does work with the model as it was. The model has to be free, and others must not use it meanwhile. */
  within<T>(work: () => Promise<T>): Promise<T>;
}

/** Gives the numbers of one slice of a parameter, without padding. They are kept. */
type Slice = (tensor: Tensor, slice: number) => Promise<Float32Array> | Float32Array;

/** The reference is the model as it stands now. */
export const referenceNow = (model: RunningModel): Promise<Reference> =>
  referenceOf(model, (tensor, slice) => Float32Array.from(tensor.dense(slice)));

/** The reference has the numbers that `slice` gives. */
export async function referenceOf(model: RunningModel, slice: Slice): Promise<Reference> {
  const trained: { readonly tensor: Tensor; readonly slice: number; other: Float32Array }[] = [];
  for (const tensor of trainedParameters(model))
    for (let i = 0; i < tensor.place.slices; i++)
      trained.push({ tensor, slice: i, other: await slice(tensor, i) });
  const exchange = (): void => {
    for (const one of trained) {
      const now = Float32Array.from(one.tensor.dense(one.slice));
      one.tensor.write(one.other, one.slice);
      one.other = now;
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
