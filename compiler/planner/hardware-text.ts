/** A device's figures in a line, and where they are from. */
import { sizeText } from "../../runtime/contract/amounts.ts";
import { amountText } from "./amounts.ts";
import { acceleratorNamed, sourcedCells, type Accelerator } from "./tables/hardware.ts";

/** "bf16 989 TFLOP/s; 74.5 GiB at 3.35 TB/s; 8 in a node, 338 GB/s within, 45 GB/s between; 700 W". */
export function figuresText({ peak, memory, bandwidth, node, link, network, power }: Accelerator): string {
  const peaks = Object.entries(peak).map(
    ([precision, { value }]) => `${precision} ${amountText(value)}FLOP/s`,
  );
  const rates = `${rateText(link.value)} within, ${rateText(network.value)} between`;
  return [
    peaks.join(", "),
    `${sizeText(memory.value)} at ${rateText(bandwidth.value)}`,
    `${node} in a node, ${rates}`,
    `${amountText(power.value)} W`,
  ].join("; ");
}

/** "3.35 TB/s", "45 GB/s". */
const rateText = (bytesPerSecond: number): string => `${amountText(bytesPerSecond).replace(/ B$/, " G")}B/s`;

/** Whose figures they are: of a data sheet, or of the spec, and which. */
export function originText({ memory, own }: Accelerator): string {
  if (!own) return `${memory.source}, ${memory.date}`;
  const { fields, like } = own;
  if (like === undefined) return "all of it from the spec, not from the table";
  const rest = `as ${acceleratorNamed(like)!.title}`;
  return fields.length === 0 ? rest : `from the spec: ${fields.join(", ")}; the rest ${rest}`;
}

/** The same for programs. Absent of the table's devices, which are known by their names. */
export const ownJson = ({ own, peak, node, ...card }: Accelerator): object | undefined =>
  own && {
    figures_of_the_spec: own.fields,
    like: own.like ?? null,
    peak: Object.fromEntries(Object.entries(peak).map(([precision, { value }]) => [precision, value])),
    node,
    ...Object.fromEntries(sourcedCells.map((cell) => [cell, card[cell].value])),
    prices: card.prices ?? [],
  };
