/**
 * `sinter sample DIR -p PROMPT`: text from a trained model, as it comes; or from many prompts of a file, one
 * JSON line each.
 */
import { SinterError, exitCodes } from "../../../runtime/base/errors.ts";
import {
  decodeRate,
  generate,
  promptTokens,
  type Generated,
  type GenerateOptions,
} from "../../../runtime/sample/generate.ts";
import { createSession } from "../../../runtime/sample/session.ts";
import { rateText } from "../../../runtime/contract/amounts.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { openOutput } from "../terminal/files.ts";
import { LiveLine } from "../terminal/live-line.ts";
import { readPrompts, type Prompt } from "../terminal/prompts.ts";
import { textOption, wholeOption, type Options } from "../options/run-options.ts";
import {
  samplingOf,
  speedLine,
  untilInterrupted,
  useRun,
  whenFullOption,
  withRunOptions,
  withSamplerOptions,
  type UsedRun,
} from "../runs/use-run.ts";
import type { Verb } from "./verb.ts";
import type { Io } from "../terminal/io.ts";

const MOST_LOGPROBS = 100;

export const sampleVerb: Verb = {
  name: "sample",
  summary: "text from a trained model",
  configure(command) {
    command.argument("<dir>", "folder of a run").option("-p, --prompt <text>", "text to go on from", "");
    withRunOptions(withSamplerOptions(command))
      .option(
        "--prompts <file>",
        'many prompts: one a line, or .jsonl with {"prompt": …}; - is standard input. One JSON line each',
      )
      .option("--logprobs <n>", "with --json: each token's log-probability, and the n likeliest")
      .option(
        "--when-full <what>",
        "when the context is full: shift (its newer half goes on) or stop",
        "shift",
      )
      .option("-o, --out <file>", "with --prompts: write the answers there, all of them or none")
      .option("--force", "with --out: replace what is there")
      .option("--special", "show special tokens by their names (default: left out of the text, as in chat)")
      .option("--json", "one JSON object at the end")
      .addHelpText(
        "after",
        `
The prompts are all looked at before the first is answered. Of a file of prompts: a byte order mark and empty
lines are none; a lone surrogate in a .jsonl string is U+FFFD. Ctrl-C ends with exit code 5, after what there is.

examples:
  sinter sample runs/shakespeare -p "ROMEO:" -n 300
  sinter sample runs/shakespeare -p "ROMEO:" --temp 0 --json --logprobs 5
  sinter sample runs/shakespeare --weights q8_0
  sinter sample runs/shakespeare --prompts questions.txt -o answers.jsonl`,
      );
  },
  async run([dir], options, io) {
    const asked = whatIsAsked(options, io);
    const used = await useRun(dir!, options, io);
    const interrupted = untilInterrupted();
    try {
      const settings: Settings = {
        ...samplingOf(used.run.bundle.manifest.model.sample, options),
        logprobs: asked.logprobs,
        whenFull: asked.whenFull,
        special: options["special"] === true,
        session: createSession(used.model),
        signal: interrupted.signal,
      };
      // all that can be wrong, before anything is printed
      const ids = asked.prompts.map((one) => checkedTokens(one, settings, used));
      if (asked.many) await answerMany(asked.prompts, ids, settings, used, options, io);
      else await answerOne(asked.prompts[0]!.prompt, settings, used, options, io);
      return interrupted.signal.aborted ? exitCodes.interrupted : exitCodes.ok;
    } finally {
      interrupted.done();
      await used.model.close();
    }
  },
};

interface Asked {
  readonly prompts: readonly Prompt[];
  /** They came from a file. */
  readonly many: boolean;
  readonly logprobs: number | undefined;
  readonly whenFull: "shift" | "stop";
}

function whatIsAsked(options: Options, io: Io): Asked {
  const logprobs = wholeOption(options, "logprobs", 0, MOST_LOGPROBS);
  const whenFull = whenFullOption(options, "shift");
  const file = textOption(options, "prompts");
  const prompt = textOption(options, "prompt")!;
  if (file !== undefined && prompt !== "")
    throw new SinterError("usage", "--prompt and --prompts exclude each other");
  if (logprobs !== undefined && options["json"] !== true && file === undefined)
    throw new SinterError("usage", "--logprobs goes with --json or --prompts");
  if (textOption(options, "out") !== undefined && file === undefined)
    throw new SinterError("usage", "--out goes with --prompts");
  const prompts = file === undefined ? [{ prompt, from: undefined }] : readPrompts(file, io);
  return { prompts, many: file !== undefined, logprobs, whenFull };
}

type Settings = Omit<GenerateOptions, "prompt">;

/** Its tokens; says which prompt of a file it is that can not be taken. */
function checkedTokens({ prompt, from }: Prompt, { whenFull }: Settings, used: UsedRun): readonly number[] {
  const { context } = used.model.manifest.model.sizes;
  try {
    const ids = promptTokens(used.run.tokenizer, prompt);
    if (whenFull === "shift" || ids.length <= context) return ids;
    throw new SinterError(
      "input",
      `the prompt has ${ids.length} tokens, the context ${context}`,
      "Shorten it, or let its end alone be read: --when-full shift.",
    );
  } catch (error) {
    if (from === undefined || !(error instanceof SinterError)) throw error;
    throw new SinterError(error.kind, `${from}: ${error.message}`, error.hint);
  }
}

async function answerOne(
  prompt: string,
  settings: Settings,
  used: UsedRun,
  options: Options,
  io: Io,
): Promise<void> {
  const { model, run } = used;
  const json = options["json"] === true;
  if (!json) io.out(prompt);
  const made = await generate(model, run.tokenizer, { ...settings, prompt }, json ? undefined : io.out);
  if (json) return io.out(`${JSON.stringify(asJson(prompt, made, used))}\n`);
  io.out("\n");
  if (made.reason === "context")
    io.err(
      `the context of ${model.manifest.model.sizes.context} tokens is full (--when-full shift goes on)\n`,
    );
  if (io.tty) io.err(`${speedLine(made)}\n`);
}

type Ids = readonly (readonly number[])[];

async function answerMany(
  prompts: readonly Prompt[],
  ids: Ids,
  settings: Settings,
  used: UsedRun,
  options: Options,
  io: Io,
): Promise<void> {
  const out = textOption(options, "out");
  if (out === undefined) return answerAll(prompts, ids, settings, used, io.out, io);
  const output = openOutput(out, io.cwd, { force: options["force"] === true });
  try {
    await answerAll(prompts, ids, settings, used, output.write, io);
    if (!settings.signal?.aborted) return output.done();
    io.err(`interrupted: what there is stands in ${output.keepPart()}\n`);
  } catch (error) {
    output.abandon();
    throw error;
  }
}

/**
 * One after the other, those with the longest common beginning side by side: it is run once. Answers come in
 * the order of the prompts.
 */
async function answerAll(
  prompts: readonly Prompt[],
  ids: Ids,
  settings: Settings,
  used: UsedRun,
  print: Io["out"],
  io: Io,
): Promise<void> {
  const { model, run } = used;
  const lines: string[] = [];
  const order = prompts.map(({ prompt }, i) => ({ i, prompt, ids: ids[i]! }));
  order.sort((a, b) => byTokens(a.ids, b.ids) || a.i - b.i);
  let written = 0;
  let tokens = 0;
  const began = performance.now();
  const live = new LiveLine(io, (text) => io.err(text));
  for (const [done, { i, prompt }] of order.entries()) {
    if (settings.signal?.aborted) break;
    const made = await generate(model, run.tokenizer, { ...settings, prompt });
    tokens += made.tokens.length;
    lines[i] = JSON.stringify({ index: i, ...asJson(prompt, made, used) });
    live.clear();
    while (lines[written] !== undefined) print(`${lines[written++]}\n`);
    const rate = (1000 * tokens) / (performance.now() - began);
    live.show(() => `${done + 1} of ${prompts.length} prompts, ${rateText(rate)}`);
  }
  live.end();
  // interrupted: what there is
  for (const line of lines.slice(written)) if (line !== undefined) print(`${line}\n`);
}

function byTokens(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

function asJson(prompt: string, made: Generated, { run, step }: UsedRun): object {
  const { logprobs } = made;
  return {
    prompt,
    text: made.text,
    tokens: made.tokens,
    prompt_tokens: made.promptTokens,
    cached_tokens: made.cachedTokens,
    reason: made.reason,
    step,
    first_token_ms: made.prefillMs,
    tokens_per_second: decodeRate(made),
    ...(logprobs && { logprobs: logprobs.map((l) => named(l, run.tokenizer)) }),
  };
}

const named = (l: NonNullable<Generated["logprobs"]>[number], tokenizer: Tokenizer): object => {
  const text = (id: number): string => new TextDecoder().decode(tokenizer.bytes(id));
  const known = l.top.filter(({ id }) => id < tokenizer.size && !tokenizer.absent?.has(id));
  return {
    id: l.id,
    text: text(l.id),
    logprob: l.logprob,
    top: known.map((t) => ({ ...t, text: text(t.id) })),
  };
};
