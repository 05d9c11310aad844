/**
 * model.py of an exported program: the model as a PyTorch module, written from its equations. It holds the
 * structure and no sizes.
 */
import type { Assignment, Expression, Model, Part, PartKind } from "../../runtime/contract/model.ts";
import { layerParts, partsOf } from "../2-check/parameters.ts";
import { moduleNames } from "./module-names.ts";
import { classTexts, type ClassName } from "./module-classes.ts";

/** Python's True and False, numbers as they are. */
const py = (value: number | boolean | string): string =>
  typeof value === "boolean"
    ? value
      ? "True"
      : "False"
    : typeof value === "string"
      ? `"${value}"`
      : `${value}`;

/** "RMSNorm(s["parts"]["norm"], eps=1e-05, weight=True, bias=False, **on)". */
function made(part: Part, name: string): string {
  const { title, options } = constructorOf(part);
  const said = Object.entries(options).map(([key, value]) => `${key}=${py(value)}`);
  return `${title}(${[`s["parts"]["${name}"]`, ...said, "**on"].join(", ")})`;
}

function constructorOf(part: Part): {
  readonly title: ClassName;
  readonly options: Readonly<Record<string, number | boolean | string>>;
} {
  switch (part.part) {
    case "layernorm":
    case "rmsnorm":
      return {
        title: part.part === "layernorm" ? "LayerNorm" : "RMSNorm",
        options: { eps: part.eps, weight: part.weight, bias: part.bias },
      };
    case "attention":
      return {
        title: "Attention",
        options: {
          bias: part.bias,
          out_bias: part.outBias ?? part.bias,
          causal: part.causal,
          ...(part.qkNorm && { qk_norm: part.qkNorm.eps }),
        },
      };
    case "mlp":
      return { title: "MLP", options: { activation: part.activation, bias: part.bias } };
    case "swiglu":
    case "geglu":
      return { title: "GatedMLP", options: { activation: part.activation, bias: part.bias } };
    case "experts": {
      const { activation, gated, renormalise, balance } = part;
      return { title: "Experts", options: { activation, gated, renormalise, balance } };
    }
    case "linear":
      return { title: "Projection", options: { bias: part.bias } };
    default:
      return part satisfies never;
  }
}

/** Statements of equations: experts stand on a line of their own, since they give their balance, too. */
class Statements {
  readonly lines: string[] = [];
  private readonly names: ReadonlyMap<string, string>;
  private count = 0;

  constructor(names: ReadonlyMap<string, string>) {
    this.names = names;
  }

  assign({ name, value }: Assignment): void {
    const text = this.print(value);
    this.lines.push(`${name} = ${text}`);
  }

  print(e: Expression): string {
    switch (e.kind) {
      case "value":
        return e.name;
      case "add": {
        const left = this.print(e.left);
        const right = this.print(e.right);
        return `${left} + ${e.right.kind === "add" ? `(${right})` : right}`;
      }
      case "apply":
        return this.apply(e.part, this.print(e.input));
    }
  }

  private apply(part: Part, input: string): string {
    const module = `self.${this.names.get(part.name)!}`;
    if (part.part === "attention") return `${module}(${input}, layer, positions)`;
    if (part.part !== "experts") return `${module}(${input})`;
    const mixed = `mixed${this.count++ || ""}`;
    this.lines.push(`${mixed}, balance = ${module}(${input}, counted)`, "penalty = penalty + balance");
    return mixed;
  }
}

const indented = (lines: readonly string[], spaces: number): string =>
  lines.map((line) => " ".repeat(spaces) + line).join("\n");

/** `adapted`: beside its maps there may be adapters, as its sizes say. */
export function modelPy(model: Model, adapted = false): string {
  const parts = [
    ...layerParts(model),
    ...partsOf(model.output),
    ...(model.embed.norm ? [model.embed.norm] : []),
  ];
  const used = new Set<PartKind>(parts.map(({ part }) => part));
  const head = adapted ? `${HEAD}\n\nimport adapters` : HEAD;
  return [
    head,
    ...classTexts(used),
    blockText(model),
    trunkText(model),
    languageModelText(model, adapted),
  ].join("\n\n\n");
}

const HEAD = `"""The model, written from its equations. Sizes are in model.json; this is the structure.

Shapes: B sequences of T tokens, C the width, V the vocabulary. Runs on PyTorch 1.13 and later.
"""
import math
import zlib

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

# first weights are drawn in blocks of so many rows
DRAWN_ROWS = 64`;

function blockText(model: Model): string {
  const names = moduleNames(model).layer;
  const statements = new Statements(names);
  for (const a of model.layer) statements.assign(a);
  const modules = layerParts(model).map(
    (part) => `self.${names.get(part.name)!} = ${made(part, names.get(part.name)!)}`,
  );
  const isMixture = layerParts(model).some(({ part }) => part === "experts");
  return `class Block(nn.Module):
    """One layer: x [B, T, C] to x."""

    def __init__(self, s, **on):
        super().__init__()
${indented(modules, 8)}

    def forward(self, x, layer, counted, positions):
${isMixture ? "        penalty = x.new_zeros(())\n" : ""}${indented(statements.lines, 8)}
        return x, ${isMixture ? "penalty" : "x.new_zeros(())"}`;
}

function trunkText(model: Model): string {
  const { embed, output } = model;
  if (output.kind !== "apply") throw new Error("an output ends in a linear map: the checker refuses others");
  const names = moduleNames(model).output;
  const norms = partsOf(output.input).map(
    (p) => `self.${names.get(p.name)!} = ${made(p, names.get(p.name)!)}`,
  );
  const last = new Statements(names);
  const rows = last.print(output.input);
  const table = `nn.Embedding(s["padded_vocab"], s["width"], **on)`;
  return `class Model(nn.Module):
    """Embedding and layers: tokens [B, T] to the rows [B, T, C] that the output layer reads."""

    def __init__(self, s, **on):
        super().__init__()
        self.embed_tokens = ${table}
${embed.position ? `        self.embed_positions = nn.Embedding(s["context"], s["width"], **on)\n` : ""}${
    embed.norm ? `        self.${embed.norm.name} = ${made(embed.norm, embed.norm.name)}\n` : ""
  }        self.layers = nn.ModuleList(Block(s, **on) for _ in range(s["layers"]))
${norms.length > 0 ? `${indented(norms, 8)}\n` : ""}        # recomputation puts itself around layers
        self.around = None

    def forward(self, tokens, counted=None, positions=None):
        """\`positions\` [B, T]: of each token in its document, where several stand side by side."""
        positions = torch.arange(tokens.shape[1], device=tokens.device) if positions is None else positions
        x = self.embed_tokens(tokens)
${
  embed.position ? "        x = x + self.embed_positions(positions)\n" : ""
}${embed.norm ? `        x = self.${embed.norm.name}(x)\n` : ""}        penalty = x.new_zeros(())
        for layer, block in enumerate(self.layers):
            given = (x, layer, counted, positions)
            x, more = self.around(block, *given) if self.around else block(*given)
            penalty = penalty + more
${indented(last.lines, 8)}${last.lines.length > 0 ? "\n" : ""}        return ${rows}, penalty`;
}

const FIRST_WEIGHTS = `    def first_rows(self, name, shape, seed, first, last):
        """Rows first to last of what a parameter begins with: normal matrices, smaller where a map adds to
        the residual stream, norms of 1. They follow from seed, name and place alone, so that each process
        draws those that it has.
        """
        if len(shape) < 2 or name.endswith("lora_B"):
            value = 0.0 if name.endswith(("bias", "lora_B")) else 1.0
            return torch.full((last - first, *shape[1:]), value)
        adds = name.endswith(("o_proj.weight", "down_proj.weight", "down_proj"))
        std = self.sizes["initial"]["residual" if adds else "std"]
        rows = DRAWN_ROWS if len(shape) == 2 else 1  # of experts each by itself
        drawn, begin = [], first // rows
        for block in range(begin, -(-last // rows)):
            noise = torch.Generator().manual_seed(zlib.crc32(f"{seed} {name} {block}".encode()))
            drawn.append(torch.randn((rows, *shape[1:]), generator=noise))
        return torch.cat(drawn)[first - begin * rows : last - begin * rows] * std`;

const LOSSES = `    def loss_sum(self, tokens, targets, chunks=1):
        """Sum of the cross-entropies of the targets that count (0 and above), and the experts' balance.

        In \`chunks\` pieces of the rows the logits of all rows never exist at once.
        """
        counted = targets.flatten() >= 0
        rows, penalty = self.model(tokens, counted)
        total = rows.new_zeros(())
        for piece, wanted in zip(rows.flatten(0, 1).chunk(chunks), targets.flatten().chunk(chunks)):
            if chunks == 1 or not torch.is_grad_enabled():
                total = total + self.piece_loss(piece, wanted)
            else:
                total = total + checkpoint(self.piece_loss, piece, wanted, use_reentrant=False)
        return total, penalty

    def units(self, targets):
        """How many losses there are in the sum."""
        return (targets >= 0).sum()

    def piece_loss(self, rows, wanted):
        return self.losses(rows, wanted).sum()

    def losses(self, rows, wanted):
        """-ln p of each target [N] after rows [N, C]; 0 for targets that do not count."""
        logits = self.lm_head(rows)
        logits = logits if logits.dtype == torch.float64 else logits.float()
        if self.divided is not None:
            return self.divided.losses(logits, wanted)
        return F.cross_entropy(
            logits[:, : self.sizes["vocab"]], wanted, ignore_index=-1, reduction="none"
        )`;

const ADAPTED = `
        if "lora" in s:
            adapters.put_beside(self, s["lora"], **on)`;

function languageModelText({ output }: Model, adapted: boolean): string {
  if (output.kind !== "apply" || output.part.part !== "linear")
    throw new Error("an output ends in a linear map: the checker refuses others");
  const { tied, bias } = output.part;
  return `class LanguageModel(nn.Module):
    """The whole of it: tokens [B, T] to logits [B, T, V].

    The tables have padded_vocab rows, which products on GPUs like better; those behind the V of the
    vocabulary are 0, and never seen by the softmax or by a file.
    """

    tied = ${py(tied)}

    def __init__(self, s, **on):
        super().__init__()
        self.sizes, last = s, s["parts"]["lm_head"]
        self.model = Model(s, **on)
        self.lm_head = nn.Linear(last["width"], s["padded_vocab"], bias=${py(bias)}, **on)
        self.tie()
        # with tensor parallelism: what turns this process's columns of the logits into losses
        self.divided = None${adapted ? ADAPTED : ""}

    def tie(self):
        if self.tied:
            self.lm_head.weight = self.model.embed_tokens.weight

    def forward(self, tokens):
        rows, _ = self.model(tokens)
        logits = self.lm_head(rows)
        logits = logits if self.divided is None else self.divided.gathered(logits)
        return logits[..., : self.sizes["vocab"]]

${LOSSES}

${FIRST_WEIGHTS}`;
}
