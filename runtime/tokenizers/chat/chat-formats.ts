/**
 * The built-in chat formats: how a conversation is written for models that were trained with them, and the
 * same as a template for files that go out. A format is chosen by its name, or by its marks where the
 * vocabulary has them as special tokens.
 *
 *   llama3   <|start_header_id|>role<|end_header_id|>⏎⏎text<|eot_id|> …
 *            llama-models, models/llama3/chat_format.py
 *   chatml   <|im_start|>role⏎text<|im_end|>⏎ …
 *            OpenAI's chat markup, as Qwen has it
 *   llama2   <s>[INST] <<SYS>>⏎system⏎<</SYS>>⏎⏎question [/INST] answer </s> …
 *            llama, llama/generation.py
 *   turns, alpaca, none     see turn-formats.ts
 */
import { SinterError } from "../../base/errors.ts";
import { guarded } from "../base/added-tokens.ts";
import { plainText, type ChatFormat, type ChatMessage } from "./chat.ts";
import type { chatFormatWords } from "../../contract/model.ts";
import { END_OF_TEXT, type Tokenizer } from "../base/tokenizer.ts";
import {
  alpacaPieces,
  barePieces,
  turnPieces,
  turnTemplates,
  type Piece,
  type Pieces,
} from "./turn-formats.ts";

interface BuiltInFormat {
  readonly doc: string;
  /** The texts that structure a conversation. */
  readonly marks: readonly string[];
  /**
   * Whether the vocabulary must have the marks as special tokens. Otherwise they may be plain text, and then
   * no message may contain them.
   */
  readonly needsTokens: boolean;
  /** The format in Jinja, as tokenizer_config.json and GGUF have it. */
  readonly template: string;
  encode(tokenizer: Tokenizer, messages: readonly ChatMessage[], reply: boolean): number[];
  /** See ChatFormat. */
  render(tokenizer: Tokenizer, messages: readonly ChatMessage[], reply: boolean): string;
  /** Texts that end an answer where no token does. */
  readonly stops: readonly string[];
  /** An answer ends with the token that ends texts, not with a mark. */
  readonly endsText?: true;
}

/** A format that is told in pieces. The token that ends a text stands in the text by its name. */
const inPieces = (pieces: Pieces): Pick<BuiltInFormat, "encode" | "render"> => ({
  encode(tokenizer, messages, reply) {
    const ids = tokenizer.encode(this.render(tokenizer, messages, reply), { special: true });
    const { beginOfText: begin } = tokenizer;
    return begin === undefined ? ids : [begin, ...ids];
  },
  render(tokenizer, messages, reply) {
    const endName = nameOf(tokenizer, tokenizer.endOfText);
    const written = (piece: Piece): string =>
      piece.kind === "end" ? endName : piece.kind === "mark" ? piece.text : plainText(tokenizer, piece.text);
    return pieces(messages, reply).map(written).join("");
  },
});

/** The name of a special token; "" where there is none. */
const nameOf = ({ special }: Tokenizer, id: number | undefined): string =>
  [...special].find(([, other]) => other === id)?.[0] ?? "";

/** The table of chat formats. */
export const chatFormats = {
  llama3: {
    doc: "Llama 3",
    marks: ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    needsTokens: true,
    stops: [],
    template:
      "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + " +
      "'<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}" +
      "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
    encode(tokenizer, messages, reply) {
      const [begin, header, headerEnd, endOfTurn] = this.marks.map((mark) => tokenizer.special.get(mark)!);
      const headOf = (role: string): number[] => [
        header!,
        ...tokenizer.encode(role),
        headerEnd!,
        ...tokenizer.encode("\n\n"),
      ];
      return [
        begin!,
        ...messages.flatMap(({ role, content }) => [
          ...headOf(role),
          ...tokenizer.encode(content.trim()),
          endOfTurn!,
        ]),
        ...(reply ? headOf("assistant") : []),
      ];
    },
    render(tokenizer, messages, reply) {
      const [begin, header, headerEnd, endOfTurn] = this.marks;
      const plain = (text: string): string => plainText(tokenizer, text);
      const headOf = (role: string): string => `${header}${plain(role)}${headerEnd}\n\n`;
      const turns = messages.map(({ role, content }) => headOf(role) + plain(content.trim()) + endOfTurn);
      return begin + turns.join("") + (reply ? headOf("assistant") : "");
    },
  },
  chatml: {
    doc: "ChatML",
    marks: ["<|im_start|>", "<|im_end|>"],
    needsTokens: false,
    stops: ["<|im_end|>"],
    template:
      "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + " +
      "'<|im_end|>' + '\\n' }}{% endfor %}" +
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    encode(tokenizer, messages, reply) {
      const ids = tokenizer.encode(this.render(tokenizer, messages, reply), { special: true });
      const { beginOfText: begin } = tokenizer;
      return begin === undefined || begin === ids[0] ? ids : [begin, ...ids];
    },
    render(tokenizer, messages, reply) {
      const plain = (text: string): string => plainText(tokenizer, text);
      const turnOf = ({ role, content }: ChatMessage): string =>
        `<|im_start|>${plain(role)}\n${plain(content)}<|im_end|>\n`;
      return messages.map(turnOf).join("") + (reply ? "<|im_start|>assistant\n" : "");
    },
  },
  turns: {
    doc: "turns",
    marks: ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"],
    needsTokens: true,
    stops: [],
    template: turnTemplates.turns,
    ...inPieces(turnPieces),
  },
  alpaca: {
    doc: "Alpaca",
    marks: [],
    needsTokens: false,
    stops: [],
    endsText: true,
    template: turnTemplates.alpaca,
    ...inPieces(alpacaPieces),
  },
  none: {
    doc: "no format",
    marks: [],
    needsTokens: false,
    stops: [],
    endsText: true,
    template: turnTemplates.none,
    ...inPieces(barePieces),
  },
  llama2: {
    doc: "Llama 2",
    marks: ["[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"],
    needsTokens: false,
    stops: [],
    endsText: true,
    template:
      "{% if messages[0]['role'] == 'system' %}{% set system = '<<SYS>>\\n' + messages[0]['content'] + " +
      "'\\n<</SYS>>\\n\\n' %}{% set turns = messages[1:] %}{% else %}{% set system = '' %}{% set turns " +
      "= messages %}{% endif %}" +
      "{% for message in turns %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ " +
      "raise_exception('user and assistant take turns') }}{% endif %}" +
      "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + ((system if loop.first else '') + " +
      "message['content']) | trim + ' [/INST]' }}{% else %}{{ ' ' + message['content'] | trim + ' ' + " +
      "eos_token }}{% endif %}{% endfor %}",
    encode(tokenizer, messages, reply) {
      const begin = idList(tokenizer.beginOfText);
      const end = idList(tokenizer.endOfText);
      return llama2(tokenizer, messages, reply).flatMap(({ text, ends }) => [
        ...begin,
        ...tokenizer.encode(text, { special: true }),
        ...(ends ? end : []),
      ]);
    },
    render(tokenizer, messages, reply) {
      const begin = nameOf(tokenizer, tokenizer.beginOfText);
      const end = nameOf(tokenizer, tokenizer.endOfText);
      return llama2(tokenizer, messages, reply)
        .map(({ text, ends }) => begin + text + (ends ? end : ""))
        .join("");
    },
  },
} as const satisfies Readonly<Record<BuiltInName, BuiltInFormat>>;

/** `auto` is a choice among these, `plain` is no format of special tokens (chat.ts). */
type BuiltInName = Exclude<(typeof chatFormatWords)[number], "auto" | "plain">;

export type ChatFormatName = keyof typeof chatFormats;
export const chatFormatNames = Object.keys(chatFormats) as readonly ChatFormatName[];

const idList = (id: number | undefined): readonly number[] => (id === undefined ? [] : [id]);

interface Llama2Turn {
  readonly text: string;
  /** Whether the answer is already there. */
  readonly ends: boolean;
}

/**
 * The system's text is part of the first question. Each question with its answer begins and ends like a text
 * of its own.
 */
function llama2(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  reply: boolean,
): readonly Llama2Turn[] {
  const [first, ...rest] = messages;
  const told = first?.role === "system";
  const turns = told ? rest : messages;
  const system = told ? `<<SYS>>\n${first.content}\n<</SYS>>\n\n` : "";
  const refuse = (why: string): never => {
    throw new SinterError(
      "input",
      `Llama 2's chat format: ${why}`,
      "User and assistant take turns in it, after what the system is told.",
    );
  };
  if (turns.length === 0 || (reply && turns.length % 2 === 0)) refuse("there is no question");
  return turns.flatMap(({ role, content }, i) => {
    if (role !== (i % 2 === 0 ? "user" : "assistant")) refuse(`message ${i + 1} is of the ${role}`);
    if (i % 2 === 1) return [];
    const question = `[INST] ${((i === 0 ? system : "") + content).trim()} [/INST]`;
    const answer = turns[i + 1];
    const text = answer ? `${question} ${answer.content.trim()} ` : question;
    return [{ text: guardedMarks(text, tokenizer), ends: answer !== undefined }];
  });
}

/**
 * Keeps the names of special tokens plain, except for the format's marks, which no message contains
 * (`builtInChat`).
 */
const guardedMarks = (text: string, { special }: Tokenizer): string =>
  guarded(
    text,
    new Map([...special].filter(([name]) => !(chatFormats.llama2.marks as readonly string[]).includes(name))),
  );

/** Whether all marks are special tokens of the vocabulary. */
const hasTokens = (tokenizer: Tokenizer, { marks }: BuiltInFormat): boolean =>
  marks.length > 0 && marks.every((mark) => tokenizer.special.has(mark));

/**
 * The special tokens that a vocabulary lacks for answers in this format to be learnt: its marks, and a token
 * that ends an answer. Marks that are plain text would be cut by the tokenizer in its own way.
 */
export function lackingTokens(tokenizer: Tokenizer, name: ChatFormatName): readonly string[] {
  const { marks, endsText }: BuiltInFormat = chatFormats[name];
  const needed = name === "llama2" ? [] : marks.filter((mark) => !tokenizer.special.has(mark));
  return endsText && tokenizer.endOfText === undefined ? [...needed, END_OF_TEXT] : needed;
}

/** The format whose marks are special tokens of the vocabulary; undefined where there is none. */
export const formatByMarks = (tokenizer: Tokenizer): ChatFormatName | undefined =>
  chatFormatNames.find((name) => hasTokens(tokenizer, chatFormats[name]));

/**
 * Throws SinterError "input" when the vocabulary lacks a token that the format needs. Its `encode` throws
 * when a message contains a mark that is plain text.
 */
export function builtInChat(tokenizer: Tokenizer, name: ChatFormatName): ChatFormat {
  const format: BuiltInFormat = chatFormats[name];
  const missing = format.marks.find((mark) => !tokenizer.special.has(mark));
  if (missing !== undefined && format.needsTokens)
    throw new SinterError(
      "input",
      `the ${tokenizer.name} tokenizer has no ${missing}, which ${format.doc}'s chat format needs`,
      `Use ${format.doc}'s tokenizer, or another --chat-format.`,
    );
  // Llama 2's marks are refused even where they are tokens, as in Meta's code.
  const forbidden = format.marks.filter((mark) => name === "llama2" || !tokenizer.special.has(mark));
  const checked = (messages: readonly ChatMessage[]): void => {
    for (const { role, content } of messages)
      for (const mark of forbidden)
        if (content.includes(mark) || role.includes(mark))
          throw new SinterError(
            "input",
            `a message of the ${role} holds ${mark}, which ends or begins a turn in ${format.doc}'s ` +
              "chat format",
            "Leave it out.",
          );
  };
  return {
    async encode(messages, reply) {
      checked(messages);
      return format.encode(tokenizer, messages, reply);
    },
    async render(messages, reply) {
      checked(messages);
      return format.render(tokenizer, messages, reply);
    },
    stops: format.stops.filter((mark) => !tokenizer.special.has(mark)),
    close: () => {},
  };
}
