/**
 * The load of experts as a table: a row for each layer, a cell for each expert, as dark as its share;
 * hovering shows it.
 */
import { percent } from "../contract/amounts.ts";
import type { ExpertsEvent } from "../train/events.ts";
import { escapeHtml, scrolled } from "./markup.ts";

/** A cell of twice an even share, or more, is full. */
const FULL = 2;
/** With more experts than this a cell has no room for its number. */
const MOST_NUMBERED = 16;

export function loadMap({ name, step, shares }: ExpertsEvent): string {
  const experts = Math.max(0, ...shares.map((layer) => layer.length));
  if (experts === 0) return "";
  const numbered = experts <= MOST_NUMBERED;
  const every = Math.ceil(experts / MOST_NUMBERED);
  const heads = Array.from({ length: experts }, (_, e) => `<th scope="col">${e % every === 0 ? e : ""}</th>`);
  const rows = shares.map(
    (layer, l) =>
      `<tr><th scope="row">layer ` +
      `${l}</th>${layer.map((share, e) => cell(share, experts, l, e, numbered)).join("")}</tr>`,
  );
  const about =
    `per cent of a layer's choices by expert; even: ${(100 / experts).toFixed(1)}. No capacity, nothing ` +
    "is dropped";
  const title = `Load per expert of ${escapeHtml(name)} to step ${step}`;
  const table = `<table class="load"><tr><td></td>${heads.join("")}</tr>${rows.join("")}</table>`;
  return `<section><h2>${title}</h2><p class="unit">${about}</p>${scrolled(title, table)}</section>`;
}

function cell(share: number, experts: number, layer: number, expert: number, numbered: boolean): string {
  const times = share * experts;
  const depth = Math.min(1, Math.max(0.04, times / FULL));
  const much = `${percent(share, 2)}, ${times.toFixed(2)} of an even share`;
  const words = `layer ${layer}, expert ${expert}: ${much}`;
  const background = `color-mix(in srgb, var(--first) ${(55 * depth).toFixed(0)}%, transparent)`;
  return (
    `<td style="background:${background}" ` +
    `title="${words}">${numbered ? (100 * share).toFixed(1) : ""}</td>`
  );
}
