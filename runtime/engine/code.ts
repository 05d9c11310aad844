/**
 * From a module's memory to code for it: the best of the bundle's targets that this host runs well and
 * rightly, or the one that the user names. All partitions of a module run on the same target.
 */
import { fastestFirst, type Target } from "../contract/targets.ts";
import { wasmBytes, type Bundle } from "./bundle.ts";
import { requireTarget, whyNot } from "./choose-target.ts";
import { SinterError } from "../base/errors.ts";
import { fillParameters } from "./fill.ts";
import type { Host } from "./host.ts";
import type { LinkedBundle } from "./linked-bundle.ts";
import { parametersOf, type Partition } from "./partitions.ts";
import { selfCheck } from "./self-check.ts";

export interface Code {
  readonly target: Target;
  /** One for each partition; partitions with the same file share it. */
  readonly modules: readonly WebAssembly.Module[];
  /** Why better targets were not taken, for `doctor` and logs. */
  readonly notes: readonly string[];
}

export interface CodeOptions {
  readonly host: Host;
  readonly shared: boolean;
  readonly wanted?: Target | undefined;
  /** Whether the parameters hold numbers already. Where they do not, a check of the code fills them. */
  readonly drawn: boolean;
}

export async function loadCode(
  bundle: Bundle | LinkedBundle,
  partitions: readonly Partition[],
  options: CodeOptions,
): Promise<Code> {
  const { host, wanted } = options;
  const carried = fastestFirst.filter((target) => partitions[0]!.manifest.wasm[target]);
  if (wanted) {
    requireTarget(carried, wanted);
    return { target: wanted, modules: await compile(bundle, partitions, wanted, options), notes: [] };
  }
  const notes: string[] = [];
  for (const target of carried) {
    const reason = await whyNot(target, host, carried.length > 1);
    if (reason) {
      notes.push(`${target}: ${reason}`);
      continue;
    }
    const modules = await compile(bundle, partitions, target, options);
    const wrong = target === "wide" ? await wrongWide(bundle, partitions, modules, options) : undefined;
    if (!wrong) return { target, modules, notes };
    notes.push(`${target}: computes wrong here (${wrong})`);
  }
  throw new SinterError(
    "input",
    `no target of this bundle runs on this engine: ${notes.join("; ") || "it carries none"}`,
    "Compile with --target simd.",
  );
}

/** The code of each partition; a file that several have is compiled once. */
async function compile(
  bundle: Bundle | LinkedBundle,
  partitions: readonly Partition[],
  target: Target,
  options: CodeOptions,
): Promise<WebAssembly.Module[]> {
  if (target === "wide") options.host.enableWide();
  const byFile = new Map<string, WebAssembly.Module>();
  const modules: WebAssembly.Module[] = [];
  for (const { manifest } of partitions) {
    const wasm = manifest.wasm[target]!;
    const module = byFile.get(wasm.file) ?? options.host.compile(await wasmBytes(bundle, wasm, options));
    byFile.set(wasm.file, module);
    modules.push(module);
  }
  return modules;
}

/**
 * What the joined code computes wrongly; undefined when it agrees with the same code compiled without
 * joining.
 */
async function wrongWide(
  bundle: Bundle | LinkedBundle,
  partitions: readonly Partition[],
  modules: readonly WebAssembly.Module[],
  options: CodeOptions,
): Promise<string | undefined> {
  const { host, drawn } = options;
  for (const [i, joined] of modules.entries()) {
    if (modules.indexOf(joined) < i) continue; // the same file has been checked
    const partition = partitions[i]!;
    const wasm = partition.manifest.wasm.wide!;
    const about = ["joined code is right", wasm.sha256];
    if ((await host.findings?.read(about)) === true) continue;
    if (!drawn) void host.touch?.([parametersOf(partition)]);
    const bytes = await wasmBytes(bundle, wasm, options);
    const unjoined = host.compile(withEmptySection(bytes), false);
    if (!drawn) fillParameters(partition);
    const wrong = selfCheck(bundle.manifest, partition, joined, unjoined);
    if (wrong) return wrong;
    await host.findings?.write(about, true);
  }
  return undefined;
}

/**
 * The same code in other bytes: an engine might answer equal bytes with the machine code that it has already
 * made of them.
 */
function withEmptySection(wasm: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(wasm.length + 3);
  out.set(wasm);
  out.set([0, 1, 0], wasm.length); // custom section (0), one byte long: a name of no letters
  return out;
}
