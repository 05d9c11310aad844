/** A page of what goes on inside a model for a text: it needs nothing else, and no script. */
import { counted, percent } from "../contract/amounts.ts";
import type { HeadPlace } from "../look/inside.ts";
import type { TextInside } from "../look/text-inside.ts";
import { attentionLines, attentionMap } from "./attention-map.ts";
import { distributionBars } from "./distribution.ts";
import { headText } from "./inside-text.ts";
import { escapeHtml, htmlPage, scrolled } from "./markup.ts";
import { pageStyle } from "./page-style.ts";

export interface InsideFacts {
  readonly model: string;
  /** What it is, in a line. */
  readonly about: string;
  readonly inside: TextInside;
  /** The head that is shown large. Undefined: the model has none. */
  readonly head: HeadPlace | undefined;
  /** A line for each neuron that answers strongly: markup is made of it here. */
  readonly neurons: readonly { readonly name: string; readonly says: string }[];
}

const style = `${pageStyle}
  .tokens { display: flex; flex-wrap: wrap; gap: .4rem; padding: 0; list-style: none; }
  .tokens li { border: 1px solid var(--line); border-radius: 6px; background: var(--card);
    padding: .1rem .5rem; }
  .tokens small { color: var(--soft); font-size: 11px; margin-left: .35rem; }
  .heads { display: grid; grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); gap: .75rem; }
  .heads figure { margin: 0; padding: .5rem; } .heads figure[aria-current] { border-color: var(--first); }
  .heads svg { width: 100%; height: auto; display: block; }
  .heads figcaption { font-size: 12px; line-height: 1.3; margin-top: .3rem; }
  section svg { max-width: none; }
  .lens { border-collapse: separate; border-spacing: 2px; font-size: 13px; }
  .lens th { color: var(--soft); font-weight: normal; text-align: left; white-space: nowrap;
    padding-right: .5rem; }
  .lens td { padding: .15rem .5rem; border-radius: 4px; white-space: nowrap; }
  .lens td small { color: var(--soft); }
`;

export function insidePage({ model, about, inside, head, neurons }: InsideFacts): string {
  const body = [
    tokenSection(inside),
    ...(head ? [largeHead(inside, head), headSection(inside, head)] : []),
    lensSection(inside),
    `<h2>The next token</h2>`,
    `<section>${scrolled("next", distributionBars(inside.next, "The likeliest next tokens"))}</section>`,
    neurons.length === 0
      ? ""
      : `<h2>Neurons that answer to the last token</h2><ul>${neurons
          .map(({ name: of, says }) => `<li><b>${escapeHtml(of)}</b> ${escapeHtml(says)}</li>`)
          .join("")}</ul>`,
  ];
  return htmlPage({ title: `${model} · inside`, heading: model, about, style, body: body.join("\n") });
}

function largeHead(inside: TextInside, head: HeadPlace): string {
  const name = `layer ${head.layer}, head ${head.head}`;
  const looks = { tokens: inside.tokens.map(({ text }) => text), weights: weightsOf(inside, head) };
  const title = `What ${name} looks at: each token's row, the darker the more`;
  return [
    `<h2>Attention: ${name}</h2>`,
    `<p class="about">A row shows what its token looks at.</p>`,
    `<div class="pair"><section>${scrolled(title, attentionMap(looks, { title }))}</section>`,
    `<section>${scrolled("lines", attentionLines(looks, { title: `Lines of ${name}` }))}</section></div>`,
  ].join("\n");
}

const weightsOf = ({ attention, tokens }: TextInside, { layer, head }: HeadPlace): Float32Array => {
  const size = tokens.length ** 2;
  return attention[layer]?.subarray(head * size, (head + 1) * size) ?? new Float32Array(size);
};

function tokenSection({ tokens, leftOut }: TextInside): string {
  const items = tokens.map(({ id, text }) => `<li>${escapeHtml(text)}<small>${id}</small></li>`);
  const note =
    leftOut === 0 ? "" : `<p class="about">${counted(leftOut, "token")} at the beginning left out.</p>`;
  return `<h2>Tokens and their numbers</h2>${note}<ol class="tokens">${items.join("")}</ol>`;
}

/** Every head, small; a model of many has those of the layer that is shown. */
const MOST_HEADS = 64;

function headSection(inside: TextInside, shown: HeadPlace): string {
  const isAll = inside.summaries.length <= MOST_HEADS;
  const heads = inside.summaries.filter(({ layer }) => isAll || layer === shown.layer);
  const cell = Math.max(1, Math.floor(110 / inside.tokens.length));
  const figures = heads.map((summary) => {
    const { layer, head } = summary;
    const name = `layer ${layer}, head ${head}`;
    const map = attentionMap(
      { tokens: inside.tokens.map(({ text }) => text), weights: weightsOf(inside, summary) },
      { title: `${name}: ${headText(summary)}`, cell: Math.min(cell, 10) },
    );
    const current = layer === shown.layer && head === shown.head ? ` aria-current="true"` : "";
    return `<figure${current}>${map}<figcaption>${name}<br>${headText(summary, 1)}</figcaption></figure>`;
  });
  if (figures.length === 0) return "";
  const which = isAll ? "All heads" : `The heads of layer ${shown.layer}`;
  return `<h2>${which}</h2><div class="heads">${figures.join("")}</div>`;
}

function lensSection({ tokens, lens, layers }: TextInside): string {
  const names = ["embedding", ...Array.from({ length: layers }, (_, layer) => `layer ${layer}`)];
  const header = lens.positions.map((t) => `<th scope="col">${escapeHtml(tokens[t]!.text)}</th>`);
  const rows = lens.rows.map((cells, i) => {
    const items = cells.map(({ top, next }) => {
      const [best] = top;
      const depth = (55 * best!.probability).toFixed(0);
      const others = top.map(({ text, probability }) => `${text} ${percent(probability, 1)}`).join(", ");
      const follows = next === undefined ? "" : `; what follows: ${percent(next, 1)}`;
      return (
        `<td style="background:color-mix(in srgb, var(--first) ${depth}%, transparent)" ` +
        `title="${escapeHtml(others + follows)}">${escapeHtml(best!.text)} ` +
        `<small>${percent(best!.probability)}</small></td>`
      );
    });
    return `<tr><th scope="row">${names[i]!}</th>${items.join("")}</tr>`;
  });
  const first = `<tr><th scope="col">after</th>${header.join("")}</tr>`;
  const table = `<table class="lens">${first}${rows.join("")}</table>`;
  return (
    `<h2>What each layer would say next</h2>` +
    `<p class="about">The output, put behind each layer (logit lens). The darker, the surer.</p>` +
    `<section>${scrolled("what each layer would say", table)}</section>`
  );
}
