/** Adapters → PEFT's folder: adapter_config.json and adapter_model.safetensors, in f32. */
import { writeAtomically, writeText, type Files } from "../base/files.ts";
import type { Adapter } from "../store/adapter.ts";
import { writeHeader } from "../store/safetensors.ts";
import { scatter } from "./architecture/gather.ts";
import {
  ADAPTER_CONFIG,
  ADAPTER_WEIGHTS,
  BASE_HASH,
  BASE_MODEL,
  linkOfA,
  linkOfB,
  type PeftNames,
} from "./peft-names.ts";

interface PeftTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array<ArrayBuffer>;
}

export interface PeftOptions {
  /** The base's name and the hash of its matrices. */
  readonly base: { readonly name: string; readonly hash: string };
  readonly names: PeftNames;
}

/** Returns the number of tensors and bytes that were written. */
export async function writePeft(
  files: Files,
  folder: string,
  adapter: Adapter,
  { base, names }: PeftOptions,
): Promise<{ readonly tensors: number; readonly bytes: number }> {
  const tensors = [...adapterTensors(adapter, names), ...wholeTensors(adapter, names)];
  const header = writeHeader(
    tensors.map(({ name, shape }) => ({ name, dtype: "F32", shape })),
    { format: "pt", [BASE_HASH]: base.hash },
  );
  const config = `${JSON.stringify(configOf(adapter, base.name, names), null, 2)}\n`;
  await writeText(files, folder, ADAPTER_CONFIG, config);
  await writeAtomically(files, folder, ADAPTER_WEIGHTS, async (file) => {
    await file.write(header);
    for (const { values } of tensors) await file.write(new Uint8Array(values.buffer));
  });
  const bytes = tensors.reduce((sum, { values }) => sum + values.byteLength, header.length);
  return { tensors: tensors.length, bytes };
}

/** Where one map of ours is several published ones, these have the same A, each with its columns of B. */
function adapterTensors({ maps }: Adapter, { maps: links, moduleOf }: PeftNames): PeftTensor[] {
  return links.flatMap((link) => {
    const map = maps.get(link.name);
    if (!map) return [];
    const { rank, shape, a, b } = map;
    return link.pieces.flatMap((piece): PeftTensor[] => {
      const module = `${BASE_MODEL}${moduleOf(piece)}`;
      const columns = linkOfB(link, piece, rank);
      return [
        {
          name: `${module}.lora_A.weight`,
          shape: [rank, shape[0]],
          values: scatter(...linkOfA(shape[0], { rank, from: 0, width: rank }), a),
        },
        { name: `${module}.lora_B.weight`, shape: [piece.columns, rank], values: scatter(...columns, b) },
      ];
    });
  });
}

const wholeTensors = ({ whole }: Adapter, { tables, moduleOf }: PeftNames): PeftTensor[] =>
  tables.flatMap((link) => {
    const tensor = whole.get(link.name);
    return tensor
      ? link.pieces.map((piece) => ({
          name: `${BASE_MODEL}${moduleOf(piece)}.weight`,
          shape: piece.shape,
          values: scatter(link, piece, tensor.values),
        }))
      : [];
  });

/** The fields that PEFT's LoraConfig needs, and those that say what is not done. */
function configOf({ scale, maps, whole }: Adapter, base: string, names: PeftNames): object {
  const [rank] = new Set([...maps.values()].map((map) => map.rank));
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base,
    r: rank,
    lora_alpha: scale * rank!,
    lora_dropout: 0,
    use_rslora: false,
    use_dora: false,
    bias: "none",
    fan_in_fan_out: names.inOut,
    inference_mode: true,
    target_modules: targetModules(names, maps),
    modules_to_save: names.tables
      .filter(({ name }) => whole.has(name))
      .flatMap(({ pieces }) => pieces.map((piece) => lastWords(names.moduleOf(piece), 1))),
  };
}

const lastWords = (module: string, count: number): string => module.split(".").slice(-count).join(".");

/**
 * The ends of the names of all modules that have an adapter: one word, as PEFT's users expect it; two, where
 * one would be the end of a module's name that has none.
 */
function targetModules({ maps, moduleOf }: PeftNames, adapted: Adapter["maps"]): string[] {
  const modulesOf = (links: readonly { readonly pieces: PeftNames["maps"][number]["pieces"] }[]): string[] =>
    links.flatMap(({ pieces }) => pieces.map(moduleOf));
  const others = new Set(
    modulesOf(maps.filter(({ name }) => !adapted.has(name))).map((module) => lastWords(module, 1)),
  );
  const targets = modulesOf(maps.filter(({ name }) => adapted.has(name))).map((module) =>
    lastWords(module, others.has(lastWords(module, 1)) ? 2 : 1),
  );
  return [...new Set(targets)].sort();
}
