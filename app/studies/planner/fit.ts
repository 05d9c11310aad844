/**
 * `npm run study -- fit-planner`: fits the constants of compiler/planner/step-constants.ts on every second
 * row of MosaicML's table, and says how far the other rows are from what follows. It takes some seconds.
 */
import { check } from "../../../compiler/index.ts";
import { costsOf, type ModelCosts } from "../../../compiler/planner/costs.ts";
import { accelerators, type Accelerator } from "../../../compiler/planner/tables/hardware.ts";
import { stepTime } from "../../../compiler/planner/step-time.ts";
import type { StepConstants } from "../../../compiler/planner/step-constants.ts";
import { percent } from "../../../runtime/contract/amounts.ts";
import { MPT_VOCAB, mosaicRows, mptShapes, type MosaicRow, type MptSize } from "./mosaicml.ts";

/** An MPT model as a spec: GPT-2's layer with all its biases. */
export function mptSpec(size: MptSize, context: number): string {
  const { layers, width, heads } = mptShapes[size];
  return `model mpt-${size} {
  vocab ${MPT_VOCAB}   context ${context}   width ${width}   layers ${layers}   heads ${heads}
  embed token + position
  layer {
    x += attention(layernorm(x), bias: true)
    x += mlp(layernorm(x), hidden: 4 * width, activation: gelu, bias: true)
  }
  output linear(layernorm(x), tied: true)
}`;
}

export const mptCosts = (size: MptSize, context: number): ModelCosts =>
  costsOf(check(mptSpec(size, context)).models[0]!);

export const cardOf = ({ card }: MosaicRow): Accelerator =>
  accelerators.find(({ name }) => name === (card === "a100-80" ? "a100" : card))!;

/** Tokens per second of all devices together, as the planner predicts them. */
export function predictedRate(row: MosaicRow, costs: ModelCosts, constants?: StepConstants): number {
  const { devices, sequence, micro, accumulation } = row;
  const settings = {
    devices,
    tensor: 1,
    pipeline: 1,
    context: 1,
    expert: 1,
    shard: devices,
    states: "sharded",
    recompute: row.recompute ? "full" : "none",
    sequence,
    micro,
    accumulation,
    interleaved: 1,
    lossChunks: 1,
  } as const;
  return stepTime(costs, settings, cardOf(row), row.precision, constants).tokensPerSecond;
}

const START = { products: 1.4, attention: 3, elements: 1, loss: 1, optimizer: 1, exchange: 0.1 };
/** The descent ends in different valleys; which one is best shows. */
const STARTS: readonly StepConstants[] = [3e-4, 3e-3, 1e-2].flatMap((layer) =>
  [1, 5].map((loss) => ({ ...START, loss, optimizer: loss, layer })),
);

/** Where the table says little of a constant, it stays what it can be: an exchange never hides entirely. */
const isPossible = (k: StepConstants): boolean => k.products >= 1 && k.optimizer >= 0.5 && k.exchange >= 0.03;

interface Fit {
  readonly constants: StepConstants;
  readonly wrong: number;
}

export function fitConstants(rows: readonly MosaicRow[], costs: readonly ModelCosts[]): StepConstants {
  const fits = STARTS.map((start) => descend(start, rows, costs));
  return fits.reduce((best, fit) => (fit.wrong < best.wrong ? fit : best)).constants;
}

/** Coordinate descent on the sum of |ln(predicted / published)|^1.5, with steps that grow smaller. */
function descend(start: StepConstants, rows: readonly MosaicRow[], costs: readonly ModelCosts[]): Fit {
  const wrong = (k: StepConstants): number =>
    rows.reduce(
      (sum, row, i) =>
        sum + Math.abs(Math.log(predictedRate(row, costs[i]!, k) / row.tokensPerSecond)) ** 1.5,
      0,
    );
  let best = start;
  let least = wrong(best);
  for (let factor = 2; factor > 1.002; factor = 1 + (factor - 1) * 0.96)
    for (const name of Object.keys(start) as (keyof StepConstants)[])
      for (const by of [factor, 1 / factor]) {
        const tried = { ...best, [name]: best[name] * by };
        const now = isPossible(tried) ? wrong(tried) : Infinity;
        if (now < least) [best, least] = [tried, now];
      }
  return { constants: best, wrong: least };
}

/** Fits each card's constants on every second row, and prints them with how far off the others are. */
export function reportFit(): void {
  for (const card of ["h100", "a100-80", "a100-40"] as const) {
    const rows = mosaicRows.filter((row) => row.card === card && row.precision === "bf16");
    const costs = rows.map(({ size, sequence }) => mptCosts(size, sequence));
    const even = rows.map((_, i) => i % 2 === 0);
    const constants = fitConstants(
      rows.filter((_, i) => even[i]),
      costs.filter((_, i) => even[i]),
    );
    const off = rows.map((row, i) => predictedRate(row, costs[i]!, constants) / row.tokensPerSecond - 1);
    const held = off.filter((_, i) => !even[i]);
    const near = held.filter((e) => Math.abs(e) <= 0.15).length;
    const mean = held.reduce((sum, e) => sum + Math.abs(e), 0) / held.length;
    const numbers = Object.entries(constants).map(([name, value]) => `${name}: ${value.toPrecision(3)}`);
    console.log(`${card}: { ${numbers.join(", ")} }`);
    const far = Math.max(...off.map(Math.abs));
    console.log(`  ${held.length} rows held out: ${near} within 15 %, mean distance ${percent(mean, 1)}`);
    console.log(`  the row that is farthest off, of all: ${percent(far)}`);
  }
}
