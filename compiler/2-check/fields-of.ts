/** The values of a table of fields, read from a scope; and a spec's words as the model's names. */
import type { Fields, ValuesOf } from "./fields.ts";
import type { Scope } from "./scope.ts";

export const readAll = <F extends Fields>(fields: F, scope: Scope): Partial<ValuesOf<F>> =>
  Object.fromEntries(Object.keys(fields).map((key) => [key, scope.read(key)])) as Partial<ValuesOf<F>>;

export const isComplete = <F extends Fields>(
  fields: F,
  values: Partial<ValuesOf<F>>,
): values is ValuesOf<F> =>
  Object.keys(fields).every((key) => (values as Record<string, unknown>)[key] !== undefined);

type CamelCase<S extends string> = S extends `${infer First}_${infer Rest}`
  ? `${First}${Capitalize<CamelCase<Rest>>}`
  : S;

/** { min_lr } → { minLr }: a spec's words, and the model's. */
export const camelCased = <T extends object>(values: T): { [K in keyof T as CamelCase<K & string>]: T[K] } =>
  Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      key.replace(/_(.)/g, (_, c: string) => c.toUpperCase()),
      value,
    ]),
  ) as never;
