/** E04xx: facts that a spec states about itself. E05xx: what the command line adds to a spec. */
import { either, grouped, message, near, quoted, replacedBy } from "./message.ts";

export const expectations = {
  E0401: message<{ expected: number; found: number; nearest: string | undefined }>({
    title: "the parameter count is not the expected one",
    text: ({ expected, found }) => `expected ${grouped(expected)} parameters, found ${grouped(found)}`,
    help: ({ nearest }) => nearest,
    fixes: ({ found }) => replacedBy(grouped(found)),
    explain: `"expect parameters N" compares a published count with the one that follows from the spec.
Where they differ, the note lists what each part contributes, and the compiler tries single changes (tied
output, biases, positions, number of heads, width, hidden size, layers) and names the one that gives exactly
the expected count.

The GPT-3 paper's width 5140 (13B) and 24 heads (XL) are found this way: its own parameter counts contradict
them.`,
    wrong: "layer { x += mlp(layernorm(x), bias: true) }\nexpect parameters 1_000",
  }),
  E0402: message<{ fact: string; expected: number; found: number }>({
    title: "a fact is not as expected",
    text: ({ fact, expected, found }) => `expected ${fact} ${grouped(expected)}, found ${grouped(found)}`,
    fixes: ({ found }) => replacedBy(grouped(found)),
    explain: `"expect" states what should follow from the spec. Either the fact or a setting is wrong.`,
    wrong: "expect head_dim 3",
    right: "expect head_dim 4",
  }),
  E0403: message<{ fact: string; facts: readonly string[]; nearest: string | undefined }>({
    title: "an unknown fact",
    text: ({ fact }) => `there is no fact called ${quoted(fact)}`,
    help: ({ facts, nearest }) => near(nearest) ?? `the facts are ${either(facts)}`,
    fixes: ({ nearest }) => replacedBy(nearest),
    explain: `compiler/LANGUAGE.md lists the facts that "expect" knows.`,
    wrong: "expect paramters 1_000",
  }),
  E0501: message<{ key: string; nearest: string | undefined; help: string | undefined }>({
    title: "--set names something that does not exist",
    text: ({ key }) => `--set: there is no setting called ${quoted(key)}`,
    help: ({ nearest, help }) => help ?? near(nearest),
    explain: `--set NAME=VALUE changes a setting of the model (width=256), of its training (train.steps=100,
or steps=100 where only one section has the name), of sampling (sample.temperature=0), or a let of the spec.
It wins over what the file says.

With --set on a size or a let, the model is another one than the file describes, and its "expect" facts are
not checked.`,
  }),
  E0502: message<{ why: string }>({
    title: "--set has no usable value",
    text: ({ why }) => `--set: ${why}`,
    help: () => "write --set width=256, or --set train.lr=1e-3",
    explain:
      "The value is what would stand behind the setting in the file: a number, arithmetic " +
      "(heads=width/64), a word, true or false.",
  }),
  E0503: message<{ name: string; models: readonly string[]; nearest: string | undefined }>({
    title: "--model names a model that is not in the file",
    text: ({ name }) => `there is no model called ${quoted(name)} in this file`,
    help: ({ models, nearest }) =>
      near(nearest) ?? (models.length > 0 ? `there are ${either(models.slice(0, 8))}` : undefined),
    explain: `--model chooses one of several models of a file by its name.`,
  }),
};
