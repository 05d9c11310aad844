/** What a plan chooses from, by name: the words that a spec's plan and the command line take. */

/** How operations of attention are counted (planner/flops.ts). */
export const conventions = ["causal", "full"] as const;
export type Convention = (typeof conventions)[number];

/** How weights, gradients and moments are kept, and bytes of each parameter. */
export const stateSchemes = {
  /** FSDP2, torchtitan: masters, gradients and AdamW's moments in fp32, computed in bf16; all are divided. */
  sharded: { divided: 16, whole: 0, doc: "fp32 weights, gradients, moments; all divided (FSDP2, ZeRO-3)" },
  /** DDP under autocast; the bf16 copies of the weights live while a step runs. */
  replicated: { divided: 0, whole: 18, doc: "fp32 everything and bf16 copies, on every device (DDP)" },
  /** Megatron's distributed optimizer: bf16 weights and fp32 gradients are whole, the masters are divided. */
  optimizer: { divided: 12, whole: 6, doc: "moments and masters divided (ZeRO-1, Megatron-LM)" },
  /** Weights, gradients and moments in bf16. */
  half: { divided: 8, whole: 0, doc: "bf16 everything, all divided" },
} as const;
export type StateScheme = keyof typeof stateSchemes;

export const recomputations = ["none", "selective", "full"] as const;
export type Recompute = (typeof recomputations)[number];
