/**
 * `npm run study -- fit-planner`: fits the constants of compiler/planner/step-constants.ts on every second
 * published step, and says how far the others are from what follows. It takes a second.
 */
import { readFileSync } from "node:fs";
import { check } from "../../../compiler/index.ts";
import { costsOf, type ModelCosts } from "../../../compiler/planner/costs.ts";
import type { MemorySettings } from "../../../compiler/planner/device-memory.ts";
import {
  publishedSteps,
  stepSettings,
  type PublishedStep,
} from "../../../compiler/planner/published-steps.ts";
import {
  acceleratorNamed,
  type Accelerator,
  type Precision,
} from "../../../compiler/planner/tables/hardware.ts";
import { stepTime } from "../../../compiler/planner/step-time.ts";
import { constantsOf, type StepConstants } from "../../../compiler/planner/step-constants.ts";
import { percent } from "../../../runtime/contract/amounts.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { MPT_VOCAB, mosaicRows, mptShapes, uncompiled, type MosaicRow, type MptSize } from "./mosaicml.ts";
import { otherModel, otherSteps } from "./other-steps.ts";

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
  acceleratorNamed(card === "a100-80" ? "a100" : card)!;

/** A published step in the planner's terms. */
export interface FitRow {
  readonly title: string;
  readonly costs: ModelCosts;
  readonly settings: MemorySettings;
  readonly card: Accelerator;
  readonly precision: Precision;
  /** Of all devices together, as published. */
  readonly tokensPerSecond: number;
  /** It is known to differ in something that no constant can stand for. */
  readonly isOther: boolean;
}

export function mosaicFitRow(row: MosaicRow): FitRow {
  const { size, devices, sequence, micro, accumulation, precision, tokensPerSecond } = row;
  return {
    title: `mpt-${size}, ${sequence} on ${devices}`,
    costs: mptCosts(size, sequence),
    settings: {
      devices,
      tensor: 1,
      pipeline: 1,
      context: 1,
      expert: 1,
      shard: devices,
      states: "sharded",
      optimizer: "adamw",
      recompute: row.recompute ? "full" : "none",
      sequence,
      micro,
      accumulation,
      interleaved: 1,
      lossChunks: 1,
    },
    card: cardOf(row),
    precision,
    tokensPerSecond,
    isOther: false,
  };
}

function stepFitRow(model: Model, step: PublishedStep): FitRow {
  const costs = costsOf(model);
  const settings = stepSettings(costs, step);
  const { card, precision, devices } = settings;
  return {
    title: `${model.name} on ${devices} ${card.name}, ${precision}`,
    costs,
    settings,
    card,
    precision,
    tokensPerSecond: step.rate! * devices,
    isOther: step.differs?.rate !== undefined,
  };
}

const specFiles = ["gpt2", "llama3"];

/** Published steps of compiled programs, with their speeds, by the cards that have constants in common. */
export function compiledRows(): ReadonlyMap<string, readonly FitRow[]> {
  const models = specFiles.flatMap(
    (file) => check(readFileSync(new URL(`../../../specs/${file}.sinter`, import.meta.url), "utf8")).models,
  );
  const named = (name: string): Model => models.find((model) => model.name === name)!;
  const rows = [
    ...publishedSteps.map((step) => [named(step.model), step] as const),
    ...otherSteps.map((step) => [otherModel(step.model), step] as const),
  ].flatMap(([model, step]) => (step.rate === undefined ? [] : [stepFitRow(model, step)]));
  return Map.groupBy(rows, ({ card }) => (card.name.startsWith("h") ? "h100, h200" : "a100"));
}

/** Predicted tokens per second over the published ones. */
export const ratioOf = (
  { costs, settings, card, precision, tokensPerSecond }: FitRow,
  constants?: StepConstants,
): number => stepTime(costs, settings, card, precision, constants).tokensPerSecond / tokensPerSecond;

/** Where the rows say little of a constant, it stays what it can be. */
type Bounds = Readonly<Partial<Record<keyof StepConstants, readonly [low: number, high: number]>>>;

interface Kind {
  readonly title: string;
  /** Of which the rows say something. */
  readonly free: readonly (keyof StepConstants)[];
  /** Which descent is best shows: they end in different valleys. */
  readonly starts: readonly StepConstants[];
  readonly bounds: Bounds;
}

const START = {
  products: 1.4,
  attention: 3,
  fp8: 1,
  elements: 1,
  loss: 1,
  optimizer: 1,
  exchange: 0.1,
  tensor: 2,
};
export const mosaicKind: Kind = {
  title: "not compiled",
  free: ["products", "attention", "elements", "loss", "optimizer", "exchange", "layer"],
  starts: [3e-4, 3e-3, 1e-2].flatMap((layer) =>
    [1, 5].map((loss) => ({ ...START, loss, optimizer: loss, layer })),
  ),
  bounds: { products: [1, Infinity], optimizer: [0.5, Infinity], exchange: [0.03, Infinity] },
};
/** 798 TFLOP/s of a large product were measured on an H100 at 700 W: 1.24; a program has smaller ones. */
export const compiledKind: Kind = {
  title: "compiled",
  free: Object.keys({ ...START, layer: 0 }) as (keyof StepConstants)[],
  starts: [1.2, 1.4, 1.6].flatMap((products) =>
    [2, 4].map((elements) => ({ ...START, products, elements, optimizer: 1.7, layer: 1e-4, tensor: 1.5 })),
  ),
  bounds: {
    products: [1.15, 2],
    attention: [2.5, 6.5],
    fp8: [1, 1.6],
    elements: [1, 5],
    loss: [0.5, 3],
    optimizer: [1, 3],
    layer: [2e-5, 5e-4],
    exchange: [0.03, 0.3],
    tensor: [1.1, 3],
  },
};

interface Fit {
  readonly constants: StepConstants;
  readonly wrong: number;
}

export function fitConstants(rows: readonly FitRow[], kind: Kind): StepConstants {
  const linear = rows.map(linearRow);
  const fits = kind.starts.map((start) => descend(start, linear, kind));
  return fits.reduce((best, fit) => (fit.wrong < best.wrong ? fit : best)).constants;
}

const NONE = {
  products: 0,
  attention: 0,
  fp8: 1,
  elements: 0,
  loss: 0,
  optimizer: 0,
  layer: 0,
  exchange: 0,
  tensor: 0,
} as const satisfies StepConstants;
const names = Object.keys(NONE) as (keyof StepConstants)[];

/** A step's time is a sum of the constants, each times what it stands for; products take `fp8` besides. */
interface LinearRow {
  /** Of 1 of each constant, as shares of the published time; `fp8` is a factor of its own. */
  readonly shares: Readonly<Record<keyof StepConstants, number>>;
  readonly isFp8: boolean;
}

function linearRow(row: FitRow): LinearRow {
  const share = (constants: StepConstants): number => 1 / ratioOf(row, constants);
  const shares = names.map((name) => [name, name === "fp8" ? 0 : share({ ...NONE, [name]: 1 })] as const);
  return {
    shares: Object.fromEntries(shares) as Record<keyof StepConstants, number>,
    isFp8: row.precision === "fp8",
  };
}

/** Predicted time over the published one. */
const timeRatio = ({ shares, isFp8 }: LinearRow, k: StepConstants): number =>
  names.reduce((sum, name) => sum + k[name] * shares[name], 0) +
  (isFp8 ? (k.fp8 - 1) * k.products * shares.products : 0);

/** Coordinate descent on the sum of |ln(predicted / published)|^1.5, with steps that grow smaller. */
function descend(start: StepConstants, rows: readonly LinearRow[], { free, bounds }: Kind): Fit {
  const wrong = (k: StepConstants): number =>
    rows.reduce((sum, row) => sum + Math.abs(Math.log(timeRatio(row, k))) ** 1.5, 0);
  let best = start;
  let least = wrong(best);
  for (let factor = 2; factor > 1.002; factor = 1 + (factor - 1) * 0.96)
    for (const name of free)
      for (const by of [factor, 1 / factor]) {
        const [low, high] = bounds[name] ?? [0, Infinity];
        const tried = { ...best, [name]: Math.min(high, Math.max(low, best[name] * by)) };
        const now = wrong(tried);
        if (now < least) [best, least] = [tried, now];
      }
  return { constants: best, wrong: least };
}

/** Whether a row is fitted on; the others are held out. */
export const isFitted = ({ isOther }: FitRow, i: number): boolean => i % 2 === 0 && !isOther;

/** Rows that are fitted together, and the constants that stand in a table for them. */
interface Group {
  readonly title: string;
  readonly rows: readonly FitRow[];
  readonly kind: Kind;
  readonly table: StepConstants;
}

export const groups = (): readonly Group[] => [
  ...(["h100", "a100-80", "a100-40"] as const).map((card): Group => {
    const rows = mosaicRows.filter((row) => row.card === card && row.precision === "bf16").map(mosaicFitRow);
    return { title: card, rows, kind: mosaicKind, table: uncompiled[rows[0]!.card.name]! };
  }),
  ...[...compiledRows()].map(([title, rows]): Group => {
    return { title, rows, kind: compiledKind, table: constantsOf(rows[0]!.card.name) };
  }),
];

/** The table has three digits of each. */
const ROUNDED = 0.006;

/** Constants of a table that are not what the fit gives: "elements 0.535, fitted 0.19". */
export const differences = (fitted: StepConstants, table: StepConstants): readonly string[] =>
  (Object.keys(table) as (keyof StepConstants)[])
    .filter((name) => Math.abs(fitted[name] / table[name] - 1) > ROUNDED)
    .map((name) => `${name} ${table[name]}, fitted ${fitted[name].toPrecision(3)}`);

/** Fits each card's constants on every second row, and prints them with how far off the others are. */
export const reportFit = (): void => groups().forEach(reportGroup);

function reportGroup({ title, rows, kind, table }: Group): void {
  const constants = fitConstants(rows.filter(isFitted), kind);
  const off = rows.map((row) => ratioOf(row, constants) - 1);
  const held = off.filter((_, i) => !isFitted(rows[i]!, i));
  const near = held.filter((e) => Math.abs(e) <= 0.15).length;
  const mean = held.reduce((sum, e) => sum + Math.abs(e), 0) / held.length;
  const numbers = Object.entries(constants).map(([name, value]) => `${name}: ${value.toPrecision(3)}`);
  console.log(`${title}, ${kind.title}: { ${numbers.join(", ")} }`);
  const others = differences(constants, table);
  console.log(others.length === 0 ? "  the table's, too" : `  in the table: ${others.join("; ")}`);
  console.log(`  ${held.length} rows held out: ${near} within 15 %, mean distance ${percent(mean, 1)}`);
  for (const [i, row] of rows.entries())
    if (Math.abs(off[i]!) > 0.15)
      console.log(`  ${isFitted(row, i) ? "fitted on" : "held out"}, ${percent(off[i]!)} off: ${row.title}`);
}
