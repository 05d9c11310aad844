/**
 * `sinter bench`: limits of this machine, operations against their references and limits, whole training
 * steps, prefill and decode, and other libraries beside them. What is measured has a name ("matmul
 * 256×768×3072", "train S", "decode gpt2"); a filter keeps the names that contain it.
 */
import { mixtureSize } from "./bench-models.ts";
import { cpus, loadavg } from "node:os";
import { targets as allTargets, type Target } from "../../runtime/contract/targets.ts";
import { MAX_WORKERS } from "../../runtime/contract/control.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { busyLine, doubtLines, limitLines, peerStateLine } from "./bench-table.ts";
import { limitMeter, limitsNow, type Limits } from "../measure/limits.ts";
import { peers as allPeers, Peers, type Peer, type PeerState } from "./peers.ts";
import { BenchProgress, partsOf, planLine } from "./estimate.ts";
import { quickTitles } from "./op-cases.ts";
import { REPORT_VERSION } from "./report-file.ts";
import type { Measured, Run } from "./section.ts";
import { isHeavy, sections } from "./sections.ts";

export interface BenchOptions {
  /** Parts of names; a name with any of them is measured. None: all but the heavy ones. */
  readonly filters: readonly string[];
  readonly targets: readonly Target[];
  readonly workers: readonly number[];
  readonly peers: readonly Peer[];
  /** Small cases of operations too. */
  readonly all: boolean;
  /** Where a step's time goes, after its figures. */
  readonly profile: boolean;
  /** One case of each operation, and only the smallest model that trains: see quickTitles. */
  readonly quick: boolean;
  /** Milliseconds per operation. */
  readonly ms: number;
  /** Each row of training is measured in so many processes: in this one, and in further ones by `again`. */
  readonly processes: number;
  readonly again?: Run["again"];
}

export const benchDefaults: BenchOptions = {
  filters: [],
  targets: allTargets,
  workers: [...new Set([1, Math.min(nodeHost.cores, MAX_WORKERS)])],
  peers: allPeers,
  all: false,
  profile: false,
  quick: false,
  ms: 300,
  processes: 1,
};

export interface BenchReport extends Measured {
  readonly version: number;
  readonly host: {
    readonly cpu: string;
    readonly cores: number;
    readonly node: string;
    readonly v8: string;
    readonly load: number;
  };
  /** ISO 8601. */
  readonly date: string;
  /** As they were in the beginning; rows have the one that was measured beside them. */
  readonly limits: Limits;
  readonly peers: readonly PeerState[];
  /** Ended before all was measured. */
  readonly interrupted: boolean;
}

/** Names that a filter can choose from. */
export const benchNames = (all: boolean): string[] => sections.flatMap((s) => s.titles(all));

/** A heavy name is measured only when a filter asks for it: "gpt2", "prefill", "decode", "train gpt2". */
export function wantedBy(filters: readonly string[], title: string): boolean {
  if (filters.length === 0) return !isHeavy(title);
  const asks = title.endsWith(mixtureSize) ? /mixture/ : /gpt2|prefill|decode/;
  return filters.some((f) => title.includes(f) && (!isHeavy(title) || asks.test(f)));
}

/** The names that are measured: those that a filter wants, and with `quick` one of each kind. */
export function chosenNames({
  filters,
  all,
  quick,
}: Pick<BenchOptions, "filters" | "all" | "quick">): string[] {
  const names = benchNames(all).filter((title) => wantedBy(filters, title));
  return quick ? quickTitles(names) : names;
}

const STOPPED = Symbol("stopped");

/**
 * Runs what was asked for. `print` gets the lines of the table as they come, `show` the name of what is
 * measured now. After `signal`, the report has what was measured until then.
 */
export async function runBench(
  o: BenchOptions,
  print: (text: string) => void,
  signal?: AbortSignal,
  show: (text: string) => void = () => {},
): Promise<BenchReport> {
  const line = (text: string): void => {
    // a line is printed between any two figures, so this is where an interruption is noticed
    if (signal?.aborted) throw STOPPED;
    print(text);
  };
  const load = loadavg()[0]!; // measured before our own work adds to it
  if (load > nodeHost.cores / 2) print(busyLine(load, nodeHost.cores));
  show("limits of this machine");
  const meter = limitMeter();
  const limits = await limitsNow(meter, o.targets, [...new Set([1, ...o.workers])]);
  limitLines(limits).forEach(print);
  const chosen = chosenNames(o);
  const wanted = (title: string): boolean => chosen.includes(title);
  const peers = new Peers(line);
  const again = o.again ?? (() => Promise.reject(new Error("nobody starts further processes")));
  const rows = o.targets.length * o.workers.length;
  const parts = partsOf({ ...o, rows, wanted }, benchNames(o.all));
  const measured: Measured = { ops: [], training: [], inference: [], peerRows: [], profiles: [] };
  try {
    await peers.look(o.peers.filter((p) => chosen.some((title) => p.can.includes(workOf(title)))));
    for (const state of peers.states()) line(peerStateLine(state));
    line(planLine(parts, rows));
    const progress = new BenchProgress(parts);
    const working = (title: string): void => show(progress.at(title));
    for (const section of sections)
      await section.run({ ...o, again, meter, peers, wanted, line, working }, measured);
  } catch (cause) {
    // Ctrl-C ends the peers' processes too, and then their errors are no news
    if (cause !== STOPPED && !signal?.aborted) throw cause;
  } finally {
    await peers.closeAll();
    await meter.close();
  }
  const doubted = doubtLines([...measured.ops, ...measured.training, ...measured.inference]);
  if (doubted.length > 0) ["", ...doubted].forEach(print);
  const { node, v8 } = process.versions;
  return {
    version: REPORT_VERSION,
    host: { cpu: cpus()[0]?.model.trim() ?? "unknown", cores: nodeHost.cores, node, v8, load },
    date: new Date().toISOString(),
    limits,
    peers: peers.states(),
    interrupted: signal?.aborted ?? false,
    ...measured,
  };
}

const workOf = (title: string): "train" | "infer" | "sgemm" =>
  title.startsWith("train ") ? "train" : /^(prefill|decode) /.test(title) ? "infer" : "sgemm";
