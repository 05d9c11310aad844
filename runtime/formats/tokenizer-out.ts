/** A run's tokenizer in other formats: GGUF metadata, and the files of a Hugging Face folder. */
import { openBeside } from "../tokenizers/beside/beside.ts";
import {
  besideFiles,
  GENERATION_FILE,
  TEMPLATE_FILE,
  templateNameOf,
} from "../tokenizers/beside/beside-files.ts";
import { byteCharacters } from "../tokenizers/base/byte-level.ts";
import { chatFormats, formatByMarks } from "../tokenizers/chat/chat-formats.ts";
import { namedTemplates, templateOf } from "../tokenizers/beside/chat-templates.ts";
import { parseJson } from "../tokenizers/base/json-fields.ts";
import { SENTENCEPIECE_FILE } from "../tokenizers/published/sentencepiece-file.ts";
import { CONFIG_FILE, JSON_FILE, MAX_JSON_BYTES } from "../tokenizers/json/read-tokenizer-json.ts";
import { endsMessage, endsTurn } from "../tokenizers/base/special-roles.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";
import { byteLevelDecoder, preTokenizerJson } from "./gguf/gguf-pre.ts";
import { endStandIn, escapeBytes, standIn } from "./gguf/gguf-tokenizer.ts";
import { bool, list, text, u32, type PairToWrite } from "./gguf/gguf-write.ts";
import { pieceKinds, sentencePieceModel } from "../tokenizers/published/sentencepiece-write.ts";
import { vocabularyOf, type BpeVocabulary, type Vocabulary } from "./vocabulary.ts";

const key = (rest: string): string => `tokenizer.ggml.${rest}`;

/** Rows of the token embedding that no token stands for. */
const fill = <T>(count: number, one: (i: number) => T): T[] =>
  Array.from({ length: Math.max(0, count) }, (_, i) => one(i));

export interface TokenizerOut<T> {
  readonly out: T;
  /** What could not be said. */
  readonly note?: string;
}

/** Metadata pairs. `vocab`: the model's rows, of which the tokenizer may have fewer, or more. */
export function tokenizerPairs(tokenizer: Tokenizer, vocab: number): TokenizerOut<readonly PairToWrite[]> {
  const vocabulary = vocabularyOf(tokenizer);
  const spare = vocab - tokenizer.size;
  const within = <T>(all: readonly T[]): readonly T[] => all.slice(0, vocab);
  const unused = fill(spare, (i) => `[UNUSED_${i}]`);
  const unusedKinds = fill(spare, () => pieceKinds.unused);
  const { pairs: roles, note: unsaid } = rolePairs(tokenizer);
  const cut =
    spare < 0 ? `tokens of the tokenizer that the model has no rows for are left out: ${-spare}` : undefined;
  const notes = [cut, unsaid, lostNote(vocabulary)].filter((line) => line !== undefined);
  const said = notes.length === 0 ? {} : { note: notes.join("; ") };
  switch (vocabulary.kind) {
    case "bpe": {
      const special = new Set(tokenizer.special.values());
      const { names, user, merges, pre } = vocabulary;
      const kindOf = (id: number): number =>
        special.has(id)
          ? pieceKinds.control
          : user.has(id)
            ? pieceKinds.user
            : tokenizer.absent?.has(id)
              ? pieceKinds.unused
              : pieceKinds.normal;
      const begin =
        tokenizer.beginOfText === undefined && tokenizer.endOfText !== undefined
          ? [u32(key("bos_token_id"), tokenizer.endOfText)]
          : [];
      return {
        ...said,
        out: [
          text(key("model"), "gpt2"),
          text(key("pre"), pre.names[0]!),
          list(key("tokens"), "string", [...within(names), ...unused]),
          list(key("token_type"), "i32", [...within(names.map((_, id) => kindOf(id))), ...unusedKinds]),
          list(key("merges"), "string", merges),
          ...begin,
          ...roles,
          ...templatePairs(tokenizer),
        ],
      };
    }
    case "pieces": {
      const { addsSpace } = vocabulary;
      const pieces = within(vocabulary.pieces);
      const unknown = pieces.findIndex(({ kind }) => kind === "unknown");
      return {
        ...said,
        out: [
          text(key("model"), "llama"),
          text(key("pre"), "default"),
          list(key("tokens"), "string", [...pieces.map((p) => p.text), ...unused]),
          list(key("scores"), "f32", [...pieces.map((p) => p.score), ...fill(spare, () => 0)]),
          list(key("token_type"), "i32", [...pieces.map((p) => pieceKinds[p.kind]), ...unusedKinds]),
          ...(unknown < 0 ? [] : [u32(key("unknown_token_id"), unknown)]),
          bool(key("add_space_prefix"), addsSpace),
          ...roles,
          ...templatePairs(tokenizer),
        ],
      };
    }
    case "singles": {
      const { endOfText: end } = tokenizer;
      const ordinary = fill(tokenizer.size, (id) => id).filter((id) => id !== end);
      const plain =
        tokenizer.name === "bytes" ||
        (tokenizer.name === "characters" && ordinary.every((id) => tokenizer.bytes(id).length === 1));
      const written = (id: number): Uint8Array =>
        !plain ? standIn(id) : id === end ? endStandIn(tokenizer) : tokenizer.bytes(id);
      const tokens = fill(tokenizer.size, (id) => escapeBytes(written(id)));
      const kinds = tokens.map((_, id) => (id === end ? pieceKinds.control : pieceKinds.normal));
      const note = plain
        ? {}
        : {
            note:
              "no text belongs to the file's tokens: it has no way to say " +
              `${tokenizer.name === "ids" ? "that there is none" : "which characters, beyond ASCII, are tokens"}`,
          };
      return {
        ...note,
        out: [
          text(key("model"), "rwkv"),
          list(key("tokens"), "string", [...tokens, ...unused]),
          list(key("token_type"), "i32", [...kinds, ...unusedKinds]),
          ...(end === undefined ? [] : roles),
        ],
      };
    }
    case "none":
      return { out: [text(key("model"), "no_vocab")], note: `the file gets no tokenizer: ${vocabulary.why}` };
  }
}

const lostNote = (vocabulary: Vocabulary): string | undefined =>
  vocabulary.kind === "bpe" && vocabulary.lost !== undefined
    ? `a GGUF file can not say that text is put into the form ${vocabulary.lost} first: text in another ` +
      "form has other ids there"
    : undefined;

/** Ids of the tokens that begin and end texts, turns and messages; GGUF has a place for one of each. */
function rolePairs(tokenizer: Tokenizer): { readonly pairs: readonly PairToWrite[]; readonly note?: string } {
  const { beginOfText, endOfText, special } = tokenizer;
  const first = (names: readonly string[]): number | undefined =>
    names.map((name) => special.get(name)).find((id) => id !== undefined);
  const named = [first(endsTurn), first(endsMessage)];
  const rest = endsOf(tokenizer).filter((id) => id !== endOfText && !named.includes(id));
  const [turn, message] = named.map((id) => id ?? rest.shift());
  const role = (name: string, id: number | undefined): PairToWrite[] =>
    id === undefined ? [] : [u32(key(`${name}_token_id`), id)];
  return {
    pairs: [
      ...role("bos", beginOfText),
      ...role("eos", endOfText),
      ...role("eot", turn),
      ...role("eom", message),
      bool(key("add_bos_token"), beginOfText !== undefined),
      bool(key("add_eos_token"), false),
    ],
    ...(rest.length > 0
      ? { note: `a GGUF file has no place for more tokens that end a text: ${rest.join(", ")}` }
      : {}),
  };
}

/**
 * Tokens that end a text, as other programs are told: as generation_config.json says, else all that are known
 * to.
 */
export function endsOf({ files, endOfText, stops }: Tokenizer): readonly number[] {
  const bytes = files.get(GENERATION_FILE);
  const { ends } = bytes ? openBeside(new Map([[GENERATION_FILE, bytes]]), "") : { ends: [] };
  const said = ends.length > 0 ? ends : [...stops];
  return endOfText === undefined || said.includes(endOfText) ? said : [endOfText, ...said];
}

/** The template that came with the tokenizer, or the one of the built-in format whose marks it has. */
function chatTemplateOf(tokenizer: Tokenizer): string | undefined {
  const named = formatByMarks(tokenizer);
  return templateOf(tokenizer.files)?.template ?? (named && chatFormats[named].template);
}

/** The template, and those for other uses by their names. */
function templatePairs(tokenizer: Tokenizer): PairToWrite[] {
  const found = chatTemplateOf(tokenizer);
  const bytes = tokenizer.files.get(CONFIG_FILE);
  const config = bytes && parseJson(bytes, CONFIG_FILE, MAX_JSON_BYTES);
  const named = [...namedTemplates(tokenizer.files, config)].filter(([name]) => /^[\w.-]{1,64}$/.test(name));
  return [
    ...(found === undefined ? [] : [text("tokenizer.chat_template", found)]),
    ...named.map(([name, template]) => text(`tokenizer.chat_template.${name}`, template)),
    ...(named.length > 0
      ? [
          list(
            "tokenizer.chat_templates",
            "string",
            named.map(([name]) => name),
          ),
        ]
      : []),
  ];
}

/** File name → contents. */
export function tokenizerFolderFiles(tokenizer: Tokenizer): TokenizerOut<ReadonlyMap<string, Uint8Array>> {
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
    const ends = tokenizer.endOfText === undefined ? {} : names(tokenizer);
    return {
      out: made([JSON_FILE, encode(json)], config({ tokenizer_class: "PreTrainedTokenizerFast", ...ends })),
    };
  }
  const vocabulary = vocabularyOf(tokenizer);
  switch (vocabulary.kind) {
    case "bpe":
      return {
        out: made(
          [JSON_FILE, encode(bpeJson(vocabulary, tokenizer))],
          config({ tokenizer_class: "PreTrainedTokenizerFast", ...names(tokenizer) }),
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
            ...names(tokenizer),
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

/** Where the run has none: all tokens that end a text. */
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

/** Files beside the tokenizer, as the run has them. */
const besideOf = ({ files }: Tokenizer): [string, Uint8Array][] =>
  [...files].filter(([name]) => Object.hasOwn(besideFiles, name) || templateNameOf(name) !== undefined);

function names(tokenizer: Tokenizer): Readonly<Record<string, unknown>> {
  const name = (id: number | undefined): string | null =>
    [...tokenizer.special].find(([, other]) => other === id)?.[0] ?? null;
  const chat = chatTemplateOf(tokenizer);
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
  const added = tokens
    .sort((a, b) => a.id - b.id)
    .map((token) => ({ ...token, single_word: false, lstrip: false, rstrip: false, normalized: false }));
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
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: pre.wholePieces ?? false,
      vocab: Object.fromEntries(names.map((name, id) => [name, id])),
      merges,
    },
  };
}
