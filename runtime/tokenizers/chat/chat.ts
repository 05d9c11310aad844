/** Conversations as tokens: the form in which a model was trained to see who says what. */
import { guarded } from "../base/added-tokens.ts";
import type { Tokenizer } from "../base/tokenizer.ts";

export interface ChatMessage {
  /** system, user, assistant, or another role that the format knows. */
  readonly role: string;
  readonly content: string;
  /** What an assistant has called, and which call a tool answers, as OpenAI's requests have them. */
  readonly toolCalls?: readonly Json[] | undefined;
  readonly toolCallId?: string | undefined;
}

type Json = Readonly<Record<string, unknown>>;
/** A function that an assistant may call, as OpenAI's requests describe it. */
export type Tool = Json;

export interface ChatFormat {
  /**
   * The ids of a conversation. With `reply`, the beginning of the assistant's answer follows. The text of the
   * messages is always plain: no message can end its turn.
   */
  encode(
    messages: readonly ChatMessage[],
    reply: boolean,
    tools?: readonly Tool[],
  ): Promise<readonly number[]>;
  /**
   * The same as a text for `Tokenizer.encode` with special tokens, which stand in it by their names. The text
   * of the messages is made plain (`plainText`).
   */
  render(messages: readonly ChatMessage[], reply: boolean, tools?: readonly Tool[]): Promise<string>;
  /** The format has a place for tools; all others leave them out. */
  readonly takesTools?: boolean;
  /** Texts that end an answer, for formats that have no token for it. */
  readonly stops?: readonly string[];
  close(): void;
}

/**
 * Marks the text of a message, so that it contains no special token when it is encoded with special tokens.
 */
export const plainText = (tokenizer: Tokenizer, text: string): string =>
  tokenizer.plain?.(text) ?? guarded(text, tokenizer.special);

/** For a model that knows no format: the speaker's role, a colon, and the text. */
export function plainChat(tokenizer: Tokenizer): ChatFormat {
  const name = (role: string): string => role.charAt(0).toUpperCase() + role.slice(1);
  const begin = tokenizer.beginOfText === undefined ? [] : [tokenizer.beginOfText];
  type Write = (messages: readonly ChatMessage[], reply: boolean, shown?: (said: string) => string) => string;
  const write: Write = (messages, reply, shown = (said) => said) => {
    const turns = messages.map(({ role, content }) => `${shown(name(role))}: ${shown(content.trim())}\n`);
    return turns.join("") + (reply ? "Assistant:" : "");
  };
  return {
    encode: async (messages, reply) => [...begin, ...tokenizer.encode(write(messages, reply))],
    render: async (messages, reply) => write(messages, reply, (said) => plainText(tokenizer, said)),
    stops: ["\nUser:", "\nSystem:"],
    close: () => {},
  };
}
