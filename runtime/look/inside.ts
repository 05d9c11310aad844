/**
 * What a model does with a text, inside: what each head looks at, what the feed-forward layers answer to, the
 * residual stream from layer to layer, and what the output would make of it there (logit lens: nostalgebraist
 * 2020). Everything is copied, so that it stays when the model goes on.
 *
 * A layer may have several attentions and feed-forward layers. Their heads have one number after the other,
 * in the order in which they are computed, and so do their neurons; those of a mixture are the first
 * expert's, then the second's.
 */
import { insideNames, LAYERS_RESIDUAL, type OutputName } from "../contract/entries.ts";
import { SinterError } from "../base/errors.ts";
import type { HeadScales, LookEntry } from "../engine/look-entry.ts";
import type { RunningModel } from "../engine/model.ts";
import type { Numbers } from "../engine/tensors.ts";
import { logSumExp } from "../sample/logprobs.ts";
import { lensOf, type Lens, type LensOptions } from "./lens.ts";

/** One head of a model. */
export interface HeadPlace {
  readonly layer: number;
  readonly head: number;
}

export interface LookOptions {
  /** By how much heads count, other than 1: 0 switches one off. */
  readonly heads?: readonly (HeadPlace & { readonly scale: number })[] | undefined;
  /** What the output makes of the residual stream, layer by layer. Default: of the last layer's end alone. */
  readonly lens?: LensOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A feed-forward layer's answers to T tokens. */
export interface Hidden {
  /** What its parameters' names begin with: "layers.mlp". */
  readonly part: string;
  /** Neurons; of a mixture, of each expert. */
  readonly size: number;
  /** [T, size]; of a mixture [T, top, size]: what each of a token's experts answers. */
  readonly values: Float32Array;
  readonly mixture?: {
    readonly experts: number;
    readonly top: number;
    /** [T, top]: the experts of each token, and how much each of them counts. */
    readonly choice: Int32Array;
    readonly weights: Float32Array;
  };
}

export interface LayerInside {
  /** [heads, T, T]: by how much each token (row) looks at each (column); the rows' sums are 1. */
  readonly attention: Float32Array;
  readonly hidden: readonly Hidden[];
  /** [T, width]: the residual stream as it leaves the layer. */
  readonly residual: Float32Array;
}

export interface Inside {
  readonly tokens: readonly number[];
  readonly width: number;
  readonly heads: number;
  /** [T, width]: the residual stream as it enters the first layer. */
  readonly embedded: Float32Array;
  readonly layers: readonly LayerInside[];
  /** [classes], after the last token. */
  readonly logits: Float32Array;
  /** ln p of each class. */
  readonly logprobs: Float32Array;
  /** Absent where none was asked for. */
  readonly lens?: Lens;
}

/** Most tokens of a text that this model can look at; undefined: it was compiled without `look`. */
export const lookLimit = (model: Pick<RunningModel, "module">): number | undefined =>
  model.module.entries.find(({ name }) => name === "look")?.context;

/**
 * Runs a text, and gives what is inside. By a module that was compiled for it (`entries: ["look"]`), `train`
 * or `infer`. Throws `input` where there are too many tokens, or none.
 */
export const lookInside = (
  model: RunningModel,
  tokens: readonly number[],
  { heads = [], lens, signal }: LookOptions = {},
): Promise<Inside> =>
  model.inTurn(async (lanes) => {
    const entry = lanes.look ?? missing();
    const { width } = model.manifest.model.sizes;
    const shapes = headsOf(entry);
    await entry.run(tokens, scalesOf(shapes, heads, layersOf(entry)));
    const T = tokens.length;
    const embedded: OutputName = "embedded";
    const inside = {
      tokens,
      width,
      heads: shapes.reduce((sum, { count }) => sum + count, 0),
      embedded: rowsOf(entry, embedded, 0, T),
      layers: Array.from({ length: layersOf(entry) }, (_, layer): LayerInside => ({
        attention: attentionOf(entry, layer, T),
        hidden: entry.parts.feedForward.map((part) => hiddenOf(entry, part, layer, T, model)),
        residual: rowsOf(entry, LAYERS_RESIDUAL, layer, T),
      })),
    };
    const last = inside.layers.at(-1)!.residual.subarray((T - 1) * width);
    const logits = (await entry.lens([last]))[0]!.slice();
    const total = logSumExp(logits);
    return {
      ...inside,
      logits,
      logprobs: logits.map((logit) => logit - total),
      ...(lens && { lens: await lensOf(entry, inside, lens, signal) }),
    };
  }, signal);

function missing(): never {
  throw new SinterError(
    "input",
    "the model was compiled without the entry `look`",
    'Compile it with `entries: ["look"]` (compileModel); a model that is divided over memories has none.',
  );
}

const layersOf = (entry: LookEntry): number => entry.tensor(LAYERS_RESIDUAL).place.slices;

/** The attentions of a layer: how many heads each has, and the number of its first one. */
function headsOf(entry: LookEntry): readonly { part: string; count: number; first: number }[] {
  let first = 0;
  return entry.parts.attention.map((part) => {
    const count = entry.tensor(insideNames(part).scales).elements;
    first += count;
    return { part, count, first: first - count };
  });
}

function scalesOf(
  shapes: ReturnType<typeof headsOf>,
  heads: NonNullable<LookOptions["heads"]>,
  layers: number,
): HeadScales {
  for (const { layer, head } of heads) checkHead({ layer, head }, layers, shapes);
  return (part, layer) => {
    const { count, first } = shapes.find((shape) => shape.part === part)!;
    const scales = new Float32Array(count).fill(1);
    for (const { layer: l, head, scale } of heads)
      if (l === layer && head >= first && head < first + count) scales[head - first] = scale;
    return scales;
  };
}

function checkHead({ layer, head }: HeadPlace, layers: number, shapes: ReturnType<typeof headsOf>): void {
  const count = shapes.reduce((sum, shape) => sum + shape.count, 0);
  if (layer >= 0 && layer < layers && head >= 0 && head < count) return;
  throw new SinterError(
    "input",
    `there is no head ${head} in layer ${layer}`,
    `The model has ${layers} layers of ${count} heads; both are counted from 0.`,
  );
}

/** The first T rows of a tensor of rows, dense. */
function rowsOf(entry: LookEntry, name: string, layer: number, T: number): Float32Array {
  const { columns, place, padded } = entry.tensor(name);
  return firstRows(padded(layer) as Float32Array, T, columns, place.rowFloats);
}

function firstRows<N extends Numbers>(from: N, rows: number, columns: number, rowFloats: number): N {
  const out = from.slice(0, rows * columns) as N;
  for (let r = 0; r < rows; r++) out.set(from.subarray(r * rowFloats, r * rowFloats + columns), r * columns);
  return out;
}

/** [heads, T, T] of all attentions of a layer, from [R, heads, R] in memory. */
function attentionOf(entry: LookEntry, layer: number, T: number): Float32Array {
  const shapes = headsOf(entry);
  const out = new Float32Array(shapes.reduce((sum, { count }) => sum + count, 0) * T * T);
  for (const { part, count, first } of shapes) {
    const { padded, place } = entry.tensor(insideNames(part).weights);
    const from = padded(layer) as Float32Array;
    for (let query = 0; query < T; query++)
      for (let head = 0; head < count; head++) {
        const at = (query * count + head) * place.rowFloats;
        out.set(from.subarray(at, at + T), ((first + head) * T + query) * T);
      }
  }
  return out;
}

function hiddenOf(entry: LookEntry, part: string, layer: number, T: number, model: RunningModel): Hidden {
  const names = insideNames(part);
  const { columns, place, padded } = entry.tensor(names.hidden);
  const from = padded(layer) as Float32Array;
  const chosen = entry.findTensor(names.choice);
  if (!chosen) return { part, size: columns, values: firstRows(from, T, columns, place.rowFloats) };
  const top = chosen.columns;
  const table = (name: string): Numbers => {
    const tensor = entry.tensor(name);
    return firstRows(tensor.padded(layer), T, top, tensor.place.rowFloats);
  };
  const slots = table(names.slots);
  const values = new Float32Array(T * top * columns);
  for (const [i, slot] of slots.entries())
    values.set(from.subarray(slot * place.rowFloats, slot * place.rowFloats + columns), i * columns);
  const experts = model.tensors.get(`${part}.router.weight`)!.columns;
  const choice = table(names.choice) as Int32Array;
  const weights = table(names.weights) as Float32Array;
  return { part, size: columns, values, mixture: { experts, top, choice, weights } };
}
