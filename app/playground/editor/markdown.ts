/**
 * The Markdown of the language service as elements: paragraphs, lists, fenced code, `code`, **bold** and
 * *italic*. Text never becomes markup, so whatever a spec says is shown as it is.
 */
import { element } from "../page/element.ts";

export function markdownElements(markdown: string): HTMLElement[] {
  const blocks: HTMLElement[] = [];
  for (const part of markdown.split(/^(```[^\n]*\n[\s\S]*?\n```)$/m)) {
    const code = /^```[^\n]*\n([\s\S]*?)\n```$/.exec(part)?.[1];
    if (code !== undefined) blocks.push(element("pre", { tabindex: 0 }, element("code", {}, code)));
    else blocks.push(...part.split(/\n{2,}/).flatMap(blockOf));
  }
  return blocks;
}

function blockOf(text: string): HTMLElement[] {
  const trimmed = text.trim();
  if (trimmed === "") return [];
  const lines = trimmed.split("\n");
  if (lines.every((line) => line.startsWith("- ")))
    return [element("ul", {}, ...lines.map((line) => element("li", {}, ...inline(line.slice(2)))))];
  return [element("p", {}, ...inline(trimmed))];
}

const marks = /`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*/g;

/** Text in a line. */
export function inline(text: string): (Node | string)[] {
  const found: (Node | string)[] = [];
  let end = 0;
  for (const match of text.matchAll(marks)) {
    const [whole, code, bold, italic] = match;
    if (match.index > end) found.push(text.slice(end, match.index));
    if (code !== undefined) found.push(element("code", {}, code));
    else if (bold !== undefined) found.push(element("strong", {}, ...inline(bold)));
    else found.push(element("em", {}, ...inline(italic!)));
    end = match.index + whole.length;
  }
  return end < text.length ? [...found, text.slice(end)] : found;
}
