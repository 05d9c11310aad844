/** Pieces of a page: text that is safe in it, elements, and the frame that every page of ours has. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** Attributes in their order, undefined ones left out. Their values and the content are markup already. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number | undefined>>,
  content: string,
): string {
  const said = Object.entries(attributes).filter(([, value]) => value !== undefined);
  return `<${name}${said.map(([key, value]) => ` ${key}="${value}"`).join("")}>${content}</${name}>`;
}

/** A script that a page holds. */
export interface PageScript {
  readonly code: string;
  /** As a content security policy names it: "sha256-…". */
  readonly hash: string;
}

export interface HtmlPage {
  /** Of the tab, and of the page; texts. */
  readonly title: string;
  readonly heading: string;
  /** The line below the heading: text. */
  readonly about: string;
  readonly style: string;
  readonly body: string;
  readonly script?: PageScript | undefined;
  /** The page asks the server that it comes from for more. */
  readonly isLive?: boolean;
}

/**
 * A page that needs nothing else. Its policy lets nothing in from outside, and runs no script but its own:
 * texts of models and files of others cannot do anything in it.
 */
export const htmlPage = (page: HtmlPage): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policyOf(page)}">
<title>${escapeHtml(page.title)}</title>
<style>${page.style}</style>
<main>
<h1>${escapeHtml(page.heading)}</h1>
<p class="about">${escapeHtml(page.about)}</p>
${page.body}
</main>
${page.script === undefined ? "" : `<script type="module">${page.script.code}</script>\n`}</html>
`;

const policyOf = ({ script, isLive = false }: HtmlPage): string =>
  [
    "default-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "style-src 'unsafe-inline'",
    ...(script === undefined ? [] : [`script-src '${script.hash}'`]),
    ...(isLive ? ["connect-src 'self'"] : []),
  ].join("; ");

/** A wide part of a page, scrolled in itself, by the keyboard too. `label`: what it is, as markup. */
export const scrolled = (label: string, wide: string): string =>
  `<div class="scroll" tabindex="0" role="region" aria-label="${label}">${wide}</div>`;

/** Data of a page, for its script. */
export const jsonBlock = (id: string, value: unknown): string =>
  `<script type="application/json" id="${id}">${JSON.stringify(value).replaceAll("<", "\\u003c")}</script>`;
