/**
 * A conversation, line by line. A message that can not be taken (a character that the vocabulary lacks, one
 * that is too long, one that the template refuses) is answered by the reason, and the conversation stays as
 * it was before it.
 */
import { SinterError } from "../../../runtime/base/errors.ts";
import { generate, type Generated } from "../../../runtime/sample/generate.ts";
import { lineStream, type LineLimits, type ReadLine } from "../../../runtime/base/lines.ts";
import { createSession, type Session } from "../../../runtime/sample/session.ts";
import { nextPrompt, type Prompt, type Turn } from "../../../runtime/tokenizers/chat/chat-turns.ts";
import type { ChatFormat, ChatMessage } from "../../../runtime/tokenizers/chat/chat.ts";
import type { Sampling } from "../options/run-options.ts";
import { untilInterrupted, type UsedRun } from "./use-run.ts";
import type { Io } from "../terminal/io.ts";

export const lineLimits: LineLimits = { most: 1 << 20, endless: 64 << 20 };

/** THE table of commands: a line that begins with / is one. */
export const chatCommands = {
  help: "this list",
  reset: "forgets the conversation",
  exit: "ends the program, as the end of the input does",
  quit: "as /exit",
} as const;
type Command = keyof typeof chatCommands;

export function commandsText(): string {
  const rows = Object.entries(chatCommands).map(([name, doc]) => `/${name.padEnd(7)}${doc}\n`);
  return `${rows.join("")}//…     a message that begins with /\n`;
}

export interface ConverseOptions {
  readonly used: UsedRun;
  readonly format: ChatFormat;
  readonly system: string | undefined;
  readonly sampling: Sampling;
  /** Hears the text of an answer as it comes; and then the whole answer. */
  onText?(text: string): void;
  answered(made: Generated, content: string): void;
}

/** What was said, and the last turn's tokens. */
interface State {
  readonly messages: readonly ChatMessage[];
  readonly turn?: Turn;
}

/**
 * Answers message after message, until the input or a command ends the conversation. `served` is true when
 * something was answered, or nothing was asked.
 */
export async function converse(
  input: AsyncIterable<Uint8Array>,
  o: ConverseOptions,
  io: Io,
): Promise<{ readonly served: boolean }> {
  const start: State = { messages: o.system === undefined ? [] : [{ role: "system", content: o.system }] };
  const answer = answerer(o, createSession(o.used.model));
  let state = start;
  let asked = 0;
  let answers = 0;
  const ask = (): void => void (io.tty && io.err("> "));
  ask();
  for await (const line of lineStream(input, lineLimits)) {
    const meant = meaning(line);
    if (meant.kind === "command" && (meant.name === "exit" || meant.name === "quit")) break;
    if (meant.kind === "command" && meant.name === "reset") state = start;
    if (meant.kind === "command" && meant.name === "help") io.err(commandsText());
    if (meant.kind === "message" || meant.kind === "wrong") asked++;
    let wrong = meant.kind === "wrong" ? meant.wrong : undefined;
    if (meant.kind === "message") wrong = await taken(meant.text);
    if (wrong) io.err(errorText(wrong, io.tty ? undefined : line.number));
    ask();
  }
  return { served: answers > 0 || asked === 0 };

  /** Answers a message. Returns why it was not taken; undefined when it was answered. */
  async function taken(content: string): Promise<SinterError | undefined> {
    const asking = await promptFor(content, state, o, io);
    if (asking instanceof SinterError) return asking;
    state = await answer(asking);
    answers++;
    return undefined;
  }
}

/** `line` is the number of the line in a pipe, where nobody sees what was typed. */
function errorText({ message, hint }: SinterError, line: number | undefined): string {
  const where = line === undefined ? "" : `line ${line} of the input: `;
  return `error: ${where}${message}\n${hint === undefined ? "" : `help: ${hint}\n`}`;
}

type Meaning =
  | { readonly kind: "nothing" }
  | { readonly kind: "command"; readonly name: Command }
  | { readonly kind: "message"; readonly text: string }
  | { readonly kind: "wrong"; readonly wrong: SinterError };

function meaning(line: ReadLine): Meaning {
  if ("wrong" in line) return { kind: "wrong", wrong: line.wrong };
  const text = line.text.trim();
  if (text === "") return { kind: "nothing" };
  if (!text.startsWith("/")) return { kind: "message", text };
  if (text.startsWith("//")) return { kind: "message", text: text.slice(1) };
  const name = text.slice(1);
  if (Object.hasOwn(chatCommands, name)) return { kind: "command", name: name as Command };
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  const hint = "/help lists them; // in front makes a message of it";
  return { kind: "wrong", wrong: new SinterError("usage", `there is no command ${shown}`, hint) };
}

interface Asking {
  readonly messages: readonly ChatMessage[];
  readonly prompt: Prompt;
}

/** The prompt for a message, or the reason why it is not taken. */
async function promptFor(
  content: string,
  before: State,
  o: ConverseOptions,
  io: Io,
): Promise<Asking | SinterError> {
  try {
    // encoded alone first, so that an error speaks of the message and not of the conversation
    o.used.run.tokenizer.encode(content);
    const messages = [...before.messages, { role: "user", content }];
    const { leftOut, ...asking } = await fitting(messages, before.turn, o);
    if (leftOut > 0)
      io.err(
        "note: the conversation is longer than the context: " +
          `its first ${leftOut} messages are left out from here on\n`,
      );
    return asking;
  } catch (error) {
    if (error instanceof SinterError && (error.kind === "input" || error.kind === "corrupt")) return error;
    throw error;
  }
}

/**
 * A conversation that is longer than the context goes on without its oldest questions and answers. So many of
 * them are left out that the rest takes half of the context at most; then the next turns can use the cache
 * again. What the system was told stays.
 */
async function fitting(
  messages: readonly ChatMessage[],
  turn: Turn | undefined,
  { used, format }: ConverseOptions,
): Promise<Asking & { readonly leftOut: number }> {
  const { tokenizer } = used.run;
  const { context } = used.model.manifest.model.sizes;
  const first = messages[0]?.role === "system" ? 1 : 0;
  let prompt = await nextPrompt(format, tokenizer, messages, turn);
  let rest = messages;
  while (prompt.ids.length >= (rest === messages ? context : context / 2) && rest.length > first + 2) {
    rest = [...rest.slice(0, first), ...rest.slice(first + 2)];
    prompt = await nextPrompt(format, tokenizer, rest);
  }
  if (prompt.ids.length < context) return { messages: rest, prompt, leftOut: messages.length - rest.length };
  throw new SinterError(
    "input",
    `the message makes a prompt of ${prompt.ids.length} tokens, and the context has ${context}`,
    "Say it in fewer words.",
  );
}

function answerer(
  { used, format, sampling, onText, answered }: ConverseOptions,
  session: Session,
): (asking: Asking) => Promise<State> {
  const { run, model } = used;
  const stop = [...sampling.stop, ...(format.stops ?? [])];
  return async ({ messages, prompt }) => {
    const interrupted = untilInterrupted();
    try {
      const made = await generate(
        model,
        run.tokenizer,
        {
          ...sampling,
          prompt: prompt.ids,
          stop,
          special: false,
          whenFull: "stop",
          session,
          signal: interrupted.signal,
        },
        onText,
      );
      const content = made.text.trim();
      answered(made, content);
      const turn = { prompt, drawn: made.tokens, said: made.text, content };
      return { messages: [...messages, { role: "assistant", content }], turn };
    } finally {
      interrupted.done();
    }
  };
}
