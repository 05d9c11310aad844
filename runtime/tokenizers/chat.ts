/** Conversations as tokens: how a model was trained to see who says what. */
import { SinterError } from "../errors.ts";
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

/**
 * Llama 3 (llama-models, models/llama3/chat_format.py): begin_of_text, then per message start_header role end_header, two line breaks,
 * the text without white space around it, eot.
 */
export function llama3Chat(tokenizer: Tokenizer): ChatFormat {
  const id = (name: string): number => {
    const found = tokenizer.special.get(`<|${name}|>`);
    if (found === undefined)
      throw new SinterError("input",
        `the ${tokenizer.name} tokenizer has no <|${name}|>, which Llama 3's chat format needs`, "Use Llama 3's tokenizer.");
    return found;
  };
  const begin = id("begin_of_text"), header = id("start_header_id"), headerEnd = id("end_header_id"), endOfTurn = id("eot_id");
  const headOf = (role: string): number[] => [header, ...tokenizer.encode(role), headerEnd, ...tokenizer.encode("\n\n")];
  return {
    encode: (messages, reply) => Promise.resolve([
      begin,
      ...messages.flatMap(({ role, content }) => [...headOf(role), ...tokenizer.encode(content.trim()), endOfTurn]),
      ...(reply ? headOf("assistant") : []),
    ]),
    close: () => {},
  };
}
