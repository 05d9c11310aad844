/**
 * manifest.json: all that the runtime knows of a compiled model. Nothing else crosses from compiler to
 * runtime. A bundle has two modules: `train` (train, evaluate, prefill, decode) and `infer` (evaluate,
 * prefill, decode: no gradients, no moments).
 */
import type { Model } from "./model.ts";
import type { control, hyper } from "./control.ts";
import type { CacheFormat, DType } from "./memory-formats.ts";
import type { Target } from "./targets.ts";
import type { Init, Quantised, Storage } from "./storage.ts";

export const MANIFEST_VERSION = 1;

export const moduleNames = ["train", "infer"] as const;
export type ModuleName = (typeof moduleNames)[number];

export interface TensorPlace {
  /**
   * What the columns of each are: 2-check/parameters.ts. "layers.attention.qkv.weight": one entry for all
   * layers when slices > 1; checkpoints write "layers.3.attention.qkv.weight".
   */
  readonly name: string;
  readonly storage: Exclude<Storage, "activation" | "cache">;
  readonly dtype: DType;
  /** Of one slice; of a quantised tensor: what it holds, as checkpoints have it. */
  readonly shape: readonly number[];
  /** One tensor per layer when > 1 (or `layered`). */
  readonly slices: number;
  /**
   * True for a tensor of the layer section, also in a model of one layer: its checkpoint name carries the
   * layer's number.
   */
  readonly layered: boolean;
  /** Floats from one row (last dimension) to the next; the rest is zero padding. */
  readonly rowFloats: number;
  /**
   * Byte address of slice 0, and bytes from slice to slice. -1 in a module with parts: the parts have
   * addresses.
   */
  readonly offset: number;
  readonly stride: number;
  /** In a part: the layer that slice 0 belongs to. */
  readonly firstLayer?: number;
  /** Gradients and moments: the parameter. */
  readonly of?: string;
  readonly init?: Init;
  readonly decay?: boolean;
  /** Parameters: false = training leaves it as it is, without gradient and moments. Absent: true. */
  readonly trained?: boolean;
  /**
   * Kept in fewer bits, as rows of words (i32): weight-rows.ts. `transposed`: a row is a column of `shape`.
   */
  readonly quantised?: Pick<Quantised, "format" | "transposed">;
}

export interface EntryPlace {
  /** An entry's name (entries.ts), or that of a segment's entry; also the name of the wasm export. */
  readonly name: string;
  /** Index that the workers get in `control.entry`. */
  readonly index: number;
  /** Names of the tensors that are written before it and read after it: entries.ts. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Sequences × tokens per sequence that one call takes. */
  readonly batch: number;
  readonly context: number;
  /** Arithmetic of one call. */
  readonly flops: number;
  /** Entry `train` of a model with experts: what it says of each mixture, one slice per layer. */
  readonly mixtures?: readonly MixturePlace[];
  /**
   * In a module with parts, which has no export of this name: entries of parts, in this order. Rows [batch ·
   * context, width] go from `x_out` to the next's `x_in`.
   */
  readonly runs?: readonly { readonly part: number; readonly entry: string }[];
}

export interface MixturePlace {
  /** As its parameters are called: "layers.experts". */
  readonly name: string;
  /**
   * Output i32 [experts + 1]: of a batch's choices, sorted by expert, where each expert's begin, and their
   * number.
   */
  readonly starts: string;
  /** Output f32 [1]: its load-balancing loss, summed over the batch's rows. Absent: it has none. */
  readonly balance?: string;
}

export interface WasmFile {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Byte that says whether the imported memory is shared: memory-import.ts. */
  readonly memoryFlagOffset: number;
}

/** One call in an entry's text; a layer's stands there once. */
export interface ProfileSite {
  readonly entry: string;
  readonly section: string;
  readonly kernel: string;
  /** Calls per run of the entry; arithmetic and least bytes of one call. */
  readonly times: number;
  readonly flops: number;
  readonly bytes: number;
}

export interface ProfileManifest {
  readonly offset: number;
  readonly bytesPerWorker: number;
  /** What each site keeps: profile-site.ts. */
  readonly sites: readonly ProfileSite[];
}

/** Keys and values of earlier positions: compiler/ops/attention/kit/cache-layout.ts. */
export interface CacheManifest {
  readonly format: CacheFormat;
  /** Of all layers; of a part: of its own. */
  readonly bytes: number;
  /**
   * Bands of which less than the context is kept: a ring of so many rows. The last `window` positions before
   * the next are needed.
   */
  readonly bands: readonly { readonly window: number; readonly rows: number }[];
}

export interface ModuleManifest {
  readonly memoryBytes: number;
  readonly memoryPages: number;
  /** Absent in bundles of earlier versions: f32, and everything is kept. */
  readonly cache?: CacheManifest;
  readonly maxWorkers: number;
  readonly tensors: readonly TensorPlace[];
  readonly entries: readonly EntryPlace[];
  readonly wasm: Partial<Record<Target, WasmFile>>;
  /** Only in a module compiled to be profiled. */
  readonly profile?: ProfileManifest;
  /**
   * Only in a module that one memory does not hold: each part is a module with its own memory. The module
   * itself then says what they are together: bytes of all memories, every tensor with all its slices, every
   * entry; it has no code of its own (`wasm` is empty). Parts of equal structure name the same files.
   */
  readonly parts?: readonly PartManifest[];
}

export interface PartManifest extends ModuleManifest {
  /** For people: "embedding, layers 0…22, output". */
  readonly holds: string;
}

export interface Manifest {
  readonly version: typeof MANIFEST_VERSION;
  readonly compiler: string;
  readonly model: Model;
  readonly parameters: number;
  readonly control: typeof control;
  readonly hyper: typeof hyper;
  readonly modules: { readonly [name in ModuleName]?: ModuleManifest };
}

/** Modules that have code: each module of a bundle, or its parts. */
export const codeOf = (modules: Manifest["modules"]): readonly ModuleManifest[] =>
  Object.values(modules).flatMap((m): readonly ModuleManifest[] => m.parts ?? [m]);
