/**
 * What a model costs by its size alone, before anybody says how it is spread: parameters, bytes, operations,
 * and hours and money as ranges, with what makes them wide. A plan (plan.ts) narrows them.
 */
import type { ModelCosts } from "./costs.ts";
import { cacheBytesOfText } from "./inference.ts";
import { trainingFlops } from "./flops.ts";
import { fitsIn, TOKENS_PER_PARAMETER, type Fits } from "./plan.ts";
import { publishedRunOf } from "./published-runs.ts";
import { peakOf } from "./step-time.ts";
import { parameterRows } from "../2-check/parameters.ts";
import type { Model } from "../../runtime/contract/model.ts";
import { statesOf } from "./tables/choices.ts";
import { accelerators, type Accelerator, type Price } from "./tables/hardware.ts";

export type Range = readonly [low: number, high: number];

/**
 * Utilisation of whole runs, restarts and all, by 6 · N · D over what the devices could do: the lowest and
 * the highest that published hours on A100 and H100 mean (Llama 3.1 8B and 405B: published-runs.ts). A run
 * that is planned carefully comes to 0.35 too: 0.40 in its steps, which count for 0.87 of its time.
 */
export const RUN_UTILISATION: Range = [0.14, 0.35];

/** Bytes of a parameter: in bf16, and in groups of 32 with a scale each (q4_0). */
const BF16 = 2;
const Q4 = 0.5625;
const CACHE = 2;
/** Of a device's memory, what may be filled by weights and text (plan.ts: above it is tight). */
const FILLED = 0.8;

export interface Estimated {
  /** Absent: as published, else 20 for each parameter that a token uses. */
  readonly tokens?: number | undefined;
  readonly card: Accelerator;
  /** Dollars for an hour of a device. Absent: from the cheapest to the dearest that is known. */
  readonly price?: number | undefined;
  /** Whether published hours and tokens are those of this model: not when its sizes were changed. */
  readonly isPublished: boolean;
}

export interface Estimate {
  readonly parameters: number;
  readonly activeParameters: number;
  readonly bytes: {
    /** Weights, gradients and moments while it is trained, by the spec's optimizer; activations apart. */
    readonly states: number;
    /** Weights in bf16 and adapters of rank 8 on all matrices of the layers, which alone are trained. */
    readonly adapted: number;
    readonly bf16: number;
    readonly q4: number;
    /** Keys and values of one text as long as the context, in bf16. */
    readonly text: number;
  };
  readonly tokens: number;
  readonly tokensAre: "given" | "published" | "20 for each parameter";
  /** 6 · N · D; and by the graph's products, attention at full context. */
  readonly flops: number;
  readonly countedFlops: number;
  /** Of all devices together. Published hours are one number. */
  readonly hours: Range;
  readonly hoursAre: "published" | "by utilisation";
  readonly dollars: Range | undefined;
  readonly prices: readonly [low: Price, high: Price] | undefined;
  /** By how much each cause alone makes the money wider: 1 where it does not. */
  readonly causes: { readonly price: number; readonly utilisation: number };
}

export function estimate(
  costs: ModelCosts,
  { tokens: given, card, price, isPublished }: Estimated,
): Estimate {
  const { parameters, activeParameters, model } = costs;
  const run = isPublished ? publishedRunOf(model.name) : undefined;
  const tokens = given ?? run?.tokens ?? TOKENS_PER_PARAMETER * activeParameters;
  const flops = 6 * activeParameters * tokens;
  const said = run?.said.find(({ what }) => what === "hours")?.value;
  const isSaid = said !== undefined && run?.card === card.name && !card.own && tokens === run.tokens;
  const peak = peakOf(card, card.peak.bf16 ? "bf16" : "fp16");
  const hoursAt = (utilisation: number): number => flops / (peak * utilisation * 3600);
  const [least, most] = RUN_UTILISATION;
  const hours: Range = isSaid ? [said, said] : [hoursAt(most), hoursAt(least)];
  const states = statesOf("sharded", model.train.optimizer ?? "adamw").divided;
  const prices = pricesOf(card, price);
  const dollars: Range | undefined = prices && [hours[0] * prices[0].dollars, hours[1] * prices[1].dollars];
  return {
    parameters,
    activeParameters,
    bytes: {
      states: states * parameters,
      adapted: BF16 * parameters + states * adapterParameters(model),
      bf16: BF16 * parameters,
      q4: Q4 * parameters,
      text: cacheBytesOfText(costs, model.sizes.context, CACHE),
    },
    tokens,
    tokensAre: given !== undefined ? "given" : run?.tokens ? "published" : "20 for each parameter",
    flops,
    countedFlops: trainingFlops(costs, model.sizes.context, "causal") * tokens,
    hours,
    hoursAre: isSaid ? "published" : "by utilisation",
    dollars,
    prices,
    causes: { price: prices ? prices[1].dollars / prices[0].dollars : 1, utilisation: hours[1] / hours[0] },
  };
}

const ADAPTER_RANK = 8;

/** Beside a matrix of a × b numbers there are two of rank × a and rank × b. */
const adapterParameters = (model: Model): number =>
  parameterRows(model)
    .filter(({ section }) => section === "layer")
    .flatMap(({ tensors, times }) =>
      tensors.map(({ shape }) => (shape.length === 2 ? times * ADAPTER_RANK * (shape[0]! + shape[1]!) : 0)),
    )
    .reduce((sum, n) => sum + n, 0);

/** The cheapest and the dearest; both are the given one where there is one. */
function pricesOf(card: Accelerator, given: number | undefined): Estimate["prices"] {
  if (given !== undefined) {
    const price = { dollars: given, source: "given", date: "" };
    return [price, price];
  }
  if (!card.prices) return undefined;
  const rising = card.prices.toSorted((a, b) => a.dollars - b.dollars);
  return [rising[0]!, rising.at(-1)!];
}

/** What one kind of device holds of a model. */
export interface Held {
  readonly card: Accelerator;
  /** Weights in q4_0 and in bf16 with one text; and all that training keeps. */
  readonly holds: readonly {
    readonly what: "q4" | "bf16" | "training";
    readonly fits: Fits;
    /** The fewest devices that hold it together, each filled to 80 %. */
    readonly devices: number;
  }[];
}

/** `own`: devices of a spec's own, which may stand for those of the table. */
export const heldBy = ({ bytes }: Estimate, own: readonly Accelerator[] = []): readonly Held[] =>
  [...own, ...accelerators.filter(({ name }) => own.every((one) => one.name !== name))].map((card) => {
    const held = (what: Held["holds"][number]["what"], size: number): Held["holds"][number] => ({
      what,
      fits: fitsIn(size, card),
      devices: Math.ceil(size / (FILLED * card.memory.value)),
    });
    const { text, q4, bf16, states } = bytes;
    return { card, holds: [held("q4", q4 + text), held("bf16", bf16 + text), held("training", states)] };
  });
