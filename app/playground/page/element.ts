/**
 * Elements by functions:
 *
 *     element("button", { type: "button", onclick: train, "aria-pressed": false }, "Train")
 *
 * A function under a name "onclick" listens; `true` is an attribute without a value, `false` and undefined
 * are none. Styles are set through `element.style`: the page's policy allows no style attributes in markup.
 */
export type Attributes = Readonly<Record<string, AttributeValue>>;
type AttributeValue = string | number | boolean | undefined | ((event: never) => void);
export type Child = Node | string | false | undefined;

export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  setAttributes(made, attributes);
  made.append(...children.filter((child) => child !== undefined && child !== false));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** The same for drawings. */
export function drawing<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[Tag] {
  const made = document.createElementNS(SVG, tag);
  setAttributes(made, attributes);
  made.append(...children.filter((child) => child !== undefined && child !== false));
  return made;
}

export function setAttributes(of: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") of.addEventListener(name.slice(2), value as (event: Event) => void);
    else if (value === undefined || (value === false && !name.startsWith("aria-"))) of.removeAttribute(name);
    else of.setAttribute(name, value === true && !name.startsWith("aria-") ? "" : String(value));
  }
}
