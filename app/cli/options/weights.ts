/**
 * How a model's matrices are stored in memory (`--weights`), and its keys and values (`--cache`), and how it
 * reads prompts (`--numerics`). A run's module stores tensors in the formats of its checkpoint; for any other
 * format, a module is compiled in memory.
 */
import { isAdapter, nameInLayers, POSITION_TABLE } from "../../../runtime/contract/parameter-names.ts";
import type { AskedEntry } from "../../../runtime/contract/entries.ts";
import { bestTarget } from "../../../runtime/engine/choose-target.ts";
import type { Bundle } from "../../../runtime/engine/bundle.ts";
import { finest } from "../../../runtime/formats/architecture/imported-rows.ts";
import type { FloatFormat } from "../../../runtime/contract/number-formats.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import {
  numericModes,
  type ModuleManifest,
  type Numerics,
  type TensorPlace,
} from "../../../runtime/contract/manifest.ts";
import type { Lora, Model } from "../../../runtime/contract/model.ts";
import { nearest } from "../../../compiler/diagnostics/nearest.ts";
import {
  cacheFormats,
  weightFormats,
  type CacheFormat,
  type WeightFormat,
  type Weights,
} from "../../../runtime/contract/memory-formats.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import { bundleOf } from "./kept-bundle.ts";
import { named, read, text } from "./option.ts";

/** Undefined: it was not given. */
export const weightsOption = read(
  text(
    "<format>",
    `how matrices are kept in memory: ${weightFormats.join(", ")}; ` +
      "less memory and more tokens a second, less exact. Of a mix: q4_0,table=q8_0,output=q8_0",
  ),
  weightsFrom,
);

/** "q8_0", or a mix: "q4_0,table=q8_0,output=q8_0". */
export function weightsFrom(given: string): Weights {
  const mix = mixedFormats("--weights", given, weightFormats);
  return mix.table || mix.output ? mix : mix.others;
}

/** Undefined: it was not given. */
export const cacheOption = read(
  text(
    "<format>",
    `how keys and values of earlier tokens are kept: ${cacheFormats.join(", ")}; ` +
      "a quarter of the memory, faster far into a text",
  ),
  (given) => named("cache format", cacheFormats, given, { list: "formats: " }),
);

/** Undefined: it was not given. */
export const numericsOption = read(
  text(
    "<mode>",
    `how prompts meet weights in q8_0 and q4_0: ${numericModes[0]}, in integers, as single tokens do, ` +
      "so that a token has the same bits however its text came; " +
      `or ${numericModes[1]}, in f32, slower and more exact (default: ${numericModes[0]})`,
  ),
  (given) => named("mode", numericModes, given, { list: "modes: " }),
);

const places = ["table", "output"] as const;

/**
 * A format for all matrices, and others for the token table and the output: "q4_0,table=q8_0,output=q8_0".
 */
export interface Mixed<Format> {
  readonly others: Format;
  readonly table?: Format;
  readonly output?: Format;
}

/** Reads the text of `flag`. Throws `usage` for a format that is not in `formats`, or an unknown place. */
export function mixedFormats<const Format extends string>(
  flag: string,
  text: string,
  formats: readonly Format[],
): Mixed<Format> {
  const named = (name: string): Format => {
    const found = formats.find((format) => format === name);
    const near = nearest(name, formats);
    if (!found)
      throw new SinterError(
        "usage",
        `${flag}: there is no format \`${name}\``,
        `formats: ${formats.join(", ")}${near ? `; did you mean ${near}?` : ""}`,
      );
    return found;
  };
  const [others, ...rest] = text.split(",");
  const mix: { -readonly [K in keyof Mixed<Format>]: Mixed<Format>[K] } = { others: named(others!) };
  for (const part of rest) {
    const [key, value] = part.split("=");
    const place = places.find((p) => p === key);
    if (!place || value === undefined)
      throw new SinterError(
        "usage",
        `${flag}: \`${part}\` is no part of a mix`,
        `for example ${flag} q4_0,${places.map((p) => `${p}=q8_0`).join()}`,
      );
    mix[place] = named(value);
  }
  return mix;
}

/**
 * The format in memory of a tensor that a checkpoint stores in a given format. There are no F16 weights in
 * memory: they are rounded to bf16, and `--weights f32` avoids that.
 */
const memoryFormats: Readonly<Record<FloatFormat, WeightFormat>> = {
  F32: "f32",
  F16: "bf16",
  BF16: "bf16",
  Q8_0: "q8_0",
  Q4_0: "q4_0",
};

/**
 * The weights option for a module that stores tensors in the checkpoint's formats; names are those of
 * checkpoints. Layers share their code, so the finest format among them decides.
 */
export function weightsHeld(stored: Iterable<readonly [name: string, type: FloatFormat]>): Weights {
  const types = new Map<string, FloatFormat[]>();
  for (const [name, type] of stored) {
    const tensor = nameInLayers(name);
    types.set(tensor, [...(types.get(tensor) ?? []), type]);
  }
  return asWeights(new Map([...types].map(([tensor, list]) => [tensor, memoryFormats[finest(list)]])));
}

/** The weights option that a compiled module was made with. */
export const weightsOf = (module: ModuleManifest): Weights =>
  asWeights(
    new Map(
      module.tensors
        .filter((t) => isMatrix(t) && t.name !== POSITION_TABLE && !isAdapter(t.name))
        .map((t) => [t.name, t.quantised?.format ?? "f32"]),
    ),
  );

const isMatrix = ({ storage, shape }: TensorPlace): boolean => storage === "parameter" && shape.length > 1;

/** Written as one format where all matrices have the same. */
function asWeights(formats: ReadonlyMap<string, WeightFormat>): Weights {
  const all = [...formats.values()];
  const count = (format: WeightFormat): number => all.filter((f) => f === format).length;
  const others = weightFormats.toSorted((a, b) => count(b) - count(a))[0]!;
  const tensors = [...formats].filter(([, format]) => format !== others);
  return tensors.length === 0 ? others : { others, tensors: Object.fromEntries(tensors) };
}

/** "q4_0; q8_0 token_embedding, output.linear". */
export function weightsText(weights: Weights): string {
  if (typeof weights === "string") return weights;
  const by = Map.groupBy(Object.entries(weights.tensors ?? {}), ([, format]) => format);
  return [
    weights.others,
    ...[...by].map(
      ([format, list]) =>
        `${format} ${list.map(([name]) => name.replace(/^layers\.|\.weight$/g, "")).join(", ")}`,
    ),
  ].join("; ");
}

/** What may be asked of a module that a run does not have. */
export interface AskedModule {
  /** Room for adapters beside the linear maps. */
  readonly lora?: Lora | undefined;
  readonly weights?: Weights | undefined;
  readonly cache?: CacheFormat | undefined;
  readonly numerics?: Numerics | undefined;
  /** Texts that there is room for at once. A module with room for more is as good. */
  readonly lanes?: number | undefined;
  /** What it is to do besides: score texts, embed them. */
  readonly entries?: readonly AskedEntry[] | undefined;
}

/** Whether the bundle's own module does what is asked. */
export function isAsItIs(
  { manifest }: Pick<Bundle, "manifest">,
  { lora, weights, cache, numerics, lanes, entries = [] }: AskedModule,
  variant?: Model,
): boolean {
  const { infer } = manifest.modules;
  const hasLanes = lanes === undefined || lanes <= (infer?.lanes ?? 0);
  const hasEntries = entries.every((asked) => infer?.entries.some(({ name }) => name === asked));
  return (
    hasLanes && hasEntries && [lora, weights, cache, numerics, variant].every((asked) => asked === undefined)
  );
}

/**
 * The bundle, or, when other weights, another cache, other numerics, more lanes or entries, or a variant of
 * the model is asked for, a bundle that is compiled for them in memory.
 */
export async function bundleWithWeights(
  bundle: Bundle,
  asked: AskedModule,
  target: Target | undefined,
  variant?: Model,
): Promise<Bundle> {
  if (isAsItIs(bundle, asked, variant)) return bundle;
  const { lora, weights, cache, numerics, lanes, entries } = asked;
  return bundleOf(variant ?? bundle.manifest.model, ["infer"], {
    targets: [target ?? (await bestTarget(nodeHost))],
    weights: weights ?? weightsIn(bundle),
    cache,
    numerics,
    lanes,
    entries,
    lora,
  });
}

/** A trained run has no module but `train`. */
export const weightsIn = ({ manifest: { modules } }: Pick<Bundle, "manifest">): Weights =>
  weightsOf((modules.infer ?? modules.train)!);
