/** The lines that `sinter bench` prints, 100 columns wide: measured numbers in, text out. */
import type { InferRow } from "./bench-infer.ts";
import type { OpRow } from "./bench-ops.ts";
import type { TrainRow } from "./bench-train.ts";
import { doubts, type Doubt, type Judged } from "../measure/judged.ts";
import type { Limits } from "../measure/limits.ts";
import { median } from "../measure/statistics.ts";
import type { PeerRow, PeerState } from "./peers.ts";
import { counted, percent, rateText, sizeText, thousands, timeText } from "../../runtime/contract/amounts.ts";

const times = (ratio: number | undefined): string => (ratio === undefined ? "" : `× ${ratio.toFixed(2)}`);
const amount = (n: number): string => (n < 100 ? n.toFixed(1) : n.toFixed(0));

/** Widths: positive = to the left, negative = to the right. */
export const columns =
  (widths: readonly number[]) =>
  (...cells: readonly string[]): string =>
    cells
      .map((cell, i) => (widths[i]! > 0 ? cell.padEnd(widths[i]!) : cell.padStart(-widths[i]!)))
      .join("  ")
      .trimEnd();

export function limitLines({ read, fma }: Limits): string[] {
  const by = (rates: Readonly<Record<number, number>>, unit: string): string =>
    Object.entries(rates)
      .map(([n, rate]) => `${counted(Number(n), "worker")} ${rate.toFixed(1)}`)
      .join(", ") + ` ${unit}`;
  const lines = Object.entries(fma).map(
    ([target, rates]) => `multiply-add, ${target.padEnd(7)}  ${by(rates, "GFLOP/s")}`,
  );
  return [
    `limits    read memory            ${by(read, "GB/s")}`,
    ...lines.map((line) => `          ${line}`),
  ];
}

export const busyLine = (load: number, cores: number): string =>
  `note      other programs keep this machine busy (load ${load.toFixed(1)} on ${cores} cores): figures ` +
  "are low, those of several threads most";

export const peerStateLine = ({ name, about, vectors, missing }: PeerState): string =>
  about === undefined
    ? `no peer   ${name}: ${missing}`
    : `peer      ${name}: ${about}${vectors === undefined ? "" : `; vectors: ${vectors}`}`;

// operations: a line per case and target, columns per number of workers

const opColumns = (workers: readonly number[]) =>
  columns([9, ...workers.flatMap(() => [-9, -12, -6, -6]), -6]);

export function opHead(workers: readonly number[], peer: string | undefined): string {
  return opColumns(workers)(
    "",
    ...workers.flatMap((n) => [counted(n, "worker"), "rate", "limit", peer ? "torch" : ""]),
    workers.length > 1 ? "gain" : "",
  );
}

/** "84 %", with the sign of a doubt. */
export const ofLimitText = ({ ofLimit, doubt }: Pick<Judged, "ofLimit" | "doubt">): string =>
  percent(ofLimit) + (doubt ? doubts[doubt].sign : "");

/** What the signs mean that stand behind some of these shares. */
export const doubtLines = (rows: readonly Pick<Judged, "doubt">[]): string[] =>
  (Object.keys(doubts) as Doubt[])
    .filter((doubt) => rows.some((row) => row.doubt === doubt))
    .map((doubt) => `${doubts[doubt].sign}  ${doubts[doubt].means}`);

/**
 * "limit: reading 6.75 MiB, 96.1 and 180 GB/s": what one case on one target is held against, by number of
 * workers. Empty where that is the rate of multiply-adds, which the table begins with.
 */
export function limitNote(rows: readonly OpRow[]): string {
  const parts = rows.map(({ limit: { of, rate } }) =>
    of === "f32"
      ? { what: "multiply-adds", unit: "GFLOP/s", rate }
      : typeof of === "string"
        ? { what: `dot products for ${of}`, unit: "GOP/s", rate }
        : { what: `reading ${sizeText(of.bytes)}`, unit: "GB/s", rate },
  );
  if (rows.every(({ limit }) => limit.of === "f32")) return "";
  const same = parts.every(({ what }) => what === parts[0]!.what);
  const text = same
    ? `${parts[0]!.what}, ${parts.map((p) => amount(p.rate)).join(" and ")} ${parts[0]!.unit}`
    : parts.map((p) => `${p.what}, ${amount(p.rate)} ${p.unit}`).join("; ");
  return `limit: ${text}`;
}

/** The case's name, and beside it, or below, what it is held against. */
export const titleLines = (title: string, note: string): string[] => {
  const together = `${title.padEnd(46)}  ${note}`.trimEnd();
  return together.length <= 100 ? [together] : [title, `    ${note}`];
};

/** One case on one target: rows by number of workers. `ratio`: to PyTorch. */
export function opLine(rows: readonly OpRow[], ratio: (row: OpRow) => number | undefined): string {
  const cells = rows.flatMap((row) => [
    timeText(row.ms),
    row.bound === "arithmetic" ? `${amount(row.gflops)} GFLOP/s` : `${amount(row.gbs)} GB/s`,
    ofLimitText(row),
    times(ratio(row)).replace("× ", "×"),
  ]);
  return opColumns(rows.map((r) => r.workers))(
    `  ${rows[0]!.target}`,
    ...cells,
    rows.length > 1 ? `×${(rows[0]!.ms / rows.at(-1)!.ms).toFixed(2)}` : "",
  );
}

// speed over size

const sizeColumns = (sizes: readonly number[]) => columns([34, ...sizes.map(() => -7)]);
export const sizeHead = (sizes: readonly number[]): string =>
  sizeColumns(sizes)("[n,n] · [n,n], GFLOP/s        n =", ...sizes.map(String));
export const sizeRow = (sizes: readonly number[], name: string, rates: ReadonlyMap<number, number>): string =>
  sizeColumns(sizes)(name, ...sizes.map((n) => (rates.has(n) ? amount(rates.get(n)!) : "–")));

// training, prefill, decode: lines of tokens per second

const rateColumns = columns([30, -7, -13, -15, -15, -7]);
export const trainHead = (): string => rateColumns("", "workers", "median", "best", "arithmetic", "limit");
export const inferHead = (phase: InferRow["phase"]): string =>
  rateColumns("", "workers", "median", "best", phase === "prefill" ? "arithmetic" : "weights", "limit");

export const peerRateLine = (row: PeerRow): string =>
  rateColumns(row.peer, `${row.threads}`, rateText(row.median), rateText(row.best), "", "");
export const trainLine = (row: TrainRow): string =>
  rateColumns(
    `Sinter, ${row.target}`,
    `${row.workers}`,
    rateText(row.tokensPerSecond),
    rateText(row.best),
    `${amount(row.gflops)} GFLOP/s`,
    ofLimitText(row),
  );
/**
 * "    5 processes: 24,800 … 31,600 tok/s, 1 of them 10 % or more below the median". Undefined: one process.
 */
export function processesLine({ processes, tokensPerSecond, ms }: TrainRow): string | undefined {
  if (!processes) return undefined;
  const rates = processes.map((samples) => (tokensPerSecond * ms) / median(samples)).sort((a, b) => a - b);
  const slow = rates.filter((rate) => rate <= (1 - SLOW_PROCESS) * tokensPerSecond).length;
  return (
    `    ${processes.length} processes: ${thousands(rates[0]!)} … ${rateText(rates.at(-1)!)}, ` +
    `${slow} of them ${percent(SLOW_PROCESS)} or more below the median`
  );
}
const SLOW_PROCESS = 0.1;
export const inferLine = (row: InferRow): string =>
  rateColumns(
    `Sinter, ${row.target}`,
    `${row.workers}`,
    rateText(row.tokensPerSecond),
    rateText(row.best),
    row.phase === "prefill" ? `${amount(row.gflops)} GFLOP/s` : `${amount(row.gbs)} GB/s`,
    ofLimitText(row),
  );

/** "onnxruntime-node (AVX-512)": with vectors that WebAssembly cannot have, these are named. */
export const peerName = ({ peer, vectors }: Pick<PeerRow, "peer" | "vectors">): string =>
  vectors?.startsWith("AVX-512") ? `${peer} (${vectors})` : peer;

/**
 * " × 1.65 PyTorch, × 3.20 PyTorch, malloc as it is": under a line of ours. Undefined: no peer on as many
 * threads.
 */
export function ratioLine(ours: number, workers: number, peers: readonly PeerRow[]): string | undefined {
  const same = peers.filter((p) => p.threads === workers);
  return same.length === 0
    ? undefined
    : `    ${same.map((p) => `${times(ours / p.median)} ${peerName(p)}`).join(",  ")}`;
}
