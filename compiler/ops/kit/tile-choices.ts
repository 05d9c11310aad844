/**
 * Which tiles a kernel may have other than its operation's own, and which are worth measuring (`sinter
 * tune`). An operation that leaves a choice says so in its file, by the field `tileChoices`.
 */
import type { Target } from "../../../runtime/contract/targets.ts";

type Tiles = Readonly<Record<string, number>>;

/** A kernel whose tiles are to be chosen: its sizes and attributes, and the tiles that it has by itself. */
export interface TiledKernel<D, A> {
  readonly d: D;
  readonly attrs: A;
  readonly target: Target;
  readonly tiles: Tiles;
}

export interface TileChoices<D, A> {
  /**
   * Why the kernel cannot have these tiles; undefined: it can. They have the names of its own tiles and are
   * whole numbers from 1. Every number that reaches an emitter has passed here.
   */
  whyNot(kernel: TiledKernel<D, A>, tiles: Tiles): string | undefined;
  /** Tiles to measure beside the kernel's own. Impossible ones may be among them. */
  firstRound(kernel: TiledKernel<D, A>): readonly Tiles[];
  /** Tiles to measure beside the first round's best. */
  secondRound(kernel: TiledKernel<D, A>, best: Tiles): readonly Tiles[];
}

/** What is wrong with a value outside of least … most; undefined: nothing. */
export const outside = (name: string, value: number, least: number, most: number): string | undefined =>
  value >= least && value <= most ? undefined : `${name} ${value} is not ${least} … ${most}`;
