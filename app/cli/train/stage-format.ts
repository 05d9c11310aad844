/**
 * How a stage writes dialogues: as was asked for, as the run does that it begins from, by the tokenizer's own
 * template or marks; else as `turns`, for which the vocabulary gets tokens.
 */
import { SinterError } from "../../../runtime/base/errors.ts";
import type { StageSettings } from "../../../runtime/contract/model.ts";
import { chatFormatOf, templateChat } from "../../../runtime/node/chat-template.ts";
import { otherJson } from "../../../runtime/node/bounded-tokenizer.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import type { RecordedFormat } from "../../../runtime/store/run-record.ts";
import { withTokens } from "../../../runtime/store/with-tokens.ts";
import { templateOf } from "../../../runtime/tokenizers/beside/chat-templates.ts";
import { builtInChat, formatByMarks, lackingTokens } from "../../../runtime/tokenizers/chat/chat-formats.ts";
import { plainChat, type ChatFormat } from "../../../runtime/tokenizers/chat/chat.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import type { AskedFormat } from "../options/run-options.ts";
import type { Io } from "../terminal/io.ts";

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

/** The chat format that a record names. */
export function formatOf(recorded: RecordedFormat, tokenizer: Tokenizer): ChatFormat {
  if (recorded === "plain") return plainChat(tokenizer);
  if (recorded !== "template") return builtInChat(tokenizer, recorded);
  const found = templateOf(tokenizer.files);
  if (found) return templateChat(tokenizer, found.template, { from: found.from });
  throw new SinterError("corrupt", "the run's tokenizer has no chat template any more");
}

/** The format of a run that is used: its stage's, else its tokenizer's. Undefined: it has none. */
export const formatOfRun = ({
  record,
  tokenizer,
}: Pick<Run, "record" | "tokenizer">): ChatFormat | undefined =>
  record.stage ? formatOf(record.stage.chatFormat, tokenizer) : chatFormatOf(tokenizer);

/**
 * The format that a run is asked in: the one that is named, else its own; else the plain form, which is said.
 */
export function formatToAsk(
  run: Pick<Run, "record" | "tokenizer">,
  wanted: AskedFormat | undefined,
  io: Io,
): ChatFormat {
  const { tokenizer } = run;
  if (wanted === "plain") return plainChat(tokenizer);
  if (wanted !== undefined) return builtInChat(tokenizer, wanted);
  const known = formatOfRun(run);
  if (!known)
    io.err(
      'note: this model brings no chat format along; it sees "User: …" and "Assistant: …" ' +
        "(--chat-format names another)\n",
    );
  return known ?? plainChat(tokenizer);
}
