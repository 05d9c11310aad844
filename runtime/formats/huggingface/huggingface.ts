/**
 * Reads config.json of Hugging Face folders (huggingface.co/docs/transformers). What a configuration leaves
 * out has the default of its class. What it says and Sinter cannot do is refused, and keys that are not known
 * are named to the user; keys/config-json.ts lists them all.
 */
import { SinterError } from "../../base/errors.ts";
import { Fields } from "../kit/fields.ts";
import type { Has, ReadConfig } from "./huggingface-common.ts";
import { gpt2 } from "./huggingface-gpt2.ts";
import { llama } from "./huggingface-llama.ts";
import { isRecord, type Json } from "../kit/json.ts";
import { gpt2Keys, isLlamaType, llamaTypeKeys, type LlamaKey } from "../keys/config-json.ts";
import { shownValue } from "../../base/known-keys.ts";
import { huggingFaceClasses, typesOf } from "../architecture/published-classes.ts";
import { corruptFile } from "../kit/weights.ts";

export const MAX_CONFIG_BYTES = 1 << 20;

/** Families whose layers look like Llama's but differ. */
const others: readonly (readonly [RegExp, string])[] = [
  [/^gemma/, "Gemma's norms multiply by 1 + weight, and its embedding by √width"],
  [/^phi3?$/, "Phi's queries, keys and values, or its gates, are one matrix, and a head is turned in part"],
];

/** `has` decides about biases and a separate output matrix where the class leaves that open. */
export function architectureOfConfig(config: Json, path: string, folder: string, has: Has): ReadConfig {
  if (!isRecord(config)) throw corruptFile(path, "it is no object");
  const type = typeOf(config, path);
  if (type === "gpt2" || type.startsWith("gpt-"))
    return gpt2(new Fields(config, gpt2Keys, path), type, folder, has);
  if (isLlamaType(type))
    return llama(type, new Fields<LlamaKey>(config, llamaTypeKeys[type], path), folder, has);
  const why = others.find(([pattern]) => pattern.test(type))?.[1];
  throw new SinterError(
    "input",
    `${path}: model_type is ${shownValue(type)}`,
    `${why ? `${why}. ` : ""}These are read: ${typesOf(huggingFaceClasses)}.`,
  );
}

/** The class of the model, which decides which table the other keys are in. */
function typeOf(config: ReadonlyMap<string, Json>, path: string): string {
  const type = config.get("model_type");
  if (typeof type === "string") return type;
  if (type !== undefined)
    throw corruptFile(
      path,
      `model_type is ${shownValue(type)}; a text was expected`,
      "Use the config.json that was published with the weights.",
    );
  throw new SinterError(
    "input",
    `${path} does not say model_type`,
    `These are read: ${typesOf(huggingFaceClasses)}.`,
  );
}
