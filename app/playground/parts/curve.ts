/**
 * Curves over steps, drawn by uPlot. It takes its colours from the page's, follows light and dark and its own
 * width, and can be read without being seen: arrow keys go from point to point, and what is there is said.
 *
 *     const curve = openCurve({ height: 260, lines: [{ name: "loss", colour: "--first" }], … });
 *     curve.show([[[1, 5.5], [2, 5.1]]]);
 */
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Points } from "../../../runtime/report/smooth.ts";

export interface Line {
  readonly name: string;
  /** A custom property of the page: "--first". */
  readonly colour: string;
  readonly width?: number;
  /** Points that are measured now and then: dots, and a line between them. */
  readonly isSparse?: boolean;
}

export interface CurveOptions {
  /** Pixels. */
  readonly height: number;
  readonly lines: readonly Line[];
  /** The curve's name, for those who do not see it. */
  readonly label: string;
  /** What x is: "step". */
  readonly across: string;
  /** What is said of a point: "step 120: training loss 2.31". */
  describe(x: number, values: readonly (readonly [line: string, y: number])[]): string;
  /** Whether y grows by factors. */
  readonly isLogarithmic?: boolean;
}

export interface Curve {
  readonly element: HTMLElement;
  /** One list of points for each line, by growing x. */
  show(lines: readonly Points[]): void;
  close(): void;
}

const FONT = "12px system-ui, sans-serif";

export function openCurve(options: CurveOptions): Curve {
  const element = document.createElement("div");
  element.className = "curve";
  element.tabIndex = 0;
  element.role = "img";
  element.ariaLabel = options.label;
  const colour = colourReader(element);
  let plot: uPlot | undefined;
  let data: uPlot.AlignedData = [[], ...options.lines.map(() => [])];
  const draw = (): void => {
    const width = Math.floor(element.clientWidth);
    if (width === 0) return;
    if (plot) plot.setSize({ width, height: options.height });
    else plot = new uPlot(plotOptions(options, width, colour), data, element);
  };
  const sizes = new ResizeObserver(draw);
  sizes.observe(element);
  const stop = new AbortController();
  const recolour = (): void => plot?.redraw(false);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour, { signal: stop.signal });
  const colours = new MutationObserver(recolour);
  colours.observe(document.documentElement, { attributeFilter: ["data-colours"] });
  listenToKeys(element, options, () => ({ plot, data }));
  return {
    element,
    show(lines) {
      data = aligned(lines);
      element.ariaLabel = summary(options, data);
      plot?.setData(data);
    },
    close() {
      stop.abort();
      sizes.disconnect();
      colours.disconnect();
      plot?.destroy();
    },
  };
}

/** All lines over all steps at which one of them has a value. */
export function aligned(lines: readonly Points[]): uPlot.AlignedData {
  const steps = [...new Set(lines.flatMap((points) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const columns = lines.map((points) => {
    const known = new Map(points);
    return steps.map((x) => known.get(x) ?? null);
  });
  return [steps, ...columns];
}

/** Canvases know no custom properties: an element of the page is asked what a colour is now. */
function colourReader(within: HTMLElement): (name: string) => string {
  const probe = document.createElement("span");
  probe.hidden = true;
  within.append(probe);
  return (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
}

function plotOptions(o: CurveOptions, width: number, colour: (name: string) => string): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: () => colour("--soft"),
    grid: { stroke: () => colour("--line"), width: 1 },
    ticks: { show: false },
    font: FONT,
  };
  return {
    width,
    height: o.height,
    scales: { x: { time: false }, y: { distr: o.isLogarithmic ? 3 : 1 } },
    axes: [
      { ...axis, incrs: wholeIncrements },
      { ...axis, size: 52 },
    ],
    cursor: { drag: { x: false, y: false }, y: false },
    legend: { live: true, markers: { width: 3 } },
    series: [
      { label: o.across },
      ...o.lines.map((line): uPlot.Series => ({
        label: line.name,
        stroke: () => colour(line.colour),
        width: line.width ?? 2,
        spanGaps: true,
        points: line.isSparse ? { show: true, size: 7, fill: () => colour(line.colour) } : { show: false },
        value: (_, y) => (y === null || y === undefined ? "–" : short(y)),
      })),
    ],
  };
}

/** Steps are whole. */
const wholeIncrements = [0, 1, 2, 3, 4, 5, 6].flatMap((power) => [1, 2, 5].map((n) => n * 10 ** power));

/** Arrow keys, Home and End move the cursor; what stands there is said. */
function listenToKeys(
  element: HTMLElement,
  options: CurveOptions,
  now: () => { readonly plot: uPlot | undefined; readonly data: uPlot.AlignedData },
): void {
  let at = -1;
  element.addEventListener("keydown", (event) => {
    const { plot, data } = now();
    const last = data[0].length - 1;
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
    if (next === undefined || last < 0 || !plot) return;
    event.preventDefault();
    at = Math.max(0, Math.min(last, at < 0 ? last : next));
    plot.setCursor({ left: plot.valToPos(data[0][at]!, "x"), top: 10 });
    element.ariaLabel = `${options.label}: ${described(options, data, at)}`;
  });
}

function described({ lines, describe }: CurveOptions, data: uPlot.AlignedData, at: number): string {
  const values = lines.flatMap(({ name }, i) => {
    const y = data[i + 1]![at];
    return y === null || y === undefined ? [] : [[name, y] as const];
  });
  return describe(data[0][at]!, values);
}

/** The first and the last point. */
function summary(options: CurveOptions, data: uPlot.AlignedData): string {
  const last = data[0].length - 1;
  if (last < 0) return options.label;
  return `${options.label}: ${described(options, data, 0)}; ${described(options, data, last)}`;
}

/** Three digits or more. */
export const short = (y: number): string =>
  Math.abs(y) >= 1000 ? Math.round(y).toLocaleString() : y.toPrecision(3);
