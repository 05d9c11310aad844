/** Conversations as tokens: how a model was trained to see who says what. */
import type { Tokenizer } from "./tokenizer.ts";

export interface ChatMessage {
  /** system, user, assistant, … as the format knows them. */
  readonly role: string;
  readonly content: string;
}

export interface ChatFormat {
  /**
   * Ids of a conversation; `reply`: with the beginning of the assistant's answer behind it. What the messages say is plain text,
   * whatever it looks like: no message can end its turn.
   */
  encode(messages: readonly ChatMessage[], reply: boolean): Promise<readonly number[]>;
  /** Texts that end an answer, where the format has no token for it. */
  readonly stops?: readonly string[];
  close(): void;
}

/** For a model that knows no format: who speaks, a colon, what they say. */
export function plainChat(tokenizer: Tokenizer): ChatFormat {
  const name = (role: string): string => role.charAt(0).toUpperCase() + role.slice(1), begin = tokenizer.beginOfText === undefined ? [] : [tokenizer.beginOfText];
  return {
    encode: (messages, reply) => Promise.resolve([
      ...begin, ...tokenizer.encode(messages.map(({ role, content }) => `${name(role)}: ${content.trim()}\n`).join("") + (reply ? "Assistant:" : "")),
    ]),
    stops: ["\nUser:", "\nSystem:"],
    close: () => {},
  };
}
