/**
 * What an operation is. One operation = one file in `ops/`: signature, equation, f64 reference, gradient,
 * cost, emitter, cases. The signature string is shape rule, argument types and documentation at once:
 *
 *   "x[R,C] w[C]? tokens[R]:i32 -> out[R,C] mean[R]?"      ? = may be absent;  :i32 = integers (else f32)
 *
 * Layout of every tensor in memory: row-major, the last dimension padded with zeros to a multiple of 16
 * floats (64 bytes): runtime/contract/tensor-layout.ts. Kernels therefore never need scalar tails; they must keep the padding
 * zero. References see dense arrays.
 */
import type { Cotangent } from "./cotangent.ts";
import type { DType } from "../../../runtime/contract/memory-formats.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import type { Writer } from "./writer.ts";

export type Dims = Readonly<Record<string, number>>;
export type Attrs = Readonly<Record<string, string | number | boolean>>;

type Split<S extends string, Sep extends string> = S extends `${infer A}${Sep}${infer B}`
  ? A | Split<B, Sep>
  : S;
type NameOf<Term extends string> = Term extends `${infer N}[${string}` ? N : never;
type LettersOf<Term extends string> = Term extends `${string}[${infer D}]${string}` ? Split<D, ","> : never;
type OptionalName<Term extends string> = Term extends `${infer N}[${string}]?${string}` ? N : never;
type Sides<S extends string> = S extends `${infer Ins}-> ${infer Outs}`
  ? [Split<Ins, " ">, Split<Outs, " ">]
  : never;

/** Names of a signature's inputs, outputs, tensors that may be absent, and its dimension letters. */
export type InputsOf<S extends string> = NameOf<Sides<S>[0]>;
export type OutputsOf<S extends string> = NameOf<Sides<S>[1]>;
export type OptionalOf<S extends string> = OptionalName<Split<S, " ">>;
type Letters<S extends string> = LettersOf<Split<S, " ">>;

/**
 * The types of an op's attributes, read off their defaults: a number, true or false, or any text. An attribute
 * that is one of a few words says so: `activation: oneOf<Activation>("gelu")`.
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
 * cotangent. `ins`/`outs`: argument of `op` → name. An output "d_p" that already has a cotangent is added to
 * it. Tensors that the forward node has not are left out; without outputs there is no node. The forward's
 * names are checked here, those of `op` in ops/index.ts, where all ops are known.
 */
export interface GradNode<In extends string = string, Out extends string = string> {
  readonly op: string;
  readonly ins: Readonly<Record<string, In | Out | Cotangent<Out>>>;
  readonly outs: Readonly<Record<string, Cotangent<In>>>;
  readonly attrs?: Attrs;
}

/** The cotangent of an input is that of an output as it stands: no node computes it. */
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
 * What an op file writes. In and Out = names of inputs and outputs, D = dimension letters, all read off the
 * signature; A = the attributes' defaults; G = the nodes of its gradient.
 */
interface Body<
  In extends string,
  Out extends string,
  D extends string,
  A extends Attrs,
  G extends GradStep,
  N extends string = In | Out,
> {
  /** The equation, with its paper. Heads the generated kernel; `explain` prints it. */
  readonly doc: string;
  /**
   * What a neighbour may be fused with: "map" works element by element, "row" needs a whole row, "contract"
   * sums a dimension away, "gather" reads at indices.
   */
  readonly kind: "map" | "row" | "contract" | "gather" | "optimizer";
  /** Defaults of attributes; an op accepts no others. */
  readonly attrs?: A;
  flops(d: Record<D, number>, attrs: AttrTypes<A>): number;
  /** Bytes that must move at least. Default: every tensor once. */
  bytes?(d: Record<D, number>, attrs: AttrTypes<A>): number;
  /**
   * Slow, obvious, f64. Fills the outputs (adds to `accumulates` outputs when `accumulate`). Absent optional
   * tensors are undefined.
   */
  reference(t: Record<N, Float64Array>, d: Record<D, number>, attrs: AttrTypes<A>, accumulate: boolean): void;
  /** The gradient's steps, given which optional tensors the forward node has. Absent: not differentiable. */
  backward?(has: (tensor: N) => boolean, attrs: AttrTypes<A>): readonly G[];
  /**
   * Outputs that are parameter gradients: the kernel gets a runtime `accumulate: bool`; false overwrites,
   * true adds.
   */
  readonly accumulates?: readonly N[];
  /** Output → input (or inputs) whose buffer it may share, element by element (in place). */
  readonly inPlace?: Partial<Record<N, N | readonly N[]>>;
  /** Inputs that are never differentiated by: tables. */
  readonly constants?: readonly N[];
  /** Output → input whose buffer it always is (optimizer state). */
  readonly mutates?: Partial<Record<N, N>>;
  /** Tile sizes for these sizes and this target. */
  tiles?(d: Record<D, number>, attrs: AttrTypes<A>, target: Target): Dims;
  /**
   * Independent units of work. A worker runs [first, last) of them; no output element may depend on how they
   * are divided.
   */
  tasks(d: Record<D, number>, k: Kernel<N, AttrTypes<A>>): number;
  /**
   * How tasks are handed out: `fixed` of them evenly, as two stretches for two workers; the rest in grains to
   * whoever is free first, so that a worker that was held up does not hold up the others. Absent: all of them
   * evenly. No bit depends on it.
   */
  turns?(d: Record<D, number>, k: Kernel<N, AttrTypes<A>>): Turns;
  /** Bytes of scratch per worker. */
  scratch?(d: Record<D, number>, k: Kernel<N, AttrTypes<A>>): number;
  /**
   * The kernel's body in AssemblyScript: does tasks `first` … `last`-1 (both i32 locals). `at.x` is the name
   * of the usize local that holds x's byte address. `scratch` is a usize local when scratch() > 0,
   * `accumulate` a bool local when the op accumulates. The prelude (8-emit/prelude.ts) is in scope.
   */
  emit(w: Writer, at: Record<N, string>, d: Record<D, number>, k: Kernel<N, AttrTypes<A>>): void;
  /**
   * Input values that a test may feed, where noise in −1…1 would be wrong (token ids, positive moments). `i`
   * = the element's index.
   */
  sample?(tensor: N, d: Record<D, number>, noise: () => number, i: number, attrs: AttrTypes<A>): number;
  /** Sizes that the test checks and the bench times: one list for both. */
  readonly cases: readonly Case<D, Partial<AttrTypes<A>>, N>[];
}

export interface Turns {
  readonly fixed: number;
  readonly grain: number;
}

/** Half of the tasks evenly, the others one by one: for tasks that are long. */
export const oneByOne = (tasks: number): Turns => ({ fixed: Math.floor(tasks / 2), grain: 1 });

/** Any op, for passes and tests that take them as they come. */
export interface Op extends Body<string, string, string, Attrs, GradStep> {
  readonly signature: string;
  readonly tensors: readonly TensorSlot[];
  readonly attrs: Attrs;
  readonly cases: readonly Case[];
}

/** One op, of which the types know its tensors, attributes and gradient. */
export interface TypedOp<S extends string, A extends Attrs, G extends GradStep> extends Op {
  readonly signature: S;
  readonly attrs: A;
  backward?(has: (tensor: string) => boolean, attrs: Attrs): readonly G[];
}

export interface TensorSlot {
  readonly name: string;
  readonly letters: readonly string[];
  readonly dtype: DType;
  readonly optional: boolean;
  readonly output: boolean;
}

export const defineOp = <
  const S extends string,
  A extends Attrs = Record<never, never>,
  const G extends GradStep<InputsOf<S>, OutputsOf<S>> = never,
>(
  signature: S,
  body: Body<InputsOf<S>, OutputsOf<S>, Letters<S>, A, G>,
): TypedOp<S, A, G> =>
  ({ signature, tensors: parseSignature(signature), attrs: {}, ...body }) as unknown as TypedOp<S, A, G>;

function parseSignature(signature: string): TensorSlot[] {
  const [ins, outs] = signature.split(/ ?-> /); // an op may have no inputs
  if (outs === undefined) throw new Error(`signature without "->": ${signature}`);
  const slots = (text: string, output: boolean): TensorSlot[] =>
    text
      .split(" ")
      .filter(Boolean)
      .map((term) => {
        const m = /^(\w+)\[([\w,]+)\](\?)?(?::(f32|i32))?$/.exec(term);
        if (!m) throw new Error(`signature term "${term}" in "${signature}"`);
        return {
          name: m[1]!,
          letters: m[2]!.split(","),
          optional: m[3] === "?",
          dtype: (m[4] ?? "f32") as DType,
          output,
        };
      });
  return [...slots(ins!, false), ...slots(outs, true)];
}

/** Bytes that a kernel must move at least: every tensor once, unless the op says otherwise. */
export const leastTraffic = (op: Op, d: Dims, attrs: Attrs, has: (tensor: string) => boolean): number =>
  op.bytes?.(d, attrs) ??
  op.tensors
    .filter((t) => has(t.name))
    .reduce((sum, t) => sum + 4 * shapeOf(t, d).reduce((a, b) => a * b, 1), 0);

/**
 * Sizes of the dimension letters, read off the shapes of the tensors given. Throws on a contradiction: that
 * is a bug of ours.
 */
export function unify(op: Op, shapes: Readonly<Record<string, readonly number[] | undefined>>): Dims {
  const d: Record<string, number> = {};
  for (const slot of op.tensors) {
    const shape = shapes[slot.name];
    if (!shape) continue;
    if (shape.length !== slot.letters.length)
      throw new Error(`${slot.name}[${slot.letters}] cannot be [${shape}] in ${op.signature}`);
    for (const [i, letter] of slot.letters.entries()) {
      if (d[letter] !== undefined && d[letter] !== shape[i])
        throw new Error(`${slot.name}: ${letter} is ${d[letter]} and ${shape[i]} in ${op.signature}`);
      d[letter] = shape[i]!;
    }
  }
  return d;
}

export const shapeOf = (slot: TensorSlot, d: Dims): number[] => slot.letters.map((letter) => d[letter]!);
