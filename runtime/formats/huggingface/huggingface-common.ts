/** What the readers of all classes of config.json share: activations, tied outputs, notes. */
import type { Activation } from "../../contract/model.ts";
import { SinterError } from "../../base/errors.ts";
import type { Architecture } from "../architecture/architecture.ts";
import type { Fields } from "../kit/fields.ts";
import { shownValue } from "../../base/known-keys.ts";

export const CONFIG_FILE = "config.json";

/** Hugging Face's names of each activation: all are read, the first is written. [] where it has none. */
const activationNames: Readonly<Record<Activation, readonly string[]>> = {
  gelu_tanh: ["gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_fast", "gelu_accurate"],
  gelu: ["gelu", "gelu_python"],
  relu: ["relu"],
  relu2: ["relu2"],
  silu: ["silu", "swish"],
};
const activationsByName = new Map(
  Object.entries(activationNames).flatMap(([activation, names]) =>
    names.map((name) => [name, activation as Activation] as const),
  ),
);
const writtenNames: ReadonlyMap<string, string> = new Map(
  Object.entries(activationNames).flatMap(([activation, [first]]) =>
    first === undefined ? [] : [[activation, first] as const],
  ),
);

/** The name that goes into config.json. Throws `input` where Hugging Face has none. */
export function activationName(activation: Activation): string {
  const name = writtenNames.get(activation);
  if (name !== undefined) return name;
  throw new SinterError(
    "input",
    `the model's activation is ${activation}, for which Hugging Face has no name`,
    `These go out: ${[...writtenNames.keys()].join(", ")}.`,
  );
}

/** Whether the weights have a tensor of this name, without an optional prefix. */
export type Has = (name: string) => boolean;

export interface ReadConfig {
  readonly architecture: Architecture;
  /** Lines for the user. */
  readonly notes: readonly string[];
}

export const notesOf = (...notes: readonly (string | undefined)[]): string[] =>
  notes.filter((note) => note !== undefined);

interface Tied {
  readonly tied: boolean;
  readonly note?: string;
}

/**
 * Whether the output's matrix is the token embedding. `said` is what the configuration says. `usual` is the
 * class's default; if that is undefined too, the weights decide. Throws `input` where the configuration says
 * that there is a separate matrix and the weights have none.
 */
export function tiedOf(
  said: boolean | undefined,
  usual: boolean | undefined,
  has: Has,
  token: string,
  path: string,
): Tied {
  const both = has("lm_head.weight") && has(token);
  if (said ?? usual) return { tied: true };
  if (both) return { tied: false };
  const missing = has(token) ? "lm_head.weight" : token;
  if (said === false)
    throw new SinterError(
      "input",
      `${path}: tie_word_embeddings is false, and the weights have no ${missing}`,
      'Set "tie_word_embeddings": true if output and token embedding are one matrix; weights without an ' +
        "output make no text.",
    );
  const note = `the weights have no ${missing}: output and token embedding are one matrix`;
  return { tied: true, ...(usual === false ? { note } : {}) };
}

export function activationOf<K extends string>(read: Fields<K>, key: K, otherwise: string): Activation {
  const word = read.text(key) ?? otherwise;
  const activation = activationsByName.get(word);
  if (activation !== undefined) return activation;
  throw new SinterError(
    "input",
    `${read.path}: ${key} is ${shownValue(word)}`,
    `These are read: ${[...activationsByName.keys()].join(", ")}.`,
  );
}

/** None of these classes has a bias of the output. Throws `input` where the weights have one. */
export function headBias(type: string, path: string, has: Has): boolean {
  if (!has("lm_head.bias")) return false;
  throw new SinterError(
    "input",
    `${path}: models of type ${type} have no bias of the output, and the weights have lm_head.bias`,
    "Is model_type right?",
  );
}
