/**
 * A text is run unfused, so that what goes on inside the layers can be read, and rows of the residual stream
 * are put before the output (entries `look` and `lens`). For someone who has the model to themselves
 * (RunningModel.inTurn).
 */
import { insideNames } from "../contract/entries.ts";
import type { EntryPlace, LookPlace } from "../contract/manifest.ts";
import { SinterError } from "../base/errors.ts";
import type { Entries } from "./entries.ts";
import type { Tensor } from "./tensors.ts";

/** By how much the heads of a part count in a layer: 1 each, unless it is said otherwise. */
export type HeadScales = (part: string, layer: number) => Float32Array | undefined;

export interface LookEntry {
  /** Most tokens of a text, and most rows that the output reads at once. */
  readonly tokens: number;
  readonly lensRows: number;
  /** The parts of the layers of which there is something to see. */
  readonly parts: LookPlace;
  /** What `run` has left: `insideNames` of a part, and the residual streams. */
  tensor(name: string): Tensor;
  findTensor(name: string): Tensor | undefined;
  /** Runs a text from its beginning. */
  run(tokens: readonly number[], scales: HeadScales): Promise<void>;
  /** Logits of rows [width each]; a view of each, until the next call. */
  lens(rows: readonly Float32Array[]): Promise<readonly Float32Array[]>;
}

/** Undefined: the module was not compiled for it. */
export function lookEntry(entries: Entries): LookEntry | undefined {
  const look = entries.find("look");
  const lens = entries.find("lens");
  if (!look?.look || !lens) return undefined;
  const parts = look.look;
  const { control, model } = entries.manifest;
  const runRows = (entry: EntryPlace, rows: number): Promise<void> => {
    entries.setControl(control.rows, rows);
    return entries.run(entry, rows);
  };
  return {
    tokens: look.context,
    lensRows: lens.context,
    parts,
    tensor: (name) => entries.tensorNamed(name),
    findTensor: (name) => entries.findNamed(name),
    run(tokens, scales) {
      checkTokens(tokens, look.context, model.sizes.vocab);
      entries.tensor("tokens").write(tokens);
      for (const part of parts.attention) {
        const tensor = entries.tensorNamed(insideNames(part).scales);
        const ones = new Float32Array(tensor.elements).fill(1);
        for (let layer = 0; layer < tensor.place.slices; layer++)
          tensor.write(scales(part, layer) ?? ones, layer);
      }
      return runRows(look, tokens.length);
    },
    async lens(rows) {
      if (rows.length === 0 || rows.length > lens.context)
        throw new SinterError("bug", `${rows.length} rows for a lens of ${lens.context}`);
      const into = entries.tensor("x_in");
      const { rowFloats } = into.place;
      for (const [r, row] of rows.entries()) into.padded().set(row, r * rowFloats);
      await runRows(lens, rows.length);
      const { place, columns } = entries.tensor("row_logits");
      const logits = entries.tensor("row_logits").padded() as Float32Array;
      return rows.map((_, r) => logits.subarray(r * place.rowFloats, r * place.rowFloats + columns));
    },
  };
}

function checkTokens(tokens: readonly number[], most: number, vocab: number): void {
  if (tokens.length === 0 || tokens.length > most)
    throw new SinterError(
      "input",
      `a text of ${tokens.length} tokens to look at: there may be 1 to ${most}`,
      "Take a piece of the text.",
    );
  const wrong = tokens.find((token) => !(Number.isInteger(token) && token >= 0 && token < vocab));
  if (wrong !== undefined)
    throw new SinterError(
      "input",
      `token ${wrong} is outside of the model's vocabulary of ${vocab}`,
      "Ids are whole numbers from 0 on.",
    );
}
