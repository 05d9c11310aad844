/**
 * Tokens of a text, run chunk by chunk by an entry that gives something of each row. The text has a lane for
 * itself meanwhile; others use the model between two chunks.
 */
import type { RowEntryName } from "../contract/entries.ts";
import { SinterError } from "../base/errors.ts";
import type { Lanes } from "../engine/lanes.ts";
import type { RunningModel } from "../engine/model.ts";
import type { RowEntry } from "../engine/row-entries.ts";
import { checkLength } from "./past.ts";
import type { PromptPace } from "./prompt-pace.ts";

export interface RowChunkOptions {
  /** Gives the text up, while it waits for a lane or between two chunks: rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Most tokens of one chunk. Default, and at most: what the module takes at once. */
  readonly chunk?: number | undefined;
  /** Says how many tokens a chunk has, so that others wait as long as it allows. */
  readonly pace?: PromptPace | undefined;
  /** false: by the model as it was before it had adapters. Default: true. */
  readonly adapters?: boolean | undefined;
}

/** What is done before and after the run of the tokens at `start` … `end` − 1, which are its rows 0 … */
export interface RowChunkWork {
  before?(entry: RowEntry, start: number, end: number): void;
  after(entry: RowEntry, start: number, end: number): void;
}

/**
 * Where the weights change meanwhile, the text begins again at position 0. Throws `input` where the tokens do
 * not fit, are unknown, or the module has no such entry.
 */
export async function runRowChunks(
  model: RunningModel,
  name: RowEntryName,
  tokens: readonly number[],
  { signal, chunk = Infinity, pace, adapters }: RowChunkOptions,
  work: RowChunkWork,
): Promise<void> {
  checkLength(tokens, model.manifest.model.sizes.context);
  const owner = {};
  await model.openLane(owner, { signal, adapters });
  try {
    for (let at = 0; at < tokens.length;)
      at = await model.inTurn(async (lanes) => {
        const entry = entryOf(lanes, name);
        const lane = lanes.reserve(owner, tokens, { adapters })!;
        // it is new, or others changed the weights
        const start = lane.holder === owner && lane.tokens.length >= at ? at : 0;
        lane.holder = owner;
        const most = Math.max(1, Math.min(chunk, entry.chunk, pace?.rows ?? Infinity));
        const part = tokens.slice(start, start + most);
        const end = start + part.length;
        work.before?.(entry, start, end);
        const began = performance.now();
        await lanes.run([{ lane, start, tokens: part }], entry);
        pace?.ran(part.length, part.length, performance.now() - began);
        work.after(entry, start, end);
        return end;
      }, signal);
  } finally {
    model.closeLane(owner);
  }
}

function entryOf(lanes: Lanes, name: RowEntryName): RowEntry {
  const entry = lanes.rowEntry(name);
  if (!entry)
    throw new SinterError(
      "input",
      `the model was compiled without the entry \`${name}\``,
      `Compile it with \`entries: ["${name}"]\` (compileModel).`,
    );
  return entry;
}
