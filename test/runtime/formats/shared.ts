/**
 * Data that lie beside the project and are not part of it. Tests that need them are skipped where they are
 * absent, and say so.
 */
import { existsSync } from "node:fs";
import { inShared } from "../../support/paths.ts";

export function shared(name: string): {
  readonly path: string;
  readonly there: boolean;
  readonly why: string;
} {
  const path = inShared(`data/${name}`);
  const there = existsSync(path);
  return { path, there, why: there ? "" : `(skipped: ../shared/data/${name} is not there)` };
}
