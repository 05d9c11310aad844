/**
 * Data that lie beside the project and are no part of it. Tests that need them skip where they are not, and
 * say so.
 */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export function shared(name: string): {
  readonly path: string;
  readonly there: boolean;
  readonly why: string;
} {
  const path = fileURLToPath(new URL(`../../../shared/data/${name}`, import.meta.url));
  const there = existsSync(path);
  return { path, there, why: there ? "" : `(skipped: ../shared/data/${name} is not there)` };
}
