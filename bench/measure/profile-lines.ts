/** How a profile is written: kernel by kernel, and then what the whole is made of. */
import { counted, percent, rateText } from "../../runtime/contract/amounts.ts";
import type { KernelRow, Profile } from "./profile.ts";
import { sumOfLeast, type LeastMs } from "./statistics.ts";

const msText = (n: number): string => (n < 1 ? n.toFixed(3) : n < 100 ? n.toFixed(2) : n.toFixed(0));

const KERNEL_COLUMNS = 46;
/** Kernels with a smaller share are summed up in a last line. */
const LEAST_SHARE = 0.002;

/** Kernel by kernel, 100 columns wide. */
export function profileLines(p: Profile): string[] {
  const line = (...cells: readonly string[]): string =>
    cells
      .map((cell, i) =>
        i === 0
          ? cell.slice(0, KERNEL_COLUMNS).padEnd(KERNEL_COLUMNS)
          : cell.padStart([0, 5, 8, 7, 8, 14, 6][i]!),
      )
      .join(" ")
      .trimEnd();
  const shown = p.kernels.filter((k) => k.share >= LEAST_SHARE);
  const rest = p.kernels.slice(shown.length);
  const total = (of: (k: KernelRow) => number): number => rest.reduce((sum, k) => sum + of(k), 0);
  const rows = shown.flatMap((k, i) => [
    ...(i > 0 ? [] : [line("kernel", "calls", "ms", "wait", "share", "rate", "limit")]),
    line(
      `${k.kernel}`,
      `${k.calls}`,
      msText(k.ms),
      msText(k.waitingMs),
      percent(k.share, 1),
      k.bound === "arithmetic" ? `${k.gflops.toFixed(0)} GFLOP/s` : `${k.gbs.toFixed(0)} GB/s`,
      percent(k.ofLimit),
    ),
  ]);
  return [
    ...rows,
    ...(rest.length > 0
      ? [
          line(
            `${rest.length} more`,
            "",
            msText(total((k) => k.ms)),
            msText(total((k) => k.waitingMs)),
            percent(
              total((k) => k.share),
              1,
            ),
          ),
        ]
      : []),
    ...partLines(p),
    `${p.entry}, ${p.target}, ${counted(p.workers, "worker")}: ${msText(p.ms)} ms, ` +
      `${rateText((1000 * p.tokens) / p.ms)}, ${p.gflops.toFixed(0)} GFLOP/s. ` +
      `In kernels ${msText(p.busyMs)}, at barriers ${msText(p.waitingMs)} ` +
      `(${percent(p.waitingMs / (p.busyMs + p.waitingMs), 1)}), outside ${msText(p.outsideMs)} ms.`,
  ];
}

/** A part of the entry's time: milliseconds per run, and what it takes at least. */
export interface Part {
  readonly name: string;
  readonly ms: number;
  readonly least: LeastMs;
}

/** Operations with a smaller share are one part. */
const LEAST_PART = 0.005;

/**
 * Kernels by operation, largest first, then waiting and what is outside of kernels. Their sum is the mean
 * time of a run.
 */
export function partsOf(p: Profile): Part[] {
  const most = LEAST_PART * (p.busyMs + p.waitingMs + p.outsideMs);
  const ops = [...new Set(p.kernels.map((k) => k.op))]
    .map((op) =>
      sumOf(
        op,
        p.kernels.filter((k) => k.op === op),
      ),
    )
    .sort((a, b) => b.ms - a.ms);
  const small = ops.filter((part) => part.ms < most);
  return [
    ...ops.filter((part) => part.ms >= most),
    ...(small.length > 0 ? [sumOf(counted(small.length, "other operation"), small)] : []),
    sumOf("waiting at barriers", [], p.waitingMs),
    sumOf("outside of kernels", [], p.outsideMs),
  ];
}

/** `ms`: where it is not that of the parts. */
function sumOf(
  name: string,
  parts: readonly Pick<Part, "ms" | "least">[],
  ms = parts.reduce((total, part) => total + part.ms, 0),
): Part {
  const least = (of: keyof LeastMs): number => parts.reduce((total, part) => total + part.least[of], 0);
  const sums = { multiplyAdds: least("multiplyAdds"), functions: least("functions"), bytes: least("bytes") };
  return { name, ms, least: sums };
}

/** Part by part: what it takes, what of that cannot go, and what is above it. */
function partLines(p: Profile): string[] {
  const parts = partsOf(p);
  const all = sumOf("in all", parts);
  const line = (...cells: readonly string[]): string =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(30) : cell.padStart(i === 3 ? 14 : 10))).join(" ");
  const row = (part: Part): string =>
    line(
      part.name,
      msText(part.ms),
      percent(part.ms / all.ms, 1),
      ...(["multiplyAdds", "functions", "bytes"] as const).map((of) => msText(part.least[of])),
      msText(part.ms - sumOfLeast(part.least)),
    );
  const multiplyAdds = (p.gflops * p.ms) / p.limitGflops; // ms, of all arithmetic as if it were that
  return [
    "",
    line("part", "ms", "share", "multiply-adds", "functions", "bytes", "above"),
    ...[...parts, all].map(row),
    `Were nothing above, this would be ${percent(multiplyAdds / sumOfLeast(all.least))} of the limit of ` +
      `multiply-adds (${p.limitGflops.toFixed(0)} GFLOP/s); it is ${percent(multiplyAdds / all.ms)}.`,
    "",
  ];
}
