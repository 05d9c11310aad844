/** Pieces of a drawing as values: the command line writes them as text, a page makes elements of them. */
export interface SvgElement {
  readonly tag: string;
  readonly attributes: Readonly<Record<string, string | number>>;
  readonly children: readonly (SvgElement | string)[];
}

export interface Drawing {
  /** Pixels at 100 %. */
  readonly width: number;
  readonly height: number;
  readonly svg: SvgElement;
}

/** Attributes that are undefined are left out. */
export function svg(
  tag: string,
  attributes: Readonly<Record<string, string | number | undefined>>,
  ...children: readonly (SvgElement | string)[]
): SvgElement {
  const said = Object.entries(attributes).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  );
  return { tag, attributes: Object.fromEntries(said), children };
}

/** The outermost element. `label` is read to those who do not see it. */
export const drawing = (
  { width, height }: { readonly width: number; readonly height: number },
  label: string,
  children: readonly SvgElement[],
): Drawing => {
  const viewBox = `0 0 ${width} ${height}`;
  const about = { viewBox, width, height, role: "group", class: "drawing", "aria-label": label };
  return {
    width,
    height,
    svg: svg("svg", { xmlns: "http://www.w3.org/2000/svg", ...about }, ...children),
  };
};

export function svgText(node: SvgElement | string): string {
  if (typeof node === "string") return escaped(node);
  const attributes = Object.entries(node.attributes).map(
    ([name, value]) => ` ${name}="${escaped(`${value}`)}"`,
  );
  return `<${node.tag}${attributes.join("")}>${node.children.map(svgText).join("")}</${node.tag}>`;
}

const escaped = (text: string): string => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/**
 * Pixels of a character: labels have a font of fixed width, so that a drawing knows before anybody looks at
 * it whether they fit.
 */
export const CHARACTER = 7.3;
export const FONT_SIZE = 12;

/** The text, or as much of its beginning as fits, and "…". */
export function fitted(text: string, pixels: number): string {
  const most = Math.max(1, Math.floor(pixels / CHARACTER));
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join("")}…`;
}

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A label inside of a box, on its line `row`, cut where the box ends. */
export const ROW = 17;
export const INSET = 10;
export function label(text: string, { x, y, width }: Box, row = 0, look?: string): SvgElement {
  const place = { x: x + INSET, y: y + ROW * (row + 1) - 2, class: look };
  const shown = fitted(text, width - 2 * INSET);
  return svg("text", place, ...(shown === text ? [] : [svg("title", {}, text)]), shown);
}

export const rect = (
  box: Box,
  look: string,
  more: Readonly<Record<string, string | number>> = {},
): SvgElement => svg("rect", { ...box, class: look, ...more });

/** The head of an arrow that ends at (x, y), pointing down, or to the left. */
export const arrowHead = (x: number, y: number, to: "down" | "left"): SvgElement =>
  svg("path", {
    class: "tip",
    d: to === "down" ? `M${x - 4} ${y - 7}h8l-4 7z` : `M${x + 7} ${y - 4}v8l-7 -4z`,
  });
