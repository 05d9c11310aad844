/**
 * PEFT's folder (adapter_config.json, adapter_model.safetensors) → adapters of a model. Where several
 * published maps are one of Sinter's (queries, keys and values) and their A differ, that one gets all of
 * them side by side, and a B in which each has its own columns alone.
 */
import { SinterError } from "../base/errors.ts";
import type { Files } from "../base/files.ts";
import { ignoredKeysNote, shownValue } from "../base/known-keys.ts";
import type { Adapter, MapAdapter, WholeTensor } from "../store/adapter.ts";
import { gather } from "./architecture/gather.ts";
import { sameShape } from "./architecture/fit.ts";
import type { Link, Piece } from "./architecture/links.ts";
import { adapterKeys, type AdapterKey } from "./keys/adapter-config.ts";
import { Fields } from "./kit/fields.ts";
import { parseJson, record } from "./kit/json.ts";
import { allFloats, corruptFile, quoted, type StoredTensor, type WeightFile } from "./kit/weights.ts";
import {
  ADAPTER_CONFIG,
  ADAPTER_WEIGHTS,
  BASE_HASH,
  BASE_MODEL,
  linkOfA,
  linkOfB,
  type PeftNames,
} from "./peft-names.ts";
import { openSafetensors, readLimited } from "./safetensors-weights.ts";

export interface ReadAdapter {
  readonly adapter: Adapter;
  /** The hash of the base's matrices; undefined: the folder does not say it. */
  readonly base: string | undefined;
  /** What the folder calls the base, for messages. */
  readonly baseName: string | undefined;
  readonly notes: readonly string[];
}

const MAX_CONFIG_BYTES = 1 << 20;

/**
 * Throws `input` for what cannot be done here and for modules that the model does not have, by name;
 * `corrupt` for a damaged folder.
 */
export async function readPeft(files: Files, folder: string, names: PeftNames): Promise<ReadAdapter> {
  const path = `${folder}/${ADAPTER_CONFIG}`;
  const json = parseJson(await readLimited(files, path, MAX_CONFIG_BYTES), path);
  const fields = new Fields<AdapterKey>(record(json, path, "the configuration"), adapterKeys, path);
  const { rank, scale } = sizesOf(fields);
  const file = await openSafetensors(files, `${folder}/${ADAPTER_WEIGHTS}`);
  try {
    const left = new Map(file.tensors);
    const maps = new Map<string, MapAdapter>();
    for (const link of names.maps) {
      const pieces = takePieces(link, names, left, rank, file);
      if (pieces.length > 0) maps.set(link.name, await joined(link, pieces, rank));
    }
    const whole = await takeTables(names, left, file);
    refuseLeft(left, file);
    if (maps.size === 0) throw corruptFile(file.path, "it has no adapter");
    const base = file.metadata.get(BASE_HASH);
    const note = ignoredKeysNote(path, fields.unknown());
    return {
      adapter: { scale, maps, whole },
      base: typeof base === "string" ? base : undefined,
      baseName: fields.text("base_model_name_or_path"),
      notes: note === undefined ? [] : [note],
    };
  } finally {
    await file.close();
  }
}

function sizesOf(fields: Fields<AdapterKey>): { readonly rank: number; readonly scale: number } {
  const kind = fields.text("peft_type");
  if (kind !== "LORA")
    throw new SinterError(
      "input",
      `${fields.path}: peft_type is ${shownValue(kind)}`,
      "Adapters of LoRA are read (LORA).",
    );
  const rank = fields.number("r");
  if (!Number.isSafeInteger(rank) || rank < 1) fields.wrong("r", "a whole number from 1 on");
  const alpha = fields.number("lora_alpha", 8); // LoraConfig's default
  return { rank, scale: alpha / (fields.flag("use_rslora") ? Math.sqrt(rank) : rank) };
}

/** A and B of a published map. */
interface ReadPiece {
  readonly piece: Piece;
  readonly a: StoredTensor;
  readonly b: StoredTensor;
}

/** The published maps of a link that have an adapter; their tensors are taken out of `left`. */
function takePieces(
  link: Link,
  { moduleOf }: PeftNames,
  left: Map<string, StoredTensor>,
  rank: number,
  { path }: WeightFile,
): ReadPiece[] {
  const take = (name: string, shape: readonly number[]): StoredTensor | undefined => {
    const found = left.get(name);
    left.delete(name);
    if (found && !sameShape(found.shape, shape))
      throw new SinterError(
        "input",
        `${path}: tensor ${quoted(name)} is [${found.shape}]; beside this base it has [${shape}]`,
        "Is it an adapter of this base?",
      );
    return found;
  };
  return link.pieces.flatMap((piece) => {
    const stem = `${BASE_MODEL}${moduleOf(piece)}`;
    const a = take(`${stem}.lora_A.weight`, [rank, link.shape[0]!]);
    const b = take(`${stem}.lora_B.weight`, [piece.columns, rank]);
    if (!a !== !b) throw corruptFile(path, `${stem} has ${a ? "lora_A" : "lora_B"} and not the other`);
    return a && b ? [{ piece, a, b }] : [];
  });
}

async function joined(link: Link, pieces: readonly ReadPiece[], rank: number): Promise<MapAdapter> {
  const [K, N] = link.shape as [number, number];
  const all = await Promise.all(pieces.map(({ a }) => allFloats(a)));
  const alike = all.every((values) => values.every((value, i) => Object.is(value, all[0]![i])));
  const width = alike ? rank : rank * pieces.length;
  const a = new Float32Array(K * width);
  const b = new Float32Array(width * N);
  for (const [i, { piece, b: stored }] of pieces.entries()) {
    const from = alike ? 0 : i * rank;
    gather(...linkOfA(K, { rank, from, width }), all[i]!, a);
    gather(...linkOfB(link, piece, rank), await allFloats(stored), b.subarray(from * N));
  }
  return { shape: [K, N], rank: width, a, b };
}

/** Tables that were trained whole, for tokens that were new. */
async function takeTables(
  { tables, moduleOf }: PeftNames,
  left: Map<string, StoredTensor>,
  { path }: WeightFile,
): Promise<ReadonlyMap<string, WholeTensor>> {
  const whole = new Map<string, WholeTensor>();
  for (const link of tables) {
    const [piece] = link.pieces as [Piece];
    const name = `${BASE_MODEL}${moduleOf(piece)}.weight`;
    const found = left.get(name);
    if (!found) continue;
    left.delete(name);
    if (!sameShape(found.shape, piece.shape))
      throw new SinterError(
        "input",
        `${path}: tensor ${quoted(name)} is [${found.shape}]; the base has [${piece.shape}]`,
        "It was trained with more tokens than the base has. Use the run that it comes from, which has them.",
      );
    const values = new Float32Array(link.shape.reduce((x, y) => x * y, 1));
    gather(link, piece, await allFloats(found), values);
    whole.set(link.name, { shape: link.shape, values });
  }
  return whole;
}

const MOST_NAMED = 6;

function refuseLeft(left: ReadonlyMap<string, StoredTensor>, { path }: WeightFile): void {
  const names = [...left.keys()];
  if (names.length === 0) return;
  const table = names.find((name) => /lora_embedding|(?:embed_tokens|wte|lm_head)\.lora_/.test(name));
  if (table !== undefined)
    throw new SinterError(
      "input",
      `${path}: ${quoted(table)}: an adapter of the token table or of the output`,
      "Where the output is the table, it would change both uses. Adapters of the layers' maps are read.",
    );
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : "";
  throw new SinterError(
    "input",
    `${path}: the model has no module for ${names.slice(0, MOST_NAMED).map(quoted).join(", ")}${more}`,
    "Is it an adapter of this base? Linear maps of the layers can have one.",
  );
}
