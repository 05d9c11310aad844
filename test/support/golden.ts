/**
 * Compares a text with a file that is kept in git. `UPDATE=1` writes the file; read the diff before you
 * commit it.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { expect } from "vitest";

export function golden(path: string, actual: string): void {
  if (process.env["UPDATE"]) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, actual);
    return;
  }
  expect(actual, `${path} changed. If you meant it: UPDATE=1`).toBe(
    existsSync(path) ? readFileSync(path, "utf8") : undefined,
  );
}
