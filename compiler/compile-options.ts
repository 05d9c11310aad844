/** How a model is compiled: what callers may choose, with its defaults. */
import type { AskedEntry } from "../runtime/contract/entries.ts";
import type { ModuleName, Numerics } from "../runtime/contract/manifest.ts";
import type { Lora } from "../runtime/contract/model.ts";
import type { Objective } from "../runtime/contract/objective.ts";
import type { CacheFormat, Weights } from "../runtime/contract/memory-formats.ts";
import type { Target } from "../runtime/contract/targets.ts";
import type { PerRow } from "./3-graph/builder.ts";
import type { ChosenTiles } from "./6-tile/chosen-tiles.ts";

export interface CompileOptions {
  /** Default: all three. */
  readonly targets?: readonly Target[];
  /** `train` also holds what `infer` holds, and needs gradients' and moments' memory. Default: both. */
  readonly modules?: readonly ModuleName[];
  /** Gets every stage's text: "train/04-save.txt". */
  dump?(file: string, text: string): void;
  /** Checks the graph after every pass; a violation throws. */
  readonly verify?: boolean;
  /** Tiles measured to be better than the operations' own: from `chooseTiles`. */
  readonly tiles?: ChosenTiles | undefined;
  /**
   * Bytes that one memory may have. Default: `MEMORY_LIMIT`. A module that needs more is cut into
   * partitions: 3-graph/partition.ts.
   */
  readonly memoryLimit?: number | undefined;
  /** Bytes of one block of logits: see 5-fuse/blocks.ts. Tests make it small. */
  readonly logitBytes?: number;
  /**
   * Weights, and caches of keys, of at least so many bytes are read in segments when decoding: see
   * 5-fuse/split.ts. Tests make it small.
   */
  readonly splitBytes?: number;
  /**
   * How the module `infer` keeps matrices, and `train` those that it does not train (`lora`, `trains`):
   * runtime/contract/weight-rows.ts. What is trained, adapters, and in the module `train` matrices of experts
   * are f32. Default: f32.
   */
  readonly weights?: Weights | undefined;
  /**
   * How the module `infer` keeps keys and values of earlier positions (ops/attention/kit/cache-layout.ts).
   * Default: f32.
   */
  readonly cache?: CacheFormat | undefined;
  /**
   * How the module `infer` multiplies rows of several tokens with weights in q8_0 and q4_0. `consistent`: as
   * integers, as it multiplies the row of one. `float`: as f32, which is slower and more exact; a token's
   * bits then depend on how its text was divided into runs. Default: consistent.
   */
  readonly numerics?: Numerics | undefined;
  /**
   * How many texts' keys and values a module has room for: one run makes a token of each of them, or takes
   * chunks of their prompts. Default: 1.
   */
  readonly lanes?: number | undefined;
  /**
   * What modules can do besides: `infer` can `score` texts, token by token, and `embed` them; either module
   * lets people `look` inside, where one memory holds it (runtime/contract/entries.ts). Default: nothing.
   */
  readonly entries?: readonly AskedEntry[] | undefined;
  /**
   * For objectives that the host computes: `train` takes a weight for each row's loss, `train` and `evaluate`
   * give each row's log-probability. Default: neither.
   */
  readonly perRow?: PerRow;
  /**
   * Sequences of a batch hold several documents, each of which sees itself alone: `train` and `evaluate` take
   * each row's position in its document, and the row at which that begins. Default: false.
   */
  readonly packed?: boolean | undefined;
  /**
   * What the module `train` makes smaller, and what its `evaluate` says: an equation, from `objectiveOf` or a
   * spec. Default: the next token's cross-entropy.
   */
  readonly objective?: Objective | undefined;
  /**
   * Linear maps of the layers get adapters (LoRA, Hu et al. 2021); by how much these count is said at run
   * time. Default: none.
   */
  readonly lora?: Lora | undefined;
  /**
   * Which parameters the module `train` trains, by name without the layer's number
   * ("layers.attention.qkv.weight"). Default: all; of a model with adapters these and a scalar head.
   */
  trains?(parameter: string): boolean;
  /** Every kernel and barrier is timed, by worker: the host's clock is one more import. */
  readonly profile?: boolean;
}
