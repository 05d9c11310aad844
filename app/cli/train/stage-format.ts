/**
 * How a stage writes dialogues: as was asked for, as the run does that it begins from, by the tokenizer's own
 * template or marks; else as `turns`, for which the vocabulary gets tokens.
 */
import { SinterError } from "../../../runtime/base/errors.ts";
import type { StageSettings } from "../../../runtime/contract/model.ts";
import { otherJson } from "../../../runtime/node/bounded-tokenizer.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import type { RecordedFormat } from "../../../runtime/store/run-record.ts";
import { withTokens } from "../../../runtime/store/with-tokens.ts";
import { templateOf } from "../../../runtime/tokenizers/beside/chat-templates.ts";
import { formatByMarks, lackingTokens } from "../../../runtime/tokenizers/chat/chat-formats.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";

export interface StageFormat {
  readonly recorded: RecordedFormat;
  /** The tokenizer with the tokens that the format needs. */
  readonly tokenizer: Tokenizer;
  /** The names of tokens that it has got for that. */
  readonly added: readonly string[];
}

/** Throws SinterError "input" where the format needs tokens that the tokenizer can not get. */
export async function stageFormat(
  asked: StageSettings["chatFormat"],
  tokenizer: Tokenizer,
  from: Run | undefined,
): Promise<StageFormat> {
  const recorded = asked === "auto" ? ownFormat(tokenizer, from) : asked;
  if (recorded === "plain") throw neverEnds();
  const added = recorded === "template" ? [] : lackingTokens(tokenizer, recorded);
  return { recorded, tokenizer: await withTokens(tokenizer, added, otherJson), added };
}

const neverEnds = (): SinterError =>
  new SinterError(
    "input",
    "with the chat format plain no token ends an answer, so that no model learns to stop",
    "Use --chat-format turns, for which the vocabulary gets tokens.",
  );

function ownFormat(tokenizer: Tokenizer, from: Run | undefined): RecordedFormat {
  const before = from?.record.stage?.chatFormat;
  if (before !== undefined) return before;
  if (templateOf(tokenizer.files) && tokenizer.name !== "llama3") return "template";
  return formatByMarks(tokenizer) ?? "turns";
}
