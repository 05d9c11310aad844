/** A GGUF file of a published size with drawn weights: what llama.cpp and Sinter are measured on. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { drawnWeights } from "../../bench/measure/drawn-weights.ts";
import type { FloatFormat } from "../../runtime/contract/number-formats.ts";
import { recognise } from "../../runtime/formats/architecture/recognise.ts";
import { outgoing } from "../../runtime/formats/outgoing.ts";
import { nodeFiles } from "../../runtime/node/files.ts";
import { openTokenizer } from "../../runtime/tokenizers/tokenizer-files.ts";
import { writeGguf } from "../cli/runs/export-run.ts";
import { modelIn } from "./asked.ts";

export interface DrawnGgufOptions {
  /** Where the file is kept. One that is there is not written again. */
  readonly folder: string;
  readonly context: number;
  /** The folder of a tokenizer. Default: the family's. */
  readonly tokenizer?: string | undefined;
}

/** `name`: of specs/llama3.sinter or specs/gpt2.sinter. Returns the file's path. */
export async function drawnGguf(
  name: string,
  format: string,
  { folder, context, tokenizer: given }: DrawnGgufOptions,
): Promise<string> {
  const path = join(folder, `${name}-${format}-${context}.gguf`);
  if (existsSync(path)) return path;
  const family = name.startsWith("gpt2") ? "gpt2" : "llama3";
  const spec = fileURLToPath(new URL(`../../specs/${family}.sinter`, import.meta.url));
  const source = modelIn(spec, name, [`context=${context}`]);
  const model = outgoing(recognise(source), drawnWeights(1), "gguf", format.toUpperCase() as FloatFormat);
  const files = nodeFiles();
  const tokenizer = await openTokenizer(files, given ?? `../shared/data/tokenizers/${family}`);
  const silent = { out() {}, err() {}, tty: false, columns: 100, cwd: process.cwd() };
  await writeGguf(files, { tokenizer }, model, path, silent);
  return path;
}
