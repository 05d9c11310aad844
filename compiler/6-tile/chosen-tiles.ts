/**
 * Tiles other than an operation's own: the table of those that somebody has measured to be better, and the
 * check that a kernel can have them (the operations' `tileChoices` say which). An operation's `tiles` stay
 * the default. A choice changes speed and scratch, and also the order of additions where it cuts a sum at
 * other places.
 */
import { type Attrs, type Op } from "../ops/kit/op.ts";
import type { Dims } from "../ops/kit/signature.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { ops } from "../ops/index.ts";
import { lettersOf } from "../ops/kit/signature.ts";
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

/**
 * The kernel with its operation's own tiles, as `Op.tileChoices` takes it; undefined: it leaves no choice.
 */
function choicesOf(spec: KernelSpec) {
  const { op, d, attrs, target } = spec;
  const tiles = op.tiles?.(d, attrs, target) ?? {};
  if (!op.tileChoices || Object.keys(tiles).length === 0) return undefined;
  return { choices: op.tileChoices, kernel: { d, attrs, target, tiles } };
}

/** Does the operation leave a choice at these sizes? */
export const hasChoice = (spec: KernelSpec): boolean => choicesOf(spec) !== undefined;

/**
 * Tiles that are worth measuring, without impossible ones. First round: the operation's own, then others.
 * Second round: the first one's best, then others around it.
 */
export function candidates(spec: KernelSpec, best?: Dims): Dims[] {
  const own = choicesOf(spec);
  if (!own) return [spec.tiles];
  const { choices, kernel } = own;
  const all = best
    ? [best, ...choices.secondRound(kernel, best)]
    : [kernel.tiles, ...choices.firstRound(kernel)];
  const different = new Map(all.map((tiles) => [JSON.stringify(tiles), tiles]));
  return [...different.values()].filter((tiles) => wrongTiles(spec, tiles) === undefined);
}

/** Why a kernel cannot have these tiles; undefined: it can. */
export function wrongTiles(spec: KernelSpec, tiles: Dims): string | undefined {
  const own = choicesOf(spec);
  if (!own) return `${spec.opName} has no choice of tiles at these sizes`;
  const names = Object.keys(own.kernel.tiles);
  if (names.toSorted().join() !== Object.keys(tiles).sort().join())
    return `tiles are ${names.join(", ")}, not ${Object.keys(tiles).join(", ") || "none"}`;
  for (const [name, value] of Object.entries(tiles))
    if (!Number.isSafeInteger(value) || value < 1) return `${name} is not a whole number from 1`;
  const wrong = own.choices.whyNot(own.kernel, tiles);
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
  const letters = new Set(op.tensors.flatMap(lettersOf));
  const names = op.tensors.map((t) => t.name);
  const needed = new Set(
    op.tensors.filter((t) => !t.optional || tensors.includes(t.name)).flatMap(lettersOf),
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
