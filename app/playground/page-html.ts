/**
 * What index.html shows before any script runs: the page's policy, the texts in English, the tabs, and the
 * first spec in the colours that the editor gives it. It is filled in when the page is built.
 */
import type { Plugin } from "vite";
import { analyse } from "../../compiler/language-service/analyse.ts";
import { panels, type PanelRow } from "./page/panels.ts";
import { POLICY } from "./site/policy.ts";
import { textIn, type TextKey } from "./texts/texts.ts";

/** `firstSpec`: the text that the editor begins with. */
export const pageHtml = (firstSpec: string): Plugin => ({
  name: "sinter-page-html",
  transformIndexHtml: {
    order: "pre",
    handler: (html) => ({
      html: withTexts(html)
        .replace(/(<pre id="first-spec">)/, (open) => open + coloured(firstSpec))
        .replace(/(<div class="tabs"[^>]*>)/, (open) => open + tabs()),
      tags: [
        {
          tag: "meta",
          attrs: { "http-equiv": "Content-Security-Policy", content: POLICY },
          injectTo: "head-prepend",
        },
      ],
    }),
  },
});

function withTexts(html: string): string {
  return html
    .replaceAll(
      /(<[^<>]* data-text="([^"]+)"[^<>]*>)(?=<\/)/g,
      (_, open: string, key: string) => open + escaped(textIn("en", key as TextKey)),
    )
    .replaceAll(
      /data-label="([^"]+)"/g,
      (whole, key: string) => `${whole} aria-label="${escaped(textIn("en", key as TextKey))}"`,
    );
}

function tabs(): string {
  const rows: readonly PanelRow[] = panels;
  return rows
    .filter(({ load }) => load)
    .map(
      ({ id, tab }, i) =>
        `<button type="button" role="tab" id="tab-${id}" data-panel="${id}" data-text="${tab}" ` +
        `aria-selected="${i === 0}" tabindex="${i === 0 ? 0 : -1}">${escaped(textIn("en", tab))}</button>`,
    )
    .join("");
}

/** A spec as markup, each token in its class. */
function coloured(text: string): string {
  let end = 0;
  const spans = analyse(text)
    .tokens()
    .map(({ span, kind }) => {
      const between = escaped(text.slice(end, span.start));
      end = span.end;
      return `${between}<span class="t-${kind}">${escaped(text.slice(span.start, span.end))}</span>`;
    });
  return spans.join("") + escaped(text.slice(end));
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
