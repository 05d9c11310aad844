/** Conversations as tokens: how a model was trained to see who says what. */
import { guarded } from "../base/added-tokens.ts";
import type { Tokenizer } from "../base/tokenizer.ts";

export interface ChatMessage {
  /** system, user, assistant, … as the format knows them. */
  readonly role: string;
  readonly content: string;
}

export interface ChatFormat {
  /**
   * Ids of a conversation; `reply`: with the beginning of the assistant's answer behind it. What the messages
   * say is plain text, whatever it looks like: no message can end its turn.
   */
  encode(messages: readonly ChatMessage[], reply: boolean): Promise<readonly number[]>;
  /**
   * The same as a text, for `Tokenizer.encode` with special tokens: these stand there by their names, and
   * what messages say is plain (`plainText`).
   */
  render(messages: readonly ChatMessage[], reply: boolean): Promise<string>;
  /** Texts that end an answer, where the format has no token for it. */
  readonly stops?: readonly string[];
  close(): void;
}

/** What a message says, to stand in a text that is encoded with special tokens: it becomes none. */
export const plainText = (tokenizer: Tokenizer, text: string): string =>
  tokenizer.plain?.(text) ?? guarded(text, tokenizer.special);

/** For a model that knows no format: who speaks, a colon, what they say. */
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
