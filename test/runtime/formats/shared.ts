/**
 * Data that lie beside the project and are no part of it. Tests that need them skip where they are not, and
 * say so.
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
