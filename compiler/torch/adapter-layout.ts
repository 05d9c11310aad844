/**
 * The adapters of a run in the exported program. A map here may be several there (queries, keys, values):
 * these share A, which is called by the first of them, and each has its columns of B.
 */
import type { ModuleManifest } from "../../runtime/contract/manifest.ts";
import type { Model } from "../../runtime/contract/model.ts";
import { adapterOf, isAdapter, nameInLayer } from "../../runtime/contract/parameter-names.ts";
import { programTensors, type ProgramTensor } from "./weight-layout.ts";

export interface ProgramAdapters {
  readonly rank: number;
  /** What x A B is multiplied by. */
  readonly scale: number;
  /** Of each layer: modules that share an A. */
  readonly maps: readonly (readonly string[])[];
  /** Tensors of the model that are trained beside them, by the program's names. */
  readonly whole: readonly string[];
  /** A and B of all layers. */
  readonly tensors: readonly ProgramTensor[];
}

const A = ".lora_a";

/** Undefined: the module has none. */
export function programAdapters(model: Model, module: ModuleManifest): ProgramAdapters | undefined {
  if (!module.lora) return undefined;
  const { rank, alpha } = module.lora;
  const parameters = module.tensors.filter(({ storage }) => storage === "parameter");
  const all = programTensors(model);
  const weights = parameters
    .filter(({ name }) => name.endsWith(A))
    .map(({ name }) => `${name.slice(0, -A.length)}.weight`);
  const piecesOf = (weight: string, layer: number): ProgramTensor[] =>
    all.filter(({ of }) => of === nameInLayer(weight, layer));
  const trained = new Set(
    parameters
      .filter(({ name, trained }) => trained !== false && !isAdapter(name))
      .flatMap(({ name, slices }) => Array.from({ length: slices }, (_, i) => nameInLayer(name, i))),
  );
  return {
    rank,
    scale: alpha / rank,
    maps: weights.map((weight) =>
      piecesOf(weight, 0).map(({ name }) => name.split(".").slice(3, -1).join(".")),
    ),
    whole: all.filter(({ of }) => trained.has(of)).map(({ name }) => name),
    tensors: Array.from({ length: model.sizes.layers }, (_, layer) =>
      weights.flatMap((weight) => ofMap(nameInLayer(weight, layer), piecesOf(weight, layer), rank)),
    ).flat(),
  };
}

const moduleOf = ({ name }: ProgramTensor): string => name.replace(/\.weight$/, "");

/** A [in, rank] and B [rank, out] of a map, there [rank, in] and, for each piece, [its out, rank]. */
function ofMap(weight: string, pieces: readonly ProgramTensor[], rank: number): ProgramTensor[] {
  const [first] = pieces;
  const [K, N] = first!.ofShape as [number, number];
  return [
    {
      name: `${moduleOf(first!)}.lora_A`,
      shape: [rank, K],
      of: adapterOf(weight, "a"),
      ofShape: [K, rank],
      source: (i) => (i % K) * rank + Math.floor(i / K),
    },
    ...pieces.map((piece) => ({
      name: `${moduleOf(piece)}.lora_B`,
      shape: [piece.shape[0]!, rank],
      of: adapterOf(weight, "b"),
      ofShape: [rank, N],
      // the column of W in which the piece's row begins is that of B
      source: (i: number) => (i % rank) * N + piece.source(Math.floor(i / rank) * K),
    })),
  ];
}
