/**
 * What the study of many cores found, one fact a row, and the table of it: a column for each number of
 * workers.
 */
import { threeDigits } from "../../../runtime/contract/amounts.ts";

/** One measured number. `who`: "Sinter", "PyTorch", or "limit" for what the machine can do. */
export interface Found {
  readonly part: string;
  readonly who: string;
  /** "train", "prefill", "decode"; of a limit "multiply-add" or "read". */
  readonly what: string;
  readonly workers: number;
  readonly value: number;
  readonly unit: "tok/s" | "GFLOP/s" | "GB/s";
  /** GFLOP/s of the same run, where arithmetic bounds it. */
  readonly gflops?: number;
}

/** What is aimed at: ahead of PyTorch by this, and from 8 to 16 workers so much of what the limit gains. */
const LEAST_RATIO = 1.2;
const LEAST_SCALING = 0.9;

export function tableOf(found: readonly Found[]): string {
  const counts = [...new Set(found.map(({ workers }) => workers))].toSorted((a, b) => a - b);
  const at = (part: string, who: string, what: string, workers: number): Found | undefined =>
    found.find((f) => f.part === part && f.who === who && f.what === what && f.workers === workers);
  const line = (name: string, cell: (workers: number) => string): string =>
    name.padEnd(34) + counts.map((workers) => cell(workers).padStart(12)).join("");
  const limitOf =
    (what: string) =>
    (workers: number): number | undefined =>
      at("limits", "limit", what, workers)?.value;
  const limit = limitOf("multiply-add");

  const rows = [line("workers", String)];
  for (const [part, who, what] of subjects(found)) {
    const unit = found.find((f) => f.part === part && f.who === who && f.what === what)!.unit;
    const value = (workers: number): number | undefined => at(part, who, what, workers)?.value;
    rows.push(
      line(who === "limit" ? `${what}, ${unit}` : `${what} ${part}, ${who}, ${unit}`, (n) => text(value(n))),
    );
    if (who !== "Sinter") continue;
    const other = (n: number): number | undefined => at(part, "PyTorch", what, n)?.value;
    if (counts.some(other)) rows.push(line("  × PyTorch", (n) => times(value(n), other(n), LEAST_RATIO)));
    if (counts.some((n) => at(part, who, what, n)?.gflops))
      rows.push(line("  of the multiply-add limit", (n) => share(at(part, who, what, n)?.gflops, limit(n))));
    rows.push(
      line("  × half as many, limit's gain = 1", (n) =>
        times(gain(value, n), gain(what === "decode" ? limitOf("read") : limit, n), LEAST_SCALING),
      ),
    );
  }
  return rows.join("\n");
}

/** In the order in which they were found, each once. */
function subjects(found: readonly Found[]): readonly (readonly [string, string, string])[] {
  const all = new Map(
    found.map(({ part, who, what }) => [`${part} ${who} ${what}`, [part, who, what] as const]),
  );
  return [...all.values()];
}

/** By how much so many workers are faster than half of them. */
const gain = (value: (workers: number) => number | undefined, workers: number): number | undefined => {
  const [all, half] = [value(workers), value(workers / 2)];
  return all !== undefined && half !== undefined ? all / half : undefined;
};

const text = (value: number | undefined): string => (value === undefined ? "–" : threeDigits(value));

const share = (part: number | undefined, whole: number | undefined): string =>
  part === undefined || whole === undefined ? "–" : `${Math.round((100 * part) / whole)} %`;

/** A ratio; with a mark where less is there than is asked for. */
const times = (a: number | undefined, b: number | undefined, least: number): string =>
  a === undefined || b === undefined ? "–" : `${(a / b).toFixed(2)}${a / b < least ? " <" : "  "}`;
