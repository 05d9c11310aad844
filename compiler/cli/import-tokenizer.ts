/** The tokenizer of a published model: what was named, files beside the weights, or what the weights' file holds; else ids as they are. */
import { basename, dirname } from "node:path";
import { SinterError } from "../../runtime/errors.ts";
import type { Files } from "../../runtime/files.ts";
import { tokenizerOfGguf } from "../../runtime/formats/gguf-tokenizer.ts";
import type { GgufFile } from "../../runtime/formats/gguf.ts";
import type { Published } from "../../runtime/formats/published.ts";
import { gpt2Tokenizer } from "../../runtime/tokenizers/gpt2.ts";
import { idTokenizer } from "../../runtime/tokenizers/ids.ts";
import { openTokenizer, tokenizerAt } from "../../runtime/tokenizers/tokenizer-files.ts";
import type { Tokenizer } from "../../runtime/tokenizers/tokenizer.ts";

export interface FoundTokenizer {
  readonly tokenizer: Tokenizer;
  /** For the user, where no tokenizer was found. */
  readonly note?: string;
}

/** Names that say what a folder holds; a tokenizer.json comes first, since it says most. */
const knownFiles = ["tokenizer.json", "encoder.json", "tokenizer.model", "tokenizer.bin", "characters.json", "ids.json"];
/** Hugging Face's older names of GPT-2's two files. */
const GPT2_OLDER = ["vocab.json", "merges.txt"] as const;

export async function findPublishedTokenizer(files: Files, published: Published, path: string, given: string | undefined): Promise<FoundTokenizer> {
  const { vocab } = published.architecture;
  if (given !== undefined) {
    const tokenizer = await openTokenizer(files, given);
    if (tokenizer.size > vocab) throw new SinterError("input", `the tokenizer in ${given} has ${tokenizer.size} tokens, the model's vocabulary ${vocab}`, "It belongs to another model.");
    return { tokenizer };
  }
  const { file } = published;
  if (file.format === "gguf") {
    const found = await tokenizerOfGguf(file as GgufFile);
    return "tokenizer" in found ? fitting(found.tokenizer, vocab, basename(path)) : without(vocab, found.none);
  }
  const folder = file.format === "safetensors" ? dirname(file.path) : dirname(path);
  const beside = await besideWeights(files, folder, file.format === "llama2.c");
  return beside ? fitting(beside, vocab, folder) : without(vocab, `there is none in ${folder}`);
}

async function besideWeights(files: Files, folder: string, llama2c: boolean): Promise<Tokenizer | undefined> {
  for (const name of knownFiles) if (await files.exists(`${folder}/${name}`)) return openTokenizer(files, `${folder}/${name}`);
  const [encoder, merges] = GPT2_OLDER.map((name) => `${folder}/${name}`);
  if (await files.exists(encoder!) && await files.exists(merges!)) return gpt2Tokenizer(await files.read(encoder!), await files.read(merges!));
  if (!llama2c) return undefined;
  const own = (await files.list(folder)).filter((name) => /^tok\d+\.bin$/.test(name)); // tok512.bin
  return own.length === 1 ? tokenizerAt(files, `${folder}/${own[0]}`, "sentencepiece") : undefined;
}

/** A tokenizer beside the weights may be another model's. */
const fitting = (tokenizer: Tokenizer, vocab: number, where: string): FoundTokenizer =>
  tokenizer.size <= vocab ? { tokenizer } : without(vocab, `the one in ${where} has ${tokenizer.size} tokens, the model ${vocab}`);

const without = (vocab: number, why: string): FoundTokenizer =>
  ({ tokenizer: idTokenizer(vocab), note: `no tokenizer: ${why}; texts are ids for now (--tokenizer PATH names one)` });
