/** E02xx: sizes and other settings. */
import { either, few, grouped, message, near, quoted, replacedBy } from "./message.ts";

const divisors = (n: number): number[] => {
  const found: number[] = [];
  for (let d = 1; d * d <= n; d++) if (n % d === 0) found.push(d, n / d);
  return found.sort((a, b) => a - b);
};

/** Divisors of n next to d: [6, 8] for 96 and 7. */
export function nearDivisors(n: number, d: number): number[] {
  if (n > 1e12) return [];
  const all = divisors(n);
  return [...new Set([all.findLast((x) => x < d), all.find((x) => x > d)])].filter((x) => x !== undefined);
}

const nearestMultiple = (n: number, d: number): number => Math.max(1, Math.round(n / d)) * d;

const wholeBeside = (value: number): string[] =>
  Math.abs(value) < 2 ** 53 ? [...new Set([Math.floor(value), Math.ceil(value)])].map(grouped) : [];

const sharing = (heads: number, kvHeads: number): number[] =>
  nearDivisors(heads, kvHeads).filter((d) => d <= heads);

const stated = (value: number | string | boolean): string =>
  typeof value === "number" ? grouped(value) : `${value}`;

export const settings = {
  E0201: message<{ key: string; model: string; help: string; example: string }>({
    title: "a setting is missing",
    text: ({ key, model }) => `model ${quoted(model)} does not say its ${quoted(key)}`,
    help: ({ help }) => help,
    fixes: ({ example }) => [{ kind: "add", text: example }],
    explain: `context, width, layers and heads have no sensible default: they are the model. vocab may be
left out where the tokenizer decides it (bytes: 256, gpt2: 50257). A model that is "like" another takes the
other's settings.`,
    wrong: "model m { width 8 layers 1 heads 2 embed token layer { x += mlp(x) } output linear(x) }",
    right:
      "model m { context 16 width 8 layers 1 heads 2 embed token layer { x += mlp(x) } output linear(x) }",
  }),
  E0202: message<{ key: string; where: string; nearest: string | undefined; help: string | undefined }>({
    title: "an unknown setting",
    text: ({ key, where }) => `${where} has no setting called ${quoted(key)}`,
    help: ({ nearest, help }) => help ?? near(nearest),
    fixes: ({ nearest, help }) => replacedBy(help === undefined ? nearest : undefined),
    explain:
      `The settings are listed in compiler/LANGUAGE.md. Numbers of your own are named with "let": let ` +
      "hidden = 3 * width.",
    wrong: "widht 8",
    right: "width 8",
  }),
  E0203: message<{ width: number; heads: number; at: "width" | "heads" | "option" }>({
    title: "the width does not divide into the heads",
    text: ({ width, heads }) => `width ${width} does not divide into ${heads} heads`,
    help: ({ width, heads }) => {
      const good = nearDivisors(width, heads);
      const isFar = !good.some((h) => h >= heads / 2 && h <= heads * 2);
      return `use ${either(good)} heads${isFar ? `, or width ${nearestMultiple(width, heads)}` : ""}`;
    },
    fixes: ({ width, heads, at }) =>
      at === "width"
        ? replacedBy(nearestMultiple(width, heads))
        : replacedBy(
            ...nearDivisors(width, heads).map((good) => (at === "option" ? `heads: ${good}` : good)),
          ),
    explain: `Attention cuts the width into heads of equal size: head_dim = width / heads (Vaswani et al.
2017, 3.2.2). Where a model's heads have another size than that, as in some Llama-like models, say so with
head_dim.

One well-known case: table 2.1 of the GPT-3 paper (Brown et al. 2020) prints width 5140 for the 13B model,
with 40 heads of 128. But 40 × 128 is 5120, and only 5120 gives the model's parameter count: a misprint.`,
    wrong: "width 96\nheads 7",
    right: "width 96\nheads 8",
  }),
  E0204: message<{ key: string; value: number; min: number; max: number; above?: boolean; unit?: string }>({
    title: "a number out of range",
    text: ({ key, value, min, max, above, unit = "" }) => {
      const isBelow = value < min || (above && value === min);
      const least = `${above ? "more than" : "at least"} ${grouped(min)}`;
      const limit = isBelow ? least : `at most ${grouped(max)}`;
      return `${key} must be ${limit}${unit && ` ${unit}`}, not ${grouped(value)}`;
    },
    explain: `Every setting has a range; compiler/LANGUAGE.md lists them.`,
    wrong: "layers 0",
    right: "layers 1",
  }),
  E0205: message<{ key: string; value: number }>({
    title: "a whole number is needed",
    text: ({ key, value }) => `${key} must be a whole number, not ${grouped(value)}`,
    help: ({ value }) => {
      const beside = wholeBeside(value);
      return beside.length > 0 ? `use ${either(beside)}` : undefined;
    },
    fixes: ({ value }) => replacedBy(...wholeBeside(value)),
    explain: `Sizes are counted. Division gives fractions here ("7 / 2" is 3.5); "%" is the remainder.`,
    wrong: "width 96.5",
    right: "width 96",
  }),
  E0206: message<{ what: string }>({
    title: "given twice",
    text: ({ what }) => `${quoted(what)} is given twice`,
    help: () => "keep one of the two",
    fixes: () => [{ kind: "leave out" }],
    explain:
      `Within one model each setting, let, section and option stands once. A model that is "like" another ` +
      "may set it again: then its own counts.",
    wrong: "width 8 width 16",
    right: "width 8",
  }),
  E0207: message<{ key: string; wanted: string; found: string; help: string | undefined; instead?: string }>({
    title: "a value of another kind is needed",
    text: ({ key, wanted, found }) => `${key} must be ${wanted}, not ${found}`,
    help: ({ help }) => help,
    fixes: ({ instead }) => replacedBy(instead),
    explain: `A setting or option takes a number (with arithmetic over other settings), true or false, one
word of a list, or a group of named numbers such as rope(theta: 500000). Values like x or attention(x) exist
in equations only.`,
    wrong: "width true",
    right: "width 8",
  }),
  E0208: message<{
    key: string;
    word: string;
    words: readonly string[];
    nearest: string | undefined;
    help: string | undefined;
  }>({
    title: "not one of the words that it takes",
    text: ({ key, word }) => `${key} cannot be ${quoted(word)}`,
    help: ({ words, nearest, help }) => help ?? (nearest ? near(nearest) : `use ${either(words)}`),
    fixes: ({ words, nearest, help }) =>
      help === undefined ? replacedBy(...(nearest === undefined ? few(words) : [nearest])) : [],
    explain: `Some settings take one word of a list; compiler/LANGUAGE.md has the lists.`,
    wrong: "layer { x += mlp(x, activation: gleu) }",
    right: "layer { x += mlp(x, activation: gelu) }",
  }),
  E0209: message<{ key: string; chain: readonly string[] }>({
    title: "a number that depends on itself",
    text: ({ key, chain }) =>
      `${quoted(key)} depends on itself${chain.length > 2 ? `: ${chain.slice(0, 8).join(" → ")}` : ""}`,
    help: () => "give one of them as a number",
    explain: `Settings and lets may use each other in any order, as long as there is a number at the end.`,
    wrong: "let a = b\nlet b = a\nwidth a",
    right: "let a = b\nlet b = 8\nwidth a",
  }),
  E0210: message<{ name: string; nearest: string | undefined; help: string | undefined }>({
    title: "an unknown name in arithmetic",
    text: ({ name }) => `there is no number called ${quoted(name)}`,
    help: ({ nearest, help }) => help ?? near(nearest) ?? "name it with `let`",
    fixes: ({ nearest }) => replacedBy(nearest),
    explain: `Arithmetic knows the model's settings (width, heads, …) and what "let" names.`,
    wrong: "width 4 * dim",
    right: "let dim = 2\nwidth 4 * dim",
  }),
  E0211: message<{ what: string }>({
    title: "arithmetic without a result",
    text: ({ what }) => what,
    explain: `Division by zero, and results beyond 1e308, have no value.`,
    wrong: "width 8 / 0",
    right: "width 8 / 1",
  }),
  E0212: message<{ heads: number; kvHeads: number; isOption?: boolean }>({
    title: "the heads do not share keys and values evenly",
    text: ({ heads, kvHeads }) => `${heads} heads cannot share ${kvHeads} kv_heads evenly`,
    help: ({ heads, kvHeads }) => `use ${either(sharing(heads, kvHeads))} kv_heads`,
    fixes: ({ heads, kvHeads, isOption }) =>
      replacedBy(...sharing(heads, kvHeads).map((good) => (isOption ? `kv_heads: ${good}` : good))),
    explain:
      "With grouped-query attention (Ainslie et al. 2023) every kv head serves the same number of heads: " +
      "heads must be a multiple of kv_heads.",
    wrong: "heads 8\nkv_heads 3",
    right: "heads 8\nkv_heads 4",
  }),
  W0213: message<{ width: number; heads: number; headDim: number }>({
    title: "heads × head_dim just misses the width",
    text: ({ width, heads, headDim }) =>
      `${heads} heads of ${headDim} make ${heads * headDim}, and the width is ${width}`,
    help: ({ heads, headDim }) =>
      `if that is not meant, use width ${heads * headDim}; if it is, an \`expect parameters\` that ` +
      "holds silences this",
    fixes: ({ heads, headDim }) => replacedBy(heads * headDim),
    explain: `head_dim may differ from width / heads: attention then projects from the width to heads ×
head_dim and back, as published models do (32 × 128 = 4096 in 5120: Mistral Nemo). A difference of less than
half a head may be a slip of the pen, so it is said; an "expect parameters" that holds settles it.

The 13B model of GPT-3 (Brown et al. 2020, table 2.1) is printed with width 5140 and 40 heads of 128. 40 ×
128 is 5120; with 5120 the model has the 12_853_386_240 parameters that its other numbers imply.`,
    wrong: "width 5140\nheads 40\nhead_dim 128",
    right: "width 5120\nheads 40\nhead_dim 128",
  }),
  W0214: message<{ width: number; heads: number; headDim: number }>({
    title: "heads × head_dim differs from the width",
    text: ({ width, heads, headDim }) =>
      `${heads} heads of ${headDim} make ${heads * headDim}, not the width ${width}`,
    help({ width, headDim, heads }) {
      const silence = "if it is, an `expect parameters` that holds silences this";
      if (width % headDim === 0) return `if that is not meant, use ${width / headDim} heads; ${silence}`;
      if (width % heads === 0) return `if that is not meant, use head_dim ${width / heads}; ${silence}`;
      return `check the sizes; ${silence}`;
    },
    explain: `Some published models are like that. In others it is a misprint: the GPT-3 paper (Brown et al.
2020, table 2.1) gives its XL model 24 heads of 128 with width 2048, where 16 × 128 = 2048 and 16 heads give
the published count. An "expect parameters" that holds settles it, and the warning goes away.`,
    wrong: "width 2048\nheads 24\nhead_dim 128",
    right: "width 2048\nheads 16\nhead_dim 128",
  }),
  E0215: message<{ vocab: number; tokenizer: string; least: number }>({
    title: "the vocabulary is smaller than the tokenizer's",
    text: ({ vocab, tokenizer, least }) =>
      `vocab ${vocab} is smaller than the ${least} tokens of tokenizer ${tokenizer}`,
    help: ({ least, vocab, tokenizer }) =>
      `use vocab ${least}${tokenizer === "bytes" && vocab < 200 ? ", or `tokenizer characters`" : ""}`,
    fixes: ({ least }) => replacedBy(least),
    explain: `Every token needs its row in the embedding. A larger vocab is fine (nanoGPT pads 50257 to
50304): its last rows are never used. With "tokenizer characters" the vocab is the number of different
characters in the data, which is checked when training starts.`,
    wrong: "vocab 100\ntokenizer bytes",
    right: "vocab 256\ntokenizer bytes",
  }),
  E0216: message<{ section: string; train: number; context: number }>({
    title: "training sequences are longer than the context",
    text: ({ section, train, context }) =>
      `${section} context ${train} is longer than the model's context ${context}`,
    help: ({ context }) => `use at most ${context}`,
    fixes: ({ context }) => replacedBy(context),
    explain:
      `The model has as many positions as "context" says; a training sequence cannot be longer. It may be ` +
      "shorter: that is faster.",
    wrong: "context 16\ntrain { context 32 }",
    right: "context 32\ntrain { context 32 }",
  }),
  E0217: message<Record<string, never>>({
    title: "more parameters than can be counted",
    text: () => "this model has more than 9_007_199_254_740_991 parameters",
    explain: `Beyond 2⁵³ whole numbers are no longer exact, and no machine holds such a model.`,
    wrong: "vocab 10_000_000\nwidth 1_000_000\nheads 1\nlayers 10_000\nlayer { x += mlp(x) }",
  }),
  E0218: message<{ name: string; what: string; help: string }>({
    title: "a name that is taken",
    text: ({ name, what }) => `${quoted(name)} is ${what} and cannot be named again`,
    help: ({ help }) => help,
    explain:
      `Settings, parts and "x" keep their meaning everywhere in a model. "let" and equations need names ` +
      "of their own.",
    wrong: "let width = 8",
    right: "width 8",
  }),
  W0219: message<{ minLr: number; lr: number }>({
    title: "the learning rate would rise",
    text: ({ minLr, lr }) => `min_lr ${stated(minLr)} is above lr ${stated(lr)}`,
    help: () => "min_lr is where the schedule ends; it is usually a tenth of lr",
    explain: `The schedule goes from lr down to min_lr. With min_lr above lr it goes up instead.`,
    wrong: "train { lr 1e-4 min_lr 1e-3 }",
    right: "train { lr 1e-3 min_lr 1e-4 }",
  }),
  E0221: message<Record<string, never>>({
    title: "banded layers without a band",
    text: () => "how far do banded layers see?",
    help: () => "add for example `band 256`",
    fixes: () => [{ kind: "add", text: "band 256" }],
    explain: `In a banded layer, attention sees its own position and the ones just before it: "band" says
how many in all. (Locally banded attention alternates with dense attention in GPT-3: Brown et al. 2020, 2.1;
the paper does not say how wide its band is.)`,
    wrong: "layers 2 alternate dense, banded\nlayer { x += attention(x) }",
    right: "layers 2 alternate dense, banded\nband 8\nlayer { x += attention(x) }",
  }),
  W0222: message<Record<string, never>>({
    title: "a band that no layer has",
    text: () => "no layer of the pattern is banded",
    help: () =>
      "write `banded` where you mean it, as in `layers 12 alternate dense, banded`, or leave the band out",
    explain:
      `"band" limits how far attention sees: in all layers, or, where layers alternate, in the banded ` +
      "ones.",
    wrong: "layers 2 alternate dense\nband 8\nlayer { x += attention(x) }",
    right: "layers 2 alternate dense, banded\nband 8\nlayer { x += attention(x) }",
  }),
  E0223: message<{ key: string }>({
    title: "a pattern where none can be",
    text: ({ key }) => `${quoted(key)} cannot alternate`,
    help: () => "a pattern belongs to the layers: `layers 12 alternate dense, banded`",
    explain:
      "The layers of a model may be of several kinds that follow each other over and over. Nothing else " +
      "alternates.",
    wrong: "layers 2\nheads 2 alternate dense, banded",
    right: "layers 2 alternate dense, banded\nheads 2\nband 8\nlayer { x += attention(x) }",
  }),
  E0224: message<{ tokenizer: string }>({
    title: "documents without an end",
    text: ({ tokenizer }) =>
      `rows cannot be documents with \`tokenizer ${tokenizer}\`: it has no token that ends one`,
    help: () => "use another tokenizer, or leave `rows documents` out",
    explain: `With "rows documents" every row of a batch is one document, which the model learns to begin
and to end. That takes a token of its own: bytes and characters get one more for it, gpt2's is
<|endoftext|>, llama's is </s>.`,
    wrong: "tokenizer ids\nvocab 300\ntrain { rows documents }",
    right: "vocab 257\ntokenizer bytes\ntrain { rows documents }",
  }),
  E0220: message<{ what: string; instead: string | undefined; isPart?: boolean }>({
    title: "not yet",
    text: ({ what }) => `${what} is not supported yet`,
    help: ({ instead }) => instead,
    fixes: ({ isPart }) => (isPart ? [] : [{ kind: "leave out" }]),
    explain: `The word is right, and the language keeps it for this meaning, but this version of the
compiler cannot do it yet. It says so instead of ignoring it.`,
    wrong: "layer { x += attention(layernorm(x), dropout: 0.1) }",
    right: "layer { x += attention(layernorm(x)) }",
  }),
};
