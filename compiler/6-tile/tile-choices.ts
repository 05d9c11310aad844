/**
 * Other tiles than an operation's own: which are possible, and a table of those that somebody has measured to
 * be better. The op's `tiles` stays the default; a choice changes speed and scratch, and, where it cuts a sum
 * at other places (KC, KB), the order of additions.
 *
 *   matmul, matmul_nt, matmul_tn   MR × NR register tile; KC steps of k, PB panels of b, RB tiles of rows per cache block
 *   attention…                     QB queries × KB keys per block of scores; MR × NR as they are
 */
import { type Attrs, type Op } from "../ops/kit/op.ts";
import type { Dims } from "../ops/kit/signature.ts";
import { rowFloats } from "../../runtime/contract/tensor-layout.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { ops } from "../ops/index.ts";
import { ceilTo, PANEL } from "../ops/kit/panels.ts";
import { kernelKey, kernelSpec, scratchOf, type KernelSpec } from "./kernel-spec.ts";

/** What `tune` writes and the compiler takes: one kernel's tiles on one target. */
export interface TileChoice {
  readonly target: Target;
  readonly op: string;
  readonly d: Dims;
  readonly attrs: Attrs;
  /** Tensors present. */
  readonly tensors: readonly string[];
  readonly tiles: Dims;
}

export type ChosenTiles = ReadonlyMap<string, Dims>;

const key = (target: Target, spec: KernelSpec): string => `${target} ${kernelKey(spec)}`;

/** Tiles chosen for this kernel, or undefined. */
export const chosenFor = (chosen: ChosenTiles | undefined, spec: KernelSpec): Dims | undefined =>
  chosen?.get(key(spec.target, spec));

/** Scratch per worker that tiles may ask for. Defaults stay below 2 MiB. */
const MOST_SCRATCH = 16 << 20;
/** Registers that accumulators may take at the most; more spill everywhere. */
const MOST_ACCUMULATORS = 32;

type Rule = (spec: KernelSpec, tiles: Dims) => string | undefined;

const within = (name: string, value: number, least: number, most: number): string | undefined =>
  value >= least && value <= most ? undefined : `${name} ${value} is not ${least} … ${most}`;

const gemmRule: Rule = ({ d }, tiles) => {
  const { M, N, K } = d as Record<"M" | "N" | "K", number>;
  const { MR, NR, KC, PB, RB } = tiles as Record<"MR" | "NR" | "KC" | "PB" | "RB", number>;
  if (NR !== 8 && NR !== 16) return `NR ${NR} is neither 8 nor 16`; // epilogues work on pairs of vectors
  return (
    within("MR", MR, 1, (MOST_ACCUMULATORS * 4) / NR) ??
    within("KC", KC, 1, K) ??
    (KC < K && KC % 16 !== 0 ? `KC ${KC} is neither K nor a multiple of 16` : undefined) ??
    within("PB", PB, 1, rowFloats(N) / NR) ??
    within("RB", RB, 1, Math.ceil(M / MR))
  );
};

/** Blocks of the default's register tile; see `blocks` in ops/attention/kit/kernel-sizes.ts. */
const attentionRule: Rule = (spec, tiles) => {
  const { MR, NR, QB, KB } = tiles as Record<"MR" | "NR" | "QB" | "KB", number>;
  const own = spec.op.tiles!(spec.d, spec.attrs, spec.target);
  const { one, rows, positions, causal } = attentionSizes(spec);
  if (MR !== own["MR"] || NR !== own["NR"]) return `MR × NR ${MR}×${NR} is not ${own["MR"]}×${own["NR"]}`;
  const mostRows = one ? rows : ceilTo(rows, MR);
  const mostKeys = ceilTo(positions, PANEL);
  return (
    within("QB", QB, one ? rows : MR, mostRows) ??
    within("KB", KB, PANEL, mostKeys) ??
    (QB !== mostRows && QB % 48 !== 0 ? `QB ${QB} is neither all rows nor a multiple of 48` : undefined) ??
    (KB !== mostKeys && KB % PANEL !== 0
      ? `KB ${KB} is neither all keys nor a multiple of ${PANEL}`
      : undefined) ??
    (KB < positions && causal && KB % QB !== 0 ? `KB ${KB} is not a multiple of QB ${QB}` : undefined)
  );
};

/** `one`: of a single row the query heads are the block of queries, and always all of them. */
function attentionSizes({ opName, d, attrs }: KernelSpec): {
  one: boolean;
  rows: number;
  positions: number;
  causal: boolean;
} {
  if (opName !== "attention_cached")
    return {
      one: false,
      rows: attrs["context"] as number,
      positions: attrs["context"] as number,
      causal: true,
    };
  const one = d["R"] === 1;
  return {
    one,
    rows: one ? (attrs["heads"] as number) : d["R"]!,
    positions: d["N"]! * d["L"]!,
    causal: !one,
  };
}

const rules: Readonly<Record<string, Rule>> = {
  matmul: gemmRule,
  matmul_nt: gemmRule,
  matmul_tn: gemmRule,
  attention: attentionRule,
  attention_backward: attentionRule,
  attention_cached: attentionRule,
};

/** Does the op leave a choice at these sizes? */
export const hasChoice = (spec: KernelSpec): boolean =>
  rules[spec.opName] !== undefined &&
  Object.keys(spec.op.tiles?.(spec.d, spec.attrs, spec.target) ?? {}).length > 0;

/** Why these tiles cannot be; undefined: they can. Every number that reaches an emitter has passed here. */
export function wrongTiles(spec: KernelSpec, tiles: Dims): string | undefined {
  const own = spec.op.tiles?.(spec.d, spec.attrs, spec.target) ?? {};
  const rule = rules[spec.opName];
  if (!rule || Object.keys(own).length === 0) return `${spec.opName} has no choice of tiles at these sizes`;
  if (Object.keys(own).sort().join() !== Object.keys(tiles).sort().join())
    return `tiles are ${Object.keys(own).join(", ")}, not ${Object.keys(tiles).join(", ") || "none"}`;
  for (const [name, value] of Object.entries(tiles))
    if (!Number.isSafeInteger(value) || value < 1) return `${name} is not a whole number from 1`;
  const wrong = rule(spec, tiles);
  if (wrong) return wrong;
  const scratch = scratchOf({ ...spec, tiles });
  return scratch > MOST_SCRATCH
    ? `they need ${scratch} bytes of scratch, more than ${MOST_SCRATCH}`
    : undefined;
}

/**
 * Checks choices from outside. `wrong`: what is said of the first that cannot be, with its place in the list.
 */
export function chooseTiles(
  choices: readonly TileChoice[],
): { readonly chosen: ChosenTiles } | { readonly wrong: string; readonly at: number } {
  const chosen = new Map<string, Dims>();
  for (const [at, choice] of choices.entries()) {
    const spec = specOf(choice);
    const wrong = typeof spec === "string" ? spec : wrongTiles(spec, choice.tiles);
    if (wrong !== undefined || typeof spec === "string") return { wrong: wrong!, at };
    chosen.set(key(choice.target, spec), choice.tiles);
  }
  return { chosen };
}

/** A text: what is wrong with it. */
function specOf({ op: name, d, attrs, tensors, target }: TileChoice): KernelSpec | string {
  if (!Object.hasOwn(ops, name)) return `there is no operation ${name}`;
  const op: Op = ops[name as keyof typeof ops];
  const letters = new Set(op.tensors.flatMap((t) => t.letters));
  const names = op.tensors.map((t) => t.name);
  const needed = new Set(
    op.tensors.filter((t) => !t.optional || tensors.includes(t.name)).flatMap((t) => t.letters),
  );
  for (const [letter, size] of Object.entries(d))
    if (!letters.has(letter) || !Number.isSafeInteger(size) || size < 1 || size > 2 ** 31)
      return `${letter} ${size} is not a size of ${op.signature}`;
  for (const letter of needed)
    if (!Object.hasOwn(d, letter)) return `the size ${letter} of ${op.signature} is missing`;
  for (const tensor of tensors) if (!names.includes(tensor)) return `${name} has no tensor ${tensor}`;
  for (const [attr, value] of Object.entries(attrs))
    if (op.attrs === undefined || !Object.hasOwn(op.attrs, attr) || typeof value !== typeof op.attrs[attr])
      return `${name} has no attribute ${attr} of this kind`;
  // letters in the signature's order: the key is text
  const sizes = Object.fromEntries([...letters].filter((l) => needed.has(l)).map((l) => [l, d[l]!]));
  const ordered = Object.fromEntries(
    Object.keys(op.attrs ?? {})
      .filter((a) => Object.hasOwn(attrs, a))
      .map((a) => [a, attrs[a]!]),
  );
  try {
    return kernelSpec(name, op, sizes, ordered, tensors, target);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
