/** Mean and spread of a list, in f64 and in its order. */

/** NaN of nothing. */
export const meanOf = (values: readonly number[]): number => sumOf(values) / values.length;

/** In the order of the list. */
export function sumOf(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

/** Σ (value − mean)². */
export const squaresOf = (values: readonly number[], mean: number): number =>
  sumOf(values.map((value) => (value - mean) * (value - mean)));

/** Standard deviation with n − 1; 0 of fewer than two. */
export function deviationOf(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const mean = meanOf(values);
  return Math.sqrt(squaresOf(values, mean) / (values.length - 1));
}
