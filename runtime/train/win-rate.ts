/** How often the better one of two answers is preferred, and how sure that is. */

export interface WinRate {
  readonly pairs: number;
  readonly wins: number;
  /** Neither is preferred; they are no wins. */
  readonly ties: number;
  /** Wins among the pairs that are no ties, with the interval that has the true rate in 95 % of cases. */
  readonly rate: number;
  readonly low: number;
  readonly high: number;
  readonly meanMargin: number;
}

/** z of a two-sided interval of 95 %. */
const Z = 1.959963984540054;

/** The interval of a share of n (Wilson 1927). */
export function wilson(wins: number, n: number): readonly [low: number, high: number] {
  if (n === 0) return [0, 1];
  const p = wins / n;
  const middle = (p + Z ** 2 / (2 * n)) / (1 + Z ** 2 / n);
  const reach = (Z / (1 + Z ** 2 / n)) * Math.sqrt((p * (1 - p)) / n + Z ** 2 / (4 * n ** 2));
  return [Math.max(0, middle - reach), Math.min(1, middle + reach)];
}

/** `margins`: of each pair, by how much the chosen answer is preferred. */
export function winRate(margins: readonly number[]): WinRate {
  const wins = margins.filter((margin) => margin > 0).length;
  const ties = margins.filter((margin) => margin === 0).length;
  const decided = margins.length - ties;
  const [low, high] = wilson(wins, decided);
  const meanMargin = margins.reduce((a, b) => a + b, 0) / margins.length;
  return { pairs: margins.length, wins, ties, rate: wins / decided, low, high, meanMargin };
}
