/**
 * Chat formats that any vocabulary can have, because they need a few special tokens and no other text:
 *
 *   turns    <|system|>text<|end|><|user|>text<|end|><|assistant|>text<|end|> …
 *            as Phi-4-mini has them; one token for each speaker, one for the end of a turn
 *   alpaca   ### Instruction:⏎text⏎⏎### Response:⏎text<|endoftext|> …
 *            Stanford's Alpaca, as LLaMA-Factory writes it, without a preface
 *   none     the question as it stands, then the answer<|endoftext|>
 *
 * In the last two, an answer ends with the vocabulary's token for the end of a text, whatever its name.
 */
import { SinterError } from "../../base/errors.ts";
import type { ChatMessage } from "./chat.ts";

/** A piece of a conversation: text of the format, text of a message, or the token that ends a text. */
export type Piece = { readonly kind: "mark" | "said"; readonly text: string } | { readonly kind: "end" };

const mark = (text: string): Piece => ({ kind: "mark", text });
const said = (text: string): Piece => ({ kind: "said", text });
const end: Piece = { kind: "end" };

export type Pieces = (messages: readonly ChatMessage[], reply: boolean) => readonly Piece[];

const turnRoles: readonly string[] = ["system", "user", "assistant"];

export const turnPieces: Pieces = (messages, reply) => [
  ...messages.flatMap(({ role, content }) => {
    if (!turnRoles.includes(role)) throw unknownRole("turns", role);
    return [mark(`<|${role}|>`), said(content), mark("<|end|>")];
  }),
  ...(reply ? [mark("<|assistant|>")] : []),
];

export const alpacaPieces: Pieces = (messages, reply) => {
  const written = messages.flatMap(({ role, content }, i) => {
    const next = messages[i + 1]?.role;
    const asked = [mark("### Instruction:\n"), said(content), mark("\n\n### Response:\n")];
    if (role === "system") return [said(content), mark("\n\n")];
    if (role === "user")
      return next === "assistant" || (next === undefined && reply) ? asked : asked.slice(0, 2);
    if (role === "assistant") return [said(content), end, ...(next === undefined ? [] : [mark("\n\n")])];
    throw unknownRole("alpaca", role);
  });
  return written;
};

export const barePieces: Pieces = (messages) =>
  messages.flatMap(({ role, content }) => (role === "assistant" ? [said(content), end] : [said(content)]));

const unknownRole = (format: string, role: string): SinterError =>
  new SinterError(
    "input",
    `the chat format ${format} has no place for messages of the ${role}`,
    `It knows ${turnRoles.join(", ")}. Use another --chat-format, or the template of the tokenizer.`,
  );

/** Templates of these formats in Jinja, as tokenizer_config.json and GGUF have them. */
export const turnTemplates = {
  turns:
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}" +
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}",
  alpaca:
    "{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] + '\\n\\n' }}" +
    "{% elif message['role'] == 'user' %}{{ '### Instruction:\\n' + message['content'] }}" +
    "{% if not loop.last or add_generation_prompt %}{{ '\\n\\n### Response:\\n' }}{% endif %}" +
    "{% else %}{{ message['content'] + eos_token }}{% if not loop.last %}{{ '\\n\\n' }}{% endif %}" +
    "{% endif %}{% endfor %}",
  none:
    "{% for message in messages %}{{ message['content'] }}" +
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}",
} as const;
