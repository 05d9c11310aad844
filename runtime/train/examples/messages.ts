/**
 * Lists of messages in rows: {role, content} as OpenAI has them, {from, value} as ShareGPT has them. Roles
 * get one name each, and the order of the turns is checked: a model that has learnt from two turns of one
 * speaker in a row does not know when to stop.
 */
import { isObject } from "../../base/schema.ts";
import type { ChatMessage } from "../../tokenizers/chat/chat.ts";
import { columnOf, kindOfValue, RowError, type Columns } from "./row.ts";

/** THE table of roles: what a file may call each of them. */
const roles: Readonly<Record<string, readonly string[]>> = {
  system: ["developer"],
  user: ["human", "prompter"],
  assistant: ["gpt", "model", "bot", "chatgpt", "function_call"],
  tool: ["function", "observation", "function_response", "ipython"],
};
const roleNames = Object.keys(roles).join(", ");
const ours = new Map(
  Object.entries(roles).flatMap(([role, others]) => [role, ...others].map((name) => [name, role] as const)),
);

export const MESSAGE_FORM = '{"role": "user", "content": "…"}';

/** A message, and whether an answer of it may be learnt (`"weight": 0` of OpenAI's files says no). */
export interface ReadMessage extends ChatMessage {
  readonly skipped?: true;
}

/** The messages in a column, in a possible order. */
export function messagesIn(columns: Columns, key: string, starts: Starts = "dialogue"): ReadMessage[] {
  const value = columnOf(columns, key);
  if (!Array.isArray(value) || value.length === 0)
    throw new RowError(
      `"${key}" is ${kindOfValue(value)}, not a list of messages`,
      `Write "${key}": [${MESSAGE_FORM}, …].`,
    );
  const messages = value.map((message: unknown, i) => messageOf(message, `message ${i + 1} of "${key}"`));
  checkOrder(messages, key, starts);
  return messages;
}

function messageOf(value: unknown, where: string): ReadMessage {
  if (!isObject(value))
    throw new RowError(`${where} is ${kindOfValue(value)}, not an object`, `Write ${MESSAGE_FORM}.`);
  const calls = ["tool_calls", "function_call"].find((key) => columnOf(value, key) !== undefined);
  if (calls !== undefined)
    throw new RowError(`${where} has "${calls}", which is not read`, "Write the call as its content.");
  const named = columnOf(value, "role") ?? columnOf(value, "from");
  const role = typeof named === "string" ? ours.get(named.toLowerCase()) : undefined;
  if (role === undefined)
    throw new RowError(
      named === undefined ? `${where} has no role` : `${where} is of the role ${JSON.stringify(named)}`,
      `Write ${MESSAGE_FORM}; the roles are ${roleNames}.`,
    );
  const content = contentOf(columnOf(value, "content") ?? columnOf(value, "value"), where, role);
  return columnOf(value, "weight") === 0 ? { role, content, skipped: true } : { role, content };
}

/** A text, or OpenAI's list of parts of which all are texts. */
function contentOf(value: unknown, where: string, role: string): string {
  const parts = Array.isArray(value) ? value : [value];
  const texts = parts.map((part: unknown) => (isObject(part) ? columnOf(part, "text") : part));
  const other = texts.find((text) => typeof text !== "string");
  if (parts.length === 0 || other !== undefined || texts.includes(undefined))
    throw new RowError(`${where} has no text: it is ${kindOfValue(value)}`, `Write ${MESSAGE_FORM}.`);
  const content = texts.join("");
  if (content.trim() !== "" || role === "system" || role === "tool") return content;
  const what = role === "assistant" ? "it is without an answer" : "it is without a prompt";
  throw new RowError(`${what}: ${where} is empty`, `Write what the ${role} says.`);
}

/** What comes first: a dialogue begins with the system or the user, an answer with the assistant. */
export type Starts = "dialogue" | "answer";

/** Which roles may follow which. */
const after: Readonly<Record<string, readonly string[]>> = {
  dialogue: ["system", "user"],
  answer: ["assistant"],
  system: ["user"],
  user: ["assistant"],
  assistant: ["user", "tool"],
  tool: ["assistant", "user", "tool"],
};

/** Throws RowError where two turns can not follow each other. */
export function checkOrder(messages: readonly ChatMessage[], key: string, starts: Starts): void {
  let before: string = starts;
  for (const [i, { role }] of messages.entries()) {
    if (!after[before]!.includes(role)) throw wrongTurn(before, role, i, key);
    before = role;
  }
}

function wrongTurn(before: string, role: string, i: number, key: string): RowError {
  if (before === role)
    return new RowError(
      `messages ${i} and ${i + 1} of "${key}" are both of the ${role}`,
      "Make one message of the two, or put in what was said between them.",
    );
  if (i === 0)
    return new RowError(
      `"${key}" begins with the ${role}`,
      before === "answer" ? "An answer begins with the assistant." : "A dialogue begins with the user.",
    );
  return new RowError(
    `in "${key}" the ${role} follows the ${before} (message ${i + 1})`,
    "The system comes first, then user and assistant take turns.",
  );
}
