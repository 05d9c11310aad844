/**
 * Which target suits this machine: `wide` where the engine joins pairs of operations, computes rightly and is
 * clearly faster for it, else `relaxed` where fused multiply-add is there, else `simd`.
 */
import { fastestFirst, type Target } from "../contract/targets.ts";
import { SinterError } from "../base/errors.ts";
import type { Host } from "./host.ts";
import { probe, probeBytes } from "./probe.ts";

/**
 * `wide` needs twice as many registers as a machine without 256-bit vectors has: there it must be clearly
 * faster to be chosen.
 */
const WIDE_PAYS = 1.25;
/**
 * Machines with 256-bit vectors measure about 2 times the speed, others 1 at most. A ratio between these
 * means that something has disturbed the measurement, and it is made again.
 */
const DOUBTFUL_RATIO = { from: 1.05, to: 1.7 } as const;
const MOST_PROBES = 8;
const PROBE_MS = 12;

/** What to compile when this host alone will run it. */
export async function bestTarget(host: Host): Promise<Target> {
  for (const target of fastestFirst) if (!(await whyNot(target, host))) return target;
  return "simd";
}

/**
 * Why a target is not for this host; undefined when it is. Speed counts as a reason only where there is a
 * choice between targets.
 */
export async function whyNot(target: Target, host: Host, hasChoice = true): Promise<string | undefined> {
  if (!WebAssembly.validate(probeBytes(target))) return "the engine lacks the instructions";
  if (target !== "wide") return undefined;
  if (!host.enableWide()) return "the engine cannot be asked to join operations";
  const about = [hasChoice ? "wide pays" : "wide is right"];
  if ((await host.findings?.read(about)) === true) return undefined;
  let wide = 0;
  let relaxed = 0;
  for (let probes = 0; probes < (hasChoice ? MOST_PROBES : 1); probes++) {
    const measured = await probe("wide", PROBE_MS, host);
    if (!measured!.right) return "the engine joins operations wrongly";
    wide = Math.max(wide, measured!.gflops);
    relaxed = Math.max(relaxed, (await probe("relaxed", PROBE_MS, host))!.gflops);
    if (wide < DOUBTFUL_RATIO.from * relaxed || wide > DOUBTFUL_RATIO.to * relaxed) break;
  }
  if (hasChoice && wide < WIDE_PAYS * relaxed)
    return `no faster here (${wide.toFixed(0)} against ${relaxed.toFixed(0)} GFLOP/s)`;
  await host.findings?.write(about, true);
  return undefined;
}

/** Throws `input` when the target that the user names is not among those carried, or does not run here. */
export function requireTarget(carried: readonly Target[], wanted: Target): void {
  if (!carried.includes(wanted))
    throw new SinterError(
      "input",
      `the bundle does not carry target ${wanted}`,
      `It carries ${carried.join(", ")}.`,
    );
  if (!WebAssembly.validate(probeBytes(wanted)))
    throw new SinterError(
      "input",
      `this engine cannot run target ${wanted}`,
      "Use --target simd, or a newer Node.",
    );
}
