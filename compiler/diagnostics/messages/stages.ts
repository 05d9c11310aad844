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
  E0602: message<{ what: string; help: string }>({
    title: "not an equation of an objective",
    text: ({ what }) => what,
    help: ({ help }) => help,
    explain: `An objective is an equation for a token, an answer, or a pair of answers; the sum over all of
them is what training makes smaller. Its names are a closed set, which compiler/LANGUAGE.md lists: numbers of
a token (logp, ref …), of an answer (length, ratio …), of either answer of a pair (chosen.ratio), settings
(beta …), and functions. Between the numbers of tokens and one of an answer stand sum, mean or last.`,
    wrong: "objective mine = -logsigmoid(beta * (chosen.ratio - ratio))",
    right: "objective mine = -logsigmoid(beta * (chosen.ratio - rejected.ratio))",
  }),
  E0603: message<{ what: string; help: string }>({
    title: "not a scalar head",
    text: ({ what }) => what,
    help: ({ help }) => help,
    explain: `A scalar head says one number of each row, made of the rows that the output's linear map
reads: a reward model scores answers by it, a value function says what is still to be expected. It is written
"head NAME linear(x)", with "bias: true" where it has a bias, and begins at 0.`,
    wrong: "head value mlp(x)",
    right: "head value linear(x)",
  }),
};
