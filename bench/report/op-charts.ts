/** Charts of operations: speed over size, the roofline, and what more workers bring. */
import { counted } from "../../runtime/contract/amounts.ts";
import { targets, type Target } from "../../runtime/contract/targets.ts";
import { element } from "../../runtime/report/markup.ts";
import type { BenchReport } from "../suite/bench.ts";
import type { OpRow } from "../suite/bench-ops.ts";
import { cubeOf } from "../suite/op-cases.ts";
import { barChart, type Bar, type BarGroup } from "./bars.ts";
import { keys, peerColour, targetColour, targetName } from "./colours.ts";
import { bestTarget, measuredWorkers } from "./measured.ts";
import { card, responsive } from "./page-frame.ts";
import { roofline, rooflineKeys } from "./roofline.ts";
import { speedCurves, type Series } from "./speed-curves.ts";
import { caption } from "./svg.ts";

export function sizes(r: BenchReport): string {
  const cubes = r.ops.filter((o) => o.op === "matmul" && cubeOf(o.product) !== undefined);
  if (new Set(cubes.map((o) => cubeOf(o.product))).size < 2) return "";
  const sorted = (points: (readonly [number, number])[]) => points.sort((a, b) => a[0] - b[0]);
  const charts = measuredWorkers(r)
    .filter((w) => cubes.some((o) => o.workers === w))
    .map((workers) => {
      const own = targets.map((target): Series => ({
        name: targetName(target),
        colour: targetColour[target],
        own: true,
        points: sorted(
          cubes
            .filter((o) => o.target === target && o.workers === workers)
            .map((o) => [cubeOf(o.product)!, o.gflops]),
        ),
      }));
      const asked = r.peerRows.filter(
        (p) => p.what === "sgemm" && p.threads === workers && cubeOf(p.which) !== undefined,
      );
      const peers = [...new Set(asked.map((p) => p.peer))].map((peer): Series => ({
        name: peer,
        colour: peerColour(peer),
        own: false,
        points: sorted(asked.filter((p) => p.peer === peer).map((p) => [cubeOf(p.which)!, p.median])),
      }));
      const series = [...own, ...peers].filter((s) => s.points.length > 0);
      const limit = Math.max(...Object.values(r.limits.fma).map((by) => by[workers]!));
      const ns = series.flatMap((s) => s.points.map(([n]) => n));
      const ends = [Math.min(...ns), Math.max(...ns)];
      const roof = { name: "multiply-add limit", points: ends.map((n) => [n, limit] as const) };
      const curves = { title: "Speed over size", series, roof, below: "n", unit: "GFLOP/s" };
      const heading = element("h3", {}, counted(workers, "worker"));
      return heading + keys(series) + responsive((width) => speedCurves(curves, width));
    });
  return card(
    "Matrix product [n,n] · [n,n]: speed over size",
    "GFLOP/s. All operands f32; peers are called as their users call them, from Python or JavaScript.",
    charts.join(""),
  );
}

export function roofs(r: BenchReport): string {
  const target = bestTarget(r);
  const of = (workers: number) =>
    r.ops.filter((o) => o.target === target && o.workers === workers && o.flops > 0 && !isInteger(o));
  const shown = measuredWorkers(r).filter((w) => of(w).length > 0);
  if (shown.length === 0) return "";
  const charts = shown.map(
    (w) =>
      `<h3>${counted(w, "worker")}</h3>${responsive((width) => roofline(of(w), r.limits, target, w, width))}`,
  );
  return card(
    `Roofline, ${target}`,
    "Each dot is one operation at one size: its speed over the FLOP that it does per byte that it must " +
      "move. The slope is the bandwidth of memory, the ceiling the multiply-add rate, both measured in the " +
      "beginning; above the slope are tensors that stay in a cache. Products of integers have another " +
      "ceiling, and are left out.",
    rooflineKeys(of(shown[0]!)) + charts.join(""),
  );
}

/** Held against the rate of integer dot products. */
const isInteger = ({ limit }: OpRow): boolean => limit.of === "q8_0" || limit.of === "q4_0";

/** A kernel that is shorter than this says little about scaling: waking the threads takes as long. */
const LEAST_SCALED_MS = 0.3;
const MOST_SCALED = 24;

export function scaling(r: BenchReport): string {
  const most = measuredWorkers(r).at(-1)!;
  const target = bestTarget(r);
  if (most === 1) return "";
  const limit = { value: most, words: `${most} ×` };
  const groups: BarGroup[] = [
    { name: "whole steps", bars: scaledSteps(r, target, most), limit },
    { name: "operations", bars: spread(scaledKernels(r, target, most), MOST_SCALED), limit },
  ].filter((g) => g.bars.length > 0);
  if (groups.length === 0) return "";
  return card(
    `Scaling: ${most} workers against one, ${target}`,
    "Results are the same bits for any number of workers.",
    responsive((width) => barChart("Scaling", groups, width)),
  );
}

function scaledSteps(r: BenchReport, target: Target, most: number): Bar[] {
  const rate = (row: { readonly tokensPerSecond: number }): number => row.tokensPerSecond;
  const trained = [...new Set(r.training.map((t) => t.size))].flatMap((size) => {
    const rows = r.training.filter((t) => t.size === size);
    return gainBar(`train ${size}`, gain(rows, rate, target, most));
  });
  const inferred = (["prefill", "decode"] as const).flatMap((phase) => {
    const rows = r.inference.filter((t) => t.phase === phase);
    return gainBar(`${phase} gpt2`, gain(rows, rate, target, most));
  });
  return [...trained, ...inferred];
}

/** The largest gain first. */
function scaledKernels(r: BenchReport, target: Target, most: number): Bar[] {
  const large = r.ops.filter(
    (o) =>
      o.target === target && o.workers === 1 && (o.ms > LEAST_SCALED_MS || cubeOf(o.product) !== undefined),
  );
  return large
    .flatMap((one) => {
      const rows = r.ops.filter((o) => o.op === one.op && o.sizes === one.sizes);
      return gainBar(
        caption(one.op, one.sizes),
        gain(rows, (o) => 1 / o.ms, target, most),
      );
    })
    .sort((a, b) => b.value - a.value);
}

/** How many times faster than one worker. Undefined: not measured on both. */
function gain<Row extends { readonly target: Target; readonly workers: number }>(
  rows: readonly Row[],
  rate: (row: Row) => number,
  target: Target,
  most: number,
): number | undefined {
  const one = rows.find((t) => t.target === target && t.workers === 1);
  const all = rows.find((t) => t.target === target && t.workers === most);
  return one && all && rate(all) / rate(one);
}

const gainBar = (name: string, value: number | undefined): Bar[] =>
  value === undefined ? [] : [{ name, value, words: `× ${value.toFixed(2)}`, colour: "wide", own: false }];

/** At most `count`, evenly taken from the first to the last. */
const spread = <T>(all: readonly T[], count: number): T[] =>
  all.length <= count
    ? [...all]
    : Array.from({ length: count }, (_, i) => all[Math.round((i * (all.length - 1)) / (count - 1))]!);
