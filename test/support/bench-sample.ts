/** A report of the bench with something of everything, for tests of its tables and its page. */
import type { BenchReport } from "../../bench/suite/bench.ts";
import type { Judged } from "../../bench/measure/judged.ts";
import { REPORT_VERSION } from "../../bench/suite/report-file.ts";
import type { OpRow } from "../../bench/suite/bench-ops.ts";
import { targets, type Target } from "../../runtime/contract/targets.ts";

const judged = {
  ms: 1.5,
  bestMs: 1.2,
  samples: [1.5, 1.2, 1.8],
  gflops: 90,
  gbs: 4.5,
  bound: "arithmetic",
  ofLimit: 0.91,
  limit: { of: "f32", rate: 99, moved: 0.01 },
} as const satisfies Judged;
const row = (
  target: Target,
  workers: number,
  size: number,
  op = "matmul",
): OpRow & { ratios: Record<string, number> } => ({
  op,
  sizes: `${size}×${size}×${size}`,
  target,
  workers,
  flops: 2 * size ** 3,
  bytes: 12 * size ** 2,
  ...judged,
  gflops: 90 * workers,
  ...(op === "matmul" && { product: `${size}x${size}x${size}` }),
  ratios: { PyTorch: 1.04 },
});
const both = <T>(make: (target: Target, workers: number) => T): T[] =>
  targets.flatMap((target) => [1, 2].map((workers) => make(target, workers)));
export const benchSample: BenchReport = {
  version: REPORT_VERSION,
  host: { cpu: '<CPU> & "Co"', cores: 2, node: "24.0.0", v8: "13.6", load: 3 },
  date: "2026-01-02T03:04:05.000Z",
  limits: {
    read: { 1: 30, 2: 60 },
    fma: { simd: { 1: 50, 2: 100 }, relaxed: { 1: 55, 2: 110 }, wide: { 1: 110, 2: 220 } },
  },
  peers: [
    { name: "PyTorch", native: true, about: "torch <1>" },
    { name: "tfjs", native: false, missing: "not installed; to have it: npm ci --prefix bench/peers" },
  ],
  ops: [
    ...both((t, w) => row(t, w, 64)),
    ...both((t, w) => row(t, w, 256)),
    ...both((t, w) => row(t, w, 128, "attention")),
  ],
  training: both((target, workers) => ({
    size: "S",
    target,
    workers,
    tokensPerSecond: 15_000 * workers,
    best: 17_000,
    ...judged,
    ratios: { PyTorch: 1.5 },
  })),
  inference: both((target, workers) => ({
    phase: "decode" as const,
    size: "gpt2",
    target,
    workers,
    tokensPerSecond: 42 * workers,
    best: 45,
    ...judged,
    ratios: { "onnxruntime-web": 1.2 },
  })),
  profiles: [
    {
      entry: "train",
      target: "wide",
      workers: 2,
      ms: 30,
      runs: 9,
      tokens: 768,
      gflops: 120,
      limitGflops: 200,
      busyMs: 25,
      waitingMs: 3,
      outsideMs: 2,
      kernels: [
        {
          section: "layer",
          op: "matmul",
          kernel: "matmul_<1>",
          calls: 12,
          ms: 9,
          waitingMs: 1,
          share: 0.3,
          least: { multiplyAdds: 7.2, functions: 0, bytes: 0 },
          gflops: 180,
          gbs: 3,
          bound: "arithmetic",
          ofLimit: 0.8,
        },
      ],
    },
  ],
  interrupted: false,
  peerRows: [1, 2].flatMap((threads) => [
    { peer: "PyTorch", what: "sgemm", which: "64x64x64", threads, median: 80, mean: 80, best: 90, runs: 9 },
    {
      peer: "PyTorch",
      what: "sgemm",
      which: "256x256x256",
      threads,
      median: 99,
      mean: 98,
      best: 101,
      runs: 9,
    },
    {
      peer: "PyTorch",
      what: "train",
      which: "S",
      threads,
      median: 10_000,
      mean: 9_900,
      best: 11_000,
      runs: 9,
    },
    {
      peer: "onnxruntime-web",
      what: "decode",
      which: "gpt2",
      threads,
      median: 35,
      mean: 35,
      best: 36,
      runs: 64,
    },
  ]),
};
