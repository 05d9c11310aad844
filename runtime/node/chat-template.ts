/**
 * Chat templates: programs in Jinja that come with a model (chat_template.jinja, tokenizer_config.json,
 * GGUF). They are code of strangers, so they run in a thread that can be ended, with bounds on steps and
 * sizes. They write a text, which is then encoded.
 */
import { createRequire } from "node:module";
import { SinterError } from "../base/errors.ts";
import { plainText, type ChatFormat, type ChatMessage, type Tool } from "../tokenizers/chat/chat.ts";
import { builtInChat, formatByMarks } from "../tokenizers/chat/chat-formats.ts";
import { templateOf, type FoundTemplate } from "../tokenizers/beside/chat-templates.ts";
import type { Tokenizer } from "../tokenizers/base/tokenizer.ts";
import { boundedWorker, type BoundedWorker } from "./bounded-worker.ts";
import type { TemplateAnswer, TemplateLimits, TemplateQuestion } from "./chat-template-worker.ts";

/** Characters of a template; published ones have up to 20,000. */
const MAX_TEMPLATE = 2 ** 18;
const LIMITS: TemplateLimits = { characters: 2 ** 22, entries: 10_000, steps: 300_000 };
const MEGABYTES = 256;
const MILLISECONDS = 10_000;
/** The time for trying whether a template works at all. */
const TRIAL_MS = 3000;

export interface TemplateOptions {
  /** Where the template comes from, for messages. */
  readonly from?: string;
  readonly limits?: Partial<TemplateLimits>;
  readonly milliseconds?: number;
}

export interface ChatTemplate {
  /**
   * Throws `input` when the template refuses the messages, and `corrupt` when it fails or takes more than it
   * may.
   */
  render(
    messages: readonly ChatMessage[],
    reply: boolean,
    beginOfText: string,
    endOfText: string,
    tools?: readonly Tool[],
  ): Promise<string>;
  close(): void;
}

const OTHER_FORMAT = "Write the conversation in another format: --chat-format NAME";

/** The package that fills templates; `sinter` brings it along, `@sinter/runtime` alone does not. */
const JINJA = "@huggingface/jinja";

function needJinja(from: string): void {
  try {
    createRequire(import.meta.url).resolve(JINJA);
  } catch {
    throw new SinterError(
      "input",
      `${from}: chat templates are filled by the package ${JINJA}, which is not installed`,
      `npm install ${JINJA}, or write the conversation in a built-in format (builtInChat)`,
    );
  }
}

/**
 * Why a template cannot write one plain question. Undefined: it can, or it says itself that it does not take
 * such a conversation.
 */
export async function templateFlaw({ template, from }: FoundTemplate): Promise<string | undefined> {
  let filled: ChatTemplate | undefined;
  try {
    filled = chatTemplate(template, { from, milliseconds: TRIAL_MS });
    await filled.render([{ role: "user", content: "Hello" }], true, "", "");
    return undefined;
  } catch (cause) {
    if (!(cause instanceof SinterError) || cause.kind === "bug") throw cause;
    return cause.kind === "corrupt" ? cause.message : undefined;
  } finally {
    filled?.close();
  }
}

/** The template's thread starts with the first use, and again after it was ended. */
export function chatTemplate(
  template: string,
  { from = "chat template", limits, milliseconds = MILLISECONDS }: TemplateOptions = {},
): ChatTemplate {
  if (template.length > MAX_TEMPLATE)
    throw new SinterError(
      "corrupt",
      `${from}: the chat template has ${template.length} characters; at most ${MAX_TEMPLATE} are read`,
      OTHER_FORMAT,
    );
  let worker: BoundedWorker<TemplateQuestion, TemplateAnswer> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  const ask = async (question: TemplateQuestion): Promise<string> => {
    if (worker === undefined) needJinja(from);
    worker ??= boundedWorker({
      url: new URL("./chat-template-worker.ts", import.meta.url),
      from,
      megabytes: MEGABYTES,
    });
    try {
      const answer = await worker.askLater(question, milliseconds);
      if ("refused" in answer)
        throw new SinterError(
          "input",
          `the chat template does not take these messages: ${answer.refused.slice(0, 500)}`,
        );
      return answer.text;
    } catch (error) {
      if (!(error instanceof SinterError && error.kind === "input")) {
        worker?.close();
        worker = undefined;
      }
      throw error instanceof SinterError && error.kind === "corrupt"
        ? new SinterError("corrupt", error.message, error.hint ?? OTHER_FORMAT)
        : error;
    }
  };
  return {
    render(messages, reply, beginOfText, endOfText, tools) {
      const bounds = { ...LIMITS, ...limits };
      const mine = last.then(() =>
        ask({ template, messages, reply, beginOfText, endOfText, tools, limits: bounds }),
      );
      last = mine.catch(() => undefined);
      return mine;
    },
    close() {
      worker?.close();
      worker = undefined;
    },
  };
}

/** The chat format of a template. Names of special tokens in the messages stay plain text. */
export function templateChat(
  tokenizer: Tokenizer,
  template: string,
  options: TemplateOptions = {},
): ChatFormat {
  const filled = chatTemplate(template, options);
  const names = new Map([...tokenizer.special].map(([name, id]) => [id, name]));
  const nameOf = (id: number | undefined): string => (id === undefined ? "" : (names.get(id) ?? ""));
  const plain = (said: string): string => plainText(tokenizer, said);
  const render: ChatFormat["render"] = (messages, reply, tools) => {
    const [safe, given] = [messages, tools].map((said) => plainly(said, plain));
    const [begin, end] = [tokenizer.beginOfText, tokenizer.endOfText].map(nameOf);
    return filled.render(safe as readonly ChatMessage[], reply, begin!, end!, given as readonly Tool[]);
  };
  return {
    render,
    takesTools: /\btools\b/.test(template),
    encode: async (messages, reply, tools) =>
      tokenizer.encode(await render(messages, reply, tools), { special: true }),
    close: filled.close,
  };
}

/** The same lists and objects, with every text in them made plain. */
function plainly(value: unknown, plain: (said: string) => string): unknown {
  if (typeof value === "string") return plain(value);
  if (Array.isArray(value)) return value.map((one) => plainly(one, plain));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [plain(key), plainly(one, plain)]));
}

/**
 * The chat format that comes with a tokenizer, else the known one whose marks are in its vocabulary.
 * Undefined: there is neither.
 */
export function chatFormatOf(tokenizer: Tokenizer): ChatFormat | undefined {
  const found = templateOf(tokenizer.files);
  const named = formatByMarks(tokenizer);
  if (found && tokenizer.name !== "llama3")
    return templateChat(tokenizer, found.template, { from: found.from });
  return named && builtInChat(tokenizer, named);
}
