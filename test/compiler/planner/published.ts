/**
 * Published figures that the planner has to reproduce; each says where it is from. Facts only: the rows of a
 * table, the figures of a paper.
 */

/**
 * Table A9 of Hoffmann et al. 2022 (Chinchilla), as listed in karpathy/nanoGPT's scaling_laws.ipynb (commit
 * 0082c48): parameters in millions, width, hidden, head_dim, heads, layers.
 */
export const chinchilla: readonly (readonly [number, number, number, number, number, number])[] = [
  [44, 512, 2048, 64, 8, 8],
  [57, 576, 2304, 64, 9, 9],
  [74, 640, 2560, 64, 10, 10],
  [90, 640, 2560, 64, 10, 13],
  [106, 640, 2560, 64, 10, 16],
  [117, 768, 3072, 64, 12, 12],
  [140, 768, 3072, 64, 12, 15],
  [163, 768, 3072, 64, 12, 18],
  [175, 896, 3584, 64, 14, 14],
  [196, 896, 3584, 64, 14, 16],
  [217, 896, 3584, 64, 14, 18],
  [251, 1024, 4096, 64, 16, 16],
  [278, 1024, 4096, 64, 16, 18],
  [306, 1024, 4096, 64, 16, 20],
  [425, 1280, 5120, 128, 10, 18],
  [489, 1280, 5120, 128, 10, 21],
  [509, 1408, 5632, 128, 11, 18],
  [552, 1280, 5120, 128, 10, 24],
  [587, 1408, 5632, 128, 11, 21],
  [632, 1536, 6144, 128, 12, 19],
  [664, 1408, 5632, 128, 11, 24],
  [724, 1536, 6144, 128, 12, 22],
  [816, 1536, 6144, 128, 12, 25],
  [893, 1792, 7168, 128, 14, 20],
  [1018, 1792, 7168, 128, 14, 23],
  [1143, 1792, 7168, 128, 14, 26],
  [1266, 2048, 8192, 128, 16, 22],
  [1424, 2176, 8704, 128, 17, 22],
  [1429, 2048, 8192, 128, 16, 25],
  [1593, 2048, 8192, 128, 16, 28],
  [1609, 2176, 8704, 128, 17, 25],
  [1731, 2304, 9216, 128, 18, 24],
  [1794, 2176, 8704, 128, 17, 28],
  [2007, 2304, 9216, 128, 18, 28],
  [2283, 2304, 9216, 128, 18, 32],
  [2298, 2560, 10240, 128, 20, 26],
  [2639, 2560, 10240, 128, 20, 30],
  [2980, 2560, 10240, 128, 20, 34],
  [3530, 2688, 10752, 128, 22, 36],
  [3802, 2816, 11264, 128, 22, 36],
  [4084, 2944, 11776, 128, 22, 36],
  [4516, 3072, 12288, 128, 24, 36],
  [6796, 3584, 14336, 128, 28, 40],
  [9293, 4096, 16384, 128, 32, 42],
  [11452, 4352, 17408, 128, 32, 47],
  [12295, 4608, 18432, 128, 36, 44],
  [12569, 4608, 18432, 128, 32, 47],
  [13735, 4864, 19456, 128, 32, 47],
  [14940, 4992, 19968, 128, 32, 49],
  [16183, 5120, 20480, 128, 40, 47],
];
/** The table's vocabulary. */
export const CHINCHILLA_VOCAB = 32_000;

/**
 * NVIDIA's rows of Llama 3 on H100 cards, tokens/s and TFLOP/s of one of them: the performance archive of
 * NVIDIA-NeMo/Megatron-Bridge (commit 067f987). Sequences of 8192; attention counted as causal.
 */
export const nvidia: readonly {
  readonly model: string;
  readonly sequence: number;
  readonly rate: number;
  readonly tflops: number;
}[] = [
  { model: "llama3-8b", sequence: 8192, rate: 14_451, tflops: 744 },
  { model: "llama3-8b", sequence: 8192, rate: 14_079, tflops: 725 },
  { model: "llama3.1-405b", sequence: 8192, rate: 292, tflops: 737 },
  { model: "llama3.1-405b", sequence: 8192, rate: 302, tflops: 763 },
  { model: "llama3.1-405b", sequence: 8192, rate: 311, tflops: 784 },
  { model: "llama3.1-405b", sequence: 8192, rate: 326, tflops: 822 },
  { model: "llama3.1-405b", sequence: 8192, rate: 328, tflops: 827 },
  { model: "llama3-70b", sequence: 8192, rate: 1602, tflops: 719 },
  { model: "llama3-70b", sequence: 8192, rate: 1619, tflops: 727 },
  { model: "llama3-70b", sequence: 8192, rate: 1621, tflops: 728 },
  { model: "llama3-70b", sequence: 8192, rate: 1633, tflops: 734 },
  { model: "llama3-70b", sequence: 8192, rate: 1639, tflops: 736 },
  { model: "llama3-70b", sequence: 4096, rate: 1638, tflops: 710 },
];
/** The row of that table that contradicts itself: its rate makes 747 TFLOP/s of one card, not 731. */
export const nvidiaSlip = { model: "llama3-70b", sequence: 8192, rate: 1664, tflops: 731 } as const;
