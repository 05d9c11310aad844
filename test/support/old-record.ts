/**
 * Makes a run look as an earlier release left it: run.json of version 1, which has no hash but the
 * manifest's.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** `without`: fields that were added after that release. */
export function makeOldRecord(folder: string, without: readonly string[] = []): void {
  const path = join(folder, "run.json");
  const {
    version: _,
    sha256: __,
    id: ___,
    files: ____,
    changes: _____,
    ...record
  } = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  const manifest = createHash("sha256")
    .update(readFileSync(join(folder, "bundle", "manifest.json")))
    .digest("hex");
  const kept = Object.entries(record).filter(([key]) => !without.includes(key));
  writeFileSync(path, `${JSON.stringify({ version: 1, ...Object.fromEntries(kept), manifest }, null, 1)}\n`);
}
