/**
 * What the linear maps of a model are called in the folders of PEFT (github.com/huggingface/peft): by the
 * names of Hugging Face's class, where the model is of one; else by its own.
 *
 *   base_model.model.transformer.h.0.attn.c_attn.lora_A.weight              [rank, in]
 *   base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight          [out, rank]
 *   base_model.model.layers.0.attention.qkv.lora_A.weight                   no class has such a layer
 */
import type { TensorPlace } from "../contract/manifest.ts";
import type { Model } from "../contract/model.ts";
import { isNameIn, TOKEN_TABLE } from "../contract/parameter-names.ts";
import { SinterError } from "../base/errors.ts";
import { checkpointName } from "../engine/tensors.ts";
import type { MovedLink, MovedPiece } from "./architecture/gather.ts";
import { linksOf, type Link, type Piece } from "./architecture/links.ts";
import { classOf, huggingFaceClasses } from "./architecture/published-classes.ts";
import { recognise } from "./architecture/recognise.ts";
import { prefixOf } from "./outgoing.ts";

export const ADAPTER_CONFIG = "adapter_config.json";
export const ADAPTER_WEIGHTS = "adapter_model.safetensors";
/** Stands before every name. */
export const BASE_MODEL = "base_model.model.";
/** Where the hash of the base's matrices stands in the metadata of the weights (`baseHash`). */
export const BASE_HASH = "sinter_base";

export interface PeftNames {
  /** The maps of the layers, each with the published maps that it is made of. */
  readonly maps: readonly Link[];
  /** The token table, and the output's matrix where it has one of its own. */
  readonly tables: readonly Link[];
  /** Matrices of the class are [in, out] (Conv1D), and PEFT says so in its configuration. */
  readonly inOut: boolean;
  /** The module of a piece: "model.layers.0.self_attn.q_proj". */
  moduleOf(piece: Piece): string;
}

/** `tensors`: those of any module of the model. */
export function peftNames(model: Model, tensors: readonly TensorPlace[]): PeftNames {
  const own = tensors
    .filter(({ storage, shape }) => storage === "parameter" && shape.length === 2)
    .flatMap((place) =>
      Array.from({ length: place.slices }, (_, slice) => ({
        name: checkpointName(place, slice),
        shape: place.shape,
      })),
    );
  const published = publishedLinks(model);
  const links = own.map(({ name, shape }) => published?.byName.get(name) ?? ownLink(name, shape));
  const isTable = ({ name }: Link): boolean => name === TOKEN_TABLE || isNameIn("output", name);
  return {
    maps: links.filter(({ name }) => isNameIn("layer", name) && /(?<!\.router)\.weight$/.test(name)),
    tables: links.filter(isTable),
    inOut: published?.inOut ?? false,
    moduleOf: ({ name }) => {
      const prefix = published && !name.startsWith("lm_head.") ? published.prefix : "";
      return `${prefix}${name.replace(/\.weight$/, "")}`;
    },
  };
}

/** A matrix that is published as it is, [out, in]. */
const ownLink = (name: string, shape: readonly number[]): Link => {
  const [rows, columns] = shape as [number, number];
  const whole = { from: 0, columns, matrix: 0, matrices: 1, halves: 0, exact: false };
  return {
    name,
    shape,
    pieces: [{ name, shape: [columns, rows], transposed: name !== TOKEN_TABLE, ...whole }],
  };
};

/** Undefined: no class of Hugging Face's is like the model. */
function publishedLinks(
  model: Model,
):
  | { readonly byName: ReadonlyMap<string, Link>; readonly prefix: string; readonly inOut: boolean }
  | undefined {
  try {
    const { architecture, stems } = recognise(model);
    const { naming } = classOf(architecture, huggingFaceClasses, "Hugging Face");
    const inOut = architecture.family === "gpt2";
    const links = linksOf(architecture, stems, { naming, fused: inOut, inOut });
    return { byName: new Map(links.map((link) => [link.name, link])), prefix: prefixOf("hf", inOut), inOut };
  } catch (error) {
    if (error instanceof SinterError) return undefined;
    throw error;
  }
}

const oneMatrix = { transposed: true, matrix: 0, matrices: 1 } as const;

/** How `rank` columns of A [in, width] are published, as [rank, in]. */
export const linkOfA = (
  inputs: number,
  { rank, from, width }: { readonly rank: number; readonly from: number; readonly width: number },
): [MovedLink, MovedPiece] => [{ shape: [inputs, width] }, { ...oneMatrix, from, columns: rank, halves: 0 }];

/** How the columns of B [rank, out] that belong to a published map are published, as [its out, rank]. */
export const linkOfB = (
  map: Link,
  { from, columns, halves }: Piece,
  rank: number,
): [MovedLink, MovedPiece] => [{ shape: [rank, map.shape[1]!] }, { ...oneMatrix, from, columns, halves }];
