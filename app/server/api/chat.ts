/** POST /v1/chat/completions, and /apply-template: conversations. */
import * as v from "valibot";
import { unguarded } from "../../../runtime/tokenizers/base/added-tokens.ts";
import type { ChatFormat, ChatMessage, Tool } from "../../../runtime/tokenizers/chat/chat.ts";
import type { ServedFacts } from "../pool/serving.ts";
import { post } from "./call.ts";
import { ApiError, asApiError } from "./errors.ts";
import {
  countField,
  field,
  flag,
  laneFields,
  lengthField,
  modelField,
  most,
  needed,
  samplingFields,
  streamFields,
  whole,
} from "./fields.ts";
import { chatLogprobs, withLogprobs } from "./logprobs.ts";
import { answer, type ChoiceForm } from "./openai-answer.ts";
import { samplingFor } from "./sampling.ts";
import { finishReason, laneOf } from "./texts.ts";

const textPart = v.object({ type: v.literal("text"), text: v.string() });
const roles = ["system", "developer", "user", "assistant", "tool"] as const;
const messageSchema = v.object({
  role: needed("who says it", v.picklist(roles)),
  content: field("a text, or parts of it", v.union([v.string(), v.array(textPart)])),
  tool_calls: field("what the assistant has called", v.array(v.record(v.string(), v.unknown()))),
  tool_call_id: field("which call a tool answers", v.string()),
});
const messagesField = needed(
  "the conversation; where the assistant has the last word, that is gone on with",
  v.pipe(v.array(messageSchema), v.minLength(1), v.maxLength(most.messages)),
);

/** Whatever else a tool says goes to the template as it is. */
const isFunction = (tool: Readonly<Record<string, unknown>>): boolean => {
  const { type, function: described } = tool;
  return type === "function" && typeof described === "object" && described !== null && "name" in described;
};
const toolsField = field(
  "functions that the template shows to the model; its answer is text",
  v.array(
    v.pipe(
      v.record(v.string(), v.unknown()),
      v.check(isFunction, 'a tool is { "type": "function", "function": { "name": … } }'),
    ),
  ),
);

export const chatSchema = v.object({
  messages: messagesField,
  tools: toolsField,
  tool_choice: field(
    '"auto", or "none": the model is not shown the tools',
    v.union([v.string(), v.record(v.string(), v.unknown())]),
  ),
  max_tokens: lengthField("most tokens to add (default: until the context is full)"),
  max_completion_tokens: lengthField("the newer name of `max_tokens`, which it goes before"),
  ...countField,
  logprobs: field("each token's log-probability", flag),
  top_logprobs: field("and so many of the likeliest; goes with `logprobs`", whole(0, most.logprobs)),
  ...samplingFields,
  ...streamFields,
  ...laneFields,
  ...modelField,
});

export const chatRoute = post(
  ["/v1/chat/completions", "/chat/completions"],
  chatSchema,
  async (call, body, facts) => {
    if (typeof body.top_logprobs === "number" && body.logprobs !== true)
      throw new ApiError("wrong value", "top_logprobs goes with logprobs: true", { param: "top_logprobs" });
    const logprobs = body.logprobs === true ? (body.top_logprobs ?? 0) : undefined;
    const tools = body.tool_choice === "none" ? undefined : body.tools;
    const conversation = await conversationOf(body.messages, tools, facts);
    const tokens = body.max_completion_tokens ?? body.max_tokens;
    const { stops } = conversation.format;
    const asked = {
      prompts: [{ tokens: await idsOf(conversation, facts), text: "" }],
      n: body.n ?? 1,
      sampling: samplingFor(
        body,
        { tokens, logprobs, stops, continues: conversation.begun !== undefined },
        facts,
      ),
      ...laneOf(body),
    };
    return answer(call, facts, asked, body, choiceForm(facts, logprobs !== undefined));
  },
);

export const templateSchema = v.object({ messages: messagesField, tools: toolsField });

export const templateRoute = post(["/apply-template"], templateSchema, async (_, body, facts) => {
  const { format, messages, tools, begun } = await conversationOf(body.messages, body.tools, facts);
  const text = await inMessages(() => format.render(messages, true, tools));
  return Response.json({ prompt: unguarded(text) + (begun ?? "") });
});

interface Conversation {
  readonly format: ChatFormat;
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly Tool[] | undefined;
  /** What the assistant has begun to say. */
  readonly begun: string | undefined;
}

async function conversationOf(
  asked: v.InferOutput<typeof messagesField>,
  given: v.InferOutput<typeof toolsField>,
  { format }: ServedFacts,
): Promise<Conversation> {
  if (!format)
    throw new ApiError(
      "not supported",
      "this model knows no conversations; ask it by /v1/completions, or start the server with --chat-format",
    );
  const tools = given?.length ? given : undefined;
  const hasCalls = asked.some(({ tool_calls: calls }) => calls?.length);
  if ((tools || hasCalls) && !format.takesTools)
    throw new ApiError("not supported", "this model's chat format has no place for tools", {
      param: tools ? "tools" : "messages",
    });
  const messages = asked.map(({ role, content, tool_calls: calls, tool_call_id: id }, i): ChatMessage => {
    const isCall = calls !== undefined && calls !== null && calls.length > 0;
    if (!isCall && (content === null || content === undefined))
      throw new ApiError("wrong value", `messages[${i}].content: a message has to have a text`, {
        param: `messages[${i}].content`,
      });
    const text = typeof content === "string" ? content : (content ?? []).map((part) => part.text).join("\n");
    return {
      role: role === "developer" ? "system" : role,
      content: text,
      ...(isCall && { toolCalls: calls }),
      ...(id !== undefined && id !== null && { toolCallId: id }),
    };
  });
  const last = messages.at(-1)!;
  if (last.role !== "assistant" || last.toolCalls) return { format, messages, tools, begun: undefined };
  return { format, messages: messages.slice(0, -1), tools, begun: last.content };
}

/** What was begun is plain text behind what the format writes. */
async function idsOf(
  { format, messages, tools, begun }: Conversation,
  facts: ServedFacts,
): Promise<readonly number[]> {
  const ids = await inMessages(() => format.encode(messages, true, tools));
  return begun ? [...ids, ...facts.tokenizer.encode(begun)] : ids;
}

/** What a format or tokenizer does not take is the messages' fault. */
async function inMessages<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    const { kind, message } = asApiError(cause);
    throw new ApiError(kind, message, { cause, param: "messages" });
  }
}

const choiceForm = ({ tokenizer }: ServedFacts, hasLogprobs: boolean): ChoiceForm => {
  const scored = (tokens: Parameters<typeof withLogprobs>[0]): object =>
    hasLogprobs ? { logprobs: chatLogprobs(tokenizer, withLogprobs(tokens)) } : { logprobs: null };
  return {
    prefix: "chatcmpl-",
    object: "chat.completion",
    chunk: "chat.completion.chunk",
    whole: ({ index }, made) => ({
      index,
      message: { role: "assistant", content: made.text, refusal: null },
      ...scored(made.logprobs ?? []),
      finish_reason: finishReason(made),
      truncated: made.isTruncated,
    }),
    opening: ({ index }) => ({ index, delta: { role: "assistant", content: null }, finish_reason: null }),
    piece: ({ index }, content, tokens) => ({
      index,
      delta: { content },
      ...scored(tokens),
      finish_reason: null,
    }),
    ending: ({ index }, made, rest) => ({
      index,
      delta: {},
      ...(rest.length > 0 && scored(rest)),
      finish_reason: finishReason(made),
      truncated: made.isTruncated,
    }),
  };
};
