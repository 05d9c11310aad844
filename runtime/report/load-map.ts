/** The load of experts as SVG: a row for each layer, a cell for each expert, as dark as its share; hovering shows it. */
import type { ExpertsEvent } from "../train.ts";
import { escapeHtml } from "./escape.ts";

const WIDTH = 900, LEFT = 64, RIGHT = 12, HEAD = 18;
/** A cell of twice an even share, or more, is full. */
const FULL = 2;

export function loadMap({ name, step, shares }: ExpertsEvent): string {
  const experts = Math.max(0, ...shares.map((layer) => layer.length));
  if (experts === 0) return "";
  const row = Math.max(4, Math.min(22, 320 / shares.length)), column = (WIDTH - LEFT - RIGHT) / experts, gap = column > 6 && row > 6 ? 2 : 0;
  const cells = shares.flatMap((layer, l) => layer.map((share, e) => {
    const times = share * experts, opacity = Math.min(1, Math.max(0.04, times / FULL));
    const place = `x="${(LEFT + e * column).toFixed(1)}" y="${(HEAD + l * row).toFixed(1)}" width="${(column - gap).toFixed(1)}" height="${(row - gap).toFixed(1)}"`;
    const words = column > 34 && row > 14 ? `<text x="${(LEFT + (e + 0.5) * column).toFixed(1)}" y="${(HEAD + (l + 0.5) * row).toFixed(1)}" dy=".3em" text-anchor="middle">${(100 * share).toFixed(1)}</text>` : "";
    return `<rect ${place} rx="2" fill="var(--first)" fill-opacity="${opacity.toFixed(2)}"><title>layer ${l}, expert ${e}: ${(100 * share).toFixed(2)} %, ${times.toFixed(2)} of an even share</title></rect>${words}`;
  }));
  const every = (size: number): number => Math.max(1, Math.ceil(14 / size));
  const layers = shares.flatMap((_, l) => (l % every(row) === 0 ? [`<text x="${LEFT - 8}" y="${(HEAD + (l + 0.5) * row).toFixed(1)}" dy=".3em" text-anchor="end">layer ${l}</text>`] : []));
  const heads = Array.from({ length: experts }, (_, e) => e).filter((e) => e % every(column / 2) === 0)
    .map((e) => `<text x="${(LEFT + (e + 0.5) * column).toFixed(1)}" y="${HEAD - 6}" text-anchor="middle">${e}</text>`);
  const title = `Load per expert of ${escapeHtml(name)} to step ${step}, per cent of a layer's choices (even: ${(100 / experts).toFixed(1)}; no capacity, nothing is dropped)`;
  return `<section><h2>${title}</h2><svg viewBox="0 0 ${WIDTH} ${(HEAD + shares.length * row).toFixed(0)}" role="img" aria-label="${title}">${heads.join("")}${layers.join("")}${cells.join("")}</svg></section>`;
}
