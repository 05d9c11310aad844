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

export interface HtmlPage {
  /** Of the tab, and of the page; texts. */
  readonly title: string;
  readonly heading: string;
  /** The line below the heading: text. */
  readonly about: string;
  readonly style: string;
  readonly body: string;
}

/** A page that needs nothing else. */
export const htmlPage = ({ title, heading, about, style, body }: HtmlPage): string => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
<h1>${escapeHtml(heading)}</h1>
<p class="about">${escapeHtml(about)}</p>
${body}
</html>
`;
