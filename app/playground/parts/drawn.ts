/** Drawings of the compiler (compiler/drawing) as elements of a page, and their look. */
import { drawingStyle } from "../../../compiler/drawing/style.ts";
import type { Drawing, SvgElement } from "../../../compiler/drawing/svg.ts";

const SVG = "http://www.w3.org/2000/svg";

let isStyled = false;

/** The drawing as an element. The first one brings the style of all to the document. */
export function drawn({ svg }: Drawing): Element {
  if (!isStyled) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(drawingStyle);
    document.adoptedStyleSheets.push(sheet);
    isStyled = true;
  }
  return elementOf(svg);
}

function elementOf({ tag, attributes, children }: SvgElement): Element {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes))
    if (name !== "xmlns") made.setAttribute(name, `${value}`);
  made.append(...children.map((child) => (typeof child === "string" ? child : elementOf(child))));
  return made;
}
