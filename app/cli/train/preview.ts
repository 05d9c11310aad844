/**
 * Shows examples as the model sees them, token by token: what is learnt in green on a terminal, between ⟦ and
 * ⟧ elsewhere. Whoever looks at one before an hour of training has seen the usual mistakes.
 */
import { decode, type Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { answerTo, type JudgedExample, type PairExample } from "../../../runtime/train/examples/example.ts";
import {
  learntTokens,
  type LearntExample,
  type LearntOptions,
} from "../../../runtime/train/sources/learnt-rows.ts";
import type { Io } from "../terminal/io.ts";

const GREEN = "\u001b[32m";
const PLAIN = "\u001b[0m";

export async function preview(
  examples: readonly LearntExample[],
  options: LearntOptions & { readonly count: number },
  io: Io,
): Promise<void> {
  for (const example of examples.slice(0, options.count))
    await show(`row ${example.row}`, example, options, io);
}

/** Answers of which one is better, or which were judged: each with its prompt, as the model sees it. */
export async function previewAnswers(
  examples: readonly (PairExample | JudgedExample)[],
  options: Omit<LearntOptions, "loss"> & { readonly count: number },
  io: Io,
): Promise<void> {
  for (const example of examples.slice(0, options.count)) {
    const { row, prompt } = example;
    const answers =
      example.kind === "pair"
        ? ([
            ["chosen", example.chosen],
            ["rejected", example.rejected],
          ] as const)
        : ([[example.good ? "wanted" : "not wanted", example.answer]] as const);
    for (const [what, answer] of answers)
      await show(`row ${row}, ${what}`, answerTo(row, prompt, answer), { ...options, loss: "answers" }, io);
  }
}

async function show(title: string, example: LearntExample, options: LearntOptions, io: Io): Promise<void> {
  const [open, close] = io.tty ? [GREEN, PLAIN] : ["⟦", "⟧"];
  const { ids, learnt } = await learntTokens(example, options);
  const count = learnt.filter((one) => one).length;
  io.out(`${title}: ${ids.length} tokens, ${count} of them learnt\n`);
  const shown = runsOf(learnt).map(({ from, to, is }) => {
    const text = decodeWithin(options.tokenizer, ids.slice(from, to), from > 0);
    return is ? `${open}${text}${close}` : text;
  });
  io.out(`${shown.join("")}\n\n`);
}

/** The stretches of equal values. */
function runsOf(
  flags: readonly boolean[],
): readonly { readonly from: number; readonly to: number; readonly is: boolean }[] {
  const starts = flags.flatMap((flag, i) => (i === 0 || flags[i - 1] !== flag ? [i] : []));
  return starts.map((from, i) => ({ from, to: starts[i + 1] ?? flags.length, is: flags[from]! }));
}

/** Within a text, the space that a tokenizer leaves out at the beginning belongs to it. */
const decodeWithin = (tokenizer: Tokenizer, ids: readonly number[], within: boolean): string =>
  decode(within ? { ...tokenizer, addsSpace: false } : tokenizer, ids);
