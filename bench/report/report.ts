/** A bench's figures as one page that needs nothing else. */
import { targets, type Target } from "../../runtime/contract/targets.ts";
import { counted, percent, rateText, timeText } from "../../runtime/contract/amounts.ts";
import type { BenchReport } from "../suite/bench.ts";
import { DECODED, PROMPT } from "../suite/bench-infer.ts";
import { sizeLine } from "../suite/bench-models.ts";
import { cubeOf } from "../suite/op-cases.ts";
import { barChart, type Bar, type BarGroup } from "./bars.ts";
import { speedOverSize, type Series } from "./lines.ts";
import { card, factCards, page, responsive, table, type Fact } from "./page.ts";
import { roofline, rooflineKeys } from "./roofline.ts";
import { keys, peerColour, targetColour, targetName } from "./series.ts";
import { caption, short } from "./svg.ts";

export function benchPage(r: BenchReport): string {
  const { host } = r;
  const day = r.date.slice(0, 10);
  const body = [
    factCards(factsOf(r)),
    tokens(r),
    sizes(r),
    roofs(r),
    scaling(r),
    profiles(r),
    programs(r),
    operations(r),
  ].filter((part) => part !== "");
  const busy =
    host.load > host.cores / 2
      ? ` Other programs kept it busy (load ${host.load.toFixed(1)}): figures are low.`
      : "";
  const part = r.interrupted ? " Interrupted before all was measured." : "";
  return page(
    "Sinter bench",
    `${host.cpu}, ${host.cores} cores · Node ${host.node}, V8 ${host.v8} · ${day}.${busy}${part}`,
    `${body.join("\n")}\n<footer>Medians. Every kernel is compared with an f64 reference before it is ` +
      "timed; peers run in processes of their own, on as many threads, in the same run.</footer>",
  );
}

const measuredWorkers = (r: BenchReport): number[] =>
  Object.keys(r.limits.read)
    .map(Number)
    .sort((a, b) => a - b);
const bestTarget = (r: BenchReport): Target =>
  (["wide", "relaxed", "simd"] as const).find((t) => r.limits.fma[t])!;

function factsOf(r: BenchReport): Fact[] {
  const most = measuredWorkers(r).at(-1)!;
  const target = bestTarget(r);
  const fma = r.limits.fma[target]!;
  const facts: Fact[] = [
    {
      name: `multiply-add, ${target}`,
      value: `${short(fma[most]!)} GFLOP/s`,
      note: most > 1 ? `${short(fma[1]!)} on one` : "",
    },
    {
      name: "read memory",
      value: `${short(r.limits.read[most]!)} GB/s`,
      note: most > 1 ? `${short(r.limits.read[1]!)} on one` : "",
    },
  ];
  const against = (
    name: string,
    rows: readonly {
      readonly target: Target;
      readonly workers: number;
      readonly tokensPerSecond: number;
      readonly ratios: Readonly<Record<string, number>>;
    }[],
  ): void => {
    const row = rows.find((t) => t.target === target && t.workers === most);
    const ratio = row && Object.entries(row.ratios)[0];
    if (row)
      facts.push({
        name,
        value: rateText(row.tokensPerSecond),
        note: ratio ? `${ratio[1].toFixed(2)} × ${ratio[0]}` : counted(most, "worker"),
      });
  };
  for (const size of new Set(r.training.map((t) => t.size)))
    against(
      `train ${size === "gpt2" ? "GPT-2 124M" : size}`,
      r.training.filter((t) => t.size === size),
    );
  for (const phase of ["prefill", "decode"] as const)
    against(
      `${phase} GPT-2 124M`,
      r.inference.filter((t) => t.phase === phase),
    );
  return facts;
}

// tokens per second

function tokens(r: BenchReport): string {
  const charts: string[] = [];
  for (const size of new Set(r.training.map((t) => t.size))) {
    const own = r.training.filter((t) => t.size === size).map((t) => ({ ...t, limit: undefined }));
    charts.push(
      card(
        `Training steps, ${size === "gpt2" ? "GPT-2 124M" : size}: tokens per second`,
        `${sizeLine(size)}. Forward, backward, clipping and AdamW.`,
        tokenBars(r, "train", size, own),
      ),
    );
  }
  const notes = {
    prefill: `A prompt of ${PROMPT} tokens at once.`,
    decode:
      `${DECODED} tokens one by one, after those ${PROMPT}. The mark is what reading all parameters once ` +
      "per token allows at the measured bandwidth.",
  };
  for (const phase of ["prefill", "decode"] as const) {
    const own = r.inference.filter((t) => t.phase === phase);
    if (own.length > 0)
      charts.push(
        card(
          `${phase === "prefill" ? "Prefill" : "Decode"}, GPT-2 124M, f32: tokens per second`,
          notes[phase],
          tokenBars(
            r,
            phase,
            own[0]!.size,
            own.map((t) => ({ ...t, limit: t.tokensPerSecond / t.ofLimit })),
          ),
        ),
      );
  }
  return charts.join("\n");
}

interface OwnRate {
  readonly target: Target;
  readonly workers: number;
  readonly tokensPerSecond: number;
  /** What the machine allows; undefined: no mark. */
  readonly limit: number | undefined;
}

function tokenBars(r: BenchReport, what: string, which: string, own: readonly OwnRate[]): string {
  const groups = [...new Set(own.map((t) => t.workers))].map((workers): BarGroup => {
    const mine = own.filter((t) => t.workers === workers);
    const theirs = r.peerRows.filter((p) => p.what === what && p.which === which && p.threads === workers);
    const bars: Bar[] = [
      ...mine.map((t) => ({
        name: targetName(t.target),
        value: t.tokensPerSecond,
        words: short(t.tokensPerSecond),
        colour: targetColour[t.target],
        own: true,
      })),
      ...theirs.map((p) => ({
        name: p.peer,
        value: p.median,
        words: short(p.median),
        colour: peerColour(p.peer),
        own: false,
      })),
    ].sort((a, b) => b.value - a.value);
    const [first] = mine;
    const limit = what === "decode" ? first?.limit : undefined;
    return {
      name: counted(workers, "worker"),
      bars,
      ...(limit !== undefined && { limit: { value: limit, words: `limit ${short(limit)}` } }),
    };
  });
  return responsive((width) => barChart(`${what} ${which}`, groups, width));
}

// speed over size, roofline, scaling

function sizes(r: BenchReport): string {
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
      const roof = Math.max(...Object.values(r.limits.fma).map((by) => by[workers]!));
      return `<h3>${counted(workers, "worker")}</h3>${keys(series)}${responsive((width) => speedOverSize(series, roof, width))}`;
    });
  return card(
    "Matrix product [n,n] · [n,n]: speed over size",
    "GFLOP/s. All operands f32; peers are called as their users call them, from Python or JavaScript.",
    charts.join(""),
  );
}

function roofs(r: BenchReport): string {
  const target = bestTarget(r);
  const of = (workers: number) =>
    r.ops.filter((o) => o.target === target && o.workers === workers && o.flops > 0);
  const shown = measuredWorkers(r).filter((w) => of(w).length > 0);
  if (shown.length === 0) return "";
  const charts = shown.map(
    (w) =>
      `<h3>${counted(w, "worker")}</h3>${responsive((width) => roofline(of(w), r.limits, target, w, width))}`,
  );
  return card(
    `Roofline, ${target}`,
    "Each dot is one operation at one size: its speed over the FLOP that it does per byte that it must " +
      "move. The slope is the read bandwidth, the ceiling the multiply-add rate, both measured in this " +
      "run; above the slope are tensors that stay in a cache.",
    rooflineKeys(of(shown[0]!)) + charts.join(""),
  );
}

function scaling(r: BenchReport): string {
  const workers = measuredWorkers(r);
  const most = workers.at(-1)!;
  const target = bestTarget(r);
  if (most === 1) return "";
  const ratio = <T extends { readonly target: Target; readonly workers: number }>(
    rows: readonly T[],
    rate: (row: T) => number,
  ): number | undefined => {
    const one = rows.find((t) => t.target === target && t.workers === 1);
    const all = rows.find((t) => t.target === target && t.workers === most);
    return one && all && rate(all) / rate(one);
  };
  const entry = (name: string, value: number | undefined): Bar[] =>
    value === undefined ? [] : [{ name, value, words: `× ${value.toFixed(2)}`, colour: "wide", own: false }];
  const whole = [
    ...[...new Set(r.training.map((t) => t.size))].flatMap((size) =>
      entry(
        `train ${size}`,
        ratio(
          r.training.filter((t) => t.size === size),
          (t) => t.tokensPerSecond,
        ),
      ),
    ),
    ...(["prefill", "decode"] as const).flatMap((phase) =>
      entry(
        `${phase} gpt2`,
        ratio(
          r.inference.filter((t) => t.phase === phase),
          (t) => t.tokensPerSecond,
        ),
      ),
    ),
  ];
  const large = r.ops.filter(
    (o) => o.target === target && o.workers === 1 && (o.ms > 0.3 || cubeOf(o.product) !== undefined),
  );
  const kernels = large
    .flatMap((one) =>
      entry(
        caption(one.op, one.sizes),
        ratio(
          r.ops.filter((o) => o.op === one.op && o.sizes === one.sizes),
          (o) => 1 / o.ms,
        ),
      ),
    )
    .sort((a, b) => b.value - a.value);
  const limit = { value: most, words: `${most} ×` };
  const groups: BarGroup[] = [
    { name: "whole steps", bars: whole, limit },
    { name: "operations", bars: spread(kernels, 24), limit },
  ].filter((g) => g.bars.length > 0);
  return groups.length === 0
    ? ""
    : card(
        `Scaling: ${most} workers against one, ${target}`,
        "Results are the same bits for any number of workers.",
        responsive((width) => barChart("Scaling", groups, width)),
      );
}

const MOST_KERNELS = 14;

/** Where a run's time goes: the longest kernels, then all that waits. */
function profiles(r: BenchReport): string {
  return r.profiles
    .map((p) => {
      const bars = p.kernels.slice(0, MOST_KERNELS).map((k): Bar => ({
        name: `${k.kernel} (${k.section})`,
        value: k.ms,
        words: `${short(k.ms)} ms, ${percent(k.ofLimit)} of limit`,
        colour: k.bound === "arithmetic" ? "wide" : "jax",
        own: false,
      }));
      const waiting: Bar = {
        name: "waiting for other workers",
        value: p.waitingMs,
        words: `${short(p.waitingMs)} ms`,
        colour: "other",
        own: false,
      };
      const legend = keys([
        { name: "bound by arithmetic", colour: "wide" },
        { name: "bound by memory", colour: "jax" },
      ]);
      return card(
        `Where the time goes: ${p.entry}, ${p.target}, ${counted(p.workers, "worker")}`,
        `${short(p.ms)} ms a run, ${short(p.gflops)} GFLOP/s; milliseconds per run and worker, with the ` +
          "share of the measured limit.",
        legend + responsive((width) => barChart("Profile", [{ name: "", bars: [...bars, waiting] }], width)),
      );
    })
    .join("\n");
}

/** At most `count`, evenly taken from the first to the last. */
const spread = <T>(all: readonly T[], count: number): T[] =>
  all.length <= count
    ? [...all]
    : Array.from({ length: count }, (_, i) => all[Math.round((i * (all.length - 1)) / (count - 1))]!);

// tables

function programs(r: BenchReport): string {
  if (r.peers.length === 0) return "";
  return card(
    "Beside it",
    "",
    `<div class="text">${table(
      ["program", "what it is, or how to have it"],
      r.peers.map((p) => [p.name, p.about ?? `not here: ${p.missing}`]),
    )}</div>`,
  );
}

function operations(r: BenchReport): string {
  if (r.ops.length === 0) return "";
  const rows = r.ops.map((o) => [
    o.op,
    o.sizes,
    o.target,
    `${o.workers}`,
    timeText(o.ms),
    short(o.gflops),
    short(o.gbs),
    percent(o.ofLimit),
    o.ratios["PyTorch"] === undefined ? "" : `× ${o.ratios["PyTorch"].toFixed(2)}`,
  ]);
  return (
    `<section><details><summary>All ${rows.length} measurements of ` +
    `operations</summary><div>${table(["operation", "sizes", "target", "workers", "time", "GFLOP/s", "GB/s", "of limit", "PyTorch"], rows)}</div></details></section>`
  );
}
