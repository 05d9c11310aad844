/**
 * The manifest of a bundle (manifest.json): all that the runtime knows of a compiled model. A bundle has up
 * to two modules: `train`, and `infer`, which has no gradients and no moments. Which entries they have is in
 * entries.ts.
 *
 * A module that no single memory holds is divided into partitions; the manifest's fields call them parts.
 */
import type { Lora, Model } from "./model.ts";
import type { control, hyper } from "./control.ts";
import type { CacheFormat, DType } from "./memory-formats.ts";
import type { Target } from "./targets.ts";
import type { Unit } from "./objective.ts";
import type { Applied } from "./profile-site.ts";
import type { Init, Quantised, Storage } from "./storage.ts";

/** A runtime reads manifests of this version only. */
export const MANIFEST_VERSION = 1;

export const moduleNames = ["train", "infer"] as const;
export type ModuleName = (typeof moduleNames)[number];

/**
 * consistent: what a token gives (its keys, values and logits) has the same bits however its text came: in
 * which chunks, beside which other texts, in which lane. float: it may differ by roundings.
 */
export const numericModes = ["consistent", "float"] as const;
export type Numerics = (typeof numericModes)[number];

/** A tensor that outlives the run of an entry, and where it lies. */
export interface TensorPlace {
  /**
   * A parameter's name is "layers.attention.qkv.weight" for all layers together; a checkpoint has
   * "layers.3.attention.qkv.weight". What the columns of each parameter are is in
   * compiler/2-check/parameters.ts.
   */
  readonly name: string;
  readonly storage: Exclude<Storage, "activation" | "cache">;
  readonly dtype: DType;
  /** The shape of one slice; for a quantised tensor, the shape of the weights that it holds. */
  readonly shape: readonly number[];
  /** A tensor of the layer section has one slice for each layer; every other has one. */
  readonly slices: number;
  /** Whether it belongs to the layer section: its names in a checkpoint then carry the layers' numbers. */
  readonly layered: boolean;
  /** Floats from one row (the last dimension) to the next; what lies behind a row's end is zero. */
  readonly rowFloats: number;
  /**
   * The byte address of slice 0, and the bytes from slice to slice. Both are −1 in a module that is divided:
   * its partitions have the addresses.
   */
  readonly offset: number;
  readonly stride: number;
  /** In a partition: the layer that slice 0 belongs to. */
  readonly firstLayer?: number;
  /** The parameter to which this gradient or moment belongs. */
  readonly of?: string;
  /** What a parameter begins as. */
  readonly init?: Init;
  /** Whether weight decay applies to a parameter. */
  readonly decay?: boolean;
  /** False: training leaves this parameter as it is; it has no gradient and no moments. Absent: true. */
  readonly trained?: boolean;
  /**
   * The tensor is kept in fewer bits, as rows of words (weight-rows.ts). `transposed` says that such a row is
   * a column of `shape`. `laneBytes`: bytes of a group that stand together in one lane, said of q8_0. Absent
   * in bundles of earlier releases, where it was 2: that order is not read any more.
   */
  readonly quantised?: Pick<Quantised, "format" | "transposed"> & { readonly laneBytes?: number };
}

/** Something that the runtime can run. */
export interface EntryPlace {
  /** An entry's name (entries.ts), or that of a segment's entry; also the name of the wasm export. */
  readonly name: string;
  /** The number by which workers know it, in `control.entry`. */
  readonly index: number;
  /** The names of the tensors that are written before it, and of those that are read after it: entries.ts. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** How many sequences one call takes, and how many tokens of each. */
  readonly batch: number;
  readonly context: number;
  /** The floating-point operations of one call. */
  readonly flops: number;
  /**
   * train, evaluate: the objective that the module was compiled for. Absent: the next token's cross-entropy.
   */
  readonly objective?: ObjectivePlace;
  /** look: the parts of the layers of which it says something. */
  readonly look?: LookPlace;
  /** What the entry `train` of a model with experts says of each mixture. */
  readonly mixtures?: readonly MixturePlace[];
  /** In a module that is divided: the entries of partitions that make up this one, in their order. */
  readonly runs?: readonly EntryRun[];
}

export interface EntryRun {
  readonly part: number;
  /** An entry, or a leg of one (`legEntry`). */
  readonly entry: string;
  /**
   * What is copied to its memory before it runs. x: rows [batch · context, width], from the `x_out` of the
   * run before to its `x_in`. cotangent: as many, from the `d_x_in` of the run before to its `d_x_out`. norm:
   * the norm of all gradients; such a run is left out where no update follows. Absent: nothing for the first
   * run, x for all others.
   */
  readonly takes?: "x" | "cotangent" | "norm";
}

/**
 * What the names of the parts' parameters begin with ("layers.attention"), in the order in which they are
 * computed. Tensors of them: `insideNames` of entries.ts.
 */
export interface LookPlace {
  readonly attention: readonly string[];
  readonly feedForward: readonly string[];
}

/** How an objective is asked, and what it says: objective.ts. */
export interface ObjectivePlace {
  readonly name: string;
  readonly unit: Unit;
  /** As text of the language. */
  readonly equation: string;
  /** Settings in the order of the input `settings`, with the values that they have where nobody sets them. */
  readonly settings: readonly { readonly name: string; readonly value: number }[];
  /** What is logged: an element of the output `objective`, divided by another. */
  readonly metrics: readonly { readonly name: string; readonly sum: number; readonly per: number }[];
}

/**
 * The outputs that say how a mixture of experts was used; those of a layer section have a slice per layer.
 */
export interface MixturePlace {
  /** What its parameters' names begin with: "layers.experts". */
  readonly name: string;
  /**
   * The name of an output, i32 [experts + 1]. A batch's choices are sorted by expert; element e says where
   * those of expert e begin, and the last element how many there are in all.
   */
  readonly starts: string;
  /**
   * The name of an output, f32 [1]: the mixture's load-balancing loss, summed over the batch's rows. Absent:
   * it has none.
   */
  readonly balance?: string;
}

export interface WasmFile {
  readonly file: string;
  readonly bytes: number;
  /** In lower-case hexadecimal. */
  readonly sha256: string;
  /** The offset of the byte that says whether the imported memory is shared: memory-import.ts. */
  readonly memoryFlagOffset: number;
}

/** A call of a kernel in an entry's text. What a layer calls stands there once. */
export interface ProfileSite {
  readonly entry: string;
  readonly section: string;
  /** The operation, and its kernel with sizes. */
  readonly op: string;
  readonly kernel: string;
  /** How many calls there are in one run of the entry. */
  readonly times: number;
  /** The floating-point operations of one call, and the fewest bytes that it can read and write. */
  readonly flops: number;
  readonly bytes: number;
  /** The bytes of memory that one call touches: what it changes in place counts once. */
  readonly touches: number;
  /** What one call applies to numbers one by one, which is not in `flops`. */
  readonly applies?: Applied;
}

/** Where a module that times itself keeps its times; what each site keeps is in profile-site.ts. */
export interface ProfileManifest {
  /** The byte address of the first worker's times, and the bytes from one worker's to the next one's. */
  readonly offset: number;
  readonly bytesPerWorker: number;
  readonly sites: readonly ProfileSite[];
}

/** How keys and values of earlier positions are kept: compiler/ops/attention/kit/cache-layout.ts. */
export interface CacheManifest {
  readonly format: CacheFormat;
  /** The bytes of all lanes and layers of this module, or of this partition. */
  readonly bytes: number;
  /**
   * The windows of attention for which fewer rows are kept than the context has: a ring of so many. A token
   * sees the last `window` positions, its own included.
   */
  readonly bands: readonly { readonly window: number; readonly rows: number }[];
  /** In a module of several lanes, or a partition of it: where they are. */
  readonly places?: readonly CachePlace[];
}

/**
 * Where the lanes of one layer's keys, or of its values, are: from `offset` on, one behind the other. A lane
 * is so many equal pieces, each with all of its positions in panels.
 */
export interface CachePlace {
  readonly offset: number;
  readonly pieces: number;
  readonly pieceBytes: number;
  readonly panelBytes: number;
  /** The positions that a panel holds. */
  readonly panelPositions: number;
}

export interface ModuleManifest {
  /** What the memory has for `maxWorkers` workers. For other numbers of them: worker-memory.ts. */
  readonly memoryBytes: number;
  readonly memoryPages: number;
  /** Absent in bundles of earlier releases: keys and values are f32, and every position is kept. */
  readonly cache?: CacheManifest;
  /** How many texts' keys and values there is room for. Absent in bundles of earlier releases: 1. */
  readonly lanes?: number;
  /** The adapters that linear maps of the layers have: parameter-names.ts. Absent: none. */
  readonly lora?: Lora;
  /** Absent in bundles of earlier releases: float. */
  readonly numerics?: Numerics;
  /** How many workers `memoryBytes` are for. In bundles of earlier releases, the most that there can be. */
  readonly maxWorkers: number;
  /** What each worker has of the memory, at its end. Absent in bundles of earlier releases. */
  readonly workerBytes?: number;
  readonly tensors: readonly TensorPlace[];
  readonly entries: readonly EntryPlace[];
  readonly wasm: Partial<Record<Target, WasmFile>>;
  /** Present in a module that was compiled to time itself. */
  readonly profile?: ProfileManifest;
  /**
   * The partitions of a module that one memory does not hold; each is a module with a memory of its own. The
   * module itself then says what they are together: the bytes of all memories, every tensor with all of its
   * slices, every entry. It has no code (`wasm` is empty). Partitions of equal structure name the same files.
   */
  readonly parts?: readonly PartitionManifest[];
}

export interface PartitionManifest extends ModuleManifest {
  /** What it holds, for people: "embedding, layers 0…22, output". */
  readonly holds: string;
}

export interface Manifest {
  readonly version: typeof MANIFEST_VERSION;
  /** The compiler's version, "0.1.0". */
  readonly compiler: string;
  readonly model: Model;
  /** The number of its parameters. */
  readonly parameters: number;
  /**
   * The offsets that the kernels were compiled with. Earlier releases had `start`: the position of a run's
   * first row.
   */
  readonly control: typeof control & { readonly start?: number };
  readonly hyper: typeof hyper;
  readonly modules: { readonly [name in ModuleName]?: ModuleManifest };
}

/** All that has code: each module of a bundle, or its partitions where it is divided. */
export const codeOf = (modules: Manifest["modules"]): readonly ModuleManifest[] =>
  Object.values(modules).flatMap((m): readonly ModuleManifest[] => m.parts ?? [m]);
