/**
 * The roofline (Williams, Waterman & Patterson 2009): speed over arithmetic intensity. A kernel cannot be
 * above the roof: read bandwidth · intensity, or the multiply-add rate. Tensors that stay in a cache may be
 * above the slope.
 */
import { percent } from "../../runtime/contract/amounts.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import type { OpRow } from "../suite/bench-ops.ts";
import type { Limits } from "../measure/limits.ts";
import { keys, type Key } from "./colours.ts";
import {
  axes,
  caption,
  dot,
  Labels,
  line,
  logarithmic,
  path,
  powers,
  short,
  svg,
  text,
  type Area,
} from "./svg.ts";

const kinds: readonly (Key & { readonly of: RegExp })[] = [
  { name: "products", colour: "wide", of: /matmul/ },
  { name: "attention", colour: "ort-node", of: /^attention/ },
  { name: "rows, elements, optimizer", colour: "jax", of: /./ },
];
const kindOf = (row: OpRow): (typeof kinds)[number] => kinds.find((k) => k.of.test(row.op))!;

const MOST_LABELS = 8;
export const intensity = (row: OpRow): number => row.flops / row.bytes;

export const rooflineKeys = (rows: readonly OpRow[]): string =>
  keys(kinds.filter((k) => rows.some((r) => kindOf(r) === k)));

/** All rows are of one target and one number of workers. */
export function roofline(
  rows: readonly OpRow[],
  limits: Limits,
  target: Target,
  workers: number,
  width: number,
): string {
  const narrow = width < 600;
  const a: Area = { width, height: narrow ? 300 : 420, left: 46, right: 14, top: 26, bottom: 36 };
  const read = limits.read[workers]!;
  const peak = limits.fma[target]![workers]!;
  const measured = rows.filter((r) => r.flops > 0);
  const xs = measured.map(intensity);
  const ys = measured.map((r) => r.gflops);
  const x0 = 2 ** Math.floor(Math.log2(Math.max(1 / 64, Math.min(0.25, ...xs))));
  const x1 = 2 ** Math.ceil(Math.log2(Math.max(256, ...xs)));
  const y0 = 2 ** Math.floor(Math.log2(Math.max(0.25, Math.min(2, ...ys))));
  const y1 = 2 ** Math.ceil(Math.log2(peak * 1.35));
  const x = logarithmic(x0, x1, a.left, width - a.right);
  const y = logarithmic(y0, y1, a.height - a.bottom, a.top);
  const ridge = peak / read;
  const start = Math.max(x0, y0 / read);
  const roof = [
    [x(start), y(start * read)],
    [x(ridge), y(peak)],
    [x(x1), y(peak)],
  ] as const;
  const labels = new Labels(a);
  const shown = measured.filter((r) => r.gflops >= y0);
  for (const r of shown) labels.avoid(x(intensity(r)), y(r.gflops), 4);
  keepFree(labels, roof);
  // the ceiling's name
  for (let px = width - a.right - 170; px < width - a.right; px += 10) labels.avoid(px, y(peak) - 11, 7);
  const dots = shown.map((r) =>
    dot(x(intensity(r)), y(r.gflops), narrow ? 3.5 : 4.5, kindOf(r).colour, tip(r)),
  );
  const words = notable(shown)
    .slice(0, narrow ? 4 : MOST_LABELS)
    .map((r) => labels.beside(x(intensity(r)), y(r.gflops), caption(r.op, r.sizes), !narrow));
  const names = [
    text(width - a.right, y(peak) - 7, `multiply-add ${short(peak)} GFLOP/s`, {
      anchor: "end",
      kind: "roof-name",
    }),
    slopeName(a, x, y, read, start, ridge),
  ];
  return svg(a, `Roofline of ${target} on ${workers}`, [
    axes(a, x, y, powers(x0, x1, narrow ? 3 : 2), powers(y0, y1, narrow ? 2 : 1), "FLOP per byte", "GFLOP/s"),
    line(x(ridge), y(peak), x(ridge), a.height - a.bottom, "ridge"),
    path(roof, "roof", "ink"),
    ...dots,
    ...words,
    ...names,
  ]);
}

/** Keeps labels away from the roof. */
function keepFree(labels: Labels, roof: readonly (readonly [number, number])[]): void {
  for (const [i, [x0, y0]] of roof.slice(0, -1).entries()) {
    const [x1, y1] = roof[i + 1]!;
    const steps = Math.ceil(Math.hypot(x1 - x0, y1 - y0) / 6);
    for (let k = 0; k <= steps; k++)
      labels.avoid(x0 + ((x1 - x0) * k) / steps, y0 + ((y1 - y0) * k) / steps, 3);
  }
}

function slopeName(
  a: Area,
  x: (v: number) => number,
  y: (v: number) => number,
  read: number,
  start: number,
  ridge: number,
): string {
  const at = Math.sqrt(start * ridge);
  const angle = (Math.atan2(y(ridge * read) - y(start * read), x(ridge) - x(start)) * 180) / Math.PI;
  const px = x(at);
  const py = y(at * read) - 8;
  return px < a.left
    ? ""
    : `<text class="roof-name" text-anchor="middle" transform="translate(${px.toFixed(1)} ` +
        `${py.toFixed(1)}) rotate(${angle.toFixed(1)})">read ${short(read)} GB/s</text>`;
}

const tip = (r: OpRow): string =>
  `${r.op} ${r.sizes}: ${short(r.gflops)} GFLOP/s at ${short(intensity(r))} FLOP/byte, ` +
  `${percent(r.ofLimit)} of the limit`;

/** The largest case of each operation, those with most arithmetic first. */
function notable(rows: readonly OpRow[]): OpRow[] {
  const sorted = [...rows].sort((p, q) => q.flops - p.flops);
  return sorted.filter((r, i) => sorted.findIndex((s) => s.op === r.op) === i);
}
