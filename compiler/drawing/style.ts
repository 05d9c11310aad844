/** How drawings look. Their colours are custom properties that a page has (runtime/report/page-style.ts). */
import { FONT_SIZE } from "./svg.ts";

export const drawingStyle = `
.drawing { font: ${FONT_SIZE}px ui-monospace, "DejaVu Sans Mono", monospace; fill: var(--ink);
  display: block; }
.drawing .walls { fill: var(--paper); stroke: var(--line); stroke-width: 1.5; }
.drawing .hit { fill: transparent; }
.drawing .box { fill: var(--card); stroke: var(--line); }
.drawing .title { font-weight: 600; }
.drawing .soft { fill: var(--soft); }
.drawing .end { text-anchor: end; }
.drawing .line, .drawing .grid { fill: none; stroke: var(--soft); stroke-width: 1.2; }
.drawing .grid { stroke: var(--line); }
.drawing .tip { fill: var(--soft); }
.drawing .value .box { fill: var(--faint); stroke: none; }
.drawing .stripe { fill: var(--soft); }
.drawing .product .stripe { fill: var(--first); }
.drawing .attention .stripe { fill: var(--second); }
.drawing .norm .stripe, .drawing .element .stripe { fill: var(--third); }
.drawing .buffer .box { fill: var(--faint); stroke: var(--first); stroke-width: .8; }
.drawing .cotangent .box { fill: var(--faint-second, var(--faint)); stroke: var(--second); }
.drawing [role=button] { cursor: pointer; }
.drawing .kernel[role=button]:hover .box, .drawing .lit .box { stroke: var(--first); stroke-width: 2; }
.drawing .kernel[aria-pressed=true] .box { stroke: var(--second); stroke-width: 2.5; }
.drawing .header:focus-visible, .drawing .kernel:focus-visible { outline: 2px solid var(--first);
  outline-offset: 2px; }
`;
