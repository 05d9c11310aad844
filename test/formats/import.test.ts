/** Real checkpoints, imported by the command line and run: they say what their authors published. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadNewest } from "../../runtime/checkpoint.ts";
import { createModel, type RunningModel } from "../../runtime/model.ts";
import { nodeFiles } from "../../runtime/node/files.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { openRun } from "../../runtime/run-folder.ts";
import { shared } from "./shared.ts";
import { sinter } from "./command-line.ts";

const scratch = mkdtempSync(join(tmpdir(), "sinter-import-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let runs = 0;
/** Imports, opens, gives the model to `work`. */
async function imported<T>(path: string, work: (model: RunningModel, folder: string) => Promise<T>): Promise<T> {
  const folder = join(scratch, `run-${runs++}`), files = nodeFiles();
  await sinter("import", path, "-o", folder);
  const run = await openRun(files, folder);
  const model = await createModel(run.bundle, "infer", { host: nodeHost, workers: 1 });
  try {
    await loadNewest(files, folder, model, "weights");
    return await work(model, folder);
  } finally {
    await model.close();
  }
}

async function greedy(model: RunningModel, prompt: readonly number[], length: number): Promise<number[]> {
  const ids = [...prompt];
  let logits = await model.feed(ids, 0);
  while (ids.length < length) {
    ids.push(logits.indexOf(Math.max(...logits)));
    if (ids.length < length) logits = await model.feed([ids.at(-1)!], ids.length - 1);
  }
  return ids;
}

const json = (path: string): never => JSON.parse(readFileSync(path, "utf8")) as never;
const vectors = (name: string) => shared(`vectors/${name}`);

describe("tiny-random-gpt2", () => {
  const folder = shared("checkpoints/tiny-random-gpt2");
  it.skipIf(!folder.there)(`published greedy ids, from safetensors ${folder.why}`, async () => {
    const want: { prompts: number[][]; expected_greedy: number[][]; logits_prompt0_last_first16: number[] } = json(vectors("tiny-random-gpt2-greedy.json").path);
    await imported(folder.path, async (model) => {
      for (const [i, prompt] of want.prompts.entries()) expect(await greedy(model, prompt, want.expected_greedy[i]!.length)).toEqual(want.expected_greedy[i]);
      const logits = await model.feed(want.prompts[0]!, 0);
      want.logits_prompt0_last_first16.forEach((x, k) => expect(Math.abs(logits[k]! - x)).toBeLessThan(1e-5));
    });
  });
});

describe("stories260K", () => {
  const folder = shared("checkpoints/stories260K");
  it.skipIf(!folder.there).each(["stories260K.bin", "stories260K.v1.bin", "stories260K.gguf"])(`published greedy ids from %s ${folder.why}`, async (name) => {
    const { ids }: { ids: number[] } = json(vectors("stories260K-greedy200.json").path);
    await imported(`${folder.path}/${name}`, async (model) => expect(await greedy(model, ids.slice(0, 1), ids.length)).toEqual(ids));
  });
});

describe("TinyStories-656K", () => {
  const folder = shared("checkpoints/tinystories-656k");
  it.skipIf(!folder.there)(`published greedy ids ${folder.why}`, async () => {
    const { ids }: { ids: number[] } = json(vectors("tinystories656k-greedy.json").path);
    await imported(folder.path, async (model) => expect(await greedy(model, ids.slice(0, 6), ids.length)).toEqual(ids));
  });
});
