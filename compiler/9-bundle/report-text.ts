/** report.txt: what was compiled, what it needs, what was fused, which kernels there are. For people. */
import type { BuiltModule } from "./built-module.ts";
import { sizeText, thousands } from "../../runtime/contract/amounts.ts";
import type { Manifest, ModuleManifest } from "../../runtime/contract/manifest.ts";
import { PLANNED_WORKERS } from "../../runtime/contract/worker-memory.ts";
import { arenaBytes, lowerBound, arenaLines } from "../7-place/arena.ts";

export function report(manifest: Manifest, modules: readonly BuiltModule[]): string {
  const { sizes } = manifest.model;
  const head = [
    `${thousands(manifest.parameters)} parameters`,
    Object.entries(sizes)
      .map(([k, v]) => `${k} ${v}`)
      .join("  "),
  ];
  const reports = modules.flatMap((m) => {
    const built = manifest.modules[m.name]!;
    if (!built.parts) return ["", ...moduleReport(m.name, built, m)];
    const title =
      `module ${m.name}: ${sizeText(built.memoryBytes)} in ${built.parts.length} parts, each with its ` +
      `memory; between two of them only rows of ${sizes.width} numbers cross`;
    return [
      "",
      title,
      ...built.parts.flatMap((part, i) => [
        "",
        ...moduleReport(`${m.name} part ${i} (${part.holds})`, part, m.partitions![i]!),
      ]),
    ];
  });
  return [...head, ...reports].join("\n") + "\n";
}

function moduleReport(name: string, built: ModuleManifest, module: BuiltModule): string[] {
  const { placement } = module;
  const rows = placement.regions.map(
    (r) => `  ${r.name.padEnd(22)} ${String(r.bytes).padStart(14)}  ${sizeText(r.bytes).padStart(14)}`,
  );
  return [
    `module ${name}: ${sizeText(placement.base)} and ${sizeText(placement.worker.bytes)} for each worker; ` +
      `${sizeText(placement.bytes)} with ${PLANNED_WORKERS}`,
    ...rows,
    ...Object.entries(built.wasm).map(
      ([target, w]) => `  ${target.padEnd(22)} ${String(w.bytes).padStart(14)}  bytes of wasm`,
    ),
    ...built.entries.map(
      (e) =>
        `  entry ${e.name.padEnd(16)} ${e.batch} × ${e.context} tokens, ${(e.flops / 1e6).toFixed(1)} MFLOP`,
    ),
    ...[...module.fusions].flatMap(([entry, events]) => [
      `  fusions of ${entry}`,
      ...events.map((e) => `    ${e.section}: ${e.what} (${e.rule})`),
    ]),
    ...[...placement.arenas].flatMap(([entry, { placed, lifetimes }]) => [
      `  arena of ${entry}: ${arenaBytes(placed)} bytes, lower bound ${lowerBound(lifetimes.buffers)}`,
      ...arenaLines(placed).map((line) => `    ${line}`),
    ]),
  ];
}
