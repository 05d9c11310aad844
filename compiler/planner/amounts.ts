/** How a plan writes large amounts: "15 T tokens", "1.2e24", "$56 M", "3.1 GWh". */
import { threeDigits } from "../../runtime/contract/amounts.ts";

const steps = [
  [1e12, "T"],
  [1e9, "B"],
  [1e6, "M"],
  [1e3, "k"],
] as const;

/** Three digits and a letter: 15 T, 405 B, 4.19 M, 512. */
export function amountText(amount: number): string {
  const [unit, letter] = steps.find(([least]) => Math.abs(amount) >= 0.9995 * least) ?? [1, ""];
  return `${shortly(amount / unit)}${letter && ` ${letter}`}`;
}

/** A whole number of up to three digits as it is. */
const shortly = (n: number): string => (Number.isInteger(n) && n < 1000 ? `${n}` : threeDigits(n));

/** "7.73e23": operations of a run. */
export const flopsText = (flops: number): string => flops.toExponential(2).replace("e+", "e");

/** "$672", "$1.20 M", "$56.3 M". */
export const dollarsText = (dollars: number): string => `$${amountText(dollars)}`;

/** From joules: "4.30 MWh", "21.6 GWh". */
export function energyText(joules: number): string {
  const kilowattHours = joules / 3.6e6;
  if (kilowattHours < 1000) return `${threeDigits(kilowattHours)} kWh`;
  return kilowattHours < 1e6
    ? `${threeDigits(kilowattHours / 1e3)} MWh`
    : `${threeDigits(kilowattHours / 1e6)} GWh`;
}

const suffixes: Readonly<Record<string, number>> = { k: 1e3, M: 1e6, B: 1e9, G: 1e9, T: 1e12 };

/** Reads "15T", "15.6e12", "4M", "1_000_000". Undefined: it is no amount. */
export function readAmount(text: string): number | undefined {
  const found = /^\$?([0-9][0-9_]*(?:\.[0-9]+)?(?:e[0-9]+)?)\s*([kMBGT]?)\$?$/.exec(text.trim());
  if (!found) return undefined;
  const amount = Number(found[1]!.replaceAll("_", "")) * (suffixes[found[2]!] ?? 1);
  return amount > 0 && Number.isFinite(amount) ? amount : undefined;
}
