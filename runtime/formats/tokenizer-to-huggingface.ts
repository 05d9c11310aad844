/** Writes a run's tokenizer as the files of a Hugging Face folder. */
import {
  besideFiles,
  GENERATION_FILE,
  TEMPLATE_FILE,
  templateNameOf,
} from "../tokenizers/beside/beside-files.ts";
import { byteCharacters } from "../tokenizers/base/byte-level.ts";
import { SENTENCEPIECE_FILE } from "../tokenizers/published/sentencepiece-file.ts";
import { CONFIG_FILE, JSON_FILE } from "../tokenizers/json/read-tokenizer-json.ts";
import type { ChatFormatName } from "../tokenizers/chat/chat-formats.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";
import { bpeModelJson, plainAddedToken } from "../tokenizers/bpe/write-tokenizer-json.ts";
import { byteLevelDecoder, preTokenizerJson } from "./gguf/gguf-pre.ts";
import { sentencePieceModel } from "../tokenizers/published/sentencepiece-write.ts";
import { chatTemplateOf, endsOf, type TokenizerOut } from "./tokenizer-out.ts";
import { vocabularyOf, type BpeVocabulary } from "./vocabulary.ts";

/**
 * The files of a Hugging Face folder: their contents by name. `format`: the chat format that the model has
 * learnt, where that is known.
 */
export function tokenizerFolderFiles(
  tokenizer: Tokenizer,
  format?: ChatFormatName,
): TokenizerOut<ReadonlyMap<string, Uint8Array>> {
  const made = (...files: readonly (readonly [string, Uint8Array])[]): ReadonlyMap<string, Uint8Array> =>
    new Map([...files, ...generation(tokenizer), ...besideOf(tokenizer)]);
  const own = tokenizer.files.get(CONFIG_FILE);
  const config = (value: object): readonly [string, Uint8Array] => [CONFIG_FILE, own ?? encode(value)];
  if (tokenizer.name === "json")
    return { out: new Map([...tokenizer.files, ...generation(tokenizer), ...besideOf(tokenizer)]) };
  if (tokenizer.name === "bytes") {
    const json = bpeJson(
      { kind: "bpe", pre: { names: [], steps: [] }, names: byteCharacters, user: new Set(), merges: [] },
      tokenizer,
    );
    const marks = tokenizer.special.size === 0 ? {} : names(tokenizer, format);
    const ofClass = config({ tokenizer_class: "PreTrainedTokenizerFast", ...marks });
    return { out: made([JSON_FILE, encode(json)], ofClass) };
  }
  const vocabulary = vocabularyOf(tokenizer);
  switch (vocabulary.kind) {
    case "bpe":
      return {
        out: made(
          [JSON_FILE, encode(bpeJson(vocabulary, tokenizer))],
          config({ tokenizer_class: "PreTrainedTokenizerFast", ...names(tokenizer, format) }),
        ),
      };
    case "pieces": {
      const { beginOfText, endOfText } = tokenizer;
      const model = tokenizer.files.get(SENTENCEPIECE_FILE);
      return {
        out: made(
          [
            SENTENCEPIECE_FILE,
            model ??
              sentencePieceModel({
                pieces: vocabulary.pieces,
                addsSpace: vocabulary.addsSpace,
                beginOfText,
                endOfText,
              }),
          ],
          config({
            tokenizer_class: "LlamaTokenizer",
            legacy: true,
            unk_token: "<unk>",
            ...names(tokenizer, format),
          }),
        ),
      };
    }
    case "singles":
    case "none":
      return {
        out: new Map(tokenizer.files),
        note: `Hugging Face has no tokenizer like \`${tokenizer.name}\`; its files are copied as they are`,
      };
  }
}

const encode = (value: unknown): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify(value, null, 1)}\n`);

/** A generation_config.json that names all tokens that end a text, in case the run has none. */
function generation(tokenizer: Tokenizer): readonly (readonly [string, Uint8Array])[] {
  const ends = endsOf(tokenizer);
  const { beginOfText, endOfText } = tokenizer;
  if (ends.length === 0) return [];
  return [
    [
      GENERATION_FILE,
      encode({
        _from_model_config: true,
        bos_token_id: beginOfText ?? endOfText ?? null,
        eos_token_id: ends.length === 1 ? ends[0] : ends,
      }),
    ],
  ];
}

/** The files beside the tokenizer, as the run has them. */
const besideOf = ({ files }: Tokenizer): [string, Uint8Array][] =>
  [...files].filter(([name]) => Object.hasOwn(besideFiles, name) || templateNameOf(name) !== undefined);

function names(tokenizer: Tokenizer, format: ChatFormatName | undefined): Readonly<Record<string, unknown>> {
  const name = (id: number | undefined): string | null =>
    [...tokenizer.special].find(([, other]) => other === id)?.[0] ?? null;
  const chat = chatTemplateOf(tokenizer, format);
  const inFile = tokenizer.files.has(TEMPLATE_FILE);
  return {
    ...(chat === undefined || inFile ? {} : { chat_template: chat }),
    add_bos_token: tokenizer.beginOfText !== undefined,
    add_eos_token: false,
    bos_token: name(tokenizer.beginOfText ?? tokenizer.endOfText),
    eos_token: name(tokenizer.endOfText),
  };
}

function bpeJson({ pre, names, user, merges }: BpeVocabulary, { special, beginOfText }: Tokenizer): unknown {
  const tokens = [
    ...[...special].map(([content, id]) => ({ id, content, special: true })),
    ...[...user].map((id) => ({ id, content: names[id]!, special: false })),
  ];
  const added = tokens.sort((a, b) => a.id - b.id).map((token) => ({ ...token, ...plainAddedToken }));
  const begin = [...special].find(([, id]) => id === beginOfText);
  const sequence = (id: string) => ({ Sequence: { id, type_id: 0 } });
  const first = begin && { SpecialToken: { id: begin[0], type_id: 0 } };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer: null,
    pre_tokenizer: preTokenizerJson(pre),
    post_processor:
      first && begin
        ? {
            type: "TemplateProcessing",
            single: [first, sequence("A")],
            pair: [first, sequence("A"), first, { Sequence: { id: "B", type_id: 1 } }],
            special_tokens: { [begin[0]]: { id: begin[0], ids: [begin[1]], tokens: [begin[0]] } },
          }
        : byteLevelDecoder,
    decoder: byteLevelDecoder,
    model: bpeModelJson(names, merges, pre.wholePieces ?? false),
  };
}
