/** What a module that was compiled to be profiled has measured: see compiler/8-emit/stopwatch.ts. */
import type { ProfileSite } from "../contract/manifest.ts";
import { profileFields, PROFILE_SITE_FIELDS } from "../contract/profile-site.ts";
import type { Partition } from "./partitions.ts";

export interface SiteTimes extends ProfileSite {
  /** Per worker: milliseconds in the kernel, milliseconds at the barrier after it. */
  readonly busy: readonly number[];
  readonly waiting: readonly number[];
  readonly calls: number;
}

/**
 * The times of all partitions; of several, each with its number in the section's name. Undefined when the
 * module was not compiled to be profiled.
 */
export function profileOf(
  partitions: readonly Partition[],
  workers: number,
  clear: boolean,
): readonly SiteTimes[] | undefined {
  const times = partitions.map((partition) => readProfile(partition, workers, clear));
  if (times.length === 1 || times.includes(undefined)) return times[0];
  return times.flatMap((list, p) =>
    list!.map((site) => ({ ...site, section: `part ${p}: ${site.section}` })),
  );
}

function readProfile(
  { manifest: { profile }, memory }: Partition,
  workers: number,
  clear: boolean,
): readonly SiteTimes[] | undefined {
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
    calls: tables.reduce((sum, t) => sum + t[i * PROFILE_SITE_FIELDS + profileFields.calls]!, 0),
  }));
  if (clear) for (const table of tables) table.fill(0);
  return times;
}
