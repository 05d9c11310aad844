/**
 * What studies over several seeds share: results that are kept, so that a study which was stopped goes on,
 * and the spread of a figure. A figure that nobody had measured before is an aim; measured, its mean less
 * four standard deviations is the bar.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { deviationOf, meanOf } from "../../../runtime/train/rl/statistics.ts";

/** Results of earlier runs, one a line; none without a file. */
export const keptResults = <T>(file: string | undefined): T[] =>
  file !== undefined && existsSync(file)
    ? readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as T)
    : [];

export function keepResult(file: string | undefined, result: object): void {
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(result)}\n`);
}

/** What is looked at of each result, by name; undefined: a result does not have it. */
export type FiguresOf<Result> = Readonly<Record<string, (result: Result) => number | undefined>>;

/** "5 seeds", and a line for each figure that results have. */
export const spreadLines = <Result>(results: readonly Result[], figures: FiguresOf<Result>): string =>
  [
    `${results.length} seeds`,
    ...Object.entries(figures).flatMap(([name, of]) => {
      const values = results.map(of).filter((value) => value !== undefined);
      return values.length > 0 ? [spreadLine(name, values)] : [];
    }),
  ].join("\n");

/** "exact match                     mean 0.9632  SD 0.0188  bar (mean − 4 SD) 0.8880" */
export function spreadLine(name: string, values: readonly number[]): string {
  const [mean, deviation] = [meanOf(values), deviationOf(values)];
  return (
    `${name.padEnd(32)}mean ${mean.toFixed(4)}  SD ${deviation.toFixed(4)}  ` +
    `bar (mean − 4 SD) ${(mean - 4 * deviation).toFixed(4)}`
  );
}
