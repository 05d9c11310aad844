/** A bench's report as one HTML page that needs no other files. */
import { counted, rateText, timeText } from "../../runtime/contract/amounts.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { element, escapeHtml } from "../../runtime/report/markup.ts";
import type { BenchReport } from "../suite/bench.ts";
import { doubtLines, ofLimitText } from "../suite/bench-table.ts";
import { bestTarget, measuredWorkers } from "./measured.ts";
import { roofs, scaling, sizes } from "./op-charts.ts";
import { card, factCards, page, table, type Fact } from "./page-frame.ts";
import { profiles } from "./profile-charts.ts";
import { scalingCurves } from "./scaling-curves.ts";
import { short } from "./svg.ts";
import { tokens } from "./token-charts.ts";

export function benchPage(r: BenchReport): string {
  const { host } = r;
  const day = r.date.slice(0, 10);
  const body = [
    factCards(factsOf(r)),
    tokens(r),
    sizes(r),
    roofs(r),
    scaling(r),
    scalingCurves(r),
    profiles(r),
    programs(r),
    operations(r),
  ].filter((part) => part !== "");
  const busy =
    host.load > host.cores / 2
      ? ` Other programs kept it busy (load ${host.load.toFixed(1)}): figures are low.`
      : "";
  const part = r.interrupted ? " Interrupted before all was measured." : "";
  return page(
    "Sinter bench",
    `${host.cpu}, ${host.cores} cores · Node ${host.node}, V8 ${host.v8} · ${day}.${busy}${part}`,
    `${body.join("\n")}\n<footer>Medians. Every kernel is compared with an f64 reference before it is ` +
      "timed; peers run in processes of their own, on as many threads, in the same run.</footer>",
  );
}

function factsOf(r: BenchReport): Fact[] {
  const most = measuredWorkers(r).at(-1)!;
  const target = bestTarget(r);
  const fma = r.limits.fma[target]!;
  const facts: Fact[] = [
    {
      name: `multiply-add, ${target}`,
      value: `${short(fma[most]!)} GFLOP/s`,
      note: most > 1 ? `${short(fma[1]!)} on one` : "",
    },
    {
      name: "read memory",
      value: `${short(r.limits.read[most]!)} GB/s`,
      note: most > 1 ? `${short(r.limits.read[1]!)} on one` : "",
    },
  ];
  const against = (
    name: string,
    rows: readonly {
      readonly target: Target;
      readonly workers: number;
      readonly tokensPerSecond: number;
      readonly ratios: Readonly<Record<string, number>>;
    }[],
  ): void => {
    const row = rows.find((t) => t.target === target && t.workers === most);
    const ratio = row && Object.entries(row.ratios)[0];
    if (row)
      facts.push({
        name,
        value: rateText(row.tokensPerSecond),
        note: ratio ? `${ratio[1].toFixed(2)} × ${ratio[0]}` : counted(most, "worker"),
      });
  };
  for (const size of new Set(r.training.map((t) => t.size)))
    against(
      `train ${size === "gpt2" ? "GPT-2 124M" : size}`,
      r.training.filter((t) => t.size === size),
    );
  for (const phase of ["prefill", "decode"] as const)
    against(
      `${phase} GPT-2 124M`,
      r.inference.filter((t) => t.phase === phase),
    );
  return facts;
}

function programs(r: BenchReport): string {
  if (r.peers.length === 0) return "";
  return card(
    "Beside it",
    "",
    `<div class="text">${table(
      "peers",
      ["program", "what it is, or how to have it", "vectors"],
      r.peers.map((p) => [p.name, p.about ?? `not here: ${p.missing}`, p.vectors ?? ""]),
    )}</div>`,
  );
}

function operations(r: BenchReport): string {
  if (r.ops.length === 0) return "";
  const rows = r.ops.map((o) => [
    o.op,
    o.sizes,
    o.target,
    `${o.workers}`,
    timeText(o.ms),
    short(o.gflops),
    short(o.gbs),
    ofLimitText(o),
    o.ratios["PyTorch"] === undefined ? "" : `× ${o.ratios["PyTorch"].toFixed(2)}`,
  ]);
  const head = ["operation", "sizes", "target", "workers", "time", "GFLOP/s", "GB/s", "of limit", "PyTorch"];
  const signs = doubtLines(r.ops).map((line) => element("p", { class: "note" }, escapeHtml(line)));
  const summary = element("summary", {}, `All ${rows.length} measurements of operations`);
  return element(
    "section",
    {},
    element("details", {}, summary + element("div", {}, table("all numbers", head, rows) + signs.join(""))),
  );
}
