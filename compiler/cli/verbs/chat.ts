/** `sinter chat DIR`: a conversation. Every line of input is a message; the cache keeps what was said, so a turn costs its own tokens. */
import { createInterface } from "node:readline";
import { exitCodes, SinterError } from "../../../runtime/errors.ts";
import { decodeRate, generate } from "../../../runtime/generate.ts";
import { chatFormatOf } from "../../../runtime/node/chat-template.ts";
import { createSession } from "../../../runtime/session.ts";
import { builtInChat, chatFormatNames, type ChatFormatName } from "../../../runtime/tokenizers/chat-formats.ts";
import { plainChat, type ChatFormat, type ChatMessage } from "../../../runtime/tokenizers/chat.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/tokenizer.ts";
import { textOption, type Options } from "../run-options.ts";
import { samplingOf, speedLine, untilInterrupted, useRun, withRunOptions, withSamplerOptions, type UsedRun } from "../use-run.ts";
import type { Io, Verb } from "../verb.ts";

const COMMANDS = "/reset forgets the conversation, /exit ends it";

export const chatVerb: Verb = {
  name: "chat",
  summary: "a conversation with a trained model",
  configure(command) {
    command.argument("<dir>", "folder of a run").option("--system <text>", "what the model is told before the conversation")
      .option("--chat-format <name>", `how the conversation is written: ${chatFormatNames.join(", ")}, or plain (default: the tokenizer's)`);
    withRunOptions(withSamplerOptions(command))
      .option("--json", "one JSON line for each answer")
      .addHelpText("after", `\nMessages come from standard input, one a line; ${COMMANDS}. The format of the conversation is the tokenizer's:\nthe template that came with it, else Llama 3's or ChatML where the vocabulary has their marks. Llama 2's takes --chat-format llama2; its\nvocabulary does not say so. A model without a format sees "User: …" and "Assistant: …", as with --chat-format plain.\n\nexamples:\n  sinter chat runs/llama\n  echo "Who are you?" | sinter chat runs/llama --temp 0 --json`);
  },
  async run([dir], options, io) {
    const wanted = formatOption(options), used = await useRun(dir!, options, io);
    try {
      const format = formatFor(used.run.tokenizer, wanted, io);
      await converse(used, format, options, io).finally(() => format.close());
      return exitCodes.ok;
    } finally {
      await used.model.close();
    }
  },
};

type Wanted = ChatFormatName | "plain" | undefined;

function formatOption(options: Options): Wanted {
  const text = textOption(options, "chat-format"), known = [...chatFormatNames, "plain"] as const, found = known.find((name) => name === text);
  if (text !== undefined && !found) throw new SinterError("usage", `--chat-format takes ${known.join(", ")}, not \`${text}\``);
  return found;
}

function formatFor(tokenizer: Tokenizer, wanted: Wanted, io: Io): ChatFormat {
  if (wanted === "plain") return plainChat(tokenizer);
  if (wanted !== undefined) return builtInChat(tokenizer, wanted);
  const known = chatFormatOf(tokenizer);
  if (!known) io.err('note: this model brings no chat format along; it sees "User: …" and "Assistant: …" (--chat-format names another)\n');
  return known ?? plainChat(tokenizer);
}

async function converse(used: UsedRun, format: ChatFormat, options: Options, io: Io): Promise<void> {
  const system = textOption(options, "system"), start: ChatMessage[] = system === undefined ? [] : [{ role: "system", content: system }];
  const session = createSession(used.model), input = createInterface({ input: process.stdin, terminal: false });
  let messages = start;
  const ask = (): void => void (io.tty && io.err("> "));
  if (io.tty) io.err(`${COMMANDS}\n`);
  ask();
  for await (const line of input) {
    const content = line.trim();
    if (content === "/exit") break;
    if (content === "/reset") messages = start;
    else if (content !== "") messages = await turn([...messages, { role: "user", content }]);
    ask();
  }

  async function turn(said: ChatMessage[]): Promise<ChatMessage[]> {
    const { run, model } = used, sampling = samplingOf(run.bundle.manifest.model.sample, options), json = options["json"] === true;
    const prompt = await format.encode(said, true), room = model.manifest.model.sizes.context - prompt.length;
    if (room <= 0) throw new SinterError("input", `the conversation has ${prompt.length} tokens, the context ends at ${model.manifest.model.sizes.context}`, "/reset starts a new one");
    const interrupted = untilInterrupted();
    try {
      const made = await generate(model, run.tokenizer, { ...sampling, prompt, stop: [...sampling.stop, ...(format.stops ?? [])], whenFull: "stop", session, signal: interrupted.signal }, json ? undefined : io.out);
      const answer = made.text.trim();
      if (json) io.out(`${JSON.stringify({ role: "assistant", content: answer, tokens: made.tokens.length, prompt_tokens: made.promptTokens, cached_tokens: made.cachedTokens, reason: made.reason, first_token_ms: made.prefillMs, tokens_per_second: decodeRate(made) })}\n`);
      else io.out("\n");
      if (made.reason === "context") io.err("the context is full: /reset starts a new conversation\n");
      if (io.tty && !json) io.err(`${speedLine(made)}\n`);
      return [...said, { role: "assistant", content: answer }];
    } finally {
      interrupted.done();
    }
  }
}
