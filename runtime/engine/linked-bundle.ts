/**
 * A compiled model as a module of a program: `import model from "./gpt2.sinter"`, or the index.js of a
 * bundle. It has the manifest and the addresses of the files, of which only those are read that run here. Its
 * declaration file (compiler/9-bundle/index-files.ts) says in types what is in it, so that a tensor that is
 * not there is a mistake that TypeScript finds.
 */
import type { EntryName } from "../contract/entries.ts";
import type { EntryPlace, Manifest, ModuleName } from "../contract/manifest.ts";
import type { Sizes, TokenizerName } from "../contract/model.ts";
import type { RunningModel } from "./model.ts";
import type { Tensor } from "./tensors.ts";

/** What the type of a bundle says of a module. */
export interface ModuleTypes {
  readonly entries: EntryName;
  /** The names of its tensors. */
  readonly tensors: string;
}

/** What the type of a bundle says of it. */
export interface BundleTypes {
  readonly name: string;
  readonly parameters: number;
  readonly tokenizer: TokenizerName;
  readonly sizes: Sizes;
  /** The modules that were compiled, and no others. */
  readonly modules: { readonly [name in ModuleName]?: ModuleTypes };
}

export interface LinkedBundle<Types extends BundleTypes = BundleTypes> {
  readonly manifest: Manifest & {
    readonly parameters: Types["parameters"];
    readonly model: Pick<Types, "name" | "tokenizer" | "sizes">;
    readonly modules: { readonly [name in keyof Types["modules"]]: object };
  };
  /** The absolute address of each file, by its name in the manifest. */
  readonly urls: Readonly<Record<string, string>>;
}

/** All tensors of a model by name; each name is there. */
export interface TensorsByName<Name extends string> extends ReadonlyMap<Name, Tensor> {
  get(name: Name): Tensor;
}

/** A running model of which is known what it has. What only training has is `never` in a module `infer`. */
export type TypedModel<Types extends ModuleTypes> = Omit<RunningModel, "entry" | "tensors" | "trainStep"> & {
  readonly tensors: TensorsByName<Types["tensors"]>;
  entry(name: Types["entries"]): EntryPlace;
  trainStep: "train" extends Types["entries"] ? RunningModel["trainStep"] : never;
};

/** The modules that a bundle may have, by what its type says. */
export type ModulesOf<Compiled> =
  Compiled extends LinkedBundle<infer Types> ? keyof Types["modules"] & ModuleName : ModuleName;

/** The model that a module of a bundle becomes. */
export type ModelOf<Compiled, Name extends ModuleName> =
  Compiled extends LinkedBundle<infer Types> ? ModelOfModule<Types["modules"][Name]> : RunningModel;

/** A bundle of no particular type may have a module or not. */
type ModelOfModule<Module> = [Module] extends [ModuleTypes] ? TypedModel<Module> : RunningModel;
