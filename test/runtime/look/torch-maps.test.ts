/** What heads look at is what they look at in PyTorch, in published checkpoints. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { bundleWithWeights } from "../../../app/cli/options/weights.ts";
import { createModel } from "../../../runtime/engine/model.ts";
import { lookInside } from "../../../runtime/look/inside.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { loadNewest } from "../../../runtime/store/checkpoint.ts";
import { openRun } from "../../../runtime/store/run-folder.ts";
import { sinter } from "../../support/command-line.ts";
import { PYTHON } from "../../support/debian-python.ts";
import { shared } from "../formats/shared.ts";
import { torchHere, withoutTorch } from "../formats/torch.ts";

const script = fileURLToPath(new URL("attention_maps.py", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "sinter-look-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Torch {
  readonly maps: readonly number[][][][];
  readonly logits: readonly number[];
}
const torchMaps = (path: string, ids: readonly number[]): Torch =>
  JSON.parse(execFileSync(PYTHON, [script, path, ids.join()], { encoding: "utf8" })) as Torch;

const checkpoints = [
  { name: "tiny-random-gpt2", file: "", layers: 5, heads: 4 },
  { name: "stories260K", file: "/stories260K.bin", layers: 5, heads: 8 },
].map((known) => ({ ...known, data: shared(`checkpoints/${known.name}`) }));

for (const { name, file, layers, heads, data } of checkpoints)
  test.skipIf(!torchHere || !data.there)(`${name}: maps within 1e-5 ${withoutTorch}${data.why}`, async () => {
    const files = nodeFiles();
    const folder = join(scratch, name);
    await sinter("import", data.path + file, "-o", folder);
    const { bundle } = await openRun(files, folder);
    const lookable = await bundleWithWeights(bundle, { entries: ["look"] }, "relaxed");
    const model = await createModel(lookable, "infer", { host: nodeHost, workers: 1, target: "relaxed" });
    try {
      await loadNewest(files, folder, model, "weights");
      const ids = Array.from({ length: 40 }, (_, i) => (i * i * 7 + 3 * i + 1) % 500);
      const inside = await lookInside(model, ids);
      const { maps, logits } = torchMaps(data.path + file, ids);
      expect([maps.length, inside.layers.length, inside.heads]).toEqual([layers, layers, heads]);
      const found = inside.layers.flatMap(({ attention }) => [...attention]);
      expect(largestDifference(found, maps.flat(3))).toBeLessThan(1e-5);
      expect(largestDifference(inside.logits, logits)).toBeLessThan(1e-4);
    } finally {
      await model.close();
    }
  });

function largestDifference(found: ArrayLike<number>, wanted: readonly number[]): number {
  expect(found.length).toBe(wanted.length);
  return wanted.reduce((most, want, i) => Math.max(most, Math.abs(found[i]! - want)), 0);
}
