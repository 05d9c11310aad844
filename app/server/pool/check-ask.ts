/** What may be asked: tokens that the model has, as many as there is room for, and a lane that there is. */
import type { RowEntryName } from "../../../runtime/contract/entries.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";
import { ServingError, type ServedFacts, type TextAsk } from "./serving.ts";

type Sizes = Pick<ServedFacts, "manifest" | "context" | "lanes">;

/** Throws a `ServingError` where the model does not have the entry, or the tokens could never be read. */
export function checkReading(
  entry: RowEntryName,
  tokens: readonly number[],
  { module, manifest }: Pick<RunningModel, "module" | "manifest">,
): void {
  if (!module.entries.some(({ name }) => name === entry))
    throw new ServingError({ kind: "not built" }, `the model was compiled without the entry \`${entry}\``);
  checkTokens(tokens, { manifest, context: manifest.model.sizes.context });
}

/** Throws a `ServingError` where the ask could never be answered. */
export function checkAsk({ tokens, sampling, lane }: TextAsk, facts: Sizes): void {
  checkTokens(tokens, facts, sampling.whenFull === "shift" ? Infinity : facts.context);
  if (lane !== undefined && !(Number.isInteger(lane) && lane >= 0 && lane < facts.lanes))
    throw new ServingError({ kind: "bad lane" }, `there is no lane ${lane}: they are 0 … ${facts.lanes - 1}`);
}

/** The same for tokens alone, of which there are so many at most. */
function checkTokens(
  tokens: readonly number[],
  { manifest, context }: Omit<Sizes, "lanes">,
  most = context,
): void {
  const { vocab } = manifest.model.sizes;
  if (tokens.length === 0)
    throw new ServingError({ kind: "bad token" }, "a model needs a token to start from: there is none");
  if (tokens.length > most)
    throw new ServingError(
      { kind: "prompt too long", promptTokens: tokens.length, context },
      `${tokens.length} tokens: that exceeds the available context size of ${context} tokens`,
    );
  const unknown = tokens.find((token) => !(Number.isInteger(token) && token >= 0 && token < vocab));
  if (unknown !== undefined)
    throw new ServingError(
      { kind: "bad token" },
      `token ${unknown} is outside of the model's vocabulary: ids are 0 … ${vocab - 1}`,
    );
}
