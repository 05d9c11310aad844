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
import { flag, text, whole, withDefault, type Options } from "../options/option.ts";
import { runOptions, samplerOptions, samplingOf, whenFullOption } from "../options/run-options.ts";
import { speedLine, untilInterrupted, useRun, type UsedRun } from "../runs/use-run.ts";
import { defineVerb } from "./verb.ts";
import type { Io } from "../terminal/io.ts";

const MOST_LOGPROBS = 100;

const options = {
  prompt: withDefault("", text("<text>", "text to go on from", { short: "p" })),
  ...samplerOptions,
  ...runOptions,
  prompts: text(
    "<file>",
    'many prompts: one a line, or .jsonl with {"prompt": …}; - is standard input. One JSON line each',
  ),
  logprobs: whole("<n>", "with --json: each token's log-probability, and the n likeliest", {
    least: 0,
    most: MOST_LOGPROBS,
  }),
  whenFull: withDefault("shift", whenFullOption),
  out: text("<file>", "with --prompts: write the answers there, all of them or none", { short: "o" }),
  force: flag("with --out: replace what is there"),
  special: flag("show special tokens by their names (default: left out of the text, as in chat)"),
  json: flag("one JSON object at the end"),
};
type Asked = Options<typeof options>;

export const sampleVerb = defineVerb({
  name: "sample",
  summary: "text from a trained model",
  arguments: [{ name: "<dir>", help: "folder of a run" }],
  options,
  notes: [
    "The prompts are all looked at before the first is answered.",
    "Of a file of prompts: a byte order mark and empty lines are none;",
    "a lone surrogate in a .jsonl string is U+FFFD.",
    "Ctrl-C ends with exit code 5, after what there is.",
  ],
  examples: [
    'sinter sample runs/shakespeare -p "ROMEO:" -n 300',
    'sinter sample runs/shakespeare -p "ROMEO:" --temp 0 --json --logprobs 5',
    "sinter sample runs/shakespeare --weights q8_0",
    "sinter sample runs/shakespeare --prompts questions.txt -o answers.jsonl",
  ],
  async run([dir], asked, io) {
    refuseContradictions(asked);
    const { prompts: file, prompt } = asked;
    const prompts = file === undefined ? [{ prompt, from: undefined }] : readPrompts(file, io);
    const used = await useRun(dir!, asked, io);
    const interrupted = untilInterrupted();
    try {
      const settings: Settings = {
        ...samplingOf(used.run.bundle.manifest.model.sample, asked),
        logprobs: asked.logprobs,
        whenFull: asked.whenFull,
        special: asked.special,
        session: createSession(used.model),
        signal: interrupted.signal,
      };
      // everything that can be wrong is found before anything is printed
      const asking = prompts.map((one) => ({ ...one, ids: checkedTokens(one, settings, used) }));
      if (file === undefined) await answerOne(prompt, settings, used, asked.json, io);
      else await answerMany(asking, settings, used, asked, io);
      return interrupted.signal.aborted ? exitCodes.interrupted : exitCodes.ok;
    } finally {
      interrupted.done();
      await used.model.close();
    }
  },
});

function refuseContradictions({ prompt, prompts, logprobs, json, out }: Asked): void {
  if (prompts !== undefined && prompt !== "")
    throw new SinterError("usage", "--prompt and --prompts exclude each other");
  if (logprobs !== undefined && !json && prompts === undefined)
    throw new SinterError("usage", "--logprobs goes with --json or --prompts");
  if (out !== undefined && prompts === undefined) throw new SinterError("usage", "--out goes with --prompts");
}

type Settings = Omit<GenerateOptions, "prompt">;

/** The prompt's tokens. An error names the prompt of the file that cannot be taken. */
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
  json: boolean,
  io: Io,
): Promise<void> {
  const { model, run } = used;
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

interface Asking extends Prompt {
  /** The prompt's tokens. */
  readonly ids: readonly number[];
}

async function answerMany(
  prompts: readonly Asking[],
  settings: Settings,
  used: UsedRun,
  { out, force }: Asked,
  io: Io,
): Promise<void> {
  if (out === undefined) return answerAll(prompts, settings, used, io.out, io);
  const output = openOutput(out, io.cwd, { force });
  try {
    await answerAll(prompts, settings, used, output.write, io);
    if (!settings.signal?.aborted) return output.done();
    io.err(`interrupted: what there is stands in ${output.keepPart()}\n`);
  } catch (error) {
    output.abandon();
    throw error;
  }
}

/**
 * Answers one prompt after the other, in an order that puts those with the longest common beginning side by
 * side, because that beginning is run once. The answers are printed in the order of the file.
 */
async function answerAll(
  prompts: readonly Asking[],
  settings: Settings,
  used: UsedRun,
  print: Io["out"],
  io: Io,
): Promise<void> {
  const { model, run } = used;
  const lines: string[] = [];
  const order = prompts.map(({ prompt, ids }, i) => ({ i, prompt, ids }));
  order.sort((a, b) => byTokens(a.ids, b.ids) || a.i - b.i);
  let written = 0;
  let tokens = 0;
  const began = performance.now();
  const live = new LiveLine(io, (line) => io.err(line));
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
  // after an interruption: the answers that there are, without the missing ones
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
    ...(logprobs && { logprobs: logprobs.map((l) => logprobJson(l, run.tokenizer)) }),
  };
}

const logprobJson = (l: NonNullable<Generated["logprobs"]>[number], tokenizer: Tokenizer): object => {
  const textOf = (id: number): string => new TextDecoder().decode(tokenizer.bytes(id));
  const known = l.top.filter(({ id }) => id < tokenizer.size && !tokenizer.absent?.has(id));
  return {
    id: l.id,
    text: textOf(l.id),
    logprob: l.logprob,
    top: known.map((t) => ({ ...t, text: textOf(t.id) })),
  };
};
