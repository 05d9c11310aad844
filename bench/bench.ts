/**
 * `sinter bench`: limits of this machine, operations against their references and limits, whole training steps, and PyTorch beside
 * both. What is measured has a name ("matmul 256×768×3072", "train S"); `filter` keeps the names that contain it.
 */
import { loadavg } from "node:os";
import { targets as allTargets, type Target } from "../compiler/op.ts";
import { nodeHost } from "../runtime/node/host.ts";
import { benchOps, opBenchNames, type OpRow } from "./bench-ops.ts";
import { findPeer, type Peer, type PeerRow } from "./bench-peers.ts";
import { benchTraining, onlyByName, sizeLine, trainSizes, type TrainRow } from "./bench-train.ts";
import { measureLimits, type Limits } from "./limits.ts";

export interface BenchOptions {
  readonly filter: string;
  readonly targets: readonly Target[];
  readonly workers: readonly number[];
  readonly peer: boolean;
  /** Small cases of operations too. */
  readonly all: boolean;
  /** Milliseconds per measurement. */
  readonly ms: number;
}

export const benchDefaults: BenchOptions = {
  filter: "", targets: allTargets, workers: nodeHost.cores > 1 ? [1, Math.min(nodeHost.cores, 8)] : [1], peer: true, all: false, ms: 300,
};
/** A training step is long: it gets this many times what an operation gets. */
const TRAIN_TIMES = 10;

export interface BenchReport {
  readonly host: { readonly node: string; readonly v8: string; readonly cores: number; readonly load: number };
  readonly limits: Limits;
  readonly peer?: string;
  readonly ops: readonly (OpRow & { readonly peerGflops?: number })[];
  readonly training: readonly (TrainRow & { readonly peerTokensPerSecond?: number })[];
}

const trainName = (size: string): string => `train ${size}`;
const wantedSizes = ({ filter }: BenchOptions): string[] =>
  trainSizes.filter((size) => (onlyByName.includes(size) ? filter === trainName(size) : trainName(size).includes(filter)));

/** Names that a filter can choose from. */
export const benchNames = (all: boolean): string[] => [...opBenchNames(all), ...trainSizes.map(trainName)];

/** Runs what was asked for; `line` gets the table's lines as they come. */
export async function runBench(o: BenchOptions, line: (text: string) => void): Promise<BenchReport> {
  const load = loadavg()[0]!; // before our own
  if (load > nodeHost.cores / 2) line(`note      other programs keep this machine busy (load ${load.toFixed(1)} on ${nodeHost.cores} cores): figures are low, those of several threads most`);
  const limits = await measureLimits(o.targets);
  line(`limits    read ${limits.read.toFixed(1)} GB/s   multiply-add ${o.targets.map((t) => `${t} ${limits.fma[t]!.toFixed(1)}`).join(", ")} GFLOP/s on one core`);
  const peer = o.peer ? await findPeer() : undefined;
  line(`peer      ${peer?.about ?? (o.peer ? "none: no Python here has torch" : "not asked for")}`);
  const ops = await operations(o, limits, peer, line);
  const training = await trainings(o, limits, peer, line);
  return { host: { node: process.versions.node, v8: process.versions.v8, cores: nodeHost.cores, load }, limits, ...(peer && { peer: peer.about }), ops, training };
}

async function operations(o: BenchOptions, limits: Limits, peer: Peer | undefined, line: (text: string) => void): Promise<BenchReport["ops"]> {
  const rows: BenchReport["ops"][number][] = [], known = new Map<string, number>();
  const wanted = (name: string): boolean => name.includes(o.filter);
  if (!opBenchNames(o.all).some(wanted)) return rows;
  line(opLine(["operation", "sizes", "target", "time", "rate", "limit", peer ? "PyTorch" : ""]));
  for await (const row of benchOps({ ...o, limits, wanted })) {
    if (peer && row.product && !known.has(row.product)) known.set(row.product, (await peer.products([row.product], [1], o.ms))[0]!.median);
    const peerGflops = row.product ? known.get(row.product) : undefined;
    rows.push({ ...row, ...(peerGflops && { peerGflops }) });
    line(opLine([row.op, row.sizes, row.target, duration(row.ms), rateOf(row), percent(row.ofLimit), peerGflops ? `× ${(row.gflops / peerGflops).toFixed(2)}` : ""]));
  }
  return rows;
}

async function trainings(o: BenchOptions, limits: Limits, peer: Peer | undefined, line: (text: string) => void): Promise<BenchReport["training"]> {
  const rows: BenchReport["training"][number][] = [], ms = o.ms * TRAIN_TIMES;
  for (const size of wantedSizes(o)) {
    line("");
    line(`${trainName(size)}: ${sizeLine(size)}`);
    const peers: readonly PeerRow[] = peer ? await peer.training([size], o.workers, ms) : [];
    for (const p of peers) line(trainLine(["PyTorch", `${p.threads}`, p.median.toFixed(0), p.best.toFixed(0), "", "", ""]));
    for await (const row of benchTraining(size, { ...o, limits, ms })) {
      const other = peers.find((p) => p.threads === row.workers)?.median;
      rows.push({ ...row, ...(other && { peerTokensPerSecond: other }) });
      line(trainLine([row.target, `${row.workers}`, row.tokensPerSecond.toFixed(0), row.best.toFixed(0), `${row.gflops.toFixed(1)} GFLOP/s`, `MFU ${percent(row.mfu)}`,
        other ? `× ${(row.tokensPerSecond / other).toFixed(2)} PyTorch` : ""]));
    }
  }
  return rows;
}

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
const duration = (ms: number): string => (ms < 1 ? `${(1000 * ms).toFixed(1)} µs` : `${ms.toFixed(2)} ms`);
const rateOf = (row: OpRow): string => (row.bound === "arithmetic" ? `${row.gflops.toFixed(1)} GFLOP/s` : `${row.gbs.toFixed(1)} GB/s`);

const columns = (widths: readonly number[]) => (cells: readonly string[]): string =>
  cells.map((cell, i) => (widths[i]! > 0 ? cell.padEnd(widths[i]!) : cell.padStart(-widths[i]!))).join("  ").trimEnd();
/** Positive: to the left; negative: to the right. */
const opLine = columns([22, 34, 8, -9, -14, -6, -8]);
const trainLine = (cells: readonly string[]): string => columns([9, 2, -8, -8, -14, -9, 18])([cells[0]!, cells[1]!, cells[2]!, cells[3]!, ...cells.slice(4)]).replace(/^(\S+\s+\d+\s+\d+)\s+(\d+)/, "$1 tok/s   best $2");
