/**
 * The first 4 KiB of a module's memory: how the runtime and the kernels talk. Offsets in bytes; all i32 or
 * f32. The manifest carries this table, so the runtime has no second copy of it.
 */
export const control = {
  /** Workers that take part in every entry (i32). Set once, before the first entry. */
  workers: 0,
  /** Barrier: workers that have arrived (i32), and the round's number, which sleepers wait on (i32). */
  arrived: 64,
  round: 128,
  /** Non-zero: leave the entry at the next barrier (a worker died, or the host gave up). i32. */
  abort: 192,
  /**
   * Job number: the host raises it to start an entry; workers wait on it. Then which entry (index in the
   * manifest). i32.
   */
  job: 256,
  entry: 260,
  /** Workers that have finished the job (i32). The last one sets it back to 0 and tells the host. */
  done: 264,
  /**
   * Gradients of this micro-batch are added to those that are there (i32 0/1); and an update follows (i32
   * 0/1).
   */
  accumulate: 320,
  update: 324,
  /** Inference: position of the first row in the context, and how many rows of the chunk are real (i32). */
  start: 328,
  rows: 332,
  /**
   * How many pieces of a kernel's dynamic tasks are taken: one i32 for each such kernel between two barriers
   * (compiler/8-emit/kernel.ts). A barrier sets them back to 0.
   */
  turns: 512,
  /** Step-wise numbers of the optimizer, f32 each: see `hyper`. */
  hyper: 384,
  /**
   * 256 bytes per worker: a horizontal sum ends here, because stores of adjacent pairs are what `wide` can
   * join.
   */
  spill: 1024,
  /** Up to 1024 bytes of the module's own static data: the constants of 8-emit/vector-math.ts. */
  constants: 3072,
} as const;

/** Index of a field among the memory's words, where a field is read or written as an i32. `field`: its offset. */
export const controlWord = (field: number): number => field / 4;

export const SPILL_BYTES = 256;
/** Kernels between two barriers that may have dynamic tasks. */
export const MAX_TASK_COUNTERS = 16;
export const MAX_WORKERS = 8;
export const CONTROL_BYTES = 4096;

/** Index into the tensor `hyper[H]` (H = 16). */
export const hyper = {
  lr: 0,
  beta1: 1,
  beta2: 2,
  eps: 3,
  /** Decoupled weight decay, on matrices only. */
  decay: 4,
  /** Largest global gradient norm; 0 = no clipping. */
  clip: 5,
  /** 1 / (1 − β1^step) and 1 / (1 − β2^step). */
  correction1: 6,
  correction2: 7,
  /** Each token's gradient is multiplied by this: 1 / (targets in all micro-batches of the step). */
  scale: 8,
} as const;
export const HYPER_FLOATS = 16;
