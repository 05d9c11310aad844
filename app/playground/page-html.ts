/**
 * What index.html shows before any script runs: the page's policy, the texts in English, the tabs, and the
 * first spec in the colours that the editor gives it. It is filled in when the page is built.
 */
import type { Plugin } from "vite";
import { analyse } from "../../compiler/language-service/analyse.ts";
import type { PanelRow } from "./page/panels.ts";
import { POLICY } from "./site/policy.ts";
import { textIn, type TextKey } from "./texts/texts.ts";

/**
 * THE table of panels. Vite bundles its own configuration, this file included, and would follow the table to
 * the panels, whose styles and specs only the page's bundle knows; an address that is made here it leaves to
 * Node.
 */
async function panelRows(): Promise<readonly PanelRow[]> {
  const table = new URL("./page/panels.ts", import.meta.url).href;
  return ((await import(table)) as typeof import("./page/panels.ts")).panels;
}

/** `firstSpec`: the text that the editor begins with. */
export const pageHtml = (firstSpec: string): Plugin => ({
  name: "sinter-page-html",
  transformIndexHtml: {
    order: "pre",
    handler: async (html) => ({
      html: withTexts(html)
        .replace(/(<pre id="first-spec">)/, (open) => open + coloured(firstSpec))
        .replace(/(<div class="tabs"[^>]*>)/, await tabList()),
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

/** The list of tabs with a button for each panel that has something to show. */
async function tabList(): Promise<(open: string) => string> {
  const shown = (await panelRows()).filter(({ load }) => load);
  const buttons = shown.map(
    ({ id, tab }, i) =>
      `<button type="button" role="tab" id="tab-${id}" data-panel="${id}" data-text="${tab}" ` +
      `aria-selected="${i === 0}" tabindex="${i === 0 ? 0 : -1}">${escaped(textIn("en", tab))}</button>`,
  );
  return (open) => open + buttons.join("");
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
