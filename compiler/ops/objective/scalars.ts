/**
 * Expressions of numbers, for equations of objectives: equal ones are one and the same object, and each has a
 * derivative by any of its variables, which is an expression again.
 *
 *   f = -logsigmoid(beta * a)        ∂f/∂a = -(beta * sigmoid(-(beta * a)))
 *
 * Where a derivative has two sides (min, clip, relu …) it selects one: what is not chosen is never multiplied
 * by zero, so that an infinite number on the other side does no harm.
 */
import type { ScalarFunction } from "./scalar-functions.ts";

export type Scalar =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "call"; readonly of: ScalarFunction; readonly args: readonly Scalar[] };

/** Makes expressions. */
export class Scalars {
  readonly #known = new Map<string, Scalar>();
  readonly #numberOf = new Map<Scalar, number>();

  number(value: number): Scalar {
    return this.#one(`${value === 0 ? 0 : value}`, { kind: "number", value });
  }

  variable(name: string): Scalar {
    return this.#one(`$${name}`, { kind: "variable", name });
  }

  /** Sums with 0 and products with 0 or 1 are left out; of numbers alone, the number is written down. */
  call(of: ScalarFunction, ...args: readonly Scalar[]): Scalar {
    return (
      this.#simple(of, args) ??
      this.#one(`${of}(${args.map((a) => this.#numberOf.get(a)!).join()})`, { kind: "call", of, args })
    );
  }

  /** ∂of/∂by. `by` is a variable. */
  derivative(of: Scalar, by: Scalar): Scalar {
    const known = new Map<Scalar, Scalar>([[by, this.number(1)]]);
    const slope = (x: Scalar): Scalar => {
      const before = known.get(x);
      if (before) return before;
      const found = x.kind === "call" ? this.#chainRule(x.of, x.args, x, slope) : this.number(0);
      known.set(x, found);
      return found;
    };
    return slope(of);
  }

  #one(key: string, scalar: Scalar): Scalar {
    const before = this.#known.get(key);
    if (before) return before;
    this.#known.set(key, scalar);
    this.#numberOf.set(scalar, this.#numberOf.size);
    return scalar;
  }

  #simple(of: ScalarFunction, args: readonly Scalar[]): Scalar | undefined {
    const [a, b, c] = args;
    const is = (x: Scalar | undefined, value: number): boolean => x?.kind === "number" && x.value === value;
    if (of === "add") return is(a, 0) ? b : is(b, 0) ? a : undefined;
    if (of === "subtract") return is(b, 0) ? a : is(a, 0) ? this.call("negate", b!) : undefined;
    if (of === "multiply")
      return is(a, 0) || is(b, 0) ? this.number(0) : is(a, 1) ? b : is(b, 1) ? a : undefined;
    if (of === "divide") return is(a, 0) ? a : is(b, 1) ? a : undefined;
    if (of === "negate" && a!.kind === "number") return this.number(-a!.value);
    if (of === "negate" && a!.kind === "call" && a!.of === "negate") return a!.args[0];
    return of === "select" && b === c ? b : undefined;
  }

  #chainRule(of: ScalarFunction, args: readonly Scalar[], x: Scalar, slope: (x: Scalar) => Scalar): Scalar {
    const zero = this.number(0);
    const call = this.call.bind(this);
    const [a, b, c] = args as [Scalar, Scalar, Scalar];
    const times = (factor: () => Scalar): Scalar => {
      const inner = slope(a);
      return inner === zero ? zero : call("multiply", factor(), inner);
    };
    switch (of) {
      case "add":
      case "subtract":
        return call(of, slope(a), slope(b));
      case "negate":
        return call("negate", slope(a));
      case "multiply":
        return call("add", call("multiply", slope(a), b), call("multiply", a, slope(b)));
      case "divide":
        // (a / b)' = (a' − (a / b) · b') / b
        return call("divide", call("subtract", slope(a), call("multiply", x, slope(b))), b);
      case "exp":
        return times(() => call("exp_slope", a));
      case "log":
        return times(() => call("divide", this.number(1), a));
      case "log1mexp":
        return times(() => call("log1mexp_slope", a));
      case "sigmoid":
        return times(() => call("multiply", x, call("sigmoid", call("negate", a))));
      case "logsigmoid":
        return times(() => call("sigmoid", call("negate", a)));
      case "square":
        return times(() => call("multiply", this.number(2), a));
      case "relu":
        return call("select", call("step", a), slope(a), zero);
      case "min":
        return call("select", call("at_most", a, b), slope(a), slope(b));
      case "max":
        return call("select", call("at_most", b, a), slope(a), slope(b));
      case "clip": {
        const notAbove = call("select", call("at_most", a, c), slope(a), slope(c));
        return call("select", call("at_most", b, a), notAbove, slope(b));
      }
      case "stop":
      case "step":
      case "at_most":
        return zero;
      case "exp_slope":
      case "log1mexp_slope":
      case "select":
        throw new Error(`${of} stands in derivatives only`);
    }
  }
}

/** All expressions in these, each once, after those that it is made of. */
export function inOrder(roots: readonly Scalar[]): readonly Scalar[] {
  const found = new Set<Scalar>();
  const visit = (x: Scalar): void => {
    if (found.has(x)) return;
    if (x.kind === "call") x.args.forEach(visit);
    found.add(x);
  };
  roots.forEach(visit);
  return [...found];
}

/** The variables that these are made of. */
export const variablesOf = (roots: readonly Scalar[]): ReadonlySet<string> =>
  new Set(inOrder(roots).flatMap((x) => (x.kind === "variable" ? [x.name] : [])));
