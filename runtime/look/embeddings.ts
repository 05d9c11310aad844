/** Tokens as the model's table of embeddings has them: which lie near each other, which a vector means. */
import { SinterError } from "../base/errors.ts";
import { nameIn, TOKEN_TABLE } from "../contract/parameter-names.ts";
import type { RunningModel } from "../engine/model.ts";

export interface Neighbour {
  readonly id: number;
  /** Of the two embeddings: 1 where they point the same way. */
  readonly cosine: number;
}

/** The ids whose embeddings point the same way as this one's, nearest first; itself is left out. */
export function nearestTokens(
  model: RunningModel,
  id: number,
  { count, among = () => true }: { readonly count: number; among?(id: number): boolean },
): readonly Neighbour[] {
  const { vocab, width } = model.manifest.model.sizes;
  if (!(Number.isInteger(id) && id >= 0 && id < vocab))
    throw new SinterError(
      "input",
      `there is no token ${id}`,
      `The vocabulary has ids from 0 to ${vocab - 1}.`,
    );
  const table = model.tensors.get(TOKEN_TABLE)!.dense() as Float32Array;
  const row = (of: number): Float32Array => table.subarray(of * width, (of + 1) * width);
  const one = row(id);
  const length = Math.sqrt(dot(one, one));
  const found: Neighbour[] = [];
  for (let other = 0; other < vocab; other++) {
    if (other === id || !among(other)) continue;
    const lengths = length * Math.sqrt(dot(row(other), row(other)));
    found.push({ id: other, cosine: lengths === 0 ? 0 : dot(one, row(other)) / lengths });
  }
  return found.sort((a, b) => b.cosine - a.cosine || a.id - b.id).slice(0, count);
}

/** What the output's matrix makes of a vector [width], by id: what it speaks for, or against. No norm. */
export function outputScores(model: RunningModel, vector: Float32Array): Float32Array {
  const { output } = model.manifest.model;
  const part = output.kind === "apply" && output.part.part === "linear" ? output.part : undefined;
  const name = !part || part.tied ? TOKEN_TABLE : `${nameIn("output", part.name)}.weight`;
  const tensor = model.tensors.get(name)!;
  const matrix = tensor.dense() as Float32Array;
  const isTable = name === TOKEN_TABLE; // [vocab, width]; others are [width, classes]
  const classes = isTable ? tensor.rows : tensor.columns;
  const scores = new Float32Array(classes);
  if (isTable)
    for (let id = 0; id < classes; id++)
      scores[id] = dot(vector, matrix.subarray(id * vector.length, (id + 1) * vector.length));
  else
    for (let c = 0; c < vector.length; c++)
      for (let id = 0; id < classes; id++) scores[id]! += vector[c]! * matrix[c * classes + id]!;
  return scores;
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
