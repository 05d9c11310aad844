/**
 * How far from their limits the pieces of a step are, fitted by `npm run study -- fit-planner` on every
 * second row of published steps. 1 would be the limit.
 */
export interface StepConstants {
  /** Products and attention: time over that at the card's peak. */
  readonly products: number;
  readonly attention: number;
  /** Of products in fp8, scaling of their inputs included, in those of bf16. Attention stays in bf16. */
  readonly fp8: number;
  /** Element by element, loss, optimizer: time over that of their bytes at the memory's rate. */
  readonly elements: number;
  readonly loss: number;
  readonly optimizer: number;
  /** Seconds of a layer of one micro-batch, forward and backward, whatever its size. */
  readonly layer: number;
  /** The share of the exchange of weights that does not hide behind computing. */
  readonly exchange: number;
  /**
   * Time of tensor parallelism's exchanges over that of their bytes: they wait for products, and products
   * that are divided are less efficient.
   */
  readonly tensor: number;
}

/** Programs that are compiled (torch.compile): ours, torchtitan's; llm.c and Megatron-LM come to the same. */
const compiled: Readonly<Record<string, StepConstants>> = {
  h100: {
    products: 1.74,
    attention: 4.99,
    fp8: 1.08,
    elements: 2.77,
    loss: 0.592,
    optimizer: 3,
    layer: 2e-5,
    exchange: 0.0755,
    tensor: 1.1,
  },
  a100: {
    products: 1.44,
    attention: 2.5,
    fp8: 1,
    elements: 1,
    loss: 1.1,
    optimizer: 1.81,
    layer: 1.7e-4,
    exchange: 0.03,
    tensor: 2.41,
  },
};

/** Rows of the smaller card are few: it has the larger one's constants. */
const alike: Readonly<Record<string, string>> = { "a100-40": "a100", v100: "a100" };

export const constantsOf = (card: string): StepConstants =>
  compiled[card] ?? compiled[alike[card] ?? "h100"]!;
