/**
 * What a training step says of its mixtures of experts: how a batch's choices were divided among the experts
 * of each layer, and the load-balancing loss that was added to the objective (Fedus et al. 2021). Experts
 * have no capacity: no token is dropped.
 */
import type { MixturePlace } from "../contract/manifest.ts";
import type { Tensor } from "./tensors.ts";

export interface MixtureLoad {
  /** As its parameters are called: "layers.experts". */
  readonly name: string;
  /** [layer][expert]: share of the step's choices; a layer's add up to 1. */
  readonly shares: readonly (readonly number[])[];
  /**
   * Load-balancing loss of all layers, in nats per counted target, as the objective has it. Undefined: it has
   * none.
   */
  readonly balance: number | undefined;
}

/** Adds up the micro-batches of one step. */
export class MixtureCounts {
  readonly #place: MixturePlace;
  readonly #starts: Tensor;
  readonly #balance: Tensor | undefined;
  readonly #choices: number[][];
  #loss = 0;

  constructor(place: MixturePlace, tensor: (name: string) => Tensor) {
    this.#place = place;
    this.#starts = tensor(place.starts);
    this.#balance = place.balance === undefined ? undefined : tensor(place.balance);
    this.#choices = Array.from({ length: this.#starts.place.slices }, () =>
      Array.from({ length: this.#starts.columns - 1 }, () => 0),
    );
  }

  /** After a micro-batch. */
  add(): void {
    for (const [layer, choices] of this.#choices.entries()) {
      const starts = this.#starts.padded(layer);
      for (const e of choices.keys()) choices[e]! += starts[e + 1]! - starts[e]!;
      this.#loss += this.#balance?.padded(layer)[0] ?? 0;
    }
  }

  /** `counted`: targets of all micro-batches. */
  load(counted: number): MixtureLoad {
    const shares = this.#choices.map((choices) => {
      const all = choices.reduce((a, b) => a + b, 0);
      return choices.map((n) => n / all);
    });
    return { name: this.#place.name, shares, balance: this.#balance && this.#loss / counted };
  }
}

/** The most loaded expert of any layer, as a multiple of an even share: 1 when all have the same. */
export const overload = (loads: readonly MixtureLoad[]): number =>
  Math.max(...loads.flatMap(({ shares }) => shares.map((layer) => Math.max(...layer) * layer.length)));

/** Load-balancing losses together; undefined: no mixture has one. */
export function balanceOf(loads: readonly MixtureLoad[]): number | undefined {
  const losses = loads.flatMap(({ balance }) => (balance === undefined ? [] : [balance]));
  return losses.length === 0 ? undefined : losses.reduce((a, b) => a + b, 0);
}
