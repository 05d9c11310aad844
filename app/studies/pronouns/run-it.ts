/**
 * specs/it.sinter from its text to its numbers: the commands of its first lines, then what "it" looks at in
 * sentences whose combinations of words were not learnt. The head is chosen on other sentences than those it
 * is judged by. The control is the same model before its first step.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { compileModel } from "../../../compiler/compile.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import { createModel, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { loadNewest } from "../../../runtime/store/checkpoint.ts";
import { openTokenizer } from "../../../runtime/tokenizers/tokenizer-files.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import {
  pronounSentences,
  pronounText,
  type PronounSentence,
} from "../../../runtime/train/sources/builtin-pronouns.ts";
import { main } from "../../cli/main.ts";
import type { HeadPlace } from "../../../runtime/look/inside.ts";
import { askAll, type Asked } from "./ask.ts";
import {
  bestFixedPosition,
  bestHead,
  headScores,
  shareOf,
  type FixedPosition,
  type HeadScore,
} from "./measure.ts";

const SPEC = fileURLToPath(new URL("../../../specs/it.sinter", import.meta.url));
const TARGET: Target = "simd";

export interface ItOptions {
  /** Where the text, the tokenizer and the run are written. */
  readonly folder: string;
  readonly seed: number;
  say(text: string): void;
}

/** A model, before or after its training. */
export interface ItScore {
  /** The head that was chosen on the sentences for validation, as it does on those held out. */
  readonly head: HeadScore;
  /** Of the sentences: those after which the likeliest word is the right one. */
  readonly nextWord: number;
  /** The same with that head switched off, and with the other heads, one at a time: the mean of these. */
  readonly withoutHead: number;
  readonly withoutAnother: number;
}

export interface ItResult {
  readonly sentences: number;
  readonly trained: ItScore;
  readonly untrained: ItScore;
  readonly fixed: FixedPosition;
  /** How long the training took. */
  readonly seconds: number;
  /** The same sentence with two cues, of which each fits another noun; none of it was learnt so. */
  readonly examples: readonly Asked[];
  readonly tokenizer: Tokenizer;
}

const EXAMPLES: readonly PronounSentence[] = (
  [
    ["tired", "cat", "rolled"],
    ["woollen", "mat", "slipped"],
  ] as const
).map(([cue, meant, deed]) => ({
  before: `Because one of them was ${cue}, the cat sat on the mat, and it`,
  deed,
  cue,
  meant,
  nouns: ["cat", "mat"],
}));

export async function runIt({ folder, seed, say }: ItOptions): Promise<ItResult> {
  const text = join(folder, "it.txt");
  const tokens = join(folder, "tokenizer.json");
  const run = join(folder, "run");
  const spec = checkSource(readFileSync(SPEC, "utf8")).models[0]!;
  mkdirSync(folder, { recursive: true });
  writeFileSync(text, pronounText());
  const vocab = `${spec.sizes.vocab}`;
  await sinter(["tokenizer", "train", text, "--vocab", vocab, "--out", tokens, "--force"], say);
  const began = performance.now();
  const asked = ["--data", text, "--tokenizer", tokens, "--out", run, "--seed", `${seed}`, "--force"];
  await sinter(["train", SPEC, ...asked, "--target", TARGET], say);
  const seconds = (performance.now() - began) / 1000;

  const bundle = await compileModel(spec, { targets: [TARGET], modules: ["infer"], entries: ["look"] });
  const model = await createModel(bundle, "infer", { host: nodeHost, workers: 1, target: TARGET, seed });
  try {
    const tokenizer = await openTokenizer(nodeFiles(), tokens);
    const untrained = await scoreOf(model, tokenizer);
    if (!(await loadNewest(nodeFiles(), run, model, "weights"))) throw new Error(`${run} has no checkpoint`);
    const trained = await scoreOf(model, tokenizer);
    const fixed = bestFixedPosition(trained.asked);
    const examples = await askAll(model, tokenizer, EXAMPLES);
    const sentences = trained.asked.length;
    return { sentences, trained, untrained, fixed, seconds, examples, tokenizer };
  } finally {
    await model.close();
  }
}

/** A command of the command line, whose output goes to `say`. */
async function sinter(args: readonly string[], say: (text: string) => void): Promise<void> {
  let errors = "";
  const code = await main(args, {
    out: say,
    err: (text) => void (errors += text),
    tty: false,
    columns: 100,
    cwd: process.cwd(),
  });
  if (code !== 0) throw new Error(`sinter ${args.join(" ")} ended with ${code}: ${errors}`);
}

async function scoreOf(
  model: RunningModel,
  tokenizer: Tokenizer,
): Promise<ItScore & { readonly asked: readonly Asked[] }> {
  const { layer, head } = bestHead(await askAll(model, tokenizer, pronounSentences("validation")));
  const sentences = pronounSentences("held-out");
  const asked = await askAll(model, tokenizer, sentences);
  const scores = headScores(asked);
  const nextWord = async (off?: HeadPlace): Promise<number> =>
    shareOf(off ? await askAll(model, tokenizer, sentences, off) : asked, ({ isRight }) => isRight);
  const others = scores.filter((other) => other.layer !== layer || other.head !== head);
  let another = 0;
  for (const other of others) another += (await nextWord(other)) / others.length;
  return {
    head: scores.find((score) => score.layer === layer && score.head === head)!,
    nextWord: await nextWord(),
    withoutHead: await nextWord({ layer, head }),
    withoutAnother: another,
    asked,
  };
}
