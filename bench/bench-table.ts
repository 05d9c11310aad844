/** The lines that `sinter bench` prints. Measured numbers in, text out. */
import type { OpRow } from "./bench-ops.ts";
import type { PeerRow } from "./bench-peers.ts";
import type { TrainRow } from "./bench-train.ts";
import type { Limits } from "./limits.ts";

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
const duration = (ms: number): string => (ms < 1 ? `${(1000 * ms).toFixed(1)} µs` : `${ms.toFixed(2)} ms`);
const times = (ratio: number | undefined): string => (ratio === undefined ? "" : `× ${ratio.toFixed(2)}`);

/** Widths: positive = to the left, negative = to the right. */
const columns = (widths: readonly number[]) => (...cells: readonly string[]): string =>
  cells.map((cell, i) => (widths[i]! > 0 ? cell.padEnd(widths[i]!) : cell.padStart(-widths[i]!))).join("  ").trimEnd();

const opColumns = columns([22, 34, 8, -9, -14, -6, -8]);
const trainColumns = columns([9, 2, -14, -18, -14, -10, -8]);

export function limitsLine({ read, fma }: Limits): string {
  const rates = Object.entries(fma).map(([target, gflops]) => `${target} ${gflops.toFixed(1)}`);
  return `limits    read ${read.toFixed(1)} GB/s   multiply-add ${rates.join(", ")} GFLOP/s, on one core`;
}

export const busyLine = (load: number, cores: number): string =>
  `note      other programs keep this machine busy (load ${load.toFixed(1)} on ${cores} cores): figures are low, those of several threads most`;

/** `peer`: whether the last column is there. */
export const opHead = (peer: boolean): string => opColumns("operation", "sizes", "target", "time", "rate", "limit", peer ? "PyTorch" : "");

export function opLine(row: OpRow, peerGflops: number | undefined): string {
  const rate = row.bound === "arithmetic" ? `${row.gflops.toFixed(1)} GFLOP/s` : `${row.gbs.toFixed(1)} GB/s`;
  return opColumns(row.op, row.sizes, row.target, duration(row.ms), rate, percent(row.ofLimit), times(peerGflops && row.gflops / peerGflops));
}

const perSecond = (median: number, best: number): readonly [string, string] => [`${median.toFixed(0)} tok/s`, `best ${best.toFixed(0)}`];

export const trainHead = (peer: boolean): string => trainColumns("", "of", "median", "", "arithmetic", "limit", peer ? "PyTorch" : "");
export const peerLine = (row: PeerRow): string => trainColumns("PyTorch", `${row.threads}`, ...perSecond(row.median, row.best), "", "", "");
export const trainLine = (row: TrainRow, peerRate: number | undefined): string =>
  trainColumns(row.target, `${row.workers}`, ...perSecond(row.tokensPerSecond, row.best), `${row.gflops.toFixed(1)} GFLOP/s`, percent(row.mfu),
    times(peerRate && row.tokensPerSecond / peerRate));
