/**
 * Functions of f64 numbers: what each is in AssemblyScript, and its reference. The spec's functions are the
 * first of them (runtime/contract/objective.ts); the others stand in derivatives.
 */
import type { FunctionName } from "../../../runtime/contract/objective.ts";
import type { Writer } from "../kit/writer.ts";

/** e^x of an objective keeps x within these; what lies outside has no gradient. */
const MOST_EXPONENT = 20;
/** ln(1 − e^x) keeps x below this, about what an f32 near 1 can tell from it. */
const LEAST_LOG1MEXP = -1e-7;

export type ScalarFunction =
  | FunctionName
  | "add"
  | "subtract"
  | "multiply"
  | "divide"
  | "negate"
  /** e^x, 0 where x is not kept as it is. */
  | "exp_slope"
  /** The slope of log1mexp. */
  | "log1mexp_slope"
  /** 1 where a ≤ b, else 0. */
  | "at_most"
  /** b where a is not 0, else c. */
  | "select";

interface FunctionRow {
  reference(...args: readonly number[]): number;
  /** The expression; `w` gets the functions that it calls. */
  code(w: Writer, ...args: readonly string[]): string;
}

const within = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);
const isWithin = (x: number): boolean => Math.abs(x) <= MOST_EXPONENT;
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const infix =
  (sign: string) =>
  (_w: Writer, a: string, b: string): string =>
    `(${a} ${sign} ${b})`;

export const scalarFunctions: Readonly<Record<ScalarFunction, FunctionRow>> = {
  add: { reference: (a, b) => a! + b!, code: infix("+") },
  subtract: { reference: (a, b) => a! - b!, code: infix("-") },
  multiply: { reference: (a, b) => a! * b!, code: infix("*") },
  divide: { reference: (a, b) => a! / b!, code: infix("/") },
  negate: { reference: (a) => -a!, code: (_w, a) => `(-${a})` },
  exp: {
    reference: (x) => Math.exp(within(x!, -MOST_EXPONENT, MOST_EXPONENT)),
    code: (w, x) => `${exp(w)}(min<f64>(max<f64>(${x}, -${MOST_EXPONENT}), ${MOST_EXPONENT}))`,
  },
  exp_slope: {
    reference: (x) => (isWithin(x!) ? Math.exp(x!) : 0),
    code: (w, x) => `(abs<f64>(${x}) <= ${MOST_EXPONENT} ? ${exp(w)}(${x}) : 0)`,
  },
  log: { reference: (x) => Math.log(x!), code: (_w, x) => `ln(${x})` },
  log1mexp: {
    reference(x) {
      const kept = Math.min(x!, LEAST_LOG1MEXP);
      return kept > -Math.LN2 ? Math.log(-Math.expm1(kept)) : Math.log1p(-Math.exp(kept));
    },
    code: (w, x) => `${log1mexp(w)}(min<f64>(${x}, ${LEAST_LOG1MEXP}))`,
  },
  log1mexp_slope: {
    reference: (x) => (x! <= LEAST_LOG1MEXP ? -1 / Math.expm1(-x!) : 0),
    code: (w, x) => `(${x} <= ${LEAST_LOG1MEXP} ? -1 / ${expm1(w)}(-${x}) : 0)`,
  },
  sigmoid: { reference: (x) => sigmoid(x!), code: (w, x) => `(1 / (1 + ${exp(w)}(-${x})))` },
  logsigmoid: {
    reference: (x) => Math.min(x!, 0) - Math.log1p(Math.exp(-Math.abs(x!))),
    code: (w, x) => `(min<f64>(${x}, 0) - ${log1p(w)}(${exp(w)}(-abs<f64>(${x}))))`,
  },
  square: { reference: (x) => x! * x!, code: (_w, x) => `(${x} * ${x})` },
  relu: { reference: (x) => Math.max(x!, 0), code: (_w, x) => `max<f64>(${x}, 0)` },
  step: { reference: (x) => (x! > 0 ? 1 : 0), code: (_w, x) => `<f64>(${x} > 0)` },
  stop: { reference: (x) => x!, code: (_w, x) => x },
  min: { reference: (a, b) => Math.min(a!, b!), code: (_w, a, b) => `min<f64>(${a}, ${b})` },
  max: { reference: (a, b) => Math.max(a!, b!), code: (_w, a, b) => `max<f64>(${a}, ${b})` },
  clip: {
    reference: (x, low, high) => within(x!, low!, high!),
    code: (_w, x, low, high) => `min<f64>(max<f64>(${x}, ${low}), ${high})`,
  },
  at_most: { reference: (a, b) => (a! <= b! ? 1 : 0), code: (_w, a, b) => `<f64>(${a} <= ${b})` },
  select: {
    reference: (a, b, c) => (a === 0 ? c! : b!),
    code: (_w, a, b, c) => `(${a} != 0 ? ${b} : ${c})`,
  },
};

// ---- functions of f64 that a module gets where it needs them

/** Terms of the series of e^r: |r| ≤ ln2 / 2, so the next one is below 2e-17. */
const TERMS = 13;
/** r + r²/2 + r³/6 + …, nested. */
const series = (): string =>
  Array.from({ length: TERMS - 1 }, (_, i) => TERMS - i).reduce(
    (inner, n) => `(1 + r / ${n} * ${inner})`,
    "1.0",
  );

const exp = (w: Writer): string =>
  w.helper("exp64", (f) => {
    f.line(
      "/** e^x = 2^n · e^r, |r| ≤ ln2 / 2 (Cody & Waite 1980). Relative error ≤ 1e-15 on −700 … 700. */",
    );
    f.block("function exp64(x: f64): f64", () => {
      f.line("const c = min<f64>(max<f64>(x, -700), 700), n = nearest<f64>(c * 1.4426950408889634);");
      f.line("const r = (c - n * 0.6931471803691238) - n * 1.9082149292705877e-10;");
      f.line(`const e = 1 + r * ${series()};`);
      f.line("return x != x ? x : e * reinterpret<f64>((<i64>n + 1023) << 52);");
    });
  });

const expm1 = (w: Writer): string => {
  const whole = exp(w);
  return w.helper("expm1_64", (f) => {
    f.line("/** e^x − 1 */");
    f.block("function expm1_64(x: f64): f64", () => {
      f.line(`if (abs<f64>(x) > 0.3) return ${whole}(x) - 1;`);
      f.line("const r = x;");
      f.line(`return r * ${series()};`);
    });
  });
};

const log1p = (w: Writer): string =>
  w.helper("log1p_64", (f) => {
    f.line("/** ln(1 + x), x > −1; what is lost in 1 + x is made good (Kahan). */");
    f.block("function log1p_64(x: f64): f64", () => {
      f.line("const u = 1 + x;");
      f.line("return u == 1 ? x : ln(u) * (x / (u - 1));");
    });
  });

const log1mexp = (w: Writer): string => {
  const [whole, minus, plus] = [exp(w), expm1(w), log1p(w)];
  return w.helper("log1mexp_64", (f) => {
    f.line("/** ln(1 − e^x), x < 0, by two ways that meet at −ln 2 (Mächler 2012). */");
    f.block("function log1mexp_64(x: f64): f64", () =>
      f.line(`return x > -0.6931471805599453 ? ln(-${minus}(x)) : ${plus}(-${whole}(x));`),
    );
  });
};
