/**
 * What a whole run takes: operations, hours of all devices together, days, money, energy. A step's rate is
 * not a run's: restarts, checkpoints and evaluations take their part, which `goodput` says.
 */
import type { Accelerator, Price } from "./tables/hardware.ts";

export interface RunCost {
  readonly tokens: number;
  /** 6 · N · D with all parameters, or those that are used; and what the graph's products take. */
  readonly sixND: number;
  readonly flops: number;
  /** Device hours, and days on all of them. */
  readonly hours: number;
  readonly days: number;
  /**
   * Dollars, from the cheapest to the dearest price; one where a price is given. Absent: no price is known.
   */
  readonly dollars?: readonly [low: number, high: number];
  readonly prices: readonly Price[];
  /** Joules of the devices, times what the hall takes beside them. */
  readonly energy: number;
}

export interface RunSettings {
  readonly tokens: number;
  readonly devices: number;
  readonly tokensPerSecond: number;
  /** The share of the time in which steps are made that count: 0.87, 0.75 to 0.95 in published runs. */
  readonly goodput: number;
  readonly price?: Price | undefined;
  /** Power usage effectiveness: all of the hall's power over the devices'. */
  readonly pue: number;
}

export function runCost(
  { activeParameters, flopsPerToken }: { readonly activeParameters: number; readonly flopsPerToken: number },
  { tokens, devices, tokensPerSecond, goodput, price, pue }: RunSettings,
  card: Accelerator,
): RunCost {
  const seconds = tokens / tokensPerSecond / goodput;
  const hours = (seconds * devices) / 3600;
  const prices = price ? [price] : (card.prices ?? []);
  const each = prices.map(({ dollars }) => dollars);
  return {
    tokens,
    sixND: 6 * activeParameters * tokens,
    flops: flopsPerToken * tokens,
    hours,
    days: seconds / 86_400,
    ...(each.length > 0 && { dollars: [hours * Math.min(...each), hours * Math.max(...each)] as const }),
    prices,
    energy: seconds * devices * card.power.value * pue,
  };
}
