/** E06xx: what can be seen of a stage before it costs an hour. */
import { message, quoted, replacedBy } from "./message.ts";

export const stages = {
  E0601: message<{ format: string }>({
    title: "answers that never end",
    text: ({ format }) => `with chat_format ${quoted(format)} no token ends an answer`,
    help: () => "use `auto`, `turns`, or another format with a token for it; `none` ends texts by one, too",
    fixes: () => replacedBy("auto", "turns"),
    explain: `A model stops because it has learnt the token that ends an answer. The format "plain" writes
"User: …" and "Assistant: …", and tells the end by the next "User:", a text that a tokenizer cuts in its own
way and that an answer may contain. It serves to talk with a model that was never taught a format. To teach
one, "turns" gives the vocabulary tokens for turns and for their end, where it has none of its own.`,
    wrong: "sft { chat_format plain }",
    right: "sft { chat_format turns }",
  }),
  E0602: message<{ what: string; help: string; instead?: string }>({
    title: "not an equation of an objective",
    text: ({ what }) => what,
    help: ({ help }) => help,
    fixes: ({ instead }) => replacedBy(instead),
    explain: `An objective is an equation for a token, an answer, or a pair of answers; the sum over all of
them is what training makes smaller. Its names are a closed set, which compiler/LANGUAGE.md lists: numbers of
a token (logp, ref …), of an answer (length, ratio …), of either answer of a pair (chosen.ratio), settings
(beta …), and functions. Between the numbers of tokens and one of an answer stand sum, mean or last.`,
    wrong: "objective mine = -logsigmoid(beta * (chosen.ratio - ratio))",
    right: "objective mine = -logsigmoid(beta * (chosen.ratio - rejected.ratio))",
  }),
  E0603: message<{ what: string; help: string; instead?: string }>({
    title: "not a scalar head",
    text: ({ what }) => what,
    help: ({ help }) => help,
    fixes: ({ instead }) => replacedBy(instead),
    explain: `A scalar head says one number of each row, made of the rows that the output's linear map
reads: a reward model scores answers by it, a value function says what is still to be expected. It is written
"head NAME linear(x)", with "bias: true" where it has a bias, and begins at 0.`,
    wrong: "head value mlp(x)",
    right: "head value linear(x)",
  }),
  E0604: message<{ what: string; help: string; instead?: string }>({
    title: "an objective that a stage can not have",
    text: ({ what }) => what,
    help: ({ help }) => help,
    fixes: ({ instead }) => replacedBy(instead),
    explain: `A stage makes an objective smaller that its block names: "prefer" one of pairs of answers, or
kto, "reward" one of the scores of pairs, "rl" one of the tokens that the model has written. Some compare with
the model that the stage begins with, the reference, and some have none; some average over an answer's tokens.
A block may say so, but then it has to be so.`,
    wrong: "prefer { objective simpo  reference start }",
    right: "prefer { objective simpo }",
  }),
  E0605: message<{ what: string; help: string }>({
    title: "settings of a stage that contradict each other",
    text: ({ what }) => what,
    help: ({ help }) => help,
    explain: `A pair takes two sequences of a batch. In "rl" a step has prompts × group answers, which are
learnt in batch × accumulate sequences; an answer is compared with the others to its prompt, so there are two
at least, unless a value head says what was to be expected; and a prompt and an answer fit into the context.`,
    wrong: "rl { group 1 }",
    right: "rl { group 8 }",
  }),
  W0606: message<{ what: string; help: string; instead?: string }>({
    title: "a setting of a stage without effect",
    text: ({ what }) => what,
    help: ({ help }) => help,
    fixes: ({ instead }) => [...replacedBy(instead), { kind: "leave out" }],
    explain: `The numbers of a block are those that its objective's equation names. One that the equation
does not name changes nothing. The estimate k1 of the divergence, logp - ref, is right on average as a part of
the reward; as a part of the loss its gradient is 0 on average.`,
    wrong: "prefer { objective dpo  gamma 0.5 }",
    right: "prefer { objective simpo  gamma 0.5 }",
  }),
  E0607: message<{ name: string }>({
    title: "answers that are not drawn as they are learnt",
    text: ({ name }) => `${quoted(name)} in ${quoted("rl")}`,
    fixes: () => [{ kind: "leave out" }],
    help: () => "leave it out: answers are drawn from all that the model says, at temperature 1",
    explain: `Policy gradients ask for the probability with which an answer was drawn. Where tokens are left
out before drawing, or probabilities sharpened, that is not what the model gives, estimates of the divergence
from the reference turn negative, and training pulls the wrong way. What "sample" says is for people.`,
    wrong: "rl { top_k 50 }",
    right: "rl { group 8 }",
  }),
};
