/**
 * What the sections of `sinter bench` share: what was asked for, where their rows go, the peers beside them,
 * and the tables of kernels.
 */
import type { Target } from "../../runtime/contract/targets.ts";
import type { LimitMeter } from "../measure/limits.ts";
import { profileModel, type Profile, type ProfiledEntry } from "../measure/profile.ts";
import { profileLines } from "../measure/profile-lines.ts";
import type { InferRow } from "./bench-infer.ts";
import { benchModel } from "./bench-models.ts";
import type { OpRow } from "./bench-ops.ts";
import type { TrainRow } from "./bench-train.ts";
import type { Peer, PeerRow, Peers, Work } from "./peers.ts";

export interface Run {
  readonly targets: readonly Target[];
  readonly workers: readonly number[];
  readonly meter: LimitMeter;
  readonly peers: Peers;
  /** Small cases of operations too. */
  readonly all: boolean;
  /** After the figures of a step, a prompt or a token, a table of where its time goes. */
  readonly profile: boolean;
  /** Milliseconds per operation. */
  readonly ms: number;
  /** Rows of training are measured in so many processes. */
  readonly processes: number;
  /** Milliseconds of each step of such a row, measured in a process of its own. */
  again(row: { readonly name: string } & Pick<TrainRow, "target" | "workers">): Promise<readonly number[]>;
  wanted(title: string): boolean;
  line(text: string): void;
  /** Says what is worked on now, by its name. */
  working(title: string): void;
}

/**
 * A row of ours with its ratio to each peer that did the same work on as many threads, by the peer's name.
 */
export type Beside<T> = T & { readonly ratios: Readonly<Record<string, number>> };

export interface Measured {
  readonly ops: Beside<OpRow>[];
  readonly training: Beside<TrainRow>[];
  readonly inference: Beside<InferRow>[];
  readonly peerRows: PeerRow[];
  readonly profiles: Profile[];
}

export interface Section {
  /** Names that a filter chooses from. */
  titles(all: boolean): string[];
  run(o: Run, into: Measured): Promise<void>;
}

/** Whole steps and prompts take long: they get this many times the time that an operation gets. */
export const LONG = 10;

/** Ratios of a rate of ours to those of peers, by the peer's name. */
export const ratiosOf = (ours: number, rows: readonly PeerRow[]): Record<string, number> =>
  Object.fromEntries(rows.map((r) => [r.peer, ours / r.median]));

/** Asks each of these peers on each number of threads that it makes use of. */
export async function askAll(
  o: Run,
  asked: readonly Peer[],
  work: { readonly what: Work; readonly which: string; readonly name: string; readonly ms: number },
  into: Measured,
): Promise<PeerRow[]> {
  const { what, which, name, ms } = work;
  const rows: PeerRow[] = [];
  for (const peer of asked)
    for (const threads of o.workers.filter((n) => n <= peer.mostThreads))
      rows.push(...(await o.peers.ask(peer, what, which, name, threads, { ms })));
  into.peerRows.push(...rows);
  return rows;
}

/** Prints where the time goes, when that was asked for: one table for each target and number of workers. */
export async function profiles(o: Run, entry: ProfiledEntry, size: string, into: Measured): Promise<void> {
  if (!o.profile) return;
  for (const target of o.targets)
    for (const workers of o.workers) {
      const profile = await profileModel(benchModel(size), { ...o, entry, target, workers, ms: LONG * o.ms });
      into.profiles.push(profile);
      o.line("");
      profileLines(profile).forEach(o.line);
    }
}
