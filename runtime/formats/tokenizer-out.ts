/**
 * What writers of a tokenizer in other formats share: tokenizer-to-gguf.ts makes GGUF metadata of it, and
 * tokenizer-to-huggingface.ts the files of a folder.
 */
import { openBeside } from "../tokenizers/beside/beside.ts";
import { GENERATION_FILE } from "../tokenizers/beside/beside-files.ts";
import { templateOf } from "../tokenizers/beside/chat-templates.ts";
import { chatFormats, formatByMarks, type ChatFormatName } from "../tokenizers/chat/chat-formats.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";

export interface TokenizerOut<T> {
  readonly out: T;
  /** What the format cannot say, for the user. */
  readonly note?: string;
}

/**
 * The ids that end a text, as other programs are told: those of the run's generation_config.json, otherwise
 * all that are known to.
 */
export function endsOf({ files, endOfText, stops }: Tokenizer): readonly number[] {
  const bytes = files.get(GENERATION_FILE);
  const { ends } = bytes ? openBeside(new Map([[GENERATION_FILE, bytes]]), "") : { ends: [] };
  const said = ends.length > 0 ? ends : [...stops];
  return endOfText === undefined || said.includes(endOfText) ? said : [endOfText, ...said];
}

/**
 * The template that came with the tokenizer, otherwise that of the built-in format that is named, or whose
 * marks it has.
 */
export function chatTemplateOf(tokenizer: Tokenizer, format?: ChatFormatName): string | undefined {
  const named = format ?? formatByMarks(tokenizer);
  return templateOf(tokenizer.files)?.template ?? (named && chatFormats[named].template);
}
