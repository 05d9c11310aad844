/** E06xx: what can be seen of a stage before it costs an hour. */
import { message, quoted } from "./message.ts";

export const stages = {
  E0601: message<{ format: string }>({
    title: "answers that never end",
    text: ({ format }) => `with chat_format ${quoted(format)} no token ends an answer`,
    help: () => "use `auto`, `turns`, or another format with a token for it; `none` ends texts by one, too",
    explain: `A model stops because it has learnt the token that ends an answer. The format "plain" writes
"User: …" and "Assistant: …", and tells the end by the next "User:", a text that a tokenizer cuts in its own
way and that an answer may contain. It serves to talk with a model that was never taught a format. To teach
one, "turns" gives the vocabulary tokens for turns and for their end, where it has none of its own.`,
    wrong: "sft { chat_format plain }",
    right: "sft { chat_format turns }",
  }),
};
