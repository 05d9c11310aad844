/**
 * The control block: the first 4 KiB of a module's memory, through which the runtime and the kernels talk.
 * The table has byte offsets; every field is an i32 or an f32. The manifest carries it, and the runtime reads
 * it from there, so that it knows where the fields of an older bundle are.
 */
export const control = {
  /** How many workers take part in every entry (i32). It is set once, before the first entry. */
  workers: 0,
  /**
   * Phases of an entry (compiler/8-emit/barrier.ts; i32): how many parts of this one are done; its number,
   * how many parts are taken and whether other programs take cores from the workers, a word on which sleepers
   * wait; how many workers have left the entry.
   */
  parts: 64,
  round: 128,
  left: 72,
  /** In how many of the last phases a worker was waited for; whether one was in this phase. */
  sleeps: 136,
  slept: 68,
  /**
   * Not zero: workers leave the entry at the end of the phase, because one died or the host gave up (i32).
   */
  abort: 192,
  /**
   * Not zero: there are more workers than cores, and whoever waits sleeps at once, since spinning would take
   * the core from those that work (i32). It is set once, before the first entry.
   */
  crowded: 196,
  /**
   * The number of the job and how many workers take part in it, a word that the host raises to start an entry
   * and on which workers wait (runtime/engine/job-words.ts); and which entry it is, by its index in the
   * manifest (i32).
   */
  job: 256,
  entry: 260,
  /** How many workers have finished the job (i32). The last one sets it back to 0 and tells the host. */
  done: 264,
  /**
   * Whether the gradients of this micro-batch are added to those that are there, and whether an update of the
   * parameters follows (i32, 0 or 1).
   */
  accumulate: 320,
  update: 324,
  /** prefill, decode: how many spans, and how many rows, are live (i32; entries.ts). */
  spanCount: 328,
  rows: 332,
  /** generate: three i32, which `loopField` names (entries.ts). */
  loop: 336,
  /**
   * How many pieces of a kernel's dynamic tasks are taken: one i32 for each such kernel of a phase
   * (compiler/8-emit/kernel.ts). The end of the phase sets them back to 0.
   */
  turns: 512,
  /** The optimizer's numbers for this step, an f32 each: `hyper` says which. */
  hyper: 384,
  /** From here to the block's end: the constants of compiler/8-emit/vector-math.ts. */
  constants: 1024,
} as const;

/**
 * Index of a field among the memory's words, where a field is read or written as an i32. `field`: its offset.
 */
export const controlWord = (field: number): number => field / 4;

/** How many kernels of a phase may have dynamic tasks. */
export const MAX_TASK_COUNTERS = 16;
/** The most workers that a module can be loaded with. What they need of memory: worker-memory.ts. */
export const MAX_WORKERS = 64;
export const CONTROL_BYTES = 4096;

/** What each element of the tensor `hyper` [16] is. */
export const hyper = {
  lr: 0,
  beta1: 1,
  beta2: 2,
  eps: 3,
  /** Decoupled weight decay, for matrices only (Loshchilov & Hutter 2017). */
  decay: 4,
  /** The largest global gradient norm that is let pass; 0: any. */
  clip: 5,
  /** 1 / (1 − β1^step) and 1 / (1 − β2^step). */
  correction1: 6,
  correction2: 7,
  /** The weight of each row's loss: 1 / (targets that count in all micro-batches of the step). */
  scale: 8,
  /** By how much adapters count: alpha / rank; 0: the model is as it was before it had any. */
  lora: 9,
  /** The number of the step, from 1: 8-bit moments are rounded by it (moment-codes.ts). */
  step: 10,
  /** In a module that is divided over several memories: the number of this memory's first layer. */
  layer: 11,
} as const;
export const HYPER_FLOATS = 16;
