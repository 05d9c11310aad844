/**
 * MosaicML's table of training speeds: MPT models of 125 M to 70 B parameters on H100 and A100 cards,
 * sequences of 512 to 65,536 tokens, in bf16 and fp8. Figures from mosaicml/llm-foundry, its README on
 * training benchmarks, commit 061f2c7 (read 2026-11-28). Its MFU counts 6 · N + 12 · layers · width ·
 * sequence operations for each token, N with the embeddings.
 */
import type { StepConstants } from "../../../compiler/planner/step-constants.ts";

/** Layers and width of each size; all have a vocabulary of 50,368, 4 · width in the mlp, and biases. */
export const mptShapes = {
  "125m": { layers: 12, width: 768, heads: 12 },
  "350m": { layers: 24, width: 1024, heads: 16 },
  "760m": { layers: 24, width: 1536, heads: 12 },
  "1b": { layers: 24, width: 2048, heads: 16 },
  "3b": { layers: 32, width: 2560, heads: 20 },
  "7b": { layers: 32, width: 4096, heads: 32 },
  "13b": { layers: 40, width: 5120, heads: 40 },
  "30b": { layers: 48, width: 7168, heads: 56 },
  "70b": { layers: 80, width: 8192, heads: 64 },
} as const;
export type MptSize = keyof typeof mptShapes;
export const MPT_VOCAB = 50_368;

/** The published count of parameters, with the position table of a sequence of 2048. */
export const mptParameters: Readonly<Record<MptSize, number>> = {
  "125m": 125_311_488,
  "350m": 355_985_408,
  "760m": 760_470_528,
  "1b": 1_315_950_592,
  "3b": 2_651_837_440,
  "7b": 6_658_859_008,
  "13b": 12_853_954_560,
  "30b": 29_975_214_080,
  "70b": 64_862_437_376,
};

export interface MosaicRow {
  readonly card: "h100" | "a100-80" | "a100-40";
  readonly precision: "bf16" | "fp8";
  readonly size: MptSize;
  readonly sequence: number;
  readonly devices: number;
  /** Sequences of one device's micro-batch, and micro-batches of a step. */
  readonly micro: number;
  readonly accumulation: number;
  /** Every layer's forward is computed a second time. */
  readonly recompute: boolean;
  /** Of all devices together. */
  readonly tokensPerSecond: number;
  /** In percent. */
  readonly mfu: number;
}

/** size sequence devices micro accumulation recompute tokens/s MFU, a row each. */
const tables = {
  "h100 bf16": `
    70b 2048 64 8 4 y 66523 42.57 | 70b 2048 32 2 16 y 28242 36.15 | 30b 8192 8 1 21 y 11072 29.92
    30b 4096 8 1 21 y 14419 35.86 | 30b 2048 32 14 3 y 73860 43.92 | 30b 2048 16 10 3 y 36209 43.07
    30b 2048 8 3 21 y 16022 38.11 | 30b 1024 8 6 21 y 16672 38.76 | 13b 32768 8 1 3 y 15812 31.68
    13b 16384 8 3 3 y 23881 35.55 | 13b 4096 8 10 3 y 37740 41.6 | 13b 2048 64 2 1 n 307209 39.86
    13b 2048 32 2 1 n 153960 39.95 | 13b 2048 16 2 1 n 76280 39.58 | 13b 2048 8 2 1 n 38336 39.79
    13b 1024 8 40 3 y 44019 44.27 | 7b 65536 8 1 2 y 15654 28.59 | 7b 32768 8 2 2 y 26550 30.94
    7b 8192 8 8 2 y 55481 37.14 | 7b 4096 8 16 2 y 68893 40.42 | 7b 2048 8 6 1 n 85144 46.44
    7b 1024 8 64 2 y 81628 42.83 | 3b 65536 8 1 2 y 26099 26.81 | 3b 32768 8 3 6 y 46984 28.84
    3b 16384 8 1 6 n 89223 36.34 | 3b 8192 8 3 6 n 132626 40.31 | 3b 4096 8 5 6 n 167712 42.31
    3b 2048 64 6 3 n 1441663 40.8 | 3b 2048 32 6 3 n 736701 41.7 | 3b 2048 16 10 3 n 386285 43.73
    3b 1024 8 20 6 n 216369 46.2 | 3b 512 8 40 6 n 223721 46.32 | 1b 65536 8 1 2 y 44050 26.34
    1b 32768 8 1 4 n 96203 33.54 | 1b 16384 8 2 4 n 157194 35.22 | 1b 8192 8 3 4 n 233256 37.73
    1b 4096 8 7 4 n 308282 40.26 | 1b 2048 64 20 1 n 2841754 40.85 | 1b 2048 32 20 1 n 1444183 41.52
    1b 2048 16 20 1 n 736596 42.36 | 1b 2048 8 14 1 n 363645 41.82 | 1b 1024 8 18 4 n 391287 41.95
    1b 512 8 56 4 n 418201 43.21 | 760m 32768 8 1 2 n 130333 31.84 | 760m 16384 8 3 2 n 222521 33.57
    760m 8192 8 6 2 n 334602 34.84 | 760m 4096 8 12 2 n 443674 35.83 | 760m 2048 32 24 1 n 2175091 37.57
    760m 2048 16 24 1 n 1096819 37.89 | 760m 2048 8 24 2 n 505177 34.9 | 760m 1024 8 48 2 n 628648 39.76
    760m 512 8 96 2 n 669998 40.42`,
  "h100 fp8": `
    3b 32768 8 3 6 y 46853 14.38 | 3b 8192 8 3 6 n 153174 23.28 | 3b 2048 8 10 6 n 244692 27.7
    3b 512 8 40 6 n 292217 30.25 | 1b 32768 8 1 4 n 100643 17.55 | 1b 8192 8 2 4 n 256087 20.71
    1b 512 8 56 4 n 562523 29.06 | 350m 32768 8 1 4 n 195516 14.8 | 350m 16384 8 2 4 n 343435 15.31
    350m 512 8 56 4 n 1235360 17.77`,
  "a100-80 bf16": `
    70b 2048 64 8 4 y 26274 53.33 | 70b 2048 32 2 16 y 11962 48.56 | 30b 8192 8 1 21 y 4594 39.38
    30b 4096 8 1 21 y 6513 51.37 | 30b 2048 8 3 21 y 7330 55.3 | 30b 1024 8 6 21 y 7571 55.82
    30b 512 8 12 21 y 7739 56.4 | 13b 32768 8 1 3 y 8134 51.69 | 13b 16384 8 3 3 y 11454 54.07
    13b 8192 8 5 3 y 14362 56.07 | 13b 4096 8 10 3 y 16482 57.62 | 13b 2048 8 2 3 n 18097 59.57
    13b 1024 8 40 3 y 18647 59.48 | 7b 65536 8 1 2 y 8108 46.97 | 7b 32768 8 2 2 y 13382 49.46
    7b 16384 8 4 2 y 19629 51.96 | 7b 8192 8 8 2 y 25655 54.47 | 7b 4096 8 16 2 y 29472 54.84
    7b 2048 8 6 2 n 37130 64.23 | 7b 1024 8 64 2 y 34857 58.01 | 3b 65536 8 1 2 y 14137 46.05
    3b 32768 8 3 6 y 24235 47.18 | 3b 16384 8 1 6 n 44233 57.13 | 3b 8192 8 3 6 n 61567 59.34
    3b 4096 8 5 6 n 75658 60.53 | 3b 2048 8 10 2 n 86491 62.11 | 3b 1024 8 20 6 n 92643 62.73
    3b 512 8 40 6 n 97019 63.71 | 1b 65536 8 1 2 y 24353 46.18 | 1b 32768 8 1 4 n 50207 55.52
    1b 16384 8 2 4 n 79650 56.6 | 1b 8192 8 3 4 n 110516 56.69 | 1b 4096 8 7 4 n 142457 59
    1b 2048 8 14 4 n 164109 59.86 | 1b 1024 8 18 4 n 176898 60.15 | 1b 512 8 56 4 n 185186 60.68
    760m 65536 8 1 2 y 33150 45.34 | 760m 32768 8 1 2 n 70417 54.57 | 760m 16384 8 3 2 n 114198 54.64
    760m 8192 8 6 2 n 167471 55.31 | 760m 4096 8 12 2 n 218808 56.05 | 760m 2048 8 24 2 n 259472 56.85
    760m 1024 8 48 2 n 238122 47.76 | 760m 512 8 96 2 n 235571 45.07 | 350m 65536 8 1 2 n 60195 52.7
    350m 32768 8 2 2 n 109222 52.46 | 350m 16384 8 4 2 n 188478 53.28 | 350m 8192 8 8 2 n 292559 53.8
    350m 4096 8 16 2 n 396442 53.31 | 350m 2048 8 32 2 n 470263 51.62 | 350m 1024 8 64 2 n 518504 50.51
    350m 512 8 128 2 n 554643 50.61 | 125m 65536 8 1 2 n 162946 54.13 | 125m 32768 8 2 2 n 291256 52.71
    125m 16384 8 4 2 n 480322 50.61 | 125m 8192 8 8 2 n 723142 48.85 | 125m 4096 8 16 2 n 947172 46.08
    125m 2048 8 40 2 n 1142641 44.79 | 125m 2048 8 32 2 n 1133901 44.45 | 125m 1024 8 64 2 n 1251751 43.15
    125m 512 8 128 2 n 1325455 42.56`,
  "a100-40 bf16": `
    70b 2048 128 4 1 y 48194 48.91 | 70b 2048 64 2 1 y 17672 35.87 | 30b 2048 128 6 1 y 110803 52.25
    30b 2048 32 4 1 y 27431 51.74 | 13b 8192 8 1 16 y 11258 43.95 | 13b 4096 8 2 16 y 12830 44.85
    13b 2048 128 16 1 y 252444 51.93 | 13b 2048 64 16 1 y 126479 52.04 | 13b 2048 32 14 1 y 63946 52.62
    13b 2048 16 10 1 y 31900 52.5 | 13b 2048 8 4 16 y 13347 43.94 | 13b 1024 8 8 16 y 13817 44.07
    13b 512 8 16 16 y 14108 44.28 | 7b 16384 8 1 4 y 17998 47.65 | 7b 8192 8 3 4 y 23098 49.04
    7b 4096 8 6 4 y 26930 50.11 | 7b 2048 128 18 1 y 463749 50.14 | 7b 2048 64 18 1 y 234614 50.73
    7b 2048 32 18 1 y 119202 51.55 | 7b 2048 16 16 1 y 58322 50.44 | 7b 2048 8 12 4 y 29436 50.92
    7b 1024 8 24 4 y 30833 51.31 | 7b 512 8 48 4 y 31167 50.85 | 3b 32768 8 1 4 y 23640 46.03
    3b 16384 8 2 8 y 35726 46.14 | 3b 8192 8 1 8 n 57193 55.13 | 3b 4096 8 2 8 n 70223 56.18
    3b 2048 128 6 1 n 1220885 54.8 | 3b 2048 64 6 1 n 623167 55.94 | 3b 2048 32 6 1 n 317261 56.96
    3b 2048 16 5 1 n 156013 56.02 | 3b 2048 8 5 8 n 80520 57.82 | 3b 1024 8 10 8 n 85854 58.14
    3b 512 8 20 8 n 90596 59.49 | 1b 32768 8 1 4 y 40762 45.07 | 1b 16384 8 1 8 n 77723 55.23
    1b 8192 8 2 8 n 107799 55.29 | 1b 4096 8 4 8 n 134851 55.85 | 1b 2048 128 10 1 n 2386897 54.41
    1b 2048 64 10 1 n 1216104 55.44 | 1b 2048 32 10 1 n 497782 45.39 | 1b 2048 16 8 1 n 305372 55.69
    1b 2048 8 8 8 n 154171 56.23 | 1b 1024 8 16 8 n 167677 57.02 | 1b 512 8 32 8 n 174256 57.1
    760m 32768 8 1 4 y 57464 44.53 | 760m 16384 8 1 4 n 111316 53.26 | 760m 8192 8 3 4 n 160853 53.12
    760m 4096 8 6 4 n 206909 53 | 760m 2048 128 12 1 n 3704382 50.73 | 760m 2048 64 12 1 n 1878030 51.44
    760m 2048 32 12 1 n 948745 51.97 | 760m 2048 16 12 1 n 473723 51.9 | 760m 2048 8 12 4 n 241389 52.89
    760m 1024 8 24 4 n 267376 53.63 | 760m 512 8 48 4 n 279504 53.47 | 350m 32768 8 1 4 n 107329 51.55
    350m 16384 8 2 4 n 183175 51.78 | 350m 8192 8 4 4 n 279466 51.39 | 350m 4096 8 8 4 n 374670 50.38
    350m 2048 128 18 1 n 6647647 45.61 | 350m 2048 64 18 1 n 3372118 46.27 | 350m 2048 32 18 1 n 1721978 47.26
    350m 2048 16 18 1 n 886622 48.66 | 350m 2048 8 16 4 n 447963 49.17 | 350m 1024 8 32 4 n 500184 48.73
    350m 512 8 64 4 n 530277 48.39 | 125m 32768 8 1 4 n 261208 47.27 | 125m 16384 8 2 3 n 443876 46.77
    125m 8192 8 5 3 n 694868 46.94 | 125m 4096 8 13 3 n 921297 44.82 | 125m 2048 128 26 1 n 15863837 38.86
    125m 2048 64 26 1 n 8015010 39.27 | 125m 2048 32 26 1 n 4067922 39.86 | 125m 2048 16 26 1 n 2088560 40.93
    125m 2048 8 26 3 n 1090678 42.75 | 125m 1024 8 52 3 n 1186314 40.89 | 125m 512 8 104 3 n 1253886 40.26`,
} as const satisfies Readonly<Record<string, string>>;

/** An earlier version of the table (commit c90b9b3) has 128 to 512 devices, too. */
const largeTable = `
    70b 2048 512 8 1 y 515636 41.25 | 70b 2048 256 8 1 y 265149 42.42 | 70b 2048 128 8 1 y 135490 43.36
    30b 2048 512 8 1 y 1083366 40.27 | 30b 2048 256 8 1 y 550022 40.89 | 30b 2048 128 8 1 y 281491 41.85
    13b 2048 512 16 1 y 2535811 41.12 | 13b 2048 256 16 1 y 1277214 41.42 | 13b 2048 128 16 1 y 650264 42.18
    7b 2048 512 6 1 n 4951479 42.2 | 7b 2048 256 6 1 n 2590548 44.15 | 7b 2048 128 6 1 n 1340830 45.71
    3b 2048 512 8 1 n 11092218 39.24 | 3b 2048 256 8 1 n 5829686 41.25 | 3b 2048 128 8 1 n 2998098 42.43
    1b 2048 512 12 1 n 20396905 36.65 | 1b 2048 256 12 1 n 10894207 39.15 | 1b 2048 128 12 1 n 5647854 40.6`;

export const mosaicRows: readonly MosaicRow[] = Object.entries(tables).flatMap(([title, table]) =>
  rowsOf(title, table),
);
export const largeMosaicRows: readonly MosaicRow[] = rowsOf("h100 bf16", largeTable);

function rowsOf(title: string, table: string): MosaicRow[] {
  const [card, precision] = title.split(" ") as [MosaicRow["card"], MosaicRow["precision"]];
  return table.split(/[|\n]/).flatMap((line): MosaicRow[] => {
    const [size, sequence, devices, micro, accumulation, recompute, tokens, mfu] = line.trim().split(" ");
    if (mfu === undefined) return [];
    return [
      {
        card,
        precision,
        size: size as MptSize,
        sequence: Number(sequence),
        devices: Number(devices),
        micro: Number(micro),
        accumulation: Number(accumulation),
        recompute: recompute === "y",
        tokensPerSecond: Number(tokens),
        mfu: Number(mfu),
      },
    ];
  });
}

/**
 * What `npm run study -- fit-planner` gives for every second row: programs of 2023, which were not compiled.
 * Bytes and layers of an H100 cannot be told apart by these rows, so that `elements` is below its limit of 1.
 */
export const uncompiled: Readonly<Record<string, StepConstants>> = {
  h100: {
    products: 1.62,
    attention: 6.24,
    fp8: 1,
    elements: 0.19,
    loss: 8.43,
    optimizer: 8.15,
    layer: 3.62e-3,
    exchange: 0.0374,
    tensor: 2,
  },
  a100: {
    products: 1.17,
    attention: 3.64,
    fp8: 1,
    elements: 5.19,
    loss: 1.37,
    optimizer: 14.1,
    layer: 8.84e-3,
    exchange: 0.0903,
    tensor: 2,
  },
  "a100-40": {
    products: 1.39,
    attention: 3.66,
    fp8: 1,
    elements: 0.874,
    loss: 2.92,
    optimizer: 0.5,
    layer: 4.9e-3,
    exchange: 0.0566,
    tensor: 2,
  },
};
