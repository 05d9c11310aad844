/** What a module compiled to be profiled has measured: see compiler/8-emit/stopwatch.ts. */
import type { ModuleManifest, ProfileSite } from "../contract/manifest.ts";

export interface SiteTimes extends ProfileSite {
  /** Per worker: milliseconds in the kernel, milliseconds at the barrier after it. */
  readonly busy: readonly number[];
  readonly waiting: readonly number[];
  readonly calls: number;
}

const FIELDS = 3;

/** Undefined when the module keeps no times. */
export function readProfile(
  { profile }: ModuleManifest,
  memory: WebAssembly.Memory,
  workers: number,
  clear: boolean,
): SiteTimes[] | undefined {
  if (!profile) return undefined;
  const counts = profile.sites.length * FIELDS;
  const tables = Array.from(
    { length: workers },
    (_, w) => new Float64Array(memory.buffer, profile.offset + w * profile.bytesPerWorker, counts),
  );
  const times = profile.sites.map((site, i): SiteTimes => ({
    ...site,
    busy: tables.map((t) => t[i * FIELDS]!),
    waiting: tables.map((t) => t[i * FIELDS + 1]!),
    calls: tables[0]![i * FIELDS + 2]!,
  }));
  if (clear) for (const table of tables) table.fill(0);
  return times;
}
