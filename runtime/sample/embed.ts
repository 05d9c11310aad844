/**
 * A text as a vector: the mean of what the output layer would read after each of its tokens, of length 1
 * (mean pooling, Reimers & Gurevych 2019).
 */
import type { RunningModel } from "../engine/model.ts";
import { runRowChunks, type RowChunkOptions } from "./row-chunks.ts";

/**
 * [width]: the mean of the last norm's rows, as a rule, in f64, divided by its length. By a module that was
 * compiled with the entry `embed`; a text is as long as the context at most.
 */
export async function embedTokens(
  model: RunningModel,
  tokens: readonly number[],
  options: RowChunkOptions = {},
): Promise<Float32Array> {
  const sum = new Float64Array(model.manifest.model.sizes.width);
  await runRowChunks(model, "embed", tokens, options, {
    after(entry, start, end) {
      if (start === 0) sum.fill(0);
      for (let r = 0; r < end - start; r++) {
        const row = entry.row(r);
        for (let i = 0; i < row.length; i++) sum[i]! += row[i]!;
      }
    },
  });
  const length = Math.sqrt(sum.reduce((squares, x) => squares + x * x, 0));
  return Float32Array.from(sum, (value) => (length === 0 ? 0 : value / length));
}
