/** A curve in one line of text: ▇▆▅▃▃▂▂▁ */
const LEVELS = "▁▂▃▄▅▆▇█";

/** The last of `values` in `width` characters; each is the mean of its share. */
export function sparkline(values: readonly number[], width: number): string {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0 || width < 1) return "";
  const means = shrink(finite, width);
  const low = Math.min(...means);
  const high = Math.max(...means);
  return means
    .map((v) => LEVELS[high === low ? 0 : Math.round(((v - low) / (high - low)) * (LEVELS.length - 1))]!)
    .join("");
}

/** At most `count` numbers: means of equal shares, in order. */
export function shrink(values: readonly number[], count: number): number[] {
  if (values.length <= count) return [...values];
  return Array.from({ length: count }, (_, i) => {
    const part = values.slice(
      Math.floor((i * values.length) / count),
      Math.floor(((i + 1) * values.length) / count),
    );
    return part.reduce((a, b) => a + b, 0) / part.length;
  });
}
