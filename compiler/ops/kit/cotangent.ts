/**
 * What the cotangent of a tensor is called: "d_x" stands for the derivative of the objective by x. An op's
 * gradient is written with these names (`Op.backward`), and so are the tensors of the ops that compute it.
 */
const PREFIX = "d_";
export type Cotangent<Name extends string = string> = `${typeof PREFIX}${Name}`;

export const cotangentOf = <Name extends string>(name: Name): Cotangent<Name> => `${PREFIX}${name}`;

/** The tensor that a name is the cotangent of; undefined when it is a tensor's own name. */
export const primalOf = (name: string): string | undefined =>
  name.startsWith(PREFIX) ? name.slice(PREFIX.length) : undefined;
