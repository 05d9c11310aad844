/**
 * The entries of a module, which are what the runtime can run of it, and the tensors through which the two
 * talk. An entry is a wasm export of its name and is called as entry(worker).
 *
 *   train      a micro-batch of B sequences, T tokens each: forward, backward and, with the last micro-batch
 *              of a step, the optimizer's update
 *   evaluate   the same batch forward only
 *   prefill    a run of tokens of one text or of several: their keys and values go to the caches
 *   decode     the same with one token
 *   score      the same with logits after every row, not only after the last one of each span, and the
 *              log-probability of its target
 *   embed      the same with what the output layer would read of each row, in the place of logits
 *   look       one text from its beginning, unfused: what attention looks at in it, and what the layers add
 *   lens       what the output makes of any rows [R, width]: logits
 *   generate   a token of each of several texts again and again: a run, a token drawn after each of its rows,
 *              and these as the next run's rows, without the host; texts that end leave the run
 *
 * A module has one or several *lanes*; each is the place of one text's keys and values. A *run* is a call of
 * prefill or decode: R rows at most, of which the first `rows` are live. A *span* of it is rows that stand
 * together and are consecutive positions of one lane; a run has at most as many spans as there are lanes,
 * and no two of one lane. A chunk of a prompt is one span of many rows, the next tokens of eight texts are
 * eight spans of one row, and any mixture is allowed.
 */
import type { ModuleName } from "./manifest.ts";
import type { DType } from "./memory-formats.ts";

/** From the one that covers most kernels (`train` has forward and backward) to the one that covers least. */
export const entryNames = [
  "train",
  "evaluate",
  "prefill",
  "score",
  "embed",
  "look",
  "lens",
  "decode",
  "generate",
] as const;
export type EntryName = (typeof entryNames)[number];
/** Entries over whole sequences, and entries that go on from what the cache holds. */
export type BatchEntry = Extract<EntryName, "train" | "evaluate">;
export type IncrementalEntry = Exclude<EntryName, BatchEntry | LookEntryName>;

/** Entries that a module `infer` has where it was asked for at compile time. */
export const rowEntries = ["score", "embed"] as const satisfies readonly EntryName[];
export type RowEntryName = (typeof rowEntries)[number];
/** Two that any module in one memory has where `look` was asked for. */
export const lookEntries = ["look", "lens"] as const satisfies readonly EntryName[];
export type LookEntryName = (typeof lookEntries)[number];
/** What can be asked for. */
export const askedEntries = [...rowEntries, "look"] as const satisfies readonly EntryName[];
export type AskedEntry = (typeof askedEntries)[number];

/** Which entries every module has, besides those it was asked for. */
export const entriesOfModule = {
  train: ["train", "evaluate", "prefill", "decode", "generate"],
  infer: ["evaluate", "prefill", "decode", "generate"],
} as const satisfies Record<ModuleName, readonly EntryName[]>;

/**
 * The export of a partition's segment, of which there may be two: the second one is what comes after the last
 * layer, in the partition that also begins the model.
 */
export const segmentEntry = (entry: string, segment: number): string =>
  segment === 0 ? entry : `${entry}_output`;
/**
 * The export of a leg of a partition's `train`: what it computes until it has to wait for another memory.
 * Then the next leg goes on with what the legs before have left in the memory.
 */
export const legEntry = (entry: string, leg: number): string => (leg === 0 ? entry : `${entry}_${leg + 1}`);

/** The numbers that a partition's segments may have. */
export const segmentNumbers = [0, 1] as const;

interface InputTensor {
  readonly dtype: DType;
  /** It lies in the control block (control.ts), in the field of this name. */
  readonly control?: "rows" | "spanCount" | "loop" | "hyper";
}

/** What each element of a row of the tensor `spans` is. */
export const spanField = {
  lane: 0,
  /** The position of its first row in its text. */
  start: 1,
  /** Its first row in the run, and how many it has. */
  first: 2,
  rows: 3,
} as const;
export const SPAN_FIELDS = 4;

/** What each element of the tensor `loop` is. */
export const loopField = {
  /** How many more tokens of each text are wanted; counted down. */
  steps: 0,
  /** Not zero: the host wants the entry to end after this step. It may be set at any time. */
  stop: 1,
  /** 1: another step follows. */
  more: 2,
} as const;
export const LOOP_FIELDS = 3;

/** What each element of a row of the tensor `progress` is. */
export const progressField = {
  /** How many more tokens the text may have; counted down. */
  left: 0,
  /** Why the text has ended: an index of `textEnds`. */
  end: 1,
  /** How many tokens of the text there are in `texts`. */
  length: 2,
  /** Which row of `logits` was its last one. */
  row: 3,
} as const;
export const PROGRESS_FIELDS = 4;

/**
 * Why a text leaves the run: it goes on; it has all tokens that it may have; its last token is one of its
 * `ends`; no position of the context is left for its last token; no token could be drawn.
 */
export const textEnds = ["none", "tokens", "end of text", "context", "corrupt"] as const;
export type TextEnd = (typeof textEnds)[number];

/**
 * What the runtime writes before an entry; R rows are B·T, or those of a run, S the spans of a run, A lanes,
 * M words with a bit for each id. Of a run of `generate`, each span is one row; tokens, positions, spans,
 * rows and span_count are those of its next run when the entry ends.
 */
export const inputTensors = {
  /** [R]: ids. */
  tokens: { dtype: "i32" },
  /** train, evaluate, score: [R]. The id that is to follow each token; −1 is not counted. */
  targets: { dtype: "i32" },
  /**
   * train, where it was asked for at compile time: [R]. The weight of each row's cross-entropy in what is
   * made smaller, instead of hyper.scale; a row whose target is −1 has none.
   */
  weights: { dtype: "f32" },
  /**
   * train, evaluate, where the objective names them (objective.ts): [R]. What the host knows of each row: ln
   * p of the model that wrote the text and of the reference, the advantage, and for the value head what it is
   * to learn and what it said.
   */
  old_logprobs: { dtype: "f32" },
  reference_logprobs: { dtype: "f32" },
  advantages: { dtype: "f32" },
  returns: { dtype: "f32" },
  old_values: { dtype: "f32" },
  /** The same of each sequence: [B]. 1 or −1; and by how much a pair's scores should differ. */
  labels: { dtype: "f32" },
  margins: { dtype: "f32" },
  /**
   * train, evaluate, where it was asked for at compile time: [R]. By how much the adapters of a row count:
   * 1, or 0 for the model as it was before.
   */
  adapters: { dtype: "f32" },
  /**
   * prefill, decode, generate, score, embed of a module infer that has adapters: [A]. Whether they count for
   * the text of each lane; 0: it is written by the model as it was before.
   */
  adapted_lanes: { dtype: "i32" },
  /** train, evaluate: [32]. The objective's settings: the nearest f32 of each, then what is left. */
  settings: { dtype: "f32" },
  /** train: [16]. The step's numbers for the optimizer. */
  hyper: { dtype: "f32", control: "hyper" },
  /**
   * prefill, decode, generate: [R]. The position of each row in its text. train, evaluate, where documents
   * are packed: in its document.
   */
  positions: { dtype: "i32" },
  /**
   * train, evaluate, where documents are packed: [R]. The row of its sequence at which each row's document
   * begins; it sees no row before that.
   */
  first: { dtype: "i32" },
  /** prefill, decode, generate: [S,4]. `spanField` says what a row is. */
  spans: { dtype: "i32" },
  /** prefill, decode, generate, look, lens: [1]. How many rows are live: the first ones. */
  rows: { dtype: "i32", control: "rows" },
  /** prefill, decode, generate: [1]. How many spans are live. */
  span_count: { dtype: "i32", control: "spanCount" },
  /** generate: [3]. `loopField` says what each element is. */
  loop: { dtype: "i32", control: "loop" },
  /** generate: [A,16]. How each lane's tokens are drawn: sampler-words.ts. */
  samplers: { dtype: "i32" },
  /** generate: [A,M]. Ids that are never drawn; ids after which a text ends. */
  absent: { dtype: "i32" },
  ends: { dtype: "i32" },
  /** generate: [A,4]. The state of each lane's random stream, which moves on with each draw. */
  random: { dtype: "i32" },
  /** generate: [A,4]. `progressField` says what each element is. */
  progress: { dtype: "i32" },
  /**
   * generate: [A, context + 1]. The tokens of each lane's text by position; new ones come behind those that
   * the runtime has written.
   */
  texts: { dtype: "i32" },
  /**
   * generate: [A, context + 1]. For new tokens, the natural logarithm of their probability by the logits as
   * they are (0 unless it is asked for), and by what could be drawn at the temperature.
   */
  token_logprobs: { dtype: "f32" },
  choice_logprobs: { dtype: "f32" },
  /**
   * Partitions that do not begin the model: [R, width]. The rows that the partition before has made. lens:
   * rows that the output is to read.
   */
  x_in: { dtype: "f32" },
  /** train, in partitions that hand rows on: [R, width]. The cotangent of `x_out`. */
  d_x_out: { dtype: "f32" },
  /** generate, in a partition that ends the model and does not begin it: [R]. The tokens of the next run. */
  next_tokens: { dtype: "i32" },
} as const satisfies Record<string, InputTensor>;
export type InputName = keyof typeof inputTensors;

/** What the runtime reads after an entry, f32; beside it, what `mixtures` in the manifest names. */
export const outputNames = [
  /** train, evaluate: [2]. The sum of the counted targets' cross-entropies, and their number. */
  "loss",
  /** train, evaluate: [R]. The cross-entropy of each row; 0 where the target is −1. */
  "token_losses",
  /**
   * score; train, evaluate, where it was asked for at compile time: [R]. ln p(target); 0 where the target is
   * −1.
   */
  "logprobs",
  /**
   * train, evaluate, where they are asked for or the objective names them: [R]. The entropy of each row, in
   * nats.
   */
  "entropies",
  /** train, evaluate, in models with a scalar head: [R]. What it says of each row. */
  "values",
  /**
   * train, evaluate, where there is an objective (objective.ts): what `objectiveSums` says and what is
   * logged, summed over all units; and the loss of each token, answer or pair, 0 where there is nothing to
   * count.
   */
  "objective",
  "objective_losses",
  /**
   * train: [1]. The global gradient norm before clipping; where it is not finite, no update was made. In
   * partitions it is an input: what each of them has of it are the sums of squares of its chunks
   * (gradient-norm.ts).
   */
  "norm",
  "norm_partial",
  /**
   * prefill, decode, generate: [S, classes], after the last row of each live span. Classes are the
   * vocabulary's ids, or fewer where the model's output has fewer.
   */
  "logits",
  /** score, lens: [R, classes], after each live row. */
  "row_logits",
  /** look: [R, width]. The residual stream x as it enters the first layer. What layers say: `insideNames`. */
  "embedded",
  /** embed: [R, width]. What the output layer would read of each live row: the last norm's, as a rule. */
  "hidden",
  /** Partitions that do not end the model: [R, width]. The next one's `x_in`. */
  "x_out",
  /** train, in partitions that take rows over: [R, width]. The cotangent of `x_in`. */
  "d_x_in",
] as const;
export type OutputName = (typeof outputNames)[number];

/**
 * What goes from one memory to another while a module that is divided runs: as which tensor it leaves a
 * partition, and as which it comes into the next one.
 */
export const carried = {
  x: { out: "x_out", in: "x_in" },
  cotangent: { out: "d_x_in", in: "d_x_out" },
} as const satisfies Readonly<Record<string, { readonly out: OutputName; readonly in: InputName }>>;
export type Carried = keyof typeof carried;

/** look: [R, width] for each layer. The residual stream x as the layer leaves it. */
export const LAYERS_RESIDUAL = "layers.residual";
/**
 * look: what it says of a part of the layers, of which `part` is what its parameters' names begin with, and
 * what it takes; each of them for each layer, N numbers to a token's feed-forward layer.
 */
export const insideNames = (part: string) => ({
  /** Attention: [R, heads, R], by how much each token looks at each. Mixture of experts: [R, top]. */
  weights: `${part}.weights`,
  /** An input, [heads]: by how much each head's part counts; 1, or 0 for a head that is switched off. */
  scales: `${part}.scales`,
  /** Feed-forward: [R, N] after the activation, the product of gated ones. Mixture: [R · top, N] of slots. */
  hidden: `${part}.hidden`,
  /** Mixture: i32 [R, top]. The experts of each token, and which slot each of them has for it. */
  choice: `${part}.choice`,
  slots: `${part}.slots`,
});
export type TensorName = InputName | OutputName;
