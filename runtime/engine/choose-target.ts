/**
 * Which of a bundle's targets runs here: `wide` where the engine joins pairs of operations and the result is
 * right, else `relaxed` where fused multiply-add is there, else `simd`. A target that the user names is
 * taken, or refused with the reason.
 */
import type { ModuleManifest } from "../contract/manifest.ts";
import { fastestFirst, type Target } from "../contract/targets.ts";
import { wasmBytes, type Bundle } from "./bundle.ts";
import { SinterError } from "../base/errors.ts";
import type { Host } from "./host.ts";
import { probe, probeBytes } from "./probe.ts";
import type { Placed } from "./parts.ts";
import { fillParameters, selfCheck } from "./self-check.ts";

/**
 * `wide` needs twice as many registers as a machine without 256-bit vectors has: there it must be clearly
 * faster to be chosen.
 */
const WIDE_PAYS = 1.25;
/**
 * 256-bit vectors give 2, and no such vectors 1 at most: between these something has disturbed the
 * measurement, and it is made again.
 */
const DOUBTFUL = { from: 1.05, to: 1.7 } as const;
const MOST_PROBES = 8;
const PROBE_MS = 12;

export interface Chosen {
  readonly target: Target;
  /** One for each part; parts with the same file share it. */
  readonly modules: readonly WebAssembly.Module[];
  /** Why better targets were not taken, for `doctor` and logs. */
  readonly notes: readonly string[];
}

export interface ChoiceOptions {
  readonly shared: boolean;
  readonly host: Host;
  readonly wanted?: Target | undefined;
  /** Do the parameters hold numbers already? Otherwise a check of the code fills them. */
  readonly drawn: boolean;
}

/** `parts`: a module in its memory, or its parts; they run on the same target. */
export async function chooseTarget(
  bundle: Bundle,
  parts: readonly Placed[],
  { shared, host, wanted, drawn }: ChoiceOptions,
): Promise<Chosen> {
  const module = parts[0]!.manifest;
  const compile = async (target: Target): Promise<WebAssembly.Module[]> => {
    if (target === "wide") host.enableWide();
    const made = new Map<string, WebAssembly.Module>();
    for (const { manifest } of parts) {
      const wasm = manifest.wasm[target]!;
      if (!made.has(wasm.file)) made.set(wasm.file, host.compile(await wasmBytes(bundle, wasm, shared)));
    }
    return parts.map(({ manifest }) => made.get(manifest.wasm[target]!.file)!);
  };
  const wideWrong = async (candidates: readonly WebAssembly.Module[]): Promise<string | undefined> => {
    for (const [i, candidate] of candidates.entries()) {
      if (candidates.indexOf(candidate) < i) continue; // code that has been checked
      const { manifest, memory } = parts[i]!;
      const unjoined = host.compile(marked(await wasmBytes(bundle, manifest.wasm.wide!, shared)), false);
      if (!drawn) fillParameters(manifest, memory);
      const wrong = selfCheck(bundle.manifest, manifest, memory, candidate, unjoined);
      if (wrong) return wrong;
    }
    return undefined;
  };
  if (wanted) {
    refuse(module, wanted);
    return { target: wanted, modules: await compile(wanted), notes: [] };
  }
  const notes: string[] = [];
  const carried = fastestFirst.filter((target) => module.wasm[target]);
  for (const target of carried) {
    const reason = await whyNot(target, host, carried.length > 1);
    if (reason) {
      notes.push(`${target}: ${reason}`);
      continue;
    }
    const candidates = await compile(target);
    const wrong = target === "wide" ? await wideWrong(candidates) : undefined;
    if (!wrong) return { target, modules: candidates, notes };
    notes.push(`${target}: computes wrong here (${wrong})`);
  }
  throw new SinterError(
    "input",
    `no target of this bundle runs on this engine: ${notes.join("; ") || "it carries none"}`,
    "Compile with --target simd.",
  );
}

/**
 * An empty custom section: other bytes with the same meaning, for an engine that would take the code it has
 * already made of these.
 */
function marked(wasm: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(wasm.length + 3);
  out.set(wasm);
  out.set([0, 1, 0], wasm.length); // section 0, one byte: a name of no letters
  return out;
}

/** What to compile when this host alone will run it. */
export async function bestTarget(host: Host): Promise<Target> {
  for (const target of fastestFirst) if (!(await whyNot(target, host))) return target;
  return "simd";
}

/** Why a target is not for this host; undefined: it is. Speed is a reason only where there is a choice. */
async function whyNot(target: Target, host: Host, choice = true): Promise<string | undefined> {
  if (!WebAssembly.validate(probeBytes(target))) return "the engine lacks the instructions";
  if (target !== "wide") return undefined;
  if (!host.enableWide()) return "the engine cannot be asked to join operations";
  let wide = 0;
  let relaxed = 0;
  for (let probes = 0; probes < (choice ? MOST_PROBES : 1); probes++) {
    const measured = await probe("wide", PROBE_MS, host);
    if (!measured!.right) return "the engine joins operations wrongly";
    wide = Math.max(wide, measured!.gflops);
    relaxed = Math.max(relaxed, (await probe("relaxed", PROBE_MS, host))!.gflops);
    if (wide < DOUBTFUL.from * relaxed || wide > DOUBTFUL.to * relaxed) break;
  }
  if (choice && wide < WIDE_PAYS * relaxed)
    return `no faster here (${wide.toFixed(0)} against ${relaxed.toFixed(0)} GFLOP/s)`;
  return undefined;
}

function refuse(module: ModuleManifest, target: Target): void {
  const carried = fastestFirst.filter((t) => module.wasm[t]);
  if (!carried.includes(target))
    throw new SinterError(
      "input",
      `the bundle does not carry target ${target}`,
      `It carries ${carried.join(", ")}.`,
    );
  if (!WebAssembly.validate(probeBytes(target)))
    throw new SinterError(
      "input",
      `this engine cannot run target ${target}`,
      "Use --target simd, or a newer Node.",
    );
}
