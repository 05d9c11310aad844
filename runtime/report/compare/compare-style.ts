/**
 * What a comparison's page has besides the report's look: colours of eight runs that can be told apart, with
 * a contrast of 3 : 1 or more to the card that curves stand on, tables, controls, values under the pointer.
 */
export const compareStyle = `
  :root { --run-1: #2f6fdd; --run-2: #c9531f; --run-3: #1f8a63; --run-4: #a03fb5; --run-5: #8a6d00;
    --run-6: #c22a5b; --run-7: #0f7f98; --run-8: #5c6470; }
  @media (prefers-color-scheme: dark) { :root { --run-1: #6ea3ff; --run-2: #ff9a66; --run-3: #5fd0a6;
    --run-4: #d993ea; --run-5: #e0be45; --run-6: #ff86a8; --run-7: #5cc8e0; --run-8: #b3bac6; } }
  .scroll { border-radius: 10px; }
  thead th { color: var(--soft); white-space: nowrap; }
  table.runs td, table.runs thead th:nth-child(n+2) { text-align: right; white-space: nowrap; }
  table small { display: block; color: var(--soft); font-size: .78rem; line-height: 1.35; }
  table.runs label { font-weight: 600; display: flex; align-items: center; gap: .4rem; min-height: 1.5rem; }
  table.runs th[scope=row] { min-width: 9rem; max-width: 18rem; overflow-wrap: anywhere; }
  .swatch { flex: none; width: 1.3em; border-top: .25em solid var(--tone); }
  .swatch.dash-1 { border-top-style: dashed; } .swatch.dash-2 { border-top-style: dotted; }
  .common { margin: 1rem 0; padding-left: 1.2rem; overflow-wrap: anywhere; }
  input { accent-color: var(--first); margin: 0; } input[type=checkbox], input[type=radio] { width: 1.1rem;
    height: 1.1rem; flex: none; }
  input[name=run], #view { visibility: hidden; }
  .scripted input[name=run], .scripted #view { visibility: visible; }
  #view { position: sticky; top: 0; z-index: 2; display: flex; flex-wrap: wrap; align-items: center;
    gap: .3rem 1.4rem; margin: 1rem 0; padding: .5rem 0; background: var(--paper); font-size: .9rem; }
  #view fieldset { border: 0; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem 1rem; }
  #view legend { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  #view label { display: flex; align-items: center; gap: .4rem; min-height: 1.75rem; }
  #view output { min-width: 2.6rem; font-variant-numeric: tabular-nums; }
  #view input[type=range] { width: 9rem; }
  .pair > [data-figure] { min-width: 0; } .pair > [data-figure] > section { margin: .5rem 0; }
  .unsmoothed { opacity: .25; } .dash-1 { stroke-dasharray: 7 4; } .dash-2 { stroke-dasharray: 2 4; }
  .plot .reading-line { position: absolute; top: 0; bottom: 0; border-left: 1px solid var(--soft);
    pointer-events: none; }
  .reading { position: absolute; top: .2rem; right: .2rem; z-index: 1; max-width: 80%; padding: .35rem .55rem;
    background: var(--card); border: 1px solid var(--line); border-radius: 8px; font-size: 12px;
    line-height: 1.45; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; pointer-events: none; }
  .reading.on-left { right: auto; left: .2rem; } .reading:empty { display: none; }
  .reading i { display: inline-block; width: .8em; height: .25em; margin-right: .4em; vertical-align: .2em; }
  @media (max-width: 30rem) { #view { position: static; } }
`;
