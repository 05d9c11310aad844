/** What a module compiled to be profiled has measured: see compiler/8-emit/stopwatch.ts. */
import { profileFields, PROFILE_SITE_FIELDS } from "../contract/profile-site.ts";
import type { ModuleManifest, ProfileSite } from "../contract/manifest.ts";

export interface SiteTimes extends ProfileSite {
  /** Per worker: milliseconds in the kernel, milliseconds at the barrier after it. */
  readonly busy: readonly number[];
  readonly waiting: readonly number[];
  readonly calls: number;
}

/** Undefined when the module keeps no times. */
export function readProfile(
  { profile }: ModuleManifest,
  memory: WebAssembly.Memory,
  workers: number,
  clear: boolean,
): SiteTimes[] | undefined {
  if (!profile) return undefined;
  const counts = profile.sites.length * PROFILE_SITE_FIELDS;
  const tables = Array.from(
    { length: workers },
    (_, w) => new Float64Array(memory.buffer, profile.offset + w * profile.bytesPerWorker, counts),
  );
  const times = profile.sites.map((site, i): SiteTimes => ({
    ...site,
    busy: tables.map((t) => t[i * PROFILE_SITE_FIELDS + profileFields.busy]!),
    waiting: tables.map((t) => t[i * PROFILE_SITE_FIELDS + profileFields.waiting]!),
    calls: tables[0]![i * PROFILE_SITE_FIELDS + profileFields.calls]!,
  }));
  if (clear) for (const table of tables) table.fill(0);
  return times;
}
