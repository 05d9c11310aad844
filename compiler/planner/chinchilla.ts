/**
 * How large a model and how many tokens a budget of operations is worth: L(N, D) = E + A / N^α + B / D^β
 * (Hoffmann et al. 2022, "Training compute-optimal large language models"), by a fit that has a name. At
 * C = 6 · N · D the best N is (α·A / (β·B))^(1/(α+β)) · (C/6)^(β/(α+β)).
 */
export interface Fit {
  readonly title: string;
  readonly floor: number;
  readonly a: number;
  readonly b: number;
  readonly alpha: number;
  readonly beta: number;
}

export const fits = {
  epoch: {
    title: "Besiroglu et al. 2024, a second fit of Chinchilla's points",
    floor: 1.8172,
    a: 482.01,
    b: 2085.43,
    alpha: 0.3478,
    beta: 0.3658,
  },
  /** As printed. Rounding bent it: it contradicts the paper's other two approaches, so it is no default. */
  hoffmann: {
    title: "Hoffmann et al. 2022, approach 3 as printed",
    floor: 1.69,
    a: 406.4,
    b: 410.7,
    alpha: 0.34,
    beta: 0.28,
  },
} as const satisfies Readonly<Record<string, Fit>>;
export type FitName = keyof typeof fits;
export const STANDARD_FIT: FitName = "epoch";

export interface Optimum {
  readonly parameters: number;
  readonly tokens: number;
  readonly loss: number;
}

/** Mean cross-entropy in nats per token, of the fit's data and tokenizer. */
export const lossAt = ({ floor, a, b, alpha, beta }: Fit, parameters: number, tokens: number): number =>
  floor + a / parameters ** alpha + b / tokens ** beta;

export function optimumOf(fit: Fit, flops: number): Optimum {
  const { a, b, alpha, beta } = fit;
  const parameters =
    ((alpha * a) / (beta * b)) ** (1 / (alpha + beta)) * (flops / 6) ** (beta / (alpha + beta));
  const tokens = flops / 6 / parameters;
  return { parameters, tokens, loss: lossAt(fit, parameters, tokens) };
}
