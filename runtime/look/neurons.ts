/**
 * What feed-forward layers store: a neuron answers to some tokens, and then adds its row of the second matrix
 * to the residual stream, which speaks for some tokens (Geva et al. 2021 and 2022).
 */
import { SinterError } from "../base/errors.ts";
import type { RunningModel } from "../engine/model.ts";
import { outputScores } from "./embeddings.ts";
import { lookInside, lookLimit, type Hidden, type Inside } from "./inside.ts";

/** One neuron of a model. */
export interface NeuronPlace {
  readonly layer: number;
  readonly neuron: number;
}

/** How strongly a neuron answers to a token of a text. */
export interface Answer extends NeuronPlace {
  readonly position: number;
  readonly value: number;
}

const neuronsOf = ({ size, mixture }: Hidden): number => size * (mixture?.experts ?? 1);

/** The neurons of a layer. */
export const layerNeurons = ({ layers }: Pick<Inside, "layers">, layer: number): number =>
  layers[layer]!.hidden.reduce((sum, hidden) => sum + neuronsOf(hidden), 0);

/** [T]: a neuron's answer to each token; of an expert, 0 for tokens that were sent to others. */
export function answersOf({ tokens, layers }: Inside, { layer, neuron }: NeuronPlace): Float32Array {
  const out = new Float32Array(tokens.length);
  let first = 0;
  for (const hidden of layers[layer]?.hidden ?? []) {
    const count = neuronsOf(hidden);
    const at = neuron - first;
    first += count;
    if (at < 0 || at >= count) continue;
    const { size, values, mixture } = hidden;
    const top = mixture?.top ?? 1;
    for (let row = 0; row < tokens.length * top; row++)
      if (!mixture || mixture.choice[row] === Math.floor(at / size))
        out[Math.floor(row / top)] = values[row * size + (at % size)]!;
    return out;
  }
  throw noNeuron({ layer, neuron });
}

const noNeuron = ({ layer, neuron }: NeuronPlace): SinterError =>
  new SinterError(
    "input",
    `there is no neuron ${neuron} in layer ${layer}`,
    "Layers and neurons are counted from 0.",
  );

/** The neurons that answer most strongly to a token, of all layers. */
export function strongest(
  inside: Inside,
  position: number,
  { count }: { readonly count: number },
): readonly Answer[] {
  const found = inside.layers.flatMap(({ hidden }, layer) => {
    let first = 0;
    return hidden.flatMap((part) => {
      const { size, values, mixture } = part;
      const top = mixture?.top ?? 1;
      const before = first;
      first += neuronsOf(part);
      return Array.from({ length: top * size }, (_, i): Answer => {
        const row = position * top + Math.floor(i / size);
        const neuron = before + (mixture ? mixture.choice[row]! * size : 0) + (i % size);
        return { layer, neuron, position, value: values[row * size + (i % size)]! };
      });
    });
  });
  return found.sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, count);
}

/** The row [width] that a neuron adds, times its answer. */
export function neuronRow(model: RunningModel, { layer, neuron }: NeuronPlace): Float32Array {
  const look = model.module.entries.find(({ name }) => name === "look")?.look;
  let first = 0;
  for (const part of look?.feedForward ?? []) {
    const down = model.tensors.get(`${part}.down.weight`)!; // [hidden, width], or [experts, hidden, width]
    const at = neuron - first;
    first += down.rows;
    if (at < 0 || at >= down.rows || layer < 0 || layer >= down.place.slices) continue;
    return (down.dense(layer) as Float32Array).slice(at * down.columns, (at + 1) * down.columns);
  }
  throw noNeuron({ layer, neuron });
}

/** What a neuron writes: how much its row speaks for each id, where its answer is 1. */
export const neuronScores = (model: RunningModel, place: NeuronPlace): Float32Array =>
  outputScores(model, neuronRow(model, place));

export interface ExcitingToken {
  /** Where it stands in the text that was searched. */
  readonly at: number;
  readonly value: number;
}

/**
 * The tokens of a long text to which a neuron answers most strongly. The text is read in pieces of as many
 * tokens as can be looked at, each from its beginning. `progress`: tokens that were read.
 */
export async function excitingTokens(
  model: RunningModel,
  text: readonly number[],
  place: NeuronPlace,
  {
    count,
    signal,
    progress,
  }: { readonly count: number; readonly signal?: AbortSignal; progress?(read: number): void },
): Promise<readonly ExcitingToken[]> {
  const piece = lookLimit(model) ?? text.length;
  let found: ExcitingToken[] = [];
  for (let start = 0; start < text.length; start += piece) {
    const inside = await lookInside(model, text.slice(start, start + piece), { signal });
    const answers = [...answersOf(inside, place)].map((value, t) => ({ at: start + t, value }));
    found = [...found, ...answers].sort((a, b) => b.value - a.value || a.at - b.at).slice(0, count);
    progress?.(start + inside.tokens.length);
  }
  return found;
}
