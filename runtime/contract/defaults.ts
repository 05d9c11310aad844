/** Values that hold where nothing else is said, in a spec as in a call of the runtime. */

/** How a token is drawn: llama.cpp's defaults. The last of them is no setting of a spec. */
export const sampleDefaults = {
  temperature: 0.8,
  topK: 40,
  topP: 0.95,
  minP: 0.05,
  repeatPenalty: 1,
  repeatLast: 64,
} as const;

/** What a norm adds to a variance or a mean square; what the norm of queries and keys adds. */
export const NORM_EPS = 1e-5;
export const QK_NORM_EPS = 1e-6;
