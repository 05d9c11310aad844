/** A tokenizer under the name that it has in a spec. */
import { tokenizers } from "../../../compiler/2-check/settings.ts";
import { tokenizerFolderFiles } from "../../../runtime/formats/tokenizer-to-huggingface.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { configBytes, openBeside } from "../../../runtime/tokenizers/beside/beside.ts";
import { withBeside } from "../../../runtime/tokenizers/beside/with-beside.ts";
import { JSON_FILE, readTokenizerJson } from "../../../runtime/tokenizers/json/read-tokenizer-json.ts";

/**
 * In a spec, `gpt2` means GPT-2's own vocabulary. A smaller vocabulary in files of the same names is
 * therefore written as a tokenizer.json.
 */
export function asSpecsName(tokenizer: Tokenizer): Tokenizer {
  if (tokenizer.name !== "gpt2" || tokenizer.size >= tokenizers.gpt2.vocab) return tokenizer;
  const { out: files } = tokenizerFolderFiles(tokenizer);
  const beside = openBeside(files, "");
  const json = files.get(JSON_FILE)!;
  const reading = readTokenizerJson({ json, config: configBytes(beside), from: JSON_FILE });
  if ("tokenizer" in reading) return withBeside(reading.tokenizer, beside);
  throw new Error(reading.unsupported); // we wrote it
}
