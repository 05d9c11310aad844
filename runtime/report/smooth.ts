/** A curve without its noise. */
export type Points = readonly (readonly [x: number, y: number])[];

/**
 * Mean of an exponential moving average and of the same from the end: what is smoothed lies neither behind
 * nor before the points. Both are without the bias of their start (Kingma & Ba 2015, §3), so that the first
 * value is the first point's and not pulled towards 0. `share`: about how much of the curve a value is the
 * mean of; 0: it stays as it is.
 */
export function smooth(points: Points, share = 0.1): Points {
  const finite = points.filter(([, y]) => Number.isFinite(y));
  if (share === 0) return finite;
  const keep = keptOf(finite.length, share);
  const forwards = averages(
    finite.map(([, y]) => y),
    keep,
  );
  const backwards = averages(finite.map(([, y]) => y).reverse(), keep).reverse();
  return finite.map(([x], i) => [x, (weighed(forwards[i]!) + weighed(backwards[i]!)) / 2] as const);
}

/** Average of the latest values alone: what is shown as a number beside the curve. */
export function latest(values: readonly number[]): number | undefined {
  const finite = values.filter(Number.isFinite);
  const last = averages(finite, keptOf(finite.length, 0.1)).at(-1);
  return last && weighed(last);
}

/** How much of the average stays at each value. */
const keptOf = (count: number, share: number): number => Math.exp(-8 / Math.max(8, count * share));

interface Average {
  readonly sum: number;
  readonly weight: number;
}

const weighed = ({ sum, weight }: Average): number => sum / weight;

function averages(values: readonly number[], keep: number): Average[] {
  let sum = 0;
  let weight = 0;
  return values.map((value) => {
    sum = keep * sum + (1 - keep) * value;
    weight = keep * weight + (1 - keep);
    return { sum, weight };
  });
}
