/** What a tensor of a module is for, what it begins as, and how it is kept when it has fewer bits. */
import type { QuantisedFormat } from "./memory-formats.ts";

export type Storage =
  /** The runtime writes it before an entry. */
  | "input"
  /** Checkpoints hold it, and training changes it unless it is said not to be trained. */
  | "parameter"
  /**
   * These three have the shape of their parameter, which `of` names; or moments are rows of codes and scales
   * (moment-codes.ts), i32.
   */
  | "gradient"
  | "moment1"
  | "moment2"
  /** It lives within one run of an entry. */
  | "activation"
  /** Keys and values of earlier positions, which live as long as a conversation. */
  | "cache"
  /** The runtime reads it after an entry. */
  | "output";

/**
 * What the elements of a parameter begin as; `std` is a standard deviation. Uniform: from −bound to bound.
 */
export type Init =
  | { readonly kind: "normal"; readonly std: number }
  | { readonly kind: "uniform"; readonly bound: number }
  | { readonly kind: "constant"; readonly value: number };

/** The standard deviation that an initial value has. */
export const stdOf = (init: Init): number =>
  init.kind === "normal" ? init.std : init.kind === "uniform" ? init.bound / Math.sqrt(3) : 0;

export interface Quantised {
  readonly format: QuantisedFormat;
  /** The shape of the weights, as training and checkpoints have it. */
  readonly shape: readonly number[];
  /** Whether a row of words is a column of that shape. */
  readonly transposed: boolean;
}
