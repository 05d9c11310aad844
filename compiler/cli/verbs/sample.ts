/** `sinter sample DIR -p PROMPT`: text from a trained model, as it comes; or from many prompts of a file, one JSON line each. */
import { SinterError, exitCodes } from "../../../runtime/errors.ts";
import { decodeRate, generate, promptTokens, type Generated, type GenerateOptions } from "../../../runtime/generate.ts";
import { createSession } from "../../../runtime/session.ts";
import { rateText } from "../../../runtime/report/amounts.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/tokenizer.ts";
import { readText } from "../input.ts";
import { LiveLine } from "../live-line.ts";
import { textOption, wholeOption, type Options } from "../run-options.ts";
import { samplingOf, speedLine, untilInterrupted, useRun, whenFullOption, withRunOptions, withSamplerOptions, type UsedRun } from "../use-run.ts";
import type { Io, Verb } from "../verb.ts";

const MOST_PROMPTS_BYTES = 64 << 20, MOST_LOGPROBS = 100;

export const sampleVerb: Verb = {
  name: "sample",
  summary: "text from a trained model",
  configure(command) {
    command.argument("<dir>", "folder of a run").option("-p, --prompt <text>", "text to go on from", "");
    withRunOptions(withSamplerOptions(command))
      .option("--prompts <file>", "many prompts: one a line, or .jsonl with {\"prompt\": …}; - is standard input. One JSON line each")
      .option("--logprobs <n>", "with --json: each token's log-probability, and the n likeliest")
      .option("--when-full <what>", "when the context is full: shift (its newer half goes on) or stop", "shift")
      .option("--json", "one JSON object at the end")
      .addHelpText("after", '\nexamples:\n  sinter sample runs/shakespeare -p "ROMEO:" -n 300\n  sinter sample runs/shakespeare -p "ROMEO:" --temp 0 --json --logprobs 5\n  sinter sample runs/shakespeare --weights q8_0\n  sinter sample runs/shakespeare --prompts questions.txt > answers.jsonl');
  },
  async run([dir], options, io) {
    const logprobs = wholeOption(options, "logprobs", 0, MOST_LOGPROBS), whenFull = whenFullOption(options, "shift"), file = textOption(options, "prompts");
    if (file !== undefined && textOption(options, "prompt") !== "") throw new SinterError("usage", "--prompt and --prompts exclude each other");
    if (logprobs !== undefined && options["json"] !== true && file === undefined) throw new SinterError("usage", "--logprobs goes with --json or --prompts");
    const prompts = file === undefined ? undefined : promptsIn(readText(file, io, MOST_PROMPTS_BYTES), file);
    const used = await useRun(dir!, options, io), interrupted = untilInterrupted();
    try {
      const settings = { ...samplingOf(used.run.bundle.manifest.model.sample, options), logprobs, whenFull, session: createSession(used.model), signal: interrupted.signal };
      if (prompts) await answerAll(prompts, settings, used, io);
      else await answerOne(textOption(options, "prompt")!, settings, used, options, io);
      return exitCodes.ok;
    } finally {
      interrupted.done();
      await used.model.close();
    }
  },
};

type Settings = Omit<GenerateOptions, "prompt">;

async function answerOne(prompt: string, settings: Settings, used: UsedRun, options: Options, io: Io): Promise<void> {
  const { model, run } = used, json = options["json"] === true;
  if (!json) io.out(prompt);
  const made = await generate(model, run.tokenizer, { ...settings, prompt }, json ? undefined : io.out);
  if (json) return io.out(`${JSON.stringify(asJson(prompt, made, used))}\n`);
  io.out("\n");
  if (made.reason === "context") io.err(`the context of ${model.manifest.model.sizes.context} tokens is full (--when-full shift goes on)\n`);
  if (io.tty) io.err(`${speedLine(made)}\n`);
}

/** One after the other, those with the longest common beginning side by side: it is run once. Answers come in the order of the prompts. */
async function answerAll(prompts: readonly string[], settings: Settings, used: UsedRun, io: Io): Promise<void> {
  const { model, run } = used, lines: string[] = [];
  const order = prompts.map((prompt, i) => ({ i, ids: promptTokens(run.tokenizer, prompt) })).sort((a, b) => byTokens(a.ids, b.ids) || a.i - b.i);
  let written = 0, tokens = 0;
  const began = performance.now();
  const live = new LiveLine(io, (text) => io.err(text));
  for (const [done, { i }] of order.entries()) {
    if (settings.signal?.aborted) break;
    const made = await generate(model, run.tokenizer, { ...settings, prompt: prompts[i]! });
    tokens += made.tokens.length;
    lines[i] = JSON.stringify({ index: i, ...asJson(prompts[i]!, made, used) });
    live.clear();
    while (lines[written] !== undefined) io.out(`${lines[written++]}\n`);
    const rate = (1000 * tokens) / (performance.now() - began);
    live.show(() => `${done + 1} of ${prompts.length} prompts, ${rateText(rate)}`);
  }
  live.end();
  for (; written < lines.length; written++) if (lines[written] !== undefined) io.out(`${lines[written]}\n`); // interrupted: what there is
}

function byTokens(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

function asJson(prompt: string, made: Generated, { run, step }: UsedRun): object {
  const { logprobs } = made;
  return {
    prompt, text: made.text, tokens: made.tokens, prompt_tokens: made.promptTokens, cached_tokens: made.cachedTokens, reason: made.reason, step,
    first_token_ms: made.prefillMs, tokens_per_second: decodeRate(made), ...(logprobs && { logprobs: logprobs.map((l) => named(l, run.tokenizer)) }),
  };
}

const named = (l: NonNullable<Generated["logprobs"]>[number], tokenizer: Tokenizer): object => {
  const text = (id: number): string => new TextDecoder().decode(tokenizer.bytes(id));
  const known = l.top.filter(({ id }) => id < tokenizer.size && !tokenizer.absent?.has(id));
  return { id: l.id, text: text(l.id), logprob: l.logprob, top: known.map((t) => ({ ...t, text: text(t.id) })) };
};

/** A prompt a line; or of each JSON line the string under "prompt". */
function promptsIn(text: string, file: string): string[] {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new SinterError("input", `${file} holds no prompt`);
  if (!file.endsWith(".jsonl")) return lines;
  return lines.map((line, i) => {
    const wrong = (why: string): SinterError => new SinterError("input", `${file}, line ${i + 1}: ${why}`, 'every line is an object such as {"prompt": "text"}');
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (cause) {
      throw wrong((cause as Error).message);
    }
    const prompt = typeof value === "object" && value !== null ? (value as { prompt?: unknown }).prompt : undefined;
    if (typeof prompt !== "string") throw wrong('there is no text under "prompt"');
    return prompt;
  });
}
