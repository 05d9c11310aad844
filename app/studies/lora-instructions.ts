/**
 * npm run study -- lora-instructions --model CHECKPOINT --data FILE [--steps 300] [--rank 8] [--lr 5e-3]
 *                                    [--questions 12] [--tokens 40] [--full] [--folder DIR]
 *
 * The real use of adapters (X17): a published model learns to follow instructions with nothing but adapters
 * trained, is exported merged to GGUF, and llama.cpp answers questions that were held out with the same
 * greedy tokens as the run, whose adapters stand beside their maps. `--full` trains all parameters as well,
 * with the same steps and a tenth of the rate: what the adapters are measured against. `--folder` keeps what
 * was trained: the study goes on where it was.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { samplerDefaults } from "../../runtime/sample/sampler.ts";
import { generate } from "../../runtime/sample/generate.ts";
import { renderPrompt } from "../../runtime/tokenizers/chat/render-dialogue.ts";
import type { AnswerExample } from "../../runtime/train/examples/example.ts";
import { loadRun, openRunAt, type UsedRun } from "../cli/runs/use-run.ts";
import { readStageData } from "../cli/train/example-data.ts";
import { formatOfRun } from "../cli/runs/run-format.ts";
import type { Io } from "../cli/terminal/io.ts";
import { runVerb, sinterProgram } from "./run-verb.ts";
import { llamaCppGreedy, llamaCppHere, withoutLlamaCpp } from "./ask-llama-cpp.ts";
import { missing } from "./asked.ts";

const { values: o } = parseArgs({
  options: {
    model: { type: "string" },
    data: { type: "string" },
    steps: { type: "string", default: "300" },
    rank: { type: "string", default: "8" },
    lr: { type: "string", default: "5e-3" },
    context: { type: "string", default: "256" },
    questions: { type: "string", default: "12" },
    tokens: { type: "string", default: "40" },
    full: { type: "boolean", default: false },
    folder: { type: "string" },
  },
});
if (o.model === undefined || o.data === undefined) throw missing("say --model CHECKPOINT and --data FILE");

const scratch = o.folder ?? mkdtempSync(join(tmpdir(), "sinter-lora-"));
const at = (name: string): string => join(scratch, name);
const io: Io = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  tty: false,
  columns: 120,
  cwd: process.cwd(),
};

/** Runs a verb of the command line, which prints where people see it. */
const sinter = (...words: readonly string[]): void => runVerb(words, "shown");

function train(name: string, lr: number, ...more: readonly string[]): void {
  const set = [`lr=${lr}`, `context=${o.context}`, "batch=8", "eval_every=50"].flatMap((s) => ["--set", s]);
  const asked = ["--data", o.data!, "--out", at(name), "--steps", o.steps, ...more];
  sinter("sft", ...(existsSync(at(name)) ? ["--resume"] : ["--from", at("base"), ...set]), ...asked);
}

/** The loss over held-out answers. */
function heldOutLoss(name: string): number {
  const asked = ["eval", at(name), "--answers", "0", "--json"];
  const facts = execFileSync(process.execPath, [sinterProgram, ...asked], { encoding: "utf8" });
  return (JSON.parse(facts) as { eval_loss: number }).eval_loss;
}

interface Compared {
  readonly question: string;
  readonly answer: string;
  /** How many of the tokens llama.cpp has chosen too, before the first that differs. */
  readonly alike: number;
  readonly tokens: number;
}

async function compared({ run, model }: UsedRun, example: AnswerExample): Promise<Compared> {
  const { tokenizer } = run;
  const messages = example.messages.slice(0, example.learnt.at(-1));
  const prompt = await renderPrompt(formatOfRun(run)!, tokenizer, messages);
  const made = await generate(model, tokenizer, {
    ...samplerDefaults,
    temperature: 0,
    prompt,
    tokens: Number(o.tokens),
    seed: 0,
    whenFull: "stop",
  });
  const ended = made.reason === "end of text" ? 1 : 0;
  const { ids } = llamaCppGreedy(at("merged.gguf"), prompt, made.tokens.length + ended, at("logits"));
  const same = (id: number, i: number): boolean =>
    i < made.tokens.length ? id === made.tokens[i] : tokenizer.stops.has(id);
  const different = ids.findIndex((id, i) => !same(id, i));
  return {
    question: messages.at(-1)!.content,
    answer: made.text,
    alike: different < 0 ? ids.length : different,
    tokens: ids.length,
  };
}

async function heldOutExamples({ run }: UsedRun): Promise<readonly AnswerExample[]> {
  const share = run.record.settings.heldOut;
  const { heldOut } = await readStageData(
    { stage: "sft", kinds: ["answer"] },
    { data: o.data, eval: undefined, dropWrong: false, share },
    () => {},
    io,
  );
  return heldOut.slice(0, Number(o.questions));
}

try {
  if (!existsSync(at("base"))) sinter("import", o.model, "-o", at("base"));
  train("adapted", Number(o.lr), "--lora", o.rank, "--chat-format", "alpaca");
  if (o.full) train("full", Number(o.lr) / 10, "--chat-format", "alpaca");
  sinter("export", at("adapted"), "--to", "gguf", "--dtype", "f32", "-o", at("merged.gguf"), "--force");
  console.log(`held-out answer loss: adapters ${heldOutLoss("adapted").toFixed(4)}`);
  if (o.full) console.log(`held-out answer loss: all parameters ${heldOutLoss("full").toFixed(4)}`);
  const asItIs = { adapter: undefined, weights: undefined, cache: undefined, numerics: undefined };
  const used = await loadRun(
    await openRunAt(at("adapted"), io),
    { ...asItIs, target: undefined, workers: 1 },
    io,
  );
  if (!llamaCppHere) console.log(withoutLlamaCpp);
  else {
    let [alike, whole, all] = [0, 0, 0];
    for (const example of await heldOutExamples(used)) {
      const one = await compared(used, example);
      console.log(
        `${one.alike} of ${one.tokens} tokens alike: ${one.question.split("\n")[0]} → ${one.answer.trim()}`,
      );
      alike += one.alike;
      all += one.tokens;
      whole += one.alike === one.tokens ? 1 : 0;
    }
    console.log(`llama.cpp: ${whole} of ${o.questions} answers alike, ${alike} of ${all} tokens`);
  }
  await used.model.close();
} finally {
  if (o.folder === undefined) rmSync(scratch, { recursive: true, force: true });
}
