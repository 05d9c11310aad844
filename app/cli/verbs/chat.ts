/**
 * `sinter chat DIR`: a conversation. Every line of input is a message. The cache keeps the earlier turns, so
 * that a turn costs only its own tokens.
 */
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { decodeRate, type Generated } from "../../../runtime/sample/generate.ts";
import type { ChatFormat } from "../../../runtime/tokenizers/chat/chat.ts";
import { formatToAsk } from "../runs/run-format.ts";
import { chatCommands, commandsText, converse } from "../runs/conversation.ts";
import { causeOf } from "../terminal/files.ts";
import { flag, text, type Options } from "../options/option.ts";
import { chatFormatOption, runOptions, samplerOptions, samplingOf } from "../options/run-options.ts";
import { speedLine, useRun, type UsedRun } from "../runs/use-run.ts";
import { defineVerb } from "./verb.ts";
import type { Io } from "../terminal/io.ts";

const options = {
  system: text("<text>", "what the model is told before the conversation"),
  chatFormat: chatFormatOption,
  ...samplerOptions,
  ...runOptions,
  json: flag("one JSON line for each answer"),
};
type Asked = Options<typeof options>;

const commands = Object.keys(chatCommands).map((name) => `/${name}`);

export const chatVerb = defineVerb({
  name: "chat",
  summary: "a conversation with a trained model",
  arguments: [{ name: "<dir>", help: "folder of a run" }],
  options,
  notes: [
    "Messages come from standard input, one a line; a line ends at a line break and nowhere else.",
    `Commands: ${commands.join(", ")}.`,
    "A message that can not be taken is answered by the reason on standard error,",
    "and the conversation goes on as it was;",
    "the exit code is 0 when anything was answered, and 1 when messages came and none was.",
    "A conversation that outgrows the context goes on without its oldest questions and answers, and says so.",
    "What is shown leaves out special tokens; the model sees its answers as it has drawn them.",
    "The format of the conversation is the tokenizer's: the template that came with it,",
    "else Llama 3's or ChatML where the vocabulary has their marks.",
    "Llama 2's takes --chat-format llama2; its vocabulary does not say so.",
    'A model without a format sees "User: …" and "Assistant: …", as with --chat-format plain.',
  ],
  examples: ["sinter chat runs/llama", 'echo "Who are you?" | sinter chat runs/llama --temp 0 --json'],
  async run([dir], asked, io) {
    const used = await useRun(dir!, asked, io);
    try {
      const format = formatToAsk(used.run, asked.chatFormat, io);
      return await talk(used, format, asked, io).finally(() => format.close());
    } finally {
      await used.model.close();
    }
  },
});

async function talk(used: UsedRun, format: ChatFormat, asked: Asked, io: Io): Promise<number> {
  const { json, system } = asked;
  const sampling = samplingOf(used.run.bundle.manifest.model.sample, asked);
  if (io.tty) io.err(commandsText());
  const { served } = await converse(
    standardInput(),
    {
      used,
      format,
      sampling,
      system,
      ...(!json && { onText: io.out }),
      answered(made, content) {
        io.out(json ? `${JSON.stringify(asJson(made, content))}\n` : "\n");
        if (made.reason === "context") io.err("the context is full: the answer ends here\n");
        if (io.tty && !json) io.err(`${speedLine(made)}\n`);
      },
    },
    io,
  );
  return served ? exitCodes.ok : exitCodes.input;
}

const asJson = (made: Generated, content: string): object => ({
  role: "assistant",
  content,
  tokens: made.tokens.length,
  prompt_tokens: made.promptTokens,
  cached_tokens: made.cachedTokens,
  reason: made.reason,
  first_token_ms: made.prefillMs,
  tokens_per_second: decodeRate(made),
});

async function* standardInput(): AsyncGenerator<Uint8Array> {
  try {
    yield* process.stdin as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw new SinterError("input", `cannot read standard input: ${causeOf(error)}`);
  }
}
