/**
 * The script of a comparison's page: another axis, more smoothing, a logarithm, runs that are hidden; and the
 * values under the pointer, or where the arrow keys have gone to. It runs in the page, which holds its data.
 */
import { widthOf } from "../chart.ts";
import { axes, figureChart, figureCurves, type Figure, type RunCurve, type View } from "./figures.ts";

interface PageData {
  readonly names: readonly string[];
  readonly figures: readonly Figure[];
}

const data = JSON.parse(document.querySelector("#data")!.textContent!) as PageData;
const controls = document.querySelector<HTMLFormElement>("#view")!;
const toggles = [...document.querySelectorAll<HTMLInputElement>("input[name=run]")];
const places = [...document.querySelectorAll<HTMLElement>("[data-figure]")];

function viewNow(): View {
  const asked = new FormData(controls);
  return {
    axis: axes.find((axis) => axis === asked.get("axis")) ?? "step",
    smoothing: Number(asked.get("smoothing")) / 100,
    logarithmic: asked.get("logarithmic") !== null,
    shown: toggles.map((toggle) => toggle.checked),
  };
}

function draw(): void {
  const view = viewNow();
  controls.querySelector("output")!.textContent = `${Math.round(100 * view.smoothing)} %`;
  for (const place of places) {
    const figure = data.figures[Number(place.dataset["figure"])]!;
    const focused = place.contains(document.activeElement);
    place.innerHTML = figureChart(figure, view);
    const plot = place.querySelector<HTMLElement>(".plot");
    if (plot) makeReadable(plot, figureCurves(figure, view), place);
    if (focused) plot?.focus();
  }
}

/** Shows the values of all curves at a place of the plot. */
function makeReadable(plot: HTMLElement, curves: readonly RunCurve[], place: HTMLElement): void {
  const width = widthOf(curves);
  if (!width) return;
  const [left, right] = width;
  const xs = [...new Set(curves.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const line = plot.appendChild(document.createElement("div"));
  line.className = "reading-line";
  line.hidden = true;
  const box = plot.appendChild(document.createElement("div"));
  box.className = "reading";
  box.setAttribute("role", "status");
  let at: number | undefined;
  const show = (index: number): void => {
    at = Math.max(0, Math.min(xs.length - 1, index));
    const x = xs[at]!;
    const share = (x - left) / (right - left || 1);
    line.hidden = false;
    line.style.left = `${100 * share}%`;
    box.className = share > 0.5 ? "reading on-left" : "reading";
    const below = place.querySelector(".steps")?.textContent ?? "";
    box.replaceChildren(row(`${below} ${Number(x.toPrecision(7))}`), ...curves.map((c) => valueRow(c, x)));
  };
  const hide = (): void => {
    at = undefined;
    line.hidden = true;
    box.replaceChildren();
  };
  const nearest = (x: number): number =>
    xs.reduce((best, one, i) => (Math.abs(one - x) < Math.abs(xs[best]! - x) ? i : best), 0);
  plot.tabIndex = 0;
  plot.setAttribute("role", "group");
  plot.setAttribute("aria-label", "values: arrow keys go along the curves");
  plot.addEventListener("pointermove", (event) => {
    const { left: from, width: pixels } = plot.getBoundingClientRect();
    show(nearest(left + ((event.clientX - from) / pixels) * (right - left)));
  });
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("blur", hide);
  plot.addEventListener("keydown", (event) => {
    const stride = Math.max(1, Math.round(xs.length / 50));
    const now = at ?? xs.length - 1;
    const to = { ArrowLeft: now - stride, ArrowRight: now + stride, Home: 0, End: xs.length - 1 }[event.key];
    if (event.key === "Escape") hide();
    if (to === undefined) return;
    event.preventDefault();
    show(to);
  });
}

function row(text: string): HTMLElement {
  const line = document.createElement("div");
  line.textContent = text;
  return line;
}

/** The run's value at the point that is nearest to `x`; nothing, where its curve has not come that far. */
function valueRow({ run, points, tone }: RunCurve, x: number): HTMLElement {
  const last = points.at(-1);
  const near = points.reduce((best, one) => (Math.abs(one[0] - x) < Math.abs(best[0] - x) ? one : best));
  const isThere = last !== undefined && x >= points[0]![0] && x <= last[0];
  const line = row(`${isThere ? near[1].toPrecision(5) : "–"} ${data.names[run]!}`);
  const key = document.createElement("i");
  key.style.background = `var(--${tone})`;
  line.prepend(key);
  return line;
}

controls.addEventListener("input", draw);
controls.addEventListener("submit", (event) => event.preventDefault());
for (const toggle of toggles) toggle.addEventListener("input", draw);
document.documentElement.classList.add("scripted");
draw();
