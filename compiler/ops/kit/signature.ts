/**
 * What is read off an op's signature, by type while it is written and by a parser when it runs:
 *
 *   "x[R,C] w[C]? tokens[R]:i32 -> out[R,C] mean[R]?"      ? = may be absent;  :i32 = integers (else f32)
 *   "spans[S,4]:i32 live[1]?:i32 -> …"                     a number is a size that is always the same
 */
import type { DType } from "../../../runtime/contract/memory-formats.ts";

/** Sizes by letter. */
export type Dims = Readonly<Record<string, number>>;

type Split<S extends string, Sep extends string> = S extends `${infer A}${Sep}${infer B}`
  ? A | Split<B, Sep>
  : S;
type NameOf<Term extends string> = Term extends `${infer N}[${string}` ? N : never;
type TermLetters<Term extends string> = Term extends `${string}[${infer D}]${string}` ? Split<D, ","> : never;
type OptionalName<Term extends string> = Term extends `${infer N}[${string}]?${string}` ? N : never;
type Sides<S extends string> = S extends `${infer Ins}-> ${infer Outs}`
  ? [Split<Ins, " ">, Split<Outs, " ">]
  : never;

/** Names of a signature's inputs, outputs, tensors that may be absent, and its dimension letters. */
export type InputsOf<S extends string> = NameOf<Sides<S>[0]>;
export type OutputsOf<S extends string> = NameOf<Sides<S>[1]>;
export type OptionalOf<S extends string> = OptionalName<Split<S, " ">>;
export type LettersOf<S extends string> = Exclude<TermLetters<Split<S, " ">>, `${number}`>;

export interface TensorSlot {
  readonly name: string;
  /** Of each dimension: its letter, or the number that it always is. */
  readonly letters: readonly string[];
  readonly dtype: DType;
  readonly optional: boolean;
  readonly output: boolean;
}

export function parseSignature(signature: string): TensorSlot[] {
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

export const shapeOf = (slot: TensorSlot, d: Dims): number[] =>
  slot.letters.map((letter) => (isNumber(letter) ? Number(letter) : d[letter]!));

/** The letters of a tensor's dimensions, without those that are always the same. */
export const lettersOf = ({ letters }: TensorSlot): readonly string[] => letters.filter((l) => !isNumber(l));

const isNumber = (letter: string): boolean => /^\d+$/.test(letter);

/**
 * Sizes of the dimension letters, read off the shapes of the tensors given. Throws on a contradiction: that
 * is a bug of ours.
 */
export function unify(op: Signature, shapes: Readonly<Record<string, readonly number[] | undefined>>): Dims {
  const d: Record<string, number> = {};
  for (const slot of op.tensors) {
    const shape = shapes[slot.name];
    if (!shape) continue;
    if (shape.length !== slot.letters.length)
      throw new Error(`${slot.name}[${slot.letters}] cannot be [${shape}] in ${op.signature}`);
    for (const [i, letter] of slot.letters.entries()) {
      if (isNumber(letter) && shape[i] !== Number(letter))
        throw new Error(`${slot.name}[${slot.letters}] cannot be [${shape}] in ${op.signature}`);
      if (isNumber(letter)) continue;
      if (d[letter] !== undefined && d[letter] !== shape[i])
        throw new Error(`${slot.name}: ${letter} is ${d[letter]} and ${shape[i]} in ${op.signature}`);
      d[letter] = shape[i]!;
    }
  }
  return d;
}

interface Signature {
  readonly signature: string;
  readonly tensors: readonly TensorSlot[];
}
