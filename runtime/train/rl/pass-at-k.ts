/** How often one of k answers is right, from n answers to each prompt (Chen et al. 2021). */

/**
 * 1 − C(n − c, k) / C(n, k): the probability that of k answers, drawn without putting back from n of which c
 * are right, one at least is right. k = 1: c / n.
 */
export function passAtK(n: number, right: number, k: number): number {
  if (k > n) throw new RangeError(`pass@${k} of ${n} answers`);
  if (n - right < k) return 1;
  let missed = 1;
  for (let i = 0; i < k; i++) missed *= (n - right - i) / (n - i);
  return 1 - missed;
}

/** Where the most frequent one first stands; of several, the first. */
export function mostFrequent(texts: readonly string[]): number {
  const counts = texts.map((text) => texts.filter((other) => other === text).length);
  return counts.indexOf(counts.reduce((a, b) => Math.max(a, b)));
}
