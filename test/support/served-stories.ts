/** stories260K, a small model that has learnt to tell stories, served from its GGUF file. */
import { checkSource } from "../../compiler/2-check/check.ts";
import { compileModel } from "../../compiler/compile.ts";
import { specOf } from "../../app/cli/runs/spec-of.ts";
import { openPool, type Opened } from "../../app/server/pool/pool.ts";
import type { Serving } from "../../app/server/pool/serving.ts";
import { rowEntries } from "../../runtime/contract/entries.ts";
import { createModel } from "../../runtime/engine/model.ts";
import type { GgufFile } from "../../runtime/formats/gguf/gguf.ts";
import { tokenizerOfGguf } from "../../runtime/formats/gguf/gguf-tokenizer.ts";
import { loadPublished } from "../../runtime/formats/load.ts";
import { openPublished } from "../../runtime/formats/published.ts";
import { nodeFiles } from "../../runtime/node/files.ts";
import { nodeHost } from "../../runtime/node/host.ts";

interface Sizes {
  readonly lanes: number;
  /** Of each lane. */
  readonly context: number;
}

async function openStories(path: string, { lanes, context }: Sizes): Promise<Opened> {
  const published = await openPublished(nodeFiles(), path);
  const { file, architecture } = published;
  const found = await tokenizerOfGguf(file as GgufFile);
  if (!("tokenizer" in found)) throw new Error(`${path} has no tokenizer`);
  const { tokenizer } = found;
  const spec = specOf(
    { ...architecture, context },
    { source: path, tokenizer: tokenizer.name, parameters: 260_032 },
  );
  const model = await createModel(
    await compileModel(checkSource(spec).models[0]!, {
      targets: ["relaxed"],
      modules: ["infer"],
      lanes,
      entries: rowEntries,
    }),
    "infer",
    { host: nodeHost, workers: 1, target: "relaxed" },
  );
  await loadPublished(model, published);
  await file.close();
  const facts = { tokenizer, name: "tinyllama-2", weightsBytes: 1, fingerprint: "fp_0", spec, created: 0 };
  return { model, facts };
}

/** `path`: the GGUF file. */
export async function serveStories(path: string, sizes: Sizes): Promise<Serving> {
  const pool = openPool({ open: () => openStories(path, sizes) });
  await pool.ready;
  return pool;
}
