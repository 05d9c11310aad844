/** A file is read ahead by a thread, which leaves it as it is; what is not there does no harm. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readAhead } from "../../../runtime/node/read-ahead.ts";

test("a file is as it was, and one that is missing is nobody's fault", async () => {
  const path = join(mkdtempSync(join(tmpdir(), "ahead-")), "weights");
  const bytes = new Uint8Array(5 * 2 ** 20).fill(7);
  writeFileSync(path, bytes);
  await readAhead(path, 0);
  expect(readFileSync(path).equals(bytes)).toBe(true);
  await readAhead(`${path}.missing`, 0);
});
