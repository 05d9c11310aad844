/** What a tensor of a module is for, what it begins as, and how it is kept in fewer bits. */
import type { QuantisedFormat } from "./memory-formats.ts";

export type Storage =
  /** Written by the runtime before an entry. */
  | "input"
  /** In checkpoints; trained, unless it is said that it is not. */
  | "parameter"
  /** Same shape as its parameter; `of` names it. */
  | "gradient"
  | "moment1"
  | "moment2"
  /** Lives within one run of an entry. */
  | "activation"
  /** Keys and values of earlier positions; lives as long as a conversation. */
  | "cache"
  /** Read by the runtime after an entry. */
  | "output";

export type Init =
  | { readonly kind: "normal"; readonly std: number }
  | { readonly kind: "constant"; readonly value: number };

export interface Quantised {
  readonly format: QuantisedFormat;
  /** As trained and in checkpoints. */
  readonly shape: readonly number[];
  /** A row of words is a column of that. */
  readonly transposed: boolean;
}
