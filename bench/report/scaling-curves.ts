/**
 * Speed over numbers of workers and over sizes, beside what the machine's limit does meanwhile: a limit that
 * does not grow with the workers, as that of memory, leaves a kernel nothing to gain.
 */
import { counted, rateText } from "../../runtime/contract/amounts.ts";
import { element, escapeHtml } from "../../runtime/report/markup.ts";
import type { Judged } from "../measure/judged.ts";
import type { BenchReport } from "../suite/bench.ts";
import { doubtLines, ofLimitText } from "../suite/bench-table.ts";
import { cubeOf } from "../suite/op-cases.ts";
import { inferTitle, trainTitle } from "../suite/section-models.ts";
import { keys, peerColour } from "./colours.ts";
import { bestTarget, measuredWorkers } from "./measured.ts";
import { card, responsive, table } from "./page-frame.ts";
import { speedCurves, type Series, type SpeedCurves } from "./speed-curves.ts";

/** A step, a prompt or a token, on the fastest target, by number of workers. */
interface Entry {
  readonly name: string;
  readonly rows: readonly EntryRow[];
  readonly peers: readonly Series[];
}
type EntryRow = Judged & { readonly workers: number; readonly tokensPerSecond: number };

export function scalingCurves(r: BenchReport): string {
  const entries = entriesOf(r);
  const products = productCurves(r);
  if (entries.length === 0 && products.length === 0) return "";
  return card(
    `Speed over workers and sizes, ${bestTarget(r)}`,
    "The dashed line is what the limits that were measured beside each figure allow: the multiply-add rate " +
      "for training, prompts and products, the reading of all parameters for decoding. As far as it rises, " +
      "more workers can help.",
    [...entries.map(entryChart), ...products.map(chartOf), scalingTable(entries)].join(""),
  );
}

function entriesOf(r: BenchReport): Entry[] {
  const target = bestTarget(r);
  const named = [
    ...r.training.map((row) => ({ row, name: trainTitle(row.size), what: "train", which: row.size })),
    ...r.inference.map((row) => ({
      row,
      name: inferTitle(row.phase, row.size),
      what: row.phase as string,
      which: row.size,
    })),
  ].filter(({ row }) => row.target === target);
  return [...Map.groupBy(named, ({ name }) => name)]
    .map(([name, own]) => {
      const { what, which } = own[0]!;
      const asked = r.peerRows.filter((p) => p.what === what && p.which === which);
      const peers = [...Map.groupBy(asked, (p) => p.peer)].map(([peer, rows]): Series => ({
        name: peer,
        colour: peerColour(peer),
        own: false,
        points: rows.map((p) => [p.threads, p.median] as const).sort(([a], [b]) => a - b),
      }));
      return { name, peers, rows: own.map(({ row }) => row).sort((a, b) => a.workers - b.workers) };
    })
    .filter(({ rows }) => rows.length > 1) // a curve needs two numbers of workers
    .map((entry) => ({ ...entry, peers: entry.peers.filter((p) => p.points.length > 1) }));
}

function entryChart({ name, rows, peers }: Entry): string {
  const own: Series = {
    name: "Sinter",
    colour: "wide",
    own: true,
    points: rows.map((row) => [row.workers, row.tokensPerSecond]),
  };
  const roof = rows.map((row) => [row.workers, row.tokensPerSecond / row.ofLimit] as const);
  return chartOf({
    title: `${name}: tokens per second over workers`,
    series: [own, ...peers],
    roof: { name: "limit", points: roof },
    below: "workers",
    unit: "tok/s",
    doubling: true,
  });
}

const sizeColours = ["simd", "relaxed", "wide", "jax", "ort-node", "torch"] as const;

/** Products [n,n] · [n,n]: their speed over workers, and their share of the limit over n. */
function productCurves(r: BenchReport): SpeedCurves[] {
  const target = bestTarget(r);
  const cubes = r.ops.filter(
    (o) => o.op === "matmul" && o.target === target && cubeOf(o.product) !== undefined,
  );
  const workers = measuredWorkers(r).filter((n) => cubes.some((o) => o.workers === n));
  const sizes = [...new Set(cubes.map((o) => cubeOf(o.product)!))].sort((a, b) => a - b);
  if (workers.length < 2 || sizes.length < 2) return [];
  const at = (n: number, size: number) => cubes.find((o) => o.workers === n && cubeOf(o.product) === size);
  const series = (
    name: string,
    colour: string,
    over: readonly number[],
    value: (x: number) => number | undefined,
  ): Series => ({
    name,
    colour,
    own: true,
    points: over.flatMap((x) => {
      const y = value(x);
      return y === undefined ? [] : [[x, y] as const];
    }),
  });
  return [
    {
      title: "Products [n,n] · [n,n]: GFLOP/s over workers",
      series: sizes.map((size, i) =>
        series(`n = ${size}`, sizeColours[i % sizeColours.length]!, workers, (n) => at(n, size)?.gflops),
      ),
      roof: {
        name: "multiply-add limit",
        points: workers.map((n) => [n, r.limits.fma[target]![n]!] as const),
      },
      below: "workers",
      unit: "GFLOP/s",
      doubling: true,
    },
    {
      title: "Products [n,n] · [n,n]: per cent of the limit beside them, over size",
      series: workers.map((n, i) =>
        series(counted(n, "worker"), sizeColours[(i + 2) % sizeColours.length]!, sizes, (size) => {
          const row = at(n, size);
          return row && 100 * row.ofLimit;
        }),
      ),
      roof: { name: "limit", points: [sizes[0]!, sizes.at(-1)!].map((size) => [size, 100] as const) },
      below: "n",
      unit: "%",
    },
  ];
}

const chartOf = (curves: SpeedCurves): string =>
  element("h3", {}, escapeHtml(curves.title)) +
  keys(curves.series) +
  responsive((width) => speedCurves(curves, width));

/** Gains over the fewest workers, beside the limit's own. */
function scalingTable(entries: readonly Entry[]): string {
  if (entries.length === 0) return "";
  const times = (gain: number): string => `× ${gain.toFixed(2)}`;
  const rows = entries.flatMap(({ name, rows: own }) =>
    own.map((row) => [
      name,
      `${row.workers}`,
      rateText(row.tokensPerSecond),
      times(row.tokensPerSecond / own[0]!.tokensPerSecond),
      times(row.limit.rate / own[0]!.limit.rate),
      ofLimitText(row),
    ]),
  );
  const head = ["measured", "workers", "speed", "gain", "gain of the limit", "of limit"];
  const signs = doubtLines(entries.flatMap((entry) => entry.rows));
  return table("scaling", head, rows) + signs.map((sign) => element("p", { class: "note" }, sign)).join("");
}
