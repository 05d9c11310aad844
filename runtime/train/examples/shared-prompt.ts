/**
 * Pairs whose prompt is not written by itself: `chosen` and `rejected` are whole dialogues, and the prompt is
 * what both begin with, turn by turn (not letter by letter: two answers may begin alike). A dialogue is a
 * list of messages, or one text with "\n\nHuman: " and "\n\nAssistant: " before each turn, as hh-rlhf has it.
 */
import type { ChatMessage } from "../../tokenizers/chat/chat.ts";
import { checkOrder, messagesIn } from "./messages.ts";
import { columnOf, RowError, textIn, type Columns } from "./row.ts";

export interface SharedPrompt {
  readonly prompt: readonly ChatMessage[];
  readonly chosen: readonly ChatMessage[];
  readonly rejected: readonly ChatMessage[];
}

export function pairOfDialogues(columns: Columns): SharedPrompt {
  const chosen = dialogueIn(columns, "chosen");
  const rejected = dialogueIn(columns, "rejected");
  const differs = chosen.findIndex(
    ({ role, content }, i) => rejected[i]?.role !== role || rejected[i]?.content !== content,
  );
  // of two equal dialogues, or one that the other goes on with, the last turn is the answer
  const shared = differs < 0 ? Math.min(chosen.length, rejected.length) - 1 : differs;
  const at = Math.min(shared, rejected.length - 1);
  if (at < 1 || chosen[at]!.role !== "assistant" || rejected[at]!.role !== "assistant")
    throw new RowError(
      `"chosen" and "rejected" do not begin with the same question (turn ${at + 1} differs)`,
      'Write the question apart: {"prompt": "…", "chosen": "…", "rejected": "…"}.',
    );
  return { prompt: chosen.slice(0, at), chosen: chosen.slice(at), rejected: rejected.slice(at) };
}

function dialogueIn(columns: Columns, key: string): readonly ChatMessage[] {
  if (Array.isArray(columnOf(columns, key))) return messagesIn(columns, key);
  return turnsOf(textIn(columns, key, "an answer"), key);
}

const MARK = /\n\n(Human|Assistant):/;
const roles: Readonly<Record<string, string>> = { Human: "user", Assistant: "assistant" };

/** The turns of a text that has marks before them. */
function turnsOf(text: string, key: string): readonly ChatMessage[] {
  // what stands before the first mark, then mark, turn, mark, turn …
  const [before, ...rest] = text.split(MARK);
  if (rest.length === 0 || before!.trim() !== "")
    throw new RowError(
      `"${key}" is one text, and where the question ends in it is not said`,
      'Write the question apart: {"prompt": "…", "chosen": "…", "rejected": "…"}.',
    );
  const turns: ChatMessage[] = [];
  for (let i = 0; i < rest.length; i += 2)
    turns.push({ role: roles[rest[i]!]!, content: rest[i + 1]!.trim() });
  const empty = turns.findIndex(({ content }) => content === "");
  if (empty >= 0)
    throw new RowError(`turn ${empty + 1} of "${key}" says nothing`, "Write what is said, or leave it out.");
  checkOrder(turns, key, "dialogue");
  return turns;
}
