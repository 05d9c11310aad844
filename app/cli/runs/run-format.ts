/** The chat format in which a run is asked. */
import { SinterError } from "../../../runtime/base/errors.ts";
import { chatFormatOf, templateChat } from "../../../runtime/node/chat-template.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import type { RecordedFormat } from "../../../runtime/store/run-record.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { templateOf } from "../../../runtime/tokenizers/beside/chat-templates.ts";
import { builtInChat } from "../../../runtime/tokenizers/chat/chat-formats.ts";
import { plainChat, type ChatFormat } from "../../../runtime/tokenizers/chat/chat.ts";
import type { AskedFormat } from "../options/run-options.ts";
import type { Io } from "../terminal/io.ts";

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
