/**
 * A compiled model as the runtime takes it: manifest.json and the WebAssembly files that it names, each
 * checked.
 */
import { withSharedMemory } from "../contract/memory-import.ts";
import {
  MANIFEST_VERSION,
  type Manifest,
  type ModuleManifest,
  type ModuleName,
  type WasmFile,
} from "../contract/manifest.ts";
import { LANE_BYTES } from "../contract/weight-rows.ts";
import { SinterError } from "../base/errors.ts";
import { checkPartitions } from "./check-partitions.ts";
import type { Host } from "./host.ts";
import type { LinkedBundle } from "./linked-bundle.ts";
import { sha256 } from "../contract/sha256.ts";

export interface Bundle {
  readonly manifest: Manifest;
  /** File name → contents. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

const RECOMPILE = "Compile the spec again: sinter compile SPEC -o DIR";

/** Reads manifest.json. Throws `corrupt` when it is of another version, or contradicts itself. */
export function parseManifest(text: string, from: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new SinterError("corrupt", `${from} is not JSON: ${(cause as Error).message}`, RECOMPILE);
  }
  return checkManifest(value as Manifest, from);
}

/** Throws `corrupt` when it is of another version, or contradicts itself. */
export function checkManifest(manifest: Manifest, from: string): Manifest {
  if (manifest?.version !== MANIFEST_VERSION)
    throw new SinterError(
      "corrupt",
      `${from} has version ${manifest?.version}; this runtime reads version ${MANIFEST_VERSION}`,
      RECOMPILE,
    );
  if (!manifest.modules?.train && !manifest.modules?.infer)
    throw new SinterError("corrupt", `${from} names no module`);
  checkPartitions(manifest, from);
  for (const module of Object.values(manifest.modules)) checkRows(module, from);
  return manifest;
}

/**
 * Refuses bundles whose quantised rows lie in an older order (contract/weight-rows.ts). Those of q8_0 do not
 * say how many bytes stand together; those of q4_0 are told by their not saying how the cache is stored,
 * which is younger than today's order.
 */
function checkRows({ cache, tensors }: ModuleManifest, from: string): void {
  const old = tensors.find(
    ({ quantised }) =>
      (quantised?.format === "q8_0" && quantised.laneBytes !== LANE_BYTES) ||
      (quantised?.format === "q4_0" && cache === undefined),
  );
  if (old)
    throw new SinterError(
      "corrupt",
      `${from} is of an earlier release: rows of ${old.name} lie in another order there`,
      RECOMPILE,
    );
}

export function moduleOf(bundle: Pick<Bundle, "manifest">, name: ModuleName): ModuleManifest {
  const module = bundle.manifest.modules[name];
  if (!module)
    throw new SinterError(
      "input",
      `the bundle of ${bundle.manifest.model.name} has no "${name}" module`,
      "Compile the spec again without leaving it out.",
    );
  return module;
}

/** A module's bytes, checked against the manifest, with its memory import declared shared or not. */
export async function wasmBytes(
  bundle: Bundle | LinkedBundle,
  wasm: WasmFile,
  { shared, host }: { readonly shared: boolean; readonly host: Pick<Host, "readUrl"> },
): Promise<Uint8Array<ArrayBuffer>> {
  const stored = await bytesOf(bundle, wasm.file, host);
  if (!stored) throw new SinterError("corrupt", `the bundle lacks ${wasm.file}`, RECOMPILE);
  const found = await sha256(stored);
  if (found !== wasm.sha256)
    throw new SinterError(
      "corrupt",
      `${wasm.file} is not the file that was compiled: sha256 ${found.slice(0, 12)}…, not ` +
        `${wasm.sha256.slice(0, 12)}…`,
      RECOMPILE,
    );
  return withSharedMemory(stored, wasm.memoryFlagOffset, shared);
}

/** A file of a bundle. Undefined: it has none of this name. */
function bytesOf(
  bundle: Bundle | LinkedBundle,
  file: string,
  host: Pick<Host, "readUrl">,
): Uint8Array | undefined | Promise<Uint8Array> {
  if (!("urls" in bundle)) return bundle.files.get(file);
  const url = Object.hasOwn(bundle.urls, file) ? bundle.urls[file] : undefined;
  return url === undefined ? undefined : host.readUrl(url);
}
