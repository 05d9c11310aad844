/**
 * Rotary embeddings in config.json. `rope_theta` and `rope_scaling` describe them; since version 5 of the
 * library, `rope_parameters` has both, and may have an entry for each kind of layer. Where two of these
 * sources disagree, nothing says which one is meant, and the file is refused.
 */
import type { LayerKind, Rope } from "../../contract/model.ts";
import { SinterError } from "../../base/errors.ts";
import { Fields } from "../kit/fields.ts";
import { isRecord, type Json } from "../kit/json.ts";
import { ropeKeys, type RopeKey } from "../keys/config-json.ts";
import { shownValue } from "../../base/known-keys.ts";

type JsonRecord = ReadonlyMap<string, Json>;

/** What the top level of the configuration says. */
interface RopeSources {
  readonly path: string;
  readonly theta: number | undefined;
  readonly scaling: JsonRecord | undefined;
  readonly parameters: JsonRecord | undefined;
  /** The kinds of layers that the model has. */
  readonly kinds: ReadonlySet<LayerKind>;
  /** The default of the class. */
  readonly usualTheta: number;
}

export interface FoundRope {
  readonly rope: Rope;
  readonly unknown: readonly string[];
}

const kindNames: Readonly<Record<LayerKind, string>> = {
  dense: "full_attention",
  banded: "sliding_attention",
};

export function ropeOfConfig({
  path,
  theta,
  scaling,
  parameters,
  kinds,
  usualTheta,
}: RopeSources): FoundRope {
  const sources = [
    ...(scaling ? [new Fields<RopeKey>(scaling, ropeKeys, path, "rope_scaling.")] : []),
    ...(parameters ? fieldsOfParameters(parameters, kinds, path) : []),
  ];
  const thetas = [theta, ...sources.map((source) => source.numberOrNull("rope_theta", undefined, undefined))];
  const scalings = sources.map((source) => scalingOf(source));
  const [found = usualTheta] = agreed(
    thetas.filter((each) => each !== undefined),
    "rope_theta",
    path,
  );
  const [scaled = {}] = agreed(scalings, "rope's scaling", path);
  return { rope: { theta: found, ...scaled }, unknown: sources.flatMap((source) => source.unknown()) };
}

/** The fields of rope_parameters: one set of them, or one for each kind of layer that the model has. */
function fieldsOfParameters(
  parameters: JsonRecord,
  kinds: ReadonlySet<LayerKind>,
  path: string,
): Fields<RopeKey>[] {
  const byKind = [...parameters].some(([key, value]) => key.endsWith("_attention") && isRecord(value));
  if (!byKind) return [new Fields<RopeKey>(parameters, ropeKeys, path, "rope_parameters.")];
  return [...kinds].map((kind) => {
    const name = kindNames[kind];
    const own = parameters.get(name);
    if (!isRecord(own))
      throw new SinterError(
        "input",
        `${path}: rope_parameters has nothing for layers of kind ${name}`,
        "Use the config.json that was published with the weights.",
      );
    return new Fields<RopeKey>(own, ropeKeys, path, `rope_parameters.${name}.`);
  });
}

/** The values, which have to be the same. Throws `input` where they are not. */
function agreed<T>(values: readonly T[], what: string, path: string): readonly T[] {
  const other = values.find((value) => JSON.stringify(value) !== JSON.stringify(values[0]));
  if (other === undefined) return values;
  throw new SinterError(
    "input",
    `${path}: ${what} is ${shownValue(values[0])} in one place and ${shownValue(other)} in another`,
    "rope_scaling, rope_parameters and each kind of layer in it have to say the same: leave out what is " +
      "not meant.",
  );
}

type Scaling = Omit<Rope, "theta">;

function scalingOf(source: Fields<RopeKey>): Scaling {
  const type = source.text(source.has("rope_type") ? "rope_type" : "type") ?? "default";
  switch (type) {
    case "default":
      return {};
    case "linear": {
      const factor = source.number("factor");
      if (!(factor >= 1)) source.wrong("factor", "a number from 1 on");
      return factor === 1 ? {} : { linear: factor };
    }
    case "llama3":
      return llama3Of(source);
    default:
      throw new SinterError(
        "input",
        `${source.path}: its rotary embedding is scaled by type ${shownValue(type)}`,
        "These are read: default, linear, llama3.",
      );
  }
}

function llama3Of(source: Fields<RopeKey>): Scaling {
  const scaling = {
    factor: source.number("factor"),
    low: source.number("low_freq_factor"),
    high: source.number("high_freq_factor"),
    original: source.number("original_max_position_embeddings"),
  };
  if (!(scaling.factor >= 1)) source.wrong("factor", "a number from 1 on");
  if (!(scaling.low > 0 && scaling.low < scaling.high))
    source.wrong("low_freq_factor", "a number above 0 and below high_freq_factor");
  if (!(Number.isInteger(scaling.original) && scaling.original >= 1))
    source.wrong("original_max_position_embeddings", "a number of positions");
  return scaling.factor === 1 ? {} : { scaling };
}

/** The `rope_scaling` of a model that goes out. */
export function ropeScalingOf({ linear, scaling }: Rope): Readonly<Record<string, unknown>> | null {
  if (linear !== undefined) return { rope_type: "linear", factor: linear };
  if (!scaling) return null;
  return {
    rope_type: "llama3",
    factor: scaling.factor,
    low_freq_factor: scaling.low,
    high_freq_factor: scaling.high,
    original_max_position_embeddings: scaling.original,
  };
}
