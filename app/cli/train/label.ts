/**
 * `sinter label`: a person chooses between two answers of a run, prompt after prompt. The course of it is
 * runtime/train/labelling.ts; here are the files, the model and what is shown.
 */
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { linesOf } from "../../../runtime/base/lines.ts";
import { MAX_TEXT_BYTES, textOf } from "../../../runtime/base/text.ts";
import { counted } from "../../../runtime/contract/amounts.ts";
import { answerPair } from "../../../runtime/train/answer-pair.ts";
import { askedIn } from "../../../runtime/train/examples/example.ts";
import { feedbackLine } from "../../../runtime/train/examples/feedback.ts";
import { droppedLine, examplesLine, readExamples } from "../../../runtime/train/examples/read-examples.ts";
import {
  Labelling,
  labelActionOf,
  labelActions,
  type LabelAction,
  type ShownPair,
} from "../../../runtime/train/labelling.ts";
import type { ChatFormat, ChatMessage } from "../../../runtime/tokenizers/chat/chat.ts";
import { renderPrompt } from "../../../runtime/tokenizers/chat/render-dialogue.ts";
import {
  samplingOf,
  type AskedFormat,
  type RunOptions,
  type samplerOptions,
} from "../options/run-options.ts";
import type { Options } from "../options/option.ts";
import { isStandardInput, nameOf, readBytes } from "../terminal/input.ts";
import { pathFrom, type Io } from "../terminal/io.ts";
import { CTRL_C, type KeySource } from "../terminal/keys.ts";
import { LiveLine } from "../terminal/live-line.ts";
import { keysText, pairText } from "../terminal/pair-view.ts";
import { formatToAsk } from "../runs/run-format.ts";
import { FeedbackFile } from "./feedback-file.ts";
import { loadToSample, openRunAt, untilInterrupted, type UsedRun } from "../runs/use-run.ts";

export interface LabelAsked extends Omit<RunOptions, "cache">, Options<typeof samplerOptions> {
  readonly prompts: string;
  readonly out: string;
  readonly chatFormat: AskedFormat | undefined;
  readonly json: boolean;
}

type Prompt = readonly ChatMessage[];

/** Both answers of a pair grow at once. */
const TEXTS_AT_ONCE = 2;

/** `openKeys` is called when there is something to choose. Returns the exit code. */
export async function label(
  dir: string,
  asked: LabelAsked,
  openKeys: () => KeySource,
  io: Io,
): Promise<number> {
  if (asked.temp === 0)
    throw new SinterError("usage", "with --temp 0 both answers are the same", "Leave it out.");
  const say = (line: string): void => (asked.json ? io.err : io.out)(`${line}\n`);
  const prompts = promptsIn(asked.prompts, say, io);
  const run = await openRunAt(dir, io);
  const format = formatToAsk(run, asked.chatFormat, io);
  const file = new FeedbackFile(pathFrom(io, asked.out), asked.out);
  try {
    if (file.wasCut) io.err(`note: the last line of ${asked.out} was not whole, and is left out\n`);
    const open = prompts.filter((prompt) => !file.before.asked.has(askedIn(prompt)));
    const known = prompts.length - open.length;
    if (known > 0) say(`judged before: ${known} of ${counted(prompts.length, "prompt")}`);
    if (open.length === 0) return exitCodes.ok;
    const used = await loadToSample(run, { ...asked, cache: undefined, lanes: TEXTS_AT_ONCE }, io);
    try {
      const fitting = await withRoom(open, used, format, say);
      return await judge(fitting, { used, format, file, asked }, openKeys(), io);
    } finally {
      await used.model.close();
    }
  } finally {
    file.close();
    format.close();
  }
}

/** The prompts of a file, each once: rows that are known by their keys, or a prompt on each line. */
function promptsIn(path: string, say: (line: string) => void, io: Io): readonly Prompt[] {
  if (isStandardInput(path))
    throw new SinterError("usage", "--prompts takes a file: standard input says what is chosen");
  const bytes = readBytes(path, io, MAX_TEXT_BYTES, { hint: "Check the path." });
  const from = nameOf(path);
  const all = /\.jsonl?$/.test(path) ? rowsIn(bytes, from, say) : linesIn(bytes, from);
  const prompts = [...new Map(all.map((prompt) => [askedIn(prompt), prompt])).values()];
  if (prompts.length === 0) throw new SinterError("input", `${from} holds no prompt`);
  return prompts;
}

function rowsIn(bytes: Uint8Array, from: string, say: (line: string) => void): readonly Prompt[] {
  const read = readExamples(bytes, { from, wanted: ["prompt"], user: "sinter label" });
  say(examplesLine(read, true));
  for (const dropped of read.dropped) say(droppedLine(dropped));
  return read.examples.map(({ prompt }) => prompt);
}

const linesIn = (bytes: Uint8Array, from: string): readonly Prompt[] =>
  linesOf(textOf(bytes, from))
    .filter(({ text }) => text.trim() !== "")
    .map(({ text }) => [{ role: "user", content: text }]);

/** The prompts that the context has room for, and for an answer. */
async function withRoom(
  prompts: readonly Prompt[],
  { model, run }: UsedRun,
  format: ChatFormat,
  say: (line: string) => void,
): Promise<readonly Prompt[]> {
  const { context } = model.manifest.model.sizes;
  const lengths = await Promise.all(
    prompts.map(async (prompt) => (await renderPrompt(format, run.tokenizer, prompt)).length),
  );
  const fitting = prompts.filter((_, i) => lengths[i]! < context);
  const long = prompts.length - fitting.length;
  if (long > 0) say(`left out ${counted(long, "prompt")}: longer than the context of ${context} tokens`);
  return fitting;
}

interface Judging {
  readonly used: UsedRun;
  readonly format: ChatFormat;
  readonly file: FeedbackFile;
  readonly asked: LabelAsked;
}

/** Shows pair after pair, and does what the keys say, until all are through or an end is asked for. */
async function judge(prompts: readonly Prompt[], o: Judging, source: KeySource, io: Io): Promise<number> {
  const interrupted = untilInterrupted();
  const stop = new AbortController(); // what is drawn ahead is given up at the end
  const labelling = labellingOf(prompts, o, stop.signal);
  const view = viewOf(prompts.length, o.asked.json, io);
  try {
    const isInterrupted = await follow(source, labelling, view, interrupted.signal);
    return isInterrupted ? exitCodes.interrupted : exitCodes.ok;
  } finally {
    stop.abort();
    source.close();
    interrupted.done();
    view.end(labelling.counts);
  }
}

type Happened = { readonly shown: ShownPair | undefined } | { readonly key: string | undefined };

/** Returns whether Ctrl-C ended it. */
async function follow(
  { keys: source, areWords }: KeySource,
  labelling: Labelling,
  view: View,
  signal: AbortSignal,
): Promise<boolean> {
  const keys = source[Symbol.asyncIterator]();
  const heard = (): Promise<Happened> =>
    keys.next().then(({ done, value }) => ({ key: done ? undefined : (value as string) }));
  const seen = (): Promise<Happened> => labelling.next().then((shown) => ({ shown }));
  const end = new Promise<Happened>((resolve) =>
    signal.addEventListener("abort", () => resolve({ key: CTRL_C })),
  );
  let key = heard();
  let pair: Promise<Happened> | undefined = seen();
  view.wait();
  for (;;) {
    const awaited = pair && areWords ? [pair] : pair ? [pair, key] : [key];
    const event = await Promise.race([end, ...awaited]);
    if ("shown" in event) {
      if (!event.shown) return false;
      view.show(event.shown);
      pair = undefined;
      continue;
    }
    if (event.key === undefined || event.key === CTRL_C) return event.key === CTRL_C;
    const action = labelActionOf(event.key);
    if (action === "quit") return false;
    if (!action) view.unknown(event.key);
    else if (labelling.act(action)) {
      view.done(action);
      pair ??= seen();
    }
    key = heard();
  }
}

function labellingOf(prompts: readonly Prompt[], o: Judging, signal: AbortSignal): Labelling {
  const { used, format, file, asked } = o;
  const { tokens, seed, ...sampling } = samplingOf(used.run.bundle.manifest.model.sample, asked);
  const { tokenizer, record } = used.run;
  return new Labelling({
    prompts,
    pairOf: (prompt) => answerPair(used.model, prompt, { format, tokenizer, sampling, tokens, seed, signal }),
    keep: ({ prompt, pair: [a, b], choice, ms }) =>
      file.add(
        feedbackLine({
          prompt,
          answers: [a.text, b.text],
          choice,
          model: `${record.id}@${used.step}`,
          seed,
          time: new Date().toISOString(),
          ms,
        }),
      ),
    takeBack: () => file.takeBack(),
    now: () => performance.now(),
  });
}

interface View {
  /** A pair is being made. */
  wait(): void;
  show(pair: ShownPair): void;
  done(action: LabelAction): void;
  unknown(key: string): void;
  end(counts: Labelling["counts"]): void;
}

const viewOf = (of: number, json: boolean, io: Io): View => (json ? jsonView(of, io) : textView(of, io));

function textView(of: number, io: Io): View {
  const live = new LiveLine(io, (line) => io.err(line));
  const wait = (): void => live.show(() => "two answers are being drawn …");
  return {
    wait,
    show(pair) {
      live.clear();
      io.out(pairText(pair, of, io.columns));
      live.show(keysText);
    },
    done(action) {
      live.clear();
      io.out(`${action === "undo" ? "taken back" : labelActions[action].does}\n\n`);
      wait();
    },
    unknown(key) {
      if (!io.tty) io.err(`there is no key ${JSON.stringify(key)}; keys: ${keyNames()}\n`);
    },
    end(counts) {
      live.end();
      io.out(`${summary(counts, of)}\n`);
    },
  };
}

function jsonView(of: number, io: Io): View {
  const line = (value: object): void => io.out(`${JSON.stringify(value)}\n`);
  return {
    wait() {},
    show: ({ prompt, pair: [a, b], at }) => line({ kind: "pair", at, of, prompt, a: a.text, b: b.text }),
    done: (action) => line({ kind: "done", action }),
    unknown: (key) => io.err(`there is no key ${JSON.stringify(key)}; keys: ${keyNames()}\n`),
    end: ({ judged, skipped, same }) => line({ kind: "end", ...judged, skipped, same, of }),
  };
}

const keyNames = (): string =>
  Object.values(labelActions)
    .map(({ keys }) => keys.join("|"))
    .join(", ");

function summary({ judged, skipped, same }: Labelling["counts"], of: number): string {
  const { a, b, tie, both_bad: bad } = judged;
  const all = a + b + tie + bad;
  const left = of - all - same;
  return [
    `judged ${all} of ${counted(of, "prompt")}: left ${a}, right ${b}, tie ${tie}, both bad ${bad}`,
    ...(skipped > 0 ? [`skipped ${skipped}`] : []),
    ...(same > 0 ? [`passed over ${same}, whose answers did not differ`] : []),
    ...(left > 0 ? [`${left} are left: the same command goes on`] : []),
  ].join("; ");
}
