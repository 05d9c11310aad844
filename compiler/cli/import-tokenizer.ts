/** The tokenizer of a published model: files beside the weights, or what the weights' file says. */
import { SinterError } from "../../runtime/errors.ts";
import type { Files } from "../../runtime/files.ts";
import type { Published } from "../../runtime/formats/published.ts";
import { byteTokenizer } from "../../runtime/tokenizers/bytes.ts";
import { gpt2Tokenizer } from "../../runtime/tokenizers/gpt2.ts";
import type { Tokenizer } from "../../runtime/tokenizers/tokenizer.ts";

/** Names under which GPT-2's two files are published. */
const gpt2Files = [["encoder.json", "vocab.bpe"], ["vocab.json", "merges.txt"]] as const;

export async function findPublishedTokenizer(files: Files, published: Published, path: string, given: string | undefined): Promise<Tokenizer> {
  const places = given !== undefined ? [given] : [path, path.slice(0, path.lastIndexOf("/"))];
  for (const folder of places)
    for (const [encoder, merges] of gpt2Files)
      if (await files.exists(`${folder}/${encoder}`) && await files.exists(`${folder}/${merges}`)) return gpt2Tokenizer(await files.read(`${folder}/${encoder}`), await files.read(`${folder}/${merges}`));
  if (given !== undefined) throw new SinterError("input", `${given} has no tokenizer's files`, "GPT-2's: encoder.json and vocab.bpe, or vocab.json and merges.txt.");
  void published;
  return byteTokenizer();
}
