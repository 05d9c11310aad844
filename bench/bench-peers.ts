/** PyTorch on the same machine, in the same run: peers/pytorch.py under the first Python that has torch. Absent: no peer, no error. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface PeerRow {
  /** "256x768x3072" for a product, "S" for a training step. */
  readonly which: string;
  readonly threads: number;
  readonly unit: "GFLOP/s" | "tok/s";
  readonly median: number;
  readonly best: number;
}

export interface Peer {
  /** "torch 1.13.0, OpenBLAS 0.3.21 …, core type Haswell". */
  readonly about: string;
  products(shapes: readonly string[], threads: readonly number[], ms: number): Promise<readonly PeerRow[]>;
  training(sizes: readonly string[], threads: readonly number[], ms: number): Promise<readonly PeerRow[]>;
}

const script = fileURLToPath(new URL("peers/pytorch.py", import.meta.url));
const pythons = ["python3", "/usr/bin/python3"];
/** A run that takes longer has met something else than work. */
const TIMEOUT_MS = 600_000;

interface Answer {
  readonly torch: string;
  readonly blas: { readonly config: string; readonly core: string };
  readonly results: readonly PeerRow[];
}

const run = (command: string, args: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => execFile(command, args, { timeout: TIMEOUT_MS, maxBuffer: 1 << 24 }, (error, out) => (error ? reject(error) : resolve(out))));

export async function findPeer(): Promise<Peer | undefined> {
  for (const python of pythons) {
    try {
      await run(python, ["-c", "import torch"]);
    } catch {
      continue;
    }
    const ask = async (what: string, which: readonly string[], threads: readonly number[], ms: number): Promise<Answer> =>
      JSON.parse(await run(python, [script, what, ...which, "--threads", threads.join(","), "--seconds", `${ms / 1000}`, "--json"])) as Answer;
    const { torch, blas } = await ask("sgemm", ["8x8x8"], [1], 1);
    return {
      about: `torch ${torch}, ${blas.config}, core type ${blas.core}`,
      products: async (shapes, threads, ms) => (await ask("sgemm", shapes, threads, ms)).results,
      training: async (sizes, threads, ms) => (await ask("train", sizes, threads, ms)).results,
    };
  }
  return undefined;
}
