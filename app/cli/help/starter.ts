/** What `sinter init` writes. */
export const starter = (
  name: string,
): string => `// ${name}: a small language model over bytes. Check it, train it, sample from it:
//   sinter check FILE     sinter train FILE --data TEXT --out runs/${name}     \
sinter sample runs/${name} -p "Once"

model ${name} {
  // Sizes. The vocabulary is the tokenizer's: 256 bytes.
  context 64   width 128   layers 4   heads 4

  // A number of your own: let NAME = arithmetic over settings.
  let hidden = 4 * width

  embed token + position

  // One layer, as equations over x. "x += f(x)" is a residual connection. \
Values may be named: h = layernorm(x)
  layer {
    x += attention(layernorm(x))
    x += mlp(layernorm(x), hidden: hidden, activation: gelu_tanh)
  }

  // From the last x to one number per token. tied: the token embedding is the weight.
  output linear(layernorm(x), tied: true)

  tokenizer bytes

  train {
    batch 16   steps 600   lr 2e-3   warmup 50
    eval_every 100   sample_every 200   save_every 200
  }

  sample { temperature 0.8  top_k 40  tokens 200 }
}
`;
