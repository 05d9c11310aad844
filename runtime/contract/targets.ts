/** Instruction sets that a module can be compiled for; README says which engines have which. */
export const targets = ["simd", "relaxed", "wide"] as const;
export type Target = (typeof targets)[number];

/** The fastest first. */
export const fastestFirst: readonly Target[] = targets.toReversed();
