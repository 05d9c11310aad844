/**
 * What an operation is. One operation is one file in `ops/`: signature, equation, f64 reference, gradient,
 * cost, emitter, cases. The signature string is shape rule, argument types and documentation at once
 * (kit/signature.ts); attributes have the types of their defaults.
 *
 * Every tensor lies in memory row by row, the last dimension padded with zeros to a multiple of 16 floats (64
 * bytes; runtime/contract/tensor-layout.ts). Kernels therefore never need scalar tails, and they must keep
 * the padding zero. References see dense arrays.
 */
import type { Cotangent } from "./cotangent.ts";
import {
  parseSignature,
  shapeOf,
  type Dims,
  type InputsOf,
  type LettersOf,
  type OutputsOf,
  type TensorSlot,
} from "./signature.ts";
import type { Replacements } from "./replacements.ts";
import type { Applied } from "../../../runtime/contract/profile-site.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import type { TileChoices } from "./tile-choices.ts";
import type { Writer } from "./writer.ts";

export type Attrs = Readonly<Record<string, string | number | boolean>>;

/**
 * The types of an op's attributes, read off their defaults: a number, true or false, or any text. An
 * attribute that is one of a few words says so: `activation: oneOf<Activation>("gelu")`.
 */
export type AttrTypes<Defaults> = {
  readonly [A in keyof Defaults]: Defaults[A] extends number
    ? number
    : Defaults[A] extends boolean
      ? boolean
      : Defaults[A];
};

/** The default of an attribute that is one of these words. */
export const oneOf = <Word extends string>(initial: Word): Word => initial;

/**
 * What a kernel knows when it is emitted or costed: which optional tensors are there, its attributes, target
 * and tile sizes.
 */
export interface Kernel<N extends string = string, A = Attrs> {
  readonly attrs: A;
  readonly target: Target;
  /** Chosen by 6-tile from `Op.tiles`; e.g. { MR: 6, NR: 16 }. */
  readonly tiles: Dims;
  has(tensor: N): boolean;
}

/**
 * One node of a gradient, written with the forward's tensor names: "x" is the forward's x, "d_x" its
 * cotangent. `ins` and `outs` give a name to each argument of `op`. Where a tensor already has a cotangent,
 * the new one is added to it. Tensors that the forward node does not have are left out, and when no output is
 * left there is no node. The forward's names are checked here, those of `op` in ops/index.ts, where all ops
 * are known.
 */
export interface GradNode<In extends string = string, Out extends string = string> {
  readonly op: string;
  readonly ins: Readonly<Record<string, In | Out | Cotangent<Out>>>;
  readonly outs: Readonly<Record<string, Cotangent<In>>>;
  readonly attrs?: Attrs;
}

/** An input whose cotangent is that of an output, unchanged: no node has to compute it. */
export interface SameCotangent<In extends string = string, Out extends string = string> {
  readonly cotangent: Cotangent<In>;
  readonly equals: Cotangent<Out>;
}

export type GradStep<In extends string = string, Out extends string = string> =
  | GradNode<In, Out>
  | SameCotangent<In, Out>;

export interface Case<D extends string = string, A = Attrs, N extends string = string> {
  readonly d: Readonly<Record<D, number>>;
  readonly attrs?: A;
  /** Optional tensors that take part. Default: none. */
  readonly with?: readonly N[];
}

/**
 * What an op's file writes. In and Out are the names of inputs and outputs and D the dimension letters, all
 * read off the signature; A is the defaults of the attributes, G the steps of the gradient, To the ops that
 * may replace it.
 */
interface Body<
  In extends string,
  Out extends string,
  D extends string,
  A extends Attrs,
  G extends GradStep,
  To extends string,
  N extends string = In | Out,
> extends Replacements<In, D, AttrTypes<A>, To> {
  /** The equation, with its paper. It stands at the head of the generated kernel. */
  readonly doc: string;
  /** Defaults of attributes; an op accepts no others. */
  readonly attrs?: A;
  flops(d: Record<D, number>, attrs: AttrTypes<A>): number;
  /** What it applies to numbers one by one, where that is not in `flops`. */
  applies?(d: Record<D, number>, attrs: AttrTypes<A>, has: (tensor: N) => boolean): Applied | undefined;
  /** Bytes that must move at least. Default: every tensor once. */
  bytes?(d: Record<D, number>, attrs: AttrTypes<A>): number;
  /** The share of an input that is read, where a call does not read all of it: a row of a table. */
  readonly share?: { readonly [I in In]?: (d: Record<D, number>) => number };
  /**
   * The equation in f64, slow and obviously right. It fills the outputs, or adds to those of `accumulates`
   * when `accumulate` is true. Optional tensors that are absent are undefined.
   */
  reference(t: Record<N, Float64Array>, d: Record<D, number>, attrs: AttrTypes<A>, accumulate: boolean): void;
  /**
   * A dimension along which nothing is summed and no element of the output depends on its neighbours. Of a
   * large output a few indices along it are then enough to check.
   */
  readonly independent?: D;
  /**
   * The dimension of whose indices only the first live[0] are computed where the op has its input
   * live[1]:i32; what stands in the others is unspecified then.
   */
  readonly rows?: D;
  /**
   * Tasks are these rows, or equal pieces of them, row after row: workers get those of the live rows alone
   * (8-emit/kernel.ts).
   */
  readonly rowTasks?: true;
  /** The gradient's steps, given which optional tensors are there. Absent: the op is not differentiable. */
  backward?(has: (tensor: N) => boolean, attrs: AttrTypes<A>): readonly G[];
  /**
   * Outputs that are parameter gradients: the kernel gets a runtime `accumulate: bool`; false overwrites,
   * true adds.
   */
  readonly accumulates?: readonly N[];
  /** Output → input (or inputs) whose buffer it may share, element by element (in place). */
  readonly inPlace?: Partial<Record<N, N | readonly N[]>>;
  /** Inputs by which nobody differentiates: tables. */
  readonly constants?: readonly N[];
  /** Output → input whose buffer it always shares (the optimizer's state). */
  readonly mutates?: Partial<Record<N, N>>;
  /** Tile sizes for these sizes and this target. */
  tiles?(d: Record<D, number>, attrs: AttrTypes<A>, target: Target): Dims;
  /** Tiles that a kernel may have instead. Absent: the op leaves no choice. */
  readonly tileChoices?: TileChoices<Record<D, number>, AttrTypes<A>>;
  /**
   * How many independent pieces the work has. A worker runs the pieces [first, last); no element of the
   * output may depend on how they are divided.
   */
  tasks(d: Record<D, number>, k: Kernel<N, AttrTypes<A>>): number;
  /**
   * How tasks are scheduled: some of them evenly before the kernel starts, the rest dynamically. Absent: all
   * of them evenly. No bit depends on it.
   */
  dynamic?(d: Record<D, number>, k: Kernel<N, AttrTypes<A>>): DynamicTasks;
  /** Bytes of scratch per worker. */
  scratch?(d: Record<D, number>, k: Kernel<N, AttrTypes<A>>): number;
  /**
   * Writes the kernel's body in AssemblyScript, which does the tasks `first` … `last` − 1 (both are i32
   * locals). `at.x` is the name of the usize local that holds the byte address of x. There is a usize local
   * `scratch` when scratch() > 0, and a bool local `accumulate` when the op accumulates. The functions of
   * 8-emit/prelude.ts are in scope.
   */
  emit(w: Writer, at: Record<N, string>, d: Record<D, number>, k: Kernel<N, AttrTypes<A>>): void;
  /**
   * A value that a test may feed to element i of an input, where noise in −1 … 1 would be wrong (token ids,
   * positive moments).
   */
  sample?(tensor: N, d: Record<D, number>, noise: () => number, i: number, attrs: AttrTypes<A>): number;
  /** Sizes that the test checks and the bench times: one list for both. */
  readonly cases: readonly Case<D, Partial<AttrTypes<A>>, N>[];
}

/**
 * Dynamic scheduling: a worker that was held up does not hold up the others, because whoever is free takes
 * the next piece.
 */
export interface DynamicTasks {
  /** The first so many tasks are shared evenly, neighbouring ones for each worker. */
  readonly fixed: number;
  /** Tasks that a free worker takes at once of the rest. */
  readonly grain: number;
  /** Many workers take smaller pieces: whole multiples of this. Absent: `grain`. */
  readonly least?: number;
  /**
   * The same where other programs take cores from the workers, and all tasks are dynamic (8-emit/barrier.ts).
   * Absent: `grain`.
   */
  readonly heldGrain?: number;
}

/** Half of the tasks evenly, the others one by one: for tasks that are long. */
export const oneByOne = (tasks: number): DynamicTasks => ({ fixed: Math.floor(tasks / 2), grain: 1 });

/** Any op, for passes and tests that take ops as they come. */
export interface Op extends Body<string, string, string, Attrs, GradStep, string> {
  readonly signature: string;
  readonly tensors: readonly TensorSlot[];
  readonly attrs: Attrs;
  readonly cases: readonly Case[];
}

/** One op, of which the types know its tensors and attributes, and what it says about other ops. */
export type TypedOp<S extends string, A extends Attrs, G extends GradStep, To extends string> = WithTypes<
  S,
  A,
  G
> &
  Replacements<string, string, Attrs, To>;
interface WithTypes<S extends string, A extends Attrs, G extends GradStep> extends Op {
  readonly signature: S;
  readonly attrs: A;
  backward?(has: (tensor: string) => boolean, attrs: Attrs): readonly G[];
}

/** What several operations have in common, to be spread into their `defineOp`. */
export const sharedByOps = <const T extends object>(rows: T): T => rows;

export const defineOp = <
  const S extends string,
  A extends Attrs = Record<never, never>,
  const G extends GradStep<InputsOf<S>, OutputsOf<S>> = never,
  const To extends string = never,
>(
  signature: S,
  body: Body<InputsOf<S>, OutputsOf<S>, LettersOf<S>, A, G, To>,
): TypedOp<S, A, G, To> =>
  Object.defineProperties(
    { signature, tensors: parseSignature(signature), attrs: {} },
    // a getter stays one: what takes long to make is made when it is asked for
    Object.getOwnPropertyDescriptors(body),
  ) as unknown as TypedOp<S, A, G, To>;

/** Bytes that a kernel must move at least: every tensor once, unless the op says otherwise. */
export const leastTraffic = (op: Op, d: Dims, attrs: Attrs, has: (tensor: string) => boolean): number =>
  op.bytes?.(d, attrs) ?? tensorBytes(op, d, has);

/**
 * Bytes of memory that it touches. They are fewer than it moves where a tensor is read and written in place.
 */
export const touchedBytes = (op: Op, d: Dims, attrs: Attrs, has: (tensor: string) => boolean): number =>
  Math.min(
    leastTraffic(op, d, attrs, has),
    tensorBytes(op, d, (name) => has(name) && op.mutates?.[name] === undefined),
  );

const tensorBytes = (op: Op, d: Dims, has: (tensor: string) => boolean): number =>
  op.tensors
    .filter((t) => has(t.name))
    .reduce((sum, t) => sum + 4 * shapeOf(t, d).reduce((a, b) => a * b, 1), 0);
