/** What a plan chooses from, by name: the words that a spec's plan and the command line take. */
import type { Optimizer } from "../../../runtime/contract/model.ts";
import { MOMENT_BLOCK } from "../../../runtime/contract/moment-codes.ts";

/** How operations of attention are counted (planner/flops.ts). */
export const conventions = ["causal", "full"] as const;
export type Convention = (typeof conventions)[number];

/** How weights, gradients and moments are kept, and bytes of each parameter; of these, AdamW's moments. */
export const stateSchemes = {
  /** FSDP2, torchtitan: masters, gradients and AdamW's moments in fp32, computed in bf16; all are divided. */
  sharded: {
    divided: 16,
    whole: 0,
    moments: 8,
    doc: "fp32 weights, gradients, moments; all divided (FSDP2, ZeRO-3)",
  },
  /** DDP under autocast; the bf16 copies of the weights live while a step runs. */
  replicated: {
    divided: 0,
    whole: 18,
    moments: 8,
    doc: "fp32 everything and bf16 copies, on every device (DDP)",
  },
  /** Megatron's distributed optimizer: bf16 weights and fp32 gradients are whole, the masters are divided. */
  optimizer: { divided: 12, whole: 6, moments: 8, doc: "moments and masters divided (ZeRO-1, Megatron-LM)" },
  /** Weights, gradients and moments in bf16. */
  half: { divided: 8, whole: 0, moments: 4, doc: "bf16 everything, all divided" },
} as const;
export type StateScheme = keyof typeof stateSchemes;

/** Bytes of both moments of a parameter in 8 bits: codes, in blocks with a scale each. */
const CODED_MOMENTS = (2 * (MOMENT_BLOCK + 4)) / MOMENT_BLOCK;

/** Bytes of a parameter's weight, gradient and moments: what is divided among a shard, and what is not. */
export function statesOf(scheme: StateScheme, optimizer: Optimizer): { divided: number; whole: number } {
  const { divided, whole, moments } = stateSchemes[scheme];
  const spared = optimizer === "adamw8" ? moments - CODED_MOMENTS : 0;
  return divided > 0 ? { divided: divided - spared, whole } : { divided, whole: whole - spared };
}

export const recomputations = ["none", "selective", "full"] as const;
export type Recompute = (typeof recomputations)[number];
