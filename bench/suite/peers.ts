/**
 * THE table of peers: what other libraries do with the same work, in the same run, each in a process of its
 * own.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startPeer, type PeerProcess, type Rate } from "./peer-process.ts";

export type Work = "sgemm" | "train" | "infer";

export interface Peer {
  readonly name: string;
  /** Short name, for the head of a column. */
  readonly short: string;
  readonly can: readonly Work[];
  /** Which products it is asked for: all that have a name in the peer's language, or a few of each kind. */
  readonly products: "all" | "some" | "none";
  /** More threads than this make no difference to it under Node. */
  readonly mostThreads: number;
  readonly native: boolean;
  readonly install: string;
  /** Programs to try, in order. */
  readonly commands: readonly (readonly string[])[];
}

const file = (name: string): string => fileURLToPath(new URL(`../peers/${name}`, import.meta.url));
/** PYTHON names one; then it alone is asked. */
const named = process.env["PYTHON"];
const pythons = named ? [named] : ["python3", "/usr/bin/python3"];
const node = (...args: string[]): readonly (readonly string[])[] => [[process.execPath, ...args]];
const python = (...args: string[]): readonly (readonly string[])[] =>
  pythons.map((p) => [p, file("pytorch.py"), "serve", ...args]);
/** An installed package has no programs for peers. */
const HERE = existsSync(file("pytorch.py"));
const NPM = "npm ci --prefix bench/peers";
const TORCH = "apt-get install python3-torch libopenblas0-openmp";
const ANY = 8;

export const peers: readonly Peer[] = [
  {
    name: "PyTorch",
    short: "PyTorch",
    can: ["sgemm", "train"],
    products: "all",
    mostThreads: ANY,
    native: true,
    install: TORCH,
    commands: python(),
  },
  {
    name: "PyTorch, malloc as it is",
    short: "plain",
    can: ["train"],
    products: "none",
    mostThreads: ANY,
    native: true,
    install: TORCH,
    commands: python("--plain"),
  },
  {
    name: "onnxruntime-node",
    short: "ort-node",
    can: ["sgemm", "infer"],
    products: "some",
    mostThreads: ANY,
    native: true,
    install: NPM,
    commands: node(file("onnxruntime.ts"), "node"),
  },
  {
    name: "onnxruntime-web",
    short: "ort-web",
    can: ["sgemm", "infer"],
    products: "some",
    mostThreads: ANY,
    native: false,
    install: NPM,
    commands: node(file("onnxruntime.ts"), "web"),
  },
  {
    name: "tfjs",
    short: "tfjs",
    can: ["sgemm"],
    products: "some",
    mostThreads: 1,
    native: false,
    install: NPM,
    commands: node(file("tfjs.ts")),
  },
  {
    name: "jax-js",
    short: "jax-js",
    can: ["sgemm"],
    products: "some",
    mostThreads: 1,
    native: false,
    install: NPM,
    commands: node(file("jax-js.ts")),
  },
];

export interface PeerRow {
  readonly peer: string;
  /** "sgemm", "train", "prefill", "decode". */
  readonly what: string;
  /** "256x768x3072", "S". */
  readonly which: string;
  readonly threads: number;
  /** GFLOP/s or tokens per second: of the median run, of all runs together, of the fastest. */
  readonly median: number;
  readonly mean: number;
  readonly best: number;
  readonly runs: number;
  /** As PeerState. */
  readonly vectors?: string;
}

export interface PeerState {
  readonly name: string;
  readonly native: boolean;
  /** What the peer says about itself; undefined: it is not here. */
  readonly about?: string;
  /** "AVX-512": the widest vectors that its products use here, as far as it can be found out. */
  readonly vectors?: string;
  readonly missing?: string;
}

/** How long a measurement takes, and after how long no run of it begins, even where too few are done. */
export interface AskedTime {
  readonly ms: number;
  readonly withinMs?: number;
}

/** The peers of one run. What is wrong with a peer is found once, and printed once. */
export class Peers {
  readonly #states = new Map<Peer, PeerState>();
  readonly #open = new Map<string, PeerProcess>();
  readonly #say: (line: string) => void;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  states(): readonly PeerState[] {
    return [...this.#states.values()];
  }

  /** Starts each peer once, to see whether it is here. */
  async look(wanted: readonly Peer[]): Promise<void> {
    for (const peer of wanted) {
      const { name, native } = peer;
      if (!HERE) {
        this.#states.set(peer, { name, native, missing: "peers are measured in a checkout of the project" });
        continue;
      }
      try {
        const started = await start(peer);
        const { about, vectors } = started;
        this.#states.set(peer, { name, native, about, ...(vectors !== undefined && { vectors }) });
        await started.close();
      } catch (error) {
        this.#states.set(peer, { name, native, missing: `${reason(error)}; to have it: ${peer.install}` });
      }
    }
  }

  here(what: Work): Peer[] {
    return [...this.#states]
      .filter(([peer, state]) => state.about !== undefined && peer.can.includes(what))
      .map(([peer]) => peer);
  }

  /**
   * Returns the rows of one request; none when it fails, after a line that says why. The process stays until
   * `closeAll`.
   */
  async ask(
    peer: Peer,
    what: Work,
    which: string,
    name: string,
    threads: number,
    { ms, withinMs }: AskedTime,
  ): Promise<PeerRow[]> {
    const key = `${peer.name}/${threads}`;
    try {
      const process = this.#open.get(key) ?? (await start(peer));
      this.#open.set(key, process);
      const within = withinMs === undefined ? {} : { within: withinMs / 1000 };
      const rates = await process.ask({ what, which, threads, seconds: ms / 1000, ...within });
      return rates.map((r: Rate) => ({
        peer: peer.name,
        what: r.what ?? what,
        which: name,
        threads,
        median: r.median,
        mean: r.mean,
        best: r.best,
        runs: r.runs,
        ...(process.vectors !== undefined && { vectors: process.vectors }),
      }));
    } catch (error) {
      this.#say(`note      ${peer.name}, ${what} ${name} on ${threads}: ${reason(error)}`);
      return [];
    }
  }

  /** Ends all peers, so that their threads and memory are gone before ours are measured. */
  async closeAll(): Promise<void> {
    for (const process of this.#open.values()) await process.close();
    this.#open.clear();
  }
}

async function start(peer: Peer): Promise<PeerProcess> {
  let last: unknown;
  for (const [command, ...args] of peer.commands) {
    try {
      if (command!.includes("python")) await promisify(execFile)(command!, ["-c", "import torch"]);
      return await startPeer(command!, args);
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

const reason = (error: unknown): string => {
  const text = error instanceof Error ? error.message : String(error);
  if (/No module named|import torch/.test(text)) return "no Python here has torch";
  if (/Cannot find (package|module)/.test(text)) return "not installed";
  return text.trimEnd().split("\n").at(-1)!;
};
