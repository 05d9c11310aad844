/**
 * npm run study -- turns --against DIR [--filter "train S,train M,decode gpt2"] [--pairs 10]
 *                        [--target wide] [--workers 2] [--seconds 0.3]
 *
 * Is this checkout as fast as another one? Both run `sinter bench` in processes of their own, by turns, and
 * take turns at going first. What a machine does beside it then slows both; what remains is in the ratios of
 * the pairs, of which the median is printed with its quartiles. Above 1: this checkout is faster.
 */
import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { missing } from "./asked.ts";

const { values: o } = parseArgs({
  options: {
    against: { type: "string" },
    filter: { type: "string", default: "train S,train M,decode gpt2" },
    pairs: { type: "string", default: "10" },
    target: { type: "string", default: "wide" },
    workers: { type: "string", default: "2" },
    seconds: { type: "string", default: "0.3" },
  },
});
if (o.against === undefined) throw missing("--against DIR: which checkout to compare with?");
const checkouts = { here: fileURLToPath(new URL("../..", import.meta.url)), there: resolve(o.against) };
type Side = keyof typeof checkouts;

/** The rows of `sinter bench --json` that are compared: those of training, prompts and decoding. */
interface Row {
  readonly tokensPerSecond: number;
}
interface Report {
  readonly training: readonly Row[];
  readonly inference: readonly Row[];
}

/** Median tokens per second of one benchmark in one process. */
function measured(side: Side, name: string): number {
  const args = ["bench", "--filter", name, "--target", o.target, "--workers", o.workers];
  const text = execFileSync(
    process.execPath,
    [`${checkouts[side]}/sinter.js`, ...args, "--seconds", o.seconds, "--no-peer", "--json"],
    { encoding: "utf8", cwd: checkouts[side], stdio: ["ignore", "pipe", "ignore"] },
  );
  const { training, inference } = JSON.parse(text) as Report;
  const rates = [...training, ...inference].map((row) => row.tokensPerSecond);
  if (rates.length !== 1) throw new Error(`--filter ${name}: ${rates.length} benchmarks, one was expected`);
  return rates[0]!;
}

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.round(share * (sorted.length - 1))]!;
const middle = (values: readonly number[]): number =>
  at(
    [...values].sort((a, b) => a - b),
    0.5,
  );

function compare(name: string): void {
  const rates: Record<Side, number[]> = { here: [], there: [] };
  for (let pair = 0; pair < Number(o.pairs); pair++) {
    const order: readonly Side[] = pair % 2 === 0 ? ["here", "there"] : ["there", "here"];
    for (const side of order) rates[side].push(measured(side, name));
    process.stderr.write(`${name}: ${pair + 1} of ${o.pairs} pairs\r`);
  }
  const ratios = rates.here.map((rate, i) => rate / rates.there[i]!).sort((a, b) => a - b);
  const [low, median, high] = [0.25, 0.5, 0.75].map((share) => at(ratios, share).toFixed(3));
  console.log(
    [
      name.padEnd(14),
      `${median} × (quartiles ${low} … ${high}, ${ratios.length} pairs)`.padEnd(46),
      `medians ${middle(rates.here).toFixed(0)} and ${middle(rates.there).toFixed(0)} tokens/s`,
    ].join("  "),
  );
}

for (const name of o.filter.split(",")) compare(name.trim());
