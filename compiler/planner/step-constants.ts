/**
 * How far from their limits the pieces of a step are, fitted by `npm run study -- fit-planner` on every
 * second row of MosaicML's table. 1 would be the limit.
 */
export interface StepConstants {
  /** Products and attention: time over that at the card's peak. */
  readonly products: number;
  readonly attention: number;
  /** Element by element, loss, optimizer: time over that of their bytes at the memory's rate. */
  readonly elements: number;
  readonly loss: number;
  readonly optimizer: number;
  /** Seconds of a layer of one micro-batch, forward and backward, whatever its size. */
  readonly layer: number;
  /** The share of the exchange of weights that does not hide behind computing. */
  readonly exchange: number;
}

export const fitted: Readonly<Record<string, StepConstants>> = {
  h100: {
    products: 1.62,
    attention: 6.24,
    elements: 0.535,
    loss: 8.14,
    optimizer: 8.21,
    layer: 3.57e-3,
    exchange: 0.0378,
  },
  a100: {
    products: 1.17,
    attention: 3.64,
    elements: 5.19,
    loss: 1.37,
    optimizer: 14.1,
    layer: 8.83e-3,
    exchange: 0.0904,
  },
  "a100-40": {
    products: 1.39,
    attention: 3.66,
    elements: 0.866,
    loss: 2.92,
    optimizer: 0.5,
    layer: 4.9e-3,
    exchange: 0.0564,
  },
};
