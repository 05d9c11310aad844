/**
 * What a training step reports of its mixtures of experts: how the choices of a batch were divided among the
 * experts of each layer, and the load-balancing loss that the objective contains (Fedus et al. 2021). Experts
 * have no capacity limit: no token is dropped.
 */
import type { MixturePlace } from "../contract/manifest.ts";
import type { Tensor } from "./tensors.ts";

export interface MixtureLoad {
  /** As its parameters are called: "layers.experts". */
  readonly name: string;
  /** [layer][expert]: the share of the step's choices; the shares of a layer add up to 1. */
  readonly shares: readonly (readonly number[])[];
  /**
   * The load-balancing loss of all layers, in nats per counted target, as the objective contains it.
   * Undefined: it contains none.
   */
  readonly balance: number | undefined;
}

/** Adds up what the micro-batches of one step say. */
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

  /** Reads what the last micro-batch has left in memory. */
  add(): void {
    for (const [layer, choices] of this.#choices.entries()) {
      const starts = this.#starts.padded(layer);
      for (const e of choices.keys()) choices[e]! += starts[e + 1]! - starts[e]!;
      this.#loss += this.#balance?.padded(layer)[0] ?? 0;
    }
  }

  /** The sums. `counted`: how many targets of all micro-batches count. */
  load(counted: number): MixtureLoad {
    const shares = this.#choices.map((choices) => {
      const all = choices.reduce((a, b) => a + b, 0);
      return choices.map((n) => n / all);
    });
    return { name: this.#place.name, shares, balance: this.#balance && this.#loss / counted };
  }
}

/**
 * The load of the most loaded expert of any layer, as a multiple of an even share: 1 when all have the same.
 */
export const overload = (loads: readonly MixtureLoad[]): number =>
  Math.max(...loads.flatMap(({ shares }) => shares.map((layer) => Math.max(...layer) * layer.length)));

/** The sum of the load-balancing losses; undefined when no mixture has one. */
export function balanceOf(loads: readonly MixtureLoad[]): number | undefined {
  const losses = loads.flatMap(({ balance }) => (balance === undefined ? [] : [balance]));
  return losses.length === 0 ? undefined : losses.reduce((a, b) => a + b, 0);
}
