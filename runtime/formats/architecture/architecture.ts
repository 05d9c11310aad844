/**
 * The architecture of a decoder of the GPT-2 or Llama family, in one form for all published formats. Readers
 * of configurations make it; specs, configurations and metadata are written from it.
 *
 *   gpt2   token + learned positions
 *          x += attention(layernorm(x)); x += mlp(layernorm(x))
 *          linear(layernorm(x))                                                     (Radford et al. 2019)
 *   llama  token
 *          x += attention(rmsnorm(x), rope); x += swiglu(rmsnorm(x))
 *          linear(rmsnorm(x))                                                       (Touvron et al. 2023)
 *
 * Mistral, Qwen 2, Qwen 3 and Mixtral belong to the second family. Mistral adds a window, Qwen 2 biases of
 * queries, keys and values, Qwen 3 normalised queries and keys, and Mixtral x += experts(rmsnorm(x)), where
 * the weights of a token's experts add up to 1 (Jiang et al. 2024).
 */
import {
  epsRange,
  expertRanges,
  isWithin,
  rangeText,
  ropeRanges,
  sizeRanges,
  integer,
} from "../../contract/limits.ts";
import type { Activation, LayerKind, Rope, Sizes } from "../../contract/model.ts";
import { SinterError } from "../../base/errors.ts";

export type Family = "gpt2" | "llama";

export interface Architecture extends Sizes {
  readonly family: Family;
  /** Letters, digits, "-", "." and "_"; the first is a letter. */
  readonly name: string;
  /** Width between the two maps of the feed-forward part, or of one expert. */
  readonly hidden: number;
  readonly activation: Activation;
  readonly eps: number;
  /** Only in the Llama family. */
  readonly rope: Rope | undefined;
  /**
   * Only in the Llama family: a mixture of experts instead of one gated part. `hidden` is then that of one
   * expert.
   */
  readonly experts?: Experts | undefined;
  /** The output's matrix is the token embedding. */
  readonly tied: boolean;
  readonly bias: Biases;
  /** Only in the Llama family: queries and keys are normalised per head, before rope, with this epsilon. */
  readonly qkNorm?: { readonly eps: number } | undefined;
  /**
   * How many positions a query sees, itself included. It holds for the banded layers of `pattern`, or for all
   * layers where there is no pattern. A window as long as the context makes no difference (`isWindowed`).
   */
  readonly window?: number | undefined;
  /** Kinds of layers, repeated over the depth of the model. Given only where layers differ. */
  readonly pattern?: readonly LayerKind[] | undefined;
}

export interface Experts {
  readonly count: number;
  /** How many experts a token goes to. */
  readonly top: number;
  /**
   * Weight of the load-balancing loss, in the units of the language (compiler/ops/experts/balance.ts);
   * undefined where the file does not say it.
   */
  readonly balance?: number | undefined;
}

export interface Biases {
  readonly norm: boolean;
  readonly qkv: boolean;
  readonly attentionOut: boolean;
  readonly ffn: boolean;
  readonly head: boolean;
}

/** The sizes that every architecture has; `window` is checked where it is given. */
const { window: windowRange, ...sizes } = sizeRanges;
export type SizeName = keyof typeof sizes;

/** Throws `corrupt` when the value is no size. `name` is what the file calls it. */
export function checkSize(key: SizeName, value: number, path: string, name: string): void {
  if (isWithin(sizes[key], value)) return;
  throw new SinterError("corrupt", `${path}: ${name} is ${value}; ${rangeText(sizes[key])} was expected`);
}

/** Throws `corrupt` when a size is impossible. `named` says what the file calls the sizes. */
export function checkSizes(
  a: Architecture,
  path: string,
  named: Readonly<Partial<Record<SizeName, string>>> = {},
): Architecture {
  for (const key of Object.keys(sizes) as SizeName[]) checkSize(key, a[key], path, named[key] ?? key);
  if (a.heads % a.kvHeads !== 0)
    throw new SinterError(
      "corrupt",
      `${path}: ${a.heads} heads do not divide into ${a.kvHeads} of keys and values ` +
        `(${named.heads ?? "heads"}, ${named.kvHeads ?? "kvHeads"})`,
    );
  if (!isWithin(epsRange, a.eps)) throw new SinterError("corrupt", `${path}: the norms' epsilon is ${a.eps}`);
  if (a.window !== undefined && !isWithin(windowRange, a.window))
    throw new SinterError("corrupt", `${path}: the window of its attention is ${a.window}`);
  if (a.rope && a.headDim % 2 !== 0)
    throw new SinterError(
      "corrupt",
      `${path}: heads of ${a.headDim} columns, and a rotary embedding that turns pairs`,
    );
  if (a.experts) checkExperts(a.experts, a.layers, path);
  if (a.rope && !isWithin(ropeRanges.theta, a.rope.theta))
    throw new SinterError("corrupt", `${path}: the rotary embedding's theta is ${a.rope.theta}`);
  return a;
}

/**
 * Expert matrices of all layers together. Each is a published tensor, and all are listed before any is looked
 * for.
 */
const MOST_MATRICES = 1 << 16;

function checkExperts({ count, top, balance = 0 }: Experts, layers: number, path: string): void {
  if (!isWithin(expertRanges.count, count))
    throw new SinterError(
      "corrupt",
      `${path}: it has ${count} experts; ${rangeText(expertRanges.count)} was expected`,
    );
  if (count * layers > MOST_MATRICES)
    throw new SinterError(
      "corrupt",
      `${path}: ${layers} layers of ${count} experts; at most ${MOST_MATRICES} together were expected`,
    );
  if (!isWithin(integer(1, count), top))
    throw new SinterError("corrupt", `${path}: a token goes to ${top} of ${count} experts`);
  if (!isWithin(expertRanges.balance, balance))
    throw new SinterError(
      "corrupt",
      `${path}: the load-balancing loss has the weight ${balance}; ` +
        `${rangeText(expertRanges.balance)} was expected`,
    );
}

/** Makes the name of a file or folder into one that a spec may have. */
export function modelName(text: string): string {
  const plain = text
    .replace(/\.(safetensors|gguf|bin)$/i, "")
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^[^A-Za-z]+|[^A-Za-z0-9]+$/g, "");
  return plain.slice(0, 64) || "model";
}

/** Whether any layer sees less than the whole context. */
export const isWindowed = ({ window, context }: Pick<Architecture, "window" | "context">): boolean =>
  window !== undefined && window < context;

/** The shortest pattern that gives these kinds when it is repeated; undefined where all layers are alike. */
export function patternOf(kinds: readonly LayerKind[]): readonly LayerKind[] | undefined {
  if (new Set(kinds).size < 2) return undefined;
  for (let n = 2; n < kinds.length; n++)
    if (kinds.every((kind, i) => kind === kinds[i % n])) return kinds.slice(0, n);
  return kinds;
}

/** The kind of each layer. Without a pattern, all are banded if there is a window. */
export const layerKindsOf = ({
  pattern,
  window,
  layers,
}: Pick<Architecture, "pattern" | "window" | "layers">): LayerKind[] =>
  Array.from(
    { length: layers },
    (_, i) => pattern?.[i % pattern.length] ?? (window === undefined ? "dense" : "banded"),
  );
