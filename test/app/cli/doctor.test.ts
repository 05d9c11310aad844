/** `sinter doctor` lists with how many workers entries were fastest here, and nothing of elsewhere. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { largePagesOf } from "../../../app/cli/verbs/doctor.ts";
import { findingsKept, KERNEL_CACHE_VARIABLE, kernelCache } from "../../../app/cli/terminal/kernel-folder.ts";
import { WorkerChoices } from "../../../runtime/engine/worker-choice.ts";
import { findingsHere, keepFindings, nodeFindings } from "../../../runtime/node/findings.ts";
import { inside } from "../../support/inside.ts";

afterEach(() => {
  keepFindings(undefined);
  vi.unstubAllEnvs();
});

test("doctor lists with how many workers entries were fastest", async () => {
  const folder = mkdtempSync(join(tmpdir(), "doctor-"));
  const kept = kernelCache(folder)!;
  keepFindings(kept);
  const choices = new WorkerChoices(2, "gpt infer", "its kernels", nodeFindings);
  const choice = await choices.of("decode 1");
  for (let run = 0; run < 10; run++) choice.took(choice.workers === 2 ? 30 : 20);
  await nodeFindings.write(["another question"], true);
  const text = (found: unknown): Uint8Array<ArrayBuffer> => new TextEncoder().encode(JSON.stringify(found));
  await kept.write(`${"a".repeat(64)}.json`, text(true)); // as earlier releases wrote them
  const about = ["fastest workers", "gpt infer", "prefill 64", "2", "its kernels"];
  const elsewhere = { about, found: { workers: 2, ms: 1 } };
  await kept.write(`${"b".repeat(64)}.json`, text(elsewhere));
  writeFileSync(join(folder, `${"c".repeat(64)}.json`), "damaged");

  await expect.poll(async () => findingsHere(findingsKept(folder))).toHaveLength(2);
  vi.stubEnv(KERNEL_CACHE_VARIABLE, folder);
  const { out } = await inside(["doctor"], folder);
  expect(out).toMatch(/\n {2}workers .*\n {12}gpt infer, decode 1: 1 of 2, 20(\.0)? ms\n$/);
  expect(out).not.toContain("prefill 64");
});

test("doctor reads to whom Linux gives large pages", () => {
  expect(largePagesOf("always [madvise] never\n")).toBe("madvise");
  expect(largePagesOf("[always] madvise never\n")).toBe("always");
  expect(largePagesOf("always madvise [never]\n")).toBe("never");
  expect(largePagesOf("")).toBeUndefined();
  expect(largePagesOf(undefined)).toBeUndefined();
});
