/**
 * The report's look: light or dark as the reader has it, from a telephone's 360 pixels to a wide screen. No
 * label is smaller than 11 pixels.
 */
export const pageStyle = `
  :root { color-scheme: light dark; --paper: #fbfaf8; --ink: #1d2128; --soft: #626974; --line: #e4e1da;
    --card: #ffffff;
    --first: #2f6fdd; --second: #c9531f; --third: #1f8a63; --faint: #2f6fdd38; }
  @media (prefers-color-scheme: dark) { :root { --paper: #14161a; --ink: #e8e6e1; --soft: #a3a9b5;
    --line: #2b2f37; --card: #1b1e24;
    --first: #6ea3ff; --second: #ff9a66; --third: #5fd0a6; --faint: #6ea3ff40; } }
  * { box-sizing: border-box; }
  body { margin: 0 auto; max-width: 60rem; padding: 2.5rem 1.25rem 4rem; background: var(--paper);
    color: var(--ink);
    font: 15px/1.5 system-ui, sans-serif; }
  h1 { font-size: 1.7rem; margin: 0; letter-spacing: -.02em; overflow-wrap: anywhere; }
  h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
  .about { color: var(--soft); margin: .25rem 0 1.5rem; overflow-wrap: anywhere; }
  .numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.5rem, 1fr)); gap: .75rem;
    margin: 0 0 1rem; }
  .numbers div, figure, section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
    padding: .7rem 1rem; min-width: 0; }
  dt { color: var(--soft); font-size: .8rem; }
  dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
  dd small { display: block; font-size: .8rem; line-height: 1.3; color: var(--soft); }
  section { margin: 1rem 0; }
  section h2 { margin: 0; font-size: .95rem; }
  .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr));
    gap: 0 1rem; }
  .unit, .steps { color: var(--soft); font-size: 12px; line-height: 1.3; margin: 0; }
  .unit { margin-bottom: .9rem; }
  .steps { text-align: right; margin-top: 1.3rem; }
  .plot { position: relative; margin-left: 3.1rem; margin-right: .9rem; }
  .plot svg { display: block; width: 100%; height: 100%; overflow: visible; }
  .plot span { position: absolute; color: var(--soft); font-size: 12px; line-height: 1;
    font-variant-numeric: tabular-nums; white-space: nowrap; }
  .plot .y { right: calc(100% + .5rem); transform: translateY(50%); }
  .plot .x { top: calc(100% + .4rem); transform: translateX(-50%); }
  .grid { stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke; }
  .curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; vector-effect: non-scaling-stroke; }
  .dot, .ring, .hole { stroke-linecap: round; vector-effect: non-scaling-stroke; }
  .dot { stroke-width: 6; } .ring { stroke-width: 12; } .hole { stroke-width: 7; }
  .key { display: inline-block; margin-left: 1rem; font-weight: normal; font-size: .8rem; color: var(--soft);
    white-space: nowrap; }
  .key i { display: inline-block; width: .9em; height: .22em; border-radius: 1em; vertical-align: .25em;
    margin-right: .4em; background: var(--tone); }
  .key.rings i { width: .7em; height: .7em; vertical-align: -.05em; background: none;
    border: 2px solid var(--tone); }
  .scroll { overflow-x: auto; }
  :focus-visible { outline: 2px solid var(--first); outline-offset: 3px; }
  .load { border-collapse: separate; border-spacing: 2px; width: 100%; font-size: 12px;
    font-variant-numeric: tabular-nums; }
  .load th { color: var(--soft); font-weight: normal; text-align: center; white-space: nowrap; }
  .load th[scope=row] { text-align: right; padding-right: .4rem; }
  .load td { min-width: .4rem; height: 1.5rem; padding: 0 2px; border-radius: 2px; text-align: center; }
  .runs, .settings { border-collapse: collapse; background: var(--card); font-size: .85rem;
    font-variant-numeric: tabular-nums; }
  .runs th, .runs td, .settings th, .settings td { text-align: left; vertical-align: top;
    padding: .45rem .8rem; border: 1px solid var(--line); font-weight: normal; }
  .settings td { min-width: 6rem; max-width: 22rem; overflow-wrap: anywhere; }
  .chain { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 13rem), 1fr)); gap: .75rem;
    margin: 0 0 1rem; padding: 0; list-style: none; counter-reset: stage; }
  .chain li { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
    padding: .7rem 1rem; min-width: 0; counter-increment: stage; }
  .chain li[aria-current] { border-color: var(--first); }
  .chain b::before { content: counter(stage) " · "; color: var(--soft); font-weight: normal; }
  .chain span { display: block; color: var(--soft); font-size: .8rem; overflow-wrap: anywhere;
    font-variant-numeric: tabular-nums; }
  details { margin: .75rem 0; } summary { cursor: pointer; overflow-wrap: anywhere; }
  .answers .pair { margin-top: .4rem; } .answers .unit { margin: .3rem 0 0; }
  .answers figcaption { color: var(--ink); font-size: .95rem; overflow-wrap: anywhere; }
  figure { margin: .75rem 0; } figcaption { color: var(--soft); font-size: .8rem; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0 0;
    font: 13px/1.5 ui-monospace, monospace; }
  @media (max-width: 56rem) { .numbers { grid-template-columns: repeat(3, 1fr); } }
  @media (max-width: 30rem) {
    body { padding: 1.25rem .75rem 3rem; }
    .numbers { grid-template-columns: 1fr 1fr; gap: .5rem; }
    .numbers div, section { padding: .6rem .75rem; }
    .runs th, .runs td, .settings th, .settings td { padding: .4rem .5rem; }
    .key { margin: 0 1rem 0 0; } section h2 .key:first-of-type { margin-left: 0; }
    section.chart h2 { display: flex; flex-wrap: wrap; align-items: baseline; column-gap: .5rem; }
    section.chart h2 .title { flex: 1 1 100%; }
  }
`;
