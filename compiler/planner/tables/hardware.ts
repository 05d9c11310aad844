/**
 * THE table of accelerators: what a device can do at most, and what lies between devices. Each figure says
 * where it is from; rates are those of data sheets unless they say "measured". Peaks are of dense matrices:
 * the figure with sparsity, twice as large, is not what training gets.
 */
export interface Sourced {
  readonly value: number;
  readonly source: string;
  /** Year, or year and month. */
  readonly date: string;
}

export const precisions = ["bf16", "fp16", "fp8", "fp32"] as const;
export type Precision = (typeof precisions)[number];

export interface Accelerator {
  readonly name: string;
  readonly title: string;
  /** Operations per second, dense; those that it does not have are absent. */
  readonly peak: Readonly<Partial<Record<Precision, Sourced>>>;
  /** Bytes, and bytes per second. */
  readonly memory: Sourced;
  readonly bandwidth: Sourced;
  /** How many devices share a node's links. */
  readonly node: number;
  /** Bytes per second of one device in one direction: within a node, and between nodes. */
  readonly link: Sourced;
  readonly network: Sourced;
  /** Watts of one device. */
  readonly power: Sourced;
  /** Of an hour, as far as some are known. */
  readonly prices?: readonly Price[];
  /** Of a spec's `hardware` block: which figures are its own, and whose the others are. */
  readonly own?: OwnFigures;
}

export interface OwnFigures {
  /** As the block names them. */
  readonly fields: readonly string[];
  /** Of this table: it has the other figures, and how far from them steps come. Absent: all are own. */
  readonly like?: string;
}

const T = 1e12;
const G = 1e9;
const GB = 1e9;

const from =
  (source: string, date: string) =>
  (value: number): Sourced => ({ value, source, date });

/** 90 % of 400, 200 and 100 Gbit/s for each device: what collectives reach. */
const network = from("90 % of the adapter's rate, one adapter for each device", "2026-11");
const links = from("75 % of NVLink's rate in one direction", "2026-11");
const v100 = from("NVIDIA V100 data sheet", "2018-01");
const a100 = from("NVIDIA A100 data sheet", "2021-06");
const h100 = from("NVIDIA H100 data sheet", "2023-03");
/** Meta's hosts: at 500 W the peak lies between those of SXM and NVL. */
const slow = from("torchtitan, benchmarks of Llama 3, the peak as NVL's", "2024-12");
const h200 = from("NVIDIA H200 data sheet", "2024-11");
const b200 = from("NVIDIA DGX B200 data sheet", "2024-10");
const mi300 = from("AMD Instinct MI300X data sheet", "2023-12");
const tpu = from("Google Cloud TPU documentation", "2025-06");
/** torchtitan's table of peaks, which users of PyTorch divide by. */
const titan = from("torchtitan, get_peak_flops", "2026-08");

const ampere = {
  peak: { bf16: a100(312 * T), fp16: a100(312 * T), fp32: a100(156 * T) },
  node: 8,
  link: links(225 * G),
  network: network(22.5 * G),
  power: a100(400),
} as const;
const hopper = {
  peak: { bf16: h100(989.4 * T), fp16: h100(989.4 * T), fp8: h100(1978.9 * T), fp32: h100(494.7 * T) },
  node: 8,
  link: links(337.5 * G),
  network: network(45 * G),
  power: h100(700),
} as const;
/** TPUs of a pod are joined by their own links, inside of what a cluster calls a node and beyond. */
const ici = (bytes: number): Pick<Accelerator, "node" | "link" | "network"> => ({
  node: 64,
  link: tpu(bytes),
  network: tpu(bytes),
});

/**
 * What an hour of one H100 SXM cost, from who is cheapest to who is dearest (read 2026-09 to 2026-11): 5.8 ×
 * for the same chip, which is why a price is an input, and why money is a range where none is given.
 */
export const h100Prices: readonly Price[] = [
  { dollars: 2.11, source: "SF Compute, average", date: "2026-11" },
  { dollars: 2.69, source: "RunPod, community", date: "2026-11" },
  { dollars: 3.49, source: "RunPod, secure", date: "2026-11" },
  { dollars: 3.85, source: "Nebius", date: "2026-10" },
  { dollars: 3.99, source: "Lambda, eight at once", date: "2026-10" },
  { dollars: 6.16, source: "CoreWeave", date: "2026-10" },
  { dollars: 6.88, source: "AWS p5", date: "2026-09" },
  { dollars: 10.98, source: "Google Cloud", date: "2026-09" },
  { dollars: 12.29, source: "Azure", date: "2026-09" },
];

export const accelerators: readonly Accelerator[] = [
  {
    name: "v100",
    title: "NVIDIA V100 SXM2 32 GB",
    peak: { fp16: v100(125 * T), fp32: v100(15.7 * T) },
    memory: v100(32 * GB),
    bandwidth: v100(900 * G),
    node: 8,
    link: links(112.5 * G),
    network: network(11.25 * G),
    power: v100(300),
  },
  {
    ...ampere,
    name: "a100-40",
    title: "NVIDIA A100 SXM 40 GB",
    memory: a100(40 * GB),
    bandwidth: a100(1555 * G),
  },
  {
    ...ampere,
    name: "a100",
    title: "NVIDIA A100 SXM 80 GB",
    memory: a100(80 * GB),
    bandwidth: a100(2039 * G),
  },
  {
    ...hopper,
    name: "h100",
    title: "NVIDIA H100 SXM 80 GB",
    memory: h100(80 * GB),
    bandwidth: h100(3350 * G),
    prices: h100Prices,
  },
  {
    ...hopper,
    name: "h100-96",
    title: "NVIDIA H100 SXM 96 GB of HBM2e at 500 W",
    peak: { bf16: slow(835 * T), fp16: slow(835 * T), fp8: slow(1671 * T) },
    memory: slow(96 * GB),
    bandwidth: slow(2400 * G),
    power: slow(500),
  },
  {
    ...hopper,
    name: "h100-pcie",
    title: "NVIDIA H100 PCIe 80 GB",
    peak: { bf16: titan(756 * T), fp16: titan(756 * T), fp8: h100(1513 * T) },
    memory: h100(80 * GB),
    bandwidth: h100(2000 * G),
    link: from("90 % of PCIe 5.0 × 16", "2023-03")(57 * G),
    power: h100(350),
  },
  {
    ...hopper,
    name: "h200",
    title: "NVIDIA H200 SXM 141 GB",
    peak: { bf16: h200(989 * T), fp16: h200(989 * T), fp8: h200(1979 * T) },
    memory: h200(141 * GB),
    bandwidth: h200(4800 * G),
    power: h200(700),
  },
  {
    name: "b200",
    title: "NVIDIA B200 180 GB",
    peak: { bf16: titan(2250 * T), fp16: titan(2250 * T), fp8: b200(4500 * T) },
    memory: b200(180 * GB),
    bandwidth: b200(8000 * G),
    node: 8,
    link: links(675 * G),
    network: network(45 * G),
    power: b200(1000),
  },
  {
    name: "mi300x",
    title: "AMD Instinct MI300X 192 GB",
    peak: { bf16: titan(1300 * T), fp16: mi300(1307 * T), fp8: mi300(2615 * T) },
    memory: mi300(192 * GB),
    bandwidth: mi300(5300 * G),
    node: 8,
    link: mi300(336 * G),
    network: network(45 * G),
    power: mi300(750),
  },
  {
    name: "tpu-v3",
    title: "Google TPU v3 chip",
    peak: { bf16: tpu(123 * T) },
    memory: tpu(32 * GB),
    bandwidth: tpu(900 * G),
    ...ici(70 * G),
    power: tpu(220),
  },
  {
    name: "tpu-v4",
    title: "Google TPU v4 chip",
    peak: { bf16: tpu(275 * T) },
    memory: tpu(32 * GB),
    bandwidth: tpu(1228 * G),
    ...ici(150 * G),
    power: tpu(192),
  },
  {
    name: "tpu-v5e",
    title: "Google TPU v5e chip",
    peak: { bf16: tpu(197 * T) },
    memory: tpu(16 * GB),
    bandwidth: tpu(819 * G),
    ...ici(100 * G),
    power: from("estimate, unpublished", "2025-06")(200),
  },
  {
    name: "tpu-v5p",
    title: "Google TPU v5p chip",
    peak: { bf16: tpu(459 * T) },
    memory: tpu(95 * GB),
    bandwidth: tpu(2765 * G),
    ...ici(300 * G),
    power: from("estimate, unpublished", "2025-06")(450),
  },
  {
    name: "tpu-v6e",
    title: "Google TPU v6e chip",
    peak: { bf16: tpu(918 * T) },
    memory: tpu(32 * GB),
    bandwidth: tpu(1640 * G),
    ...ici(224 * G),
    power: from("estimate, unpublished", "2025-06")(300),
  },
];

/** Figures that every device has beside its peaks. */
export const cells = ["memory", "bandwidth", "node", "link", "network", "power"] as const;
type Cell = (typeof cells)[number];

/** Those that have a source. */
export const sourcedCells = cells.filter((cell): cell is Exclude<Cell, "node"> => cell !== "node");

export const acceleratorNames = accelerators.map(({ name }) => name);
export const acceleratorNamed = (name: string): Accelerator | undefined =>
  accelerators.find((a) => a.name === name);

/** A device of which only so many bytes may be filled. */
export const withMemory = (card: Accelerator, bytes: number): Accelerator => ({
  ...card,
  memory: { ...card.memory, value: Math.min(bytes, card.memory.value) },
});

/** What a price of a device's hour is. */
export const priceKinds = {
  rent: "paid to rent",
  list: "a cloud's list price",
  owned: "hardware and energy, amortised",
} as const;
export type PriceKind = keyof typeof priceKinds;

/** Money per hour of one device, from somebody's price list on some day. */
export interface Price {
  readonly dollars: number;
  readonly source: string;
  readonly date: string;
}

/** A price that a spec gives. */
export const givenPrice = (dollars: number, kind: PriceKind = "rent", year?: number): Price => ({
  dollars,
  source: priceKinds[kind],
  date: year === undefined ? "" : `${year}`,
});
