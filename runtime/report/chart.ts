/** A line chart as SVG. Colours are the page's custom properties; hovering a dot shows its numbers. */
export interface Curve {
  readonly name: string;
  readonly tone: "first" | "second" | "third" | "faint";
  /** (step, value), steps rising. */
  readonly points: readonly (readonly [number, number])[];
  readonly dots?: boolean;
}

const WIDTH = 900, LEFT = 52, RIGHT = 12, TOP = 8, BOTTOM = 24;

export function chart(title: string, curves: readonly Curve[], { height, fromZero = false }: { readonly height: number; readonly fromZero?: boolean }): string {
  const points = curves.flatMap((c) => c.points).filter(([, y]) => Number.isFinite(y));
  if (points.length === 0) return "";
  const xs = points.map(([x]) => x), ys = points.map(([, y]) => y);
  const xTicks = ticks(Math.min(...xs), Math.max(...xs), 8), yTicks = ticks(fromZero ? 0 : Math.min(...ys), Math.max(...ys), Math.round(height / 45));
  const x0 = Math.min(...xs), x1 = Math.max(x0 + 1, ...xs), y0 = Math.min(yTicks[0]!, ...ys), y1 = Math.max(yTicks.at(-1)!, ...ys);
  const x = (v: number): string => (LEFT + ((v - x0) / (x1 - x0)) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const y = (v: number): string => (height - BOTTOM - ((v - y0) / (y1 - y0 || 1)) * (height - TOP - BOTTOM)).toFixed(1);
  const grid = yTicks.map((v) => `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(v)}" y2="${y(v)}"/><text x="${LEFT - 8}" y="${y(v)}" dy=".35em" text-anchor="end">${label(v)}</text>`);
  const feet = xTicks.map((v) => `<text x="${x(v)}" y="${height - 6}" text-anchor="middle">${label(v)}</text>`);
  const lines = curves.map((c) => {
    const seen = c.points.filter(([, v]) => Number.isFinite(v));
    const path = seen.map(([px, py], i) => `${i === 0 ? "M" : "L"}${x(px)} ${y(py)}`).join("");
    const dots = c.dots ? seen.map(([px, py]) => `<circle cx="${x(px)}" cy="${y(py)}" r="3" fill="var(--${c.tone})"><title>step ${px}: ${py.toPrecision(5)}</title></circle>`).join("") : "";
    return `<path class="curve" stroke="var(--${c.tone})" d="${path}"/>${dots}`;
  });
  const keys = curves.length < 2 ? "" : curves.map((c) => `<span class="key"><i style="background:var(--${c.tone})"></i>${c.name}</span>`).join("");
  return `<section><h2>${title}${keys}</h2><svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}">${grid.join("")}${feet.join("")}${lines.join("")}</svg></section>`;
}

/** Round numbers inside low … high, about `count` of them: steps of 1, 2 or 5 times a power of ten. */
export function ticks(low: number, high: number, count: number): number[] {
  if (!(high > low)) return [low];
  const rough = (high - low) / Math.max(1, count), power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((m) => m * power >= rough) ?? 10);
  const out: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) out.push(i * step);
  return out;
}

function label(v: number): string {
  if (v === 0) return "0";
  const size = Math.abs(v);
  if (size >= 1e6) return `${Number((v / 1e6).toPrecision(3))}M`;
  if (size >= 1e4) return `${Number((v / 1e3).toPrecision(3))}k`;
  return size < 1e-2 ? v.toExponential(1).replace(".0", "") : `${Number(v.toPrecision(3))}`;
}
