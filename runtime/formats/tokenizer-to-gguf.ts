/** Writes a run's tokenizer as GGUF metadata. */
import { namedTemplates } from "../tokenizers/beside/chat-templates.ts";
import { parseJson } from "../tokenizers/base/json-fields.ts";
import { CONFIG_FILE, MAX_JSON_BYTES } from "../tokenizers/json/read-tokenizer-json.ts";
import type { ChatFormatName } from "../tokenizers/chat/chat-formats.ts";
import { endsMessage, endsTurn } from "../tokenizers/base/special-roles.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";
import { escapeBytes, SPECIAL_TOKENS, specialStandIn, standIn } from "./gguf/gguf-tokenizer.ts";
import { bool, list, text, u32, type PairToWrite } from "./gguf/gguf-write.ts";
import { pieceKinds } from "../tokenizers/published/sentencepiece-write.ts";
import { chatTemplateOf, endsOf, type TokenizerOut } from "./tokenizer-out.ts";
import { vocabularyOf, type BpeVocabulary, type PieceVocabulary, type Vocabulary } from "./vocabulary.ts";

type Pairs = readonly PairToWrite[];

const key = (rest: string): string => `tokenizer.ggml.${rest}`;

/**
 * Entries for the rows of the token embedding that have no token; `count` may be negative, and then there are
 * none.
 */
const fill = <T>(count: number, one: (i: number) => T): T[] =>
  Array.from({ length: Math.max(0, count) }, (_, i) => one(i));

/**
 * The tokenizer as GGUF metadata. `vocab` is the number of rows of the model; the tokenizer may have fewer or
 * more. `format`: the chat format that the model has learnt, where that is known.
 */
export function tokenizerPairs(
  tokenizer: Tokenizer,
  vocab: number,
  format?: ChatFormatName,
): TokenizerOut<Pairs> {
  const vocabulary = vocabularyOf(tokenizer);
  if (vocabulary.kind === "none")
    return { out: [text(key("model"), "no_vocab")], note: `the file gets no tokenizer: ${vocabulary.why}` };
  const { pairs: roles, note: unsaid } = rolePairs(tokenizer);
  const chat = templatePairs(tokenizer, format);
  if (vocabulary.kind === "singles") return singlePairs(tokenizer, vocab, roles, chat);
  const cut = tokenizer.size - vocab;
  const notes = [
    cut > 0 ? `tokens of the tokenizer that the model has no rows for are left out: ${cut}` : undefined,
    unsaid,
    lostNote(vocabulary),
  ].filter((line) => line !== undefined);
  const tables =
    vocabulary.kind === "bpe" ? bpePairs(tokenizer, vocabulary, vocab) : piecePairs(vocabulary, vocab);
  const out = [...tables, ...roles, ...chat];
  return notes.length === 0 ? { out } : { out, note: notes.join("; ") };
}

/**
 * A list with one item for each row of the model: those of the tokens, then those of the rows that have none.
 */
const rowsOf = <T>(tokens: readonly T[], vocab: number, unused: (i: number) => T): readonly T[] => [
  ...tokens.slice(0, vocab),
  ...fill(vocab - tokens.length, unused),
];
const unusedName = (i: number): string => `[UNUSED_${i}]`;
const unusedKind = (): number => pieceKinds.unused;

/** Byte-level BPE, as llama.cpp's "gpt2" has it. */
function bpePairs(tokenizer: Tokenizer, { names, user, merges, pre }: BpeVocabulary, vocab: number): Pairs {
  const { beginOfText, endOfText, absent } = tokenizer;
  const special = new Set(tokenizer.special.values());
  const kindOf = (id: number): number => {
    if (special.has(id)) return pieceKinds.control;
    if (user.has(id)) return pieceKinds.user;
    return absent?.has(id) ? pieceKinds.unused : pieceKinds.normal;
  };
  const kinds = names.map((_, id) => kindOf(id));
  return [
    text(key("model"), "gpt2"),
    text(key("pre"), pre.names[0]!),
    list(key("tokens"), "string", rowsOf(names, vocab, unusedName)),
    list(key("token_type"), "i32", rowsOf(kinds, vocab, unusedKind)),
    list(key("merges"), "string", merges),
    ...(beginOfText === undefined && endOfText !== undefined ? [u32(key("bos_token_id"), endOfText)] : []),
  ];
}

/** Sentencepiece BPE, as llama.cpp's "llama" has it. */
function piecePairs({ pieces, addsSpace }: PieceVocabulary, vocab: number): Pairs {
  const texts = pieces.map((piece) => piece.text);
  const scores = pieces.map((piece) => piece.score);
  const kinds = pieces.map((piece) => pieceKinds[piece.kind]);
  const unknown = kinds.slice(0, vocab).indexOf(pieceKinds.unknown);
  return [
    text(key("model"), "llama"),
    text(key("pre"), "default"),
    list(key("tokens"), "string", rowsOf(texts, vocab, unusedName)),
    list(
      key("scores"),
      "f32",
      rowsOf(scores, vocab, () => 0),
    ),
    list(key("token_type"), "i32", rowsOf<number>(kinds, vocab, unusedKind)),
    ...(unknown < 0 ? [] : [u32(key("unknown_token_id"), unknown)]),
    bool(key("add_space_prefix"), addsSpace),
  ];
}

/**
 * Bytes, characters or ids, as llama.cpp's "rwkv" has byte strings. Characters beyond ASCII and ids cannot be
 * written, so that tokens stand for them that no text has. Marks of a chat format are written by their names,
 * which a template finds; but where the vocabulary lacks the character that they begin with, bytes stand for
 * them that no text has, because llama.cpp would wait for ever for the token that begins with it.
 */
function singlePairs(tokenizer: Tokenizer, vocab: number, roles: Pairs, chat: Pairs): TokenizerOut<Pairs> {
  const { name, size, endOfText: end } = tokenizer;
  const names = new Map([...tokenizer.special].map(([special, id]) => [id, special]));
  const ordinary = fill(size, (id) => id).filter((id) => !names.has(id) && id !== end);
  const isPlain =
    name === "bytes" || (name === "characters" && ordinary.every((id) => tokenizer.bytes(id).length === 1));
  const marks = [...names].filter(([id]) => id !== end);
  const areNamed = isPlain && marks.every(([id]) => ordinary.some((o) => startsWith(tokenizer, id, o)));
  const isControl = (id: number): boolean => names.has(id) || id === end;
  const bytesOf = (id: number): Uint8Array => {
    if (!isPlain) return standIn(id);
    if (!isControl(id) || (areNamed && id !== end)) return tokenizer.bytes(id);
    return specialStandIn(tokenizer, areNamed ? 0 : id - ordinary.length);
  };
  const tokens = fill(size, (id) => escapeBytes(bytesOf(id)));
  const kinds = tokens.map((_, id): number => (isControl(id) ? pieceKinds.control : pieceKinds.normal));
  const out = [
    text(key("model"), "rwkv"),
    list(key("tokens"), "string", [...tokens, ...fill(vocab - size, unusedName)]),
    list(key("token_type"), "i32", [...kinds, ...fill(vocab - size, unusedKind)]),
    ...(end === undefined && marks.length === 0 ? [] : roles),
    ...(isPlain && marks.length > 0 ? [list(SPECIAL_TOKENS, "string", [...names.values()])] : []),
    ...(areNamed ? chat : []),
  ];
  if (areNamed) return { out };
  if (isPlain)
    return {
      out,
      note:
        `llama.cpp finds no ${marks[0]![1]} in a text, because the vocabulary has no ` +
        `${JSON.stringify(marks[0]![1][0])}: the file has no chat template`,
    };
  const missing = name === "ids" ? "that there is none" : "which characters, beyond ASCII, are tokens";
  return { out, note: `no text belongs to the file's tokens: it has no way to say ${missing}` };
}

/** Whether a token's text begins with that of another. */
const startsWith = ({ bytes }: Tokenizer, id: number, other: number): boolean =>
  bytes(id)[0] === bytes(other)[0];

const lostNote = (vocabulary: Vocabulary): string | undefined =>
  vocabulary.kind === "bpe" && vocabulary.lost !== undefined
    ? `a GGUF file can not say that text is put into the form ${vocabulary.lost} first: text in another ` +
      "form has other ids there"
    : undefined;

/** The tokens that begin and end texts, turns and messages. GGUF can name one of each. */
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

/** The chat template, and the named templates for other uses. */
function templatePairs(tokenizer: Tokenizer, format: ChatFormatName | undefined): PairToWrite[] {
  const found = chatTemplateOf(tokenizer, format);
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
