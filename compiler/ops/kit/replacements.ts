/**
 * What an op's file says to the passes that put other ops in its place (5-fuse/quantise-weights.ts,
 * quantise-cache.ts, split.ts). A pass asks an op what it can become; it knows no op by name. That the names
 * are ones of the table is checked in ops/index.ts.
 */
import type { CacheFormat } from "../../../runtime/contract/memory-formats.ts";

export interface Replacements<In extends string, D extends string, A, To extends string> {
  /** The ops that do the same with weights in fewer bits. */
  readonly quantised?: QuantisedBy<In, To>;
  /** Inputs that a rounded weight must not reach: the product that makes them keeps its weights in f32. */
  readonly exact?: readonly In[];
  /** The op that does the same with its caches in fewer bits. */
  readonly cacheQuantised?: CacheQuantisedBy<In, A, To>;
  /** The two ops that do the same, one over parts of an operand and one for the parts' results. */
  readonly split?: SplitBy<In, D, A, To>;
}

interface QuantisedBy<In, To> {
  readonly by: To;
  /** The input that is a matrix of weights or a stack of them, [in, out] if `transposed`, else [out, in]. */
  readonly weights: In;
  readonly transposed: boolean;
  /** The op for rows of words that lie the other way: its product sums over them. */
  readonly across?: To;
  /** No op hands cotangents back through such weights: modules that train keep them in f32. */
  readonly isForwardOnly?: true;
  /**
   * Where the weights are integers, the rows of the input `of` become integers too; where numerics are
   * `float`, at most so many rows.
   */
  readonly integers?: { readonly by: To; readonly of: In; readonly most: number };
}

interface CacheQuantisedBy<In, A, To> {
  readonly by: To;
  readonly caches: readonly In[];
  /** Shape of either cache that has as many panels of positions as [panels, …] in f32. */
  shape(f32: readonly number[], attrs: A, format: CacheFormat): readonly number[];
}

interface SplitBy<In, D extends string, A, To> {
  readonly parts: To;
  readonly merge: To;
  /** Is an operand large enough, `leastBytes` or more, and are its parts? */
  isWorthIt(d: Readonly<Record<D, number>>, leastBytes: number, has: (input: In) => boolean): boolean;
  /** Inputs that `merge` could have, and does not need. */
  without?(d: Readonly<Record<D, number>>): readonly In[];
  /** Shapes of what `parts` hands to `merge`, by argument. */
  between(
    d: Readonly<Record<D, number>>,
    attrs: A,
    parts: number,
  ): Readonly<Record<string, readonly number[]>>;
}
