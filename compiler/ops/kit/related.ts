/**
 * What an op's file says about other ops, checked against all of them: the table in ops/index.ts has to fit
 * `Related` of itself. A gradient's step must name an op that there is, with its required inputs and without
 * arguments or attributes that it has not; tsc reports what does not fit at the table.
 */
import type { AttrTypes, Attrs } from "./op.ts";
import type { Replacements } from "./replacements.ts";
import type { InputsOf, OptionalOf, OutputsOf } from "./signature.ts";

export type Related<Table> = {
  readonly [K in keyof Table]: Replacements<string, string, Attrs, keyof Table & string> & {
    backward?(
      has: (tensor: string) => boolean,
      attrs: Attrs,
    ): readonly CheckedStep<Table, StepOf<Table[K]>>[];
  };
};

/** The kinds of steps that an op's gradient has. */
type StepOf<T> = T extends { backward?(...args: never): readonly (infer Step)[] } ? Step : never;

/** The step itself, if it is one that there is. */
type CheckedStep<Table, Step> = Step extends { readonly op: infer K }
  ? K extends keyof Table
    ? CheckedNode<K, Table[K], Step>
    : { readonly op: keyof Table }
  : Step;

type CheckedNode<K, Op, Step> = Op extends {
  readonly signature: infer S extends string;
  readonly attrs: infer A;
}
  ? {
      readonly op: K;
      readonly ins: Only<Step, "ins", InputsOf<S>> & {
        readonly [N in Exclude<InputsOf<S>, OptionalOf<S>>]: string;
      };
      readonly outs: Only<Step, "outs", OutputsOf<S>>;
      readonly attrs?: Only<Step, "attrs", keyof A> & Partial<AttrTypes<A>>;
    }
  : never;

/** A field of the step, if there are no other names in it. */
type Only<Step, Field extends string, Names> = Step extends { readonly [F in Field]: infer Given }
  ? { readonly [N in keyof Given]: N extends Names ? Given[N] : never }
  : unknown;
