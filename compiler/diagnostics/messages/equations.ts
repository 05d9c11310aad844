/** E03xx: parts, equations, and how models refer to each other. */
import { either, few, message, near, quoted, replacedBy } from "./message.ts";

export const equations = {
  E0301: message<{ section: string; model: string; example: string }>({
    title: "a piece of the model is missing",
    text: ({ section, model }) => `model ${quoted(model)} has no ${quoted(section)}`,
    help: ({ example }) => `add for example \`${example}\``,
    fixes: ({ example }) => [{ kind: "add", text: example }],
    explain: `A model needs three pieces: how tokens become vectors (embed), what a layer does to them
(layer), and how they become a prediction (output). A model that is "like" another takes over what it does
not say itself.`,
    wrong: "model m { context 16 width 8 layers 1 heads 2 layer { x += mlp(x) } output linear(x) }",
    right:
      "model m { context 16 width 8 layers 1 heads 2 embed token layer { x += mlp(x) } output linear(x) }",
  }),
  E0302: message<{ part: string; parts: readonly string[]; nearest: string | undefined }>({
    title: "an unknown part",
    text: ({ part }) => `there is no part called ${quoted(part)}`,
    help: ({ parts, nearest }) => near(nearest) ?? `the parts are ${either(parts)}`,
    fixes: ({ nearest }) => replacedBy(nearest),
    explain: `Parts are what equations are made of; compiler/LANGUAGE.md lists them with their options.`,
    wrong: "layer { x += atention(x) }",
    right: "layer { x += attention(x) }",
  }),
  E0303: message<{ part: string; option: string; options: readonly string[]; nearest: string | undefined }>({
    title: "an option that the part does not have",
    text: ({ part, option }) => `${part} has no option ${quoted(option)}`,
    help: ({ options, nearest }) => near(nearest) ?? `its options are ${either(options)}`,
    fixes: ({ nearest }) => replacedBy(nearest),
    explain: `Each part has its own options; compiler/LANGUAGE.md lists them.`,
    wrong: "layer { x += mlp(x, hiden: 32) }",
    right: "layer { x += mlp(x, hidden: 32) }",
  }),
  E0304: message<{ part: string; inputs: number }>({
    title: "a part takes one input",
    text: ({ part, inputs }) =>
      inputs === 0 ? `${part} has no input` : `${part} takes one input, not ${inputs}`,
    help: ({ part, inputs }) =>
      inputs === 0 ? `write \`${part}(x)\`` : "options are written with their name: `bias: true`",
    explain:
      "The first argument of a part, the one without a name, is what it works on. All others are options " +
      "and have a name.",
    wrong: "layer { x += mlp(x, 32) }",
    right: "layer { x += mlp(x, hidden: 32) }",
  }),
  E0305: message<{ name: string; nearest: string | undefined; known: readonly string[] }>({
    title: "an unknown value in an equation",
    text: ({ name }) => `there is no value called ${quoted(name)} here`,
    help: ({ nearest, known }) => near(nearest) ?? `known here: ${known.slice(0, 8).join(", ")}`,
    fixes: ({ nearest, known }) => replacedBy(...(nearest === undefined ? few(known) : [nearest])),
    explain: `Equations run from top to bottom. x is what enters the layer; other values exist after the
equation that names them. Layers do not see each other's names: only x goes from one to the next.`,
    wrong: "layer { x += mlp(h)\nh = layernorm(x) }",
    right: "layer { h = layernorm(x)\nx += mlp(h) }",
  }),
  E0306: message<{ what: string; help: string | undefined; instead?: string }>({
    title: "not something that equations can do",
    text: ({ what }) => what,
    help: ({ help }) => help,
    fixes: ({ instead }) => replacedBy(instead),
    explain: `In equations, values are added and handed to parts. Numbers belong in options and settings.
Products and differences of values are not part of the language.`,
    wrong: "layer { x += 2 * mlp(x) }",
    right: "layer { x += mlp(x) }",
  }),
  E0307: message<{ left: number; right: number }>({
    title: "two values of different width are added",
    text: ({ left, right }) => `a value of width ${left} and one of width ${right} cannot be added`,
    help: () => "a `linear` with the right `out` brings them to one width",
    explain: `Values are rows of numbers, one row per token. All of them have the model's width, except
where a linear with "out" changes it. Sums need equal widths.`,
    wrong: "layer { x += linear(x, out: 4) }",
    right: "layer { x += linear(linear(x, out: 4), out: width) }",
  }),
  E0308: message<{ why: string; help: string }>({
    title: "the layer does not hand on x",
    text: ({ why }) => why,
    help: ({ help }) => help,
    explain:
      "A layer's result is the last x, and the next layer begins with it: so every layer sets x, and x " +
      "keeps the model's width.",
    wrong: "layer { h = mlp(x) }",
    right: "layer { x += mlp(x) }",
  }),
  E0309: message<{ found: string; help: string; isWrapped?: boolean }>({
    title: "the output is not a linear to the vocabulary",
    text: ({ found }) => `output must end in a linear to the vocabulary, ${found}`,
    help: ({ help }) => help,
    fixes: ({ isWrapped }) => (isWrapped ? [{ kind: "around", before: "linear(", after: ")" }] : []),
    explain: `The output gives one number per token of the vocabulary, from which the probabilities come:
its outermost part is a linear whose width is vocab. With "tied: true" it uses the token embedding as its
weight (Press & Wolf 2017).`,
    wrong: "output layernorm(x)",
    right: "output linear(layernorm(x))",
  }),
  E0310: message<{ why: string }>({
    title: "tied where it cannot be",
    text: ({ why }) => why,
    help: () => "leave `tied` out here",
    fixes: () => [{ kind: "leave out" }],
    explain: `"tied: true" makes the output's linear use the token embedding [vocab, width] as its weight.
It is therefore possible only for the outermost linear of the output, from width to vocab.`,
    wrong: "layer { x += linear(x, tied: true) }",
    right: "layer { x += linear(x) }",
  }),
  E0311: message<{ what: string; help: string | undefined; nearest?: string }>({
    title: "an embedding that does not exist",
    text: ({ what }) => what,
    help: ({ help }) => help,
    fixes: ({ nearest }) => replacedBy(nearest),
    explain: `embed says how tokens become vectors: "embed token", or "embed token + position" with learned
positions (a table [context, width], Radford et al. 2018). One norm may stand around it, which is computed
once, before the first layer: "embed layernorm(token)" (BLOOM, Scao et al. 2022), "embed rmsnorm(token +
position)".`,
    wrong: "embed token + positions",
    right: "embed token + position",
  }),
  W0315: message<{ name: string }>({
    title: "a value that is never used",
    text: ({ name }) => `this ${quoted(name)} is never used`,
    help: () => "use it, or remove the equation",
    fixes: () => [{ kind: "leave out" }],
    explain:
      "A value that nothing reads has no influence on the model: its parameters would never be trained, " +
      "and are not built.",
    wrong: "layer { h = layernorm(x)\nx += mlp(x) }",
    right: "layer { h = layernorm(x)\nx += mlp(h) }",
  }),
  E0316: message<{ part: string; where: string; help: string }>({
    title: "a part in the wrong place",
    text: ({ part, where }) => `${part} cannot stand in ${where}`,
    help: ({ help }) => help,
    explain:
      "Attention keeps keys and values per layer, so it belongs in the layer. The embedding takes a norm " +
      "and nothing else.",
    wrong: "output linear(attention(x))",
    right: "output linear(layernorm(x))",
  }),
  W0317: message<Record<string, never>>({
    title: "attention that sees the answer",
    text: () => "without `causal`, every token sees the tokens after it",
    help: () => "leave `causal: false` out for a model that writes",
    fixes: () => [{ kind: "leave out" }],
    explain: `A language model is trained to guess the next token. An attention that is not causal can look
at it, so the loss falls without the model learning anything, and sampling, where there is no next token
yet, does not work. It is of use for experiments only.`,
    wrong: "layer { x += attention(layernorm(x), causal: false) }",
    right: "layer { x += attention(layernorm(x)) }",
  }),
  E0318: message<{ headDim: number }>({
    title: "rope needs pairs of columns",
    text: ({ headDim }) => `rope turns pairs of columns, and a head has ${headDim}`,
    help: ({ headDim }) => `use a head_dim of ${headDim + 1}${headDim > 1 ? ` or ${headDim - 1}` : ""}`,
    explain: `Rotary positions (Su et al. 2021) take two neighbouring columns of a head as a point of the
plane and turn it by an angle that grows with the position. A head therefore needs an even number of
columns.`,
    wrong: "head_dim 5\nlayer { x += attention(x, rope: rope(theta: 10000)) }",
    right: "layer { x += attention(x, rope: rope(theta: 10000)) }",
  }),
  E0319: message<{ why: string; help: string }>({
    title: "rope's scaling does not fit together",
    text: ({ why }) => why,
    help: ({ help }) => help,
    explain: `Llama 3.1's scaling stretches long wavelengths by "factor", so that a model trained with
"original" positions can be used with more. Wavelengths below original / high stay as they are, those above
original / low are stretched in full, those between in part: so low is less than high. Llama 3.1: factor 8,
low 1, high 4, original 8192; the small models of Llama 3.2 have factor 32. Without "factor" there is no
scaling, and the other three mean nothing. "linear" is an older scaling, of all wavelengths alike (Chen et
al. 2023): a model has one or the other.`,
    wrong: "layer { x += attention(x, rope: rope(theta: 500000, factor: 8)) }",
    right: "layer { x += attention(x, rope: rope(theta: 500000, factor: 8, original: 8192)) }",
  }),
  E0320: message<Record<string, never>>({
    title: "a window that looks both ways",
    text: () => "a window needs causal attention",
    help: () => "leave `causal: false` out, or the window",
    fixes: () => [{ kind: "leave out" }],
    explain:
      "A window says how many positions attention looks back. Attention that is not causal looks ahead, " +
      "too, and has no such edge.",
    wrong: "layer { x += attention(x, window: 4, causal: false) }",
    right: "layer { x += attention(x, window: 4) }",
  }),
  E0321: message<{ top: number; count: number; isTop: boolean }>({
    title: "more experts per token than there are",
    text: ({ top, count }) => `a token cannot go to ${top} of ${count} experts`,
    help: ({ count }) => `use a top of at most ${count}, or more experts`,
    fixes: ({ count, isTop }) => (isTop ? replacedBy(`top: ${count}`) : []),
    explain: `A mixture of experts (Shazeer et al. 2017) has "count" blocks, of which every token uses the
"top" best. With all of them used there is no mixture left to choose from, but it is allowed.`,
    wrong: "layer { x += experts(x, count: 4, top: 5) }",
    right: "layer { x += experts(x, count: 4, top: 2) }",
  }),
  E0330: message<{ name: string; nearest: string | undefined; models: readonly string[] }>({
    title: "an unknown model behind `like`",
    text: ({ name }) => `there is no model called ${quoted(name)} in this file`,
    help: ({ nearest, models }) =>
      near(nearest) ?? (models.length > 0 ? `there are ${either(models.slice(0, 8))}` : undefined),
    fixes: ({ nearest }) => replacedBy(nearest),
    explain:
      `"model b like a { … }" takes all of a, and then what b says itself. Both stand in one file, in any ` +
      "order.",
    wrong: "model b like a { layers 2 }",
  }),
  E0331: message<{ chain: readonly string[] }>({
    title: "models that are like each other in a circle",
    text: ({ chain }) =>
      chain
        .slice(0, 8)
        .map((name, i) =>
          i === 0 ? quoted(name) : `${i > 1 ? ", which is like" : "is like"} ${quoted(name)}`,
        )
        .join(" ")
        .replaceAll(" ,", ","),
    help: () => "one of them has to be written out",
    explain:
      `"like" means: take the other one's settings and equations. In a circle there would be nothing to ` +
      "take.",
    wrong: "model a like b { }\nmodel b like a { }",
  }),
  E0332: message<{ name: string }>({
    title: "two models of one name",
    text: ({ name }) => `there are two models called ${quoted(name)}`,
    help: () => "rename one of them",
    explain: `A model is chosen by its name ("--model NAME"), and its files carry it.`,
    wrong:
      "model m { context 16 width 8 layers 1 heads 2 embed token layer { x += mlp(x) } output linear(x) " +
      "}\nmodel m like m { layers 2 }",
  }),
};
