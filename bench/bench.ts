/**
 * `sinter bench`: limits of this machine, operations against their references and limits, whole training steps, and PyTorch
 * beside both. What is measured has a name ("matmul 256×768×3072", "train S"); `filter` keeps the names that contain it.
 */
import { loadavg } from "node:os";
import { targets as allTargets, type Target } from "../compiler/op.ts";
import { nodeHost } from "../runtime/node/host.ts";
import { benchOps, opBenchNames, type OpRow } from "./bench-ops.ts";
import { findPeer, type Peer } from "./bench-peers.ts";
import { busyLine, limitsLine, opHead, opLine, peerLine, trainHead, trainLine } from "./bench-table.ts";
import { benchTraining, onlyByName, sizeLine, trainSizes, type TrainRow } from "./bench-train.ts";
import { measureLimits, type Limits } from "./limits.ts";

export interface BenchOptions {
  readonly filter: string;
  readonly targets: readonly Target[];
  readonly workers: readonly number[];
  readonly peer: boolean;
  /** Small cases of operations too. */
  readonly all: boolean;
  /** Milliseconds per operation. */
  readonly ms: number;
}

const MOST_WORKERS = 8;
export const benchDefaults: BenchOptions = {
  filter: "", targets: allTargets, workers: [...new Set([1, Math.min(nodeHost.cores, MOST_WORKERS)])], peer: true, all: false, ms: 300,
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

interface Run extends BenchOptions {
  readonly limits: Limits;
  readonly peerProgram: Peer | undefined;
  line(text: string): void;
}

/** Runs what was asked for; `line` gets the table's lines as they come. */
export async function runBench(o: BenchOptions, line: (text: string) => void): Promise<BenchReport> {
  const load = loadavg()[0]!; // before our own
  if (load > nodeHost.cores / 2) line(busyLine(load, nodeHost.cores));
  const limits = await measureLimits(o.targets);
  line(limitsLine(limits));
  const peerProgram = o.peer ? await findPeer() : undefined;
  line(`peer      ${peerProgram?.about ?? (o.peer ? "none: no Python here has torch" : "not asked for")}`);
  const run = { ...o, limits, peerProgram, line };
  const { node, v8 } = process.versions;
  return {
    host: { node, v8, cores: nodeHost.cores, load }, limits, ...(peerProgram && { peer: peerProgram.about }),
    ops: await operations(run), training: await trainings(run),
  };
}

async function operations(o: Run): Promise<BenchReport["ops"]> {
  const rows: BenchReport["ops"][number][] = [], peerRates = new Map<string, number>();
  const wanted = (name: string): boolean => name.includes(o.filter);
  if (!opBenchNames(o.all).some(wanted)) return rows;
  o.line("");
  o.line(opHead(o.peerProgram !== undefined));
  for await (const row of benchOps({ ...o, wanted })) {
    const { product } = row;
    if (o.peerProgram && product && !peerRates.has(product)) {
      const [rate] = await o.peerProgram.products([product], [1], o.ms);
      peerRates.set(product, rate!.median);
    }
    const peerGflops = product && peerRates.get(product);
    rows.push({ ...row, ...(peerGflops && { peerGflops }) });
    o.line(opLine(row, peerGflops || undefined));
  }
  return rows;
}

async function trainings(o: Run): Promise<BenchReport["training"]> {
  const rows: BenchReport["training"][number][] = [], ms = o.ms * TRAIN_TIMES;
  for (const size of wantedSizes(o)) {
    o.line("");
    o.line(`${trainName(size)}: ${sizeLine(size)}`);
    o.line(trainHead(o.peerProgram !== undefined));
    const peers = (await o.peerProgram?.training([size], o.workers, ms)) ?? [];
    peers.map(peerLine).forEach(o.line);
    for await (const row of benchTraining(size, { ...o, ms })) {
      const peerTokensPerSecond = peers.find((p) => p.threads === row.workers)?.median;
      rows.push({ ...row, ...(peerTokensPerSecond && { peerTokensPerSecond }) });
      o.line(trainLine(row, peerTokensPerSecond));
    }
  }
  return rows;
}
