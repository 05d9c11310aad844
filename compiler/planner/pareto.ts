/**
 * Those that no other one beats: an other that costs no more in anything and less in something would be taken
 * instead (Pareto). In the order that they came in; of equals the first.
 */
export function paretoFront<T>(all: readonly T[], costsOf: (one: T) => readonly number[]): readonly T[] {
  const costs = all.map(costsOf);
  const beats = (a: readonly number[], b: readonly number[]): boolean =>
    a.every((cost, i) => cost <= b[i]!) && a.some((cost, i) => cost < b[i]!);
  const isEqual = (a: readonly number[], b: readonly number[]): boolean =>
    a.every((cost, i) => cost === b[i]);
  return all.filter(
    (_, i) => !costs.some((other, j) => beats(other, costs[i]!) || (j < i && isEqual(other, costs[i]!))),
  );
}
