/**
 * npm run study                       lists the studies
 * npm run study -- NAME [options]     runs one
 *
 * Measurements that stand behind figures of README and EXPERIMENTS.md. npm runs them under the Node that the
 * project brings along.
 */
import { readFileSync } from "node:fs";
import { exitCodes, SinterError } from "../../runtime/base/errors.ts";

const studies = {
  formats:
    "tokens per second of models in f32, bf16, q8_0, q4_0, or their losses: --model SPEC:NAME, --run " +
    "DIR --data FILE",
  cache: "keys and values in q8_0 against f32: --model SPEC:NAME:WEIGHTS, --run DIR --data FILE",
  rows: "a token of each of 1 to 16 texts in one run, beside the roofline: --model SPEC:NAME:WEIGHTS",
  large: "a model that takes several memories: SPEC --model NAME --weights q4_0",
  "large-file": "a published file of any size with drawn weights: SPEC --model NAME -o FILE",
  pool: "the server's pool for 1 to 8 asks at once, beside a batch of its own: [--model SPEC:NAME:WEIGHTS]",
  rollouts: "answers that a training module samples at once, beside one by one: [--model SPEC:NAME]",
  it: 'the cat, the mat, and what "it" looks at: [--seeds 1337,1,2] [--folder out/it]',
  "write-text": "a built-in text as a file, for sinter tokenizer train: scenes|pronouns -o FILE",
  drawing: "tokens drawn in the module beside tokens drawn from logits: [--model SPEC:NAME]",
  attention: "attention's kernels, forward, backward and cached: [wide|relaxed|simd]",
  "string-tasks":
    "X4, five string tasks learnt by sft, with its control, and by adapters (X17): [--seeds 5] [--lora 8] " +
    "[--folder DIR]",
  "lora-instructions":
    "X17, adapters that learn instructions, and llama.cpp's answers with them merged: --model CHECKPOINT " +
    "--data FILE",
  "lora-step":
    "GPT-2 124M with adapters on a base in q8_0: memory, tok/s by turns with PyTorch: [--weights " +
    "q8_0,f32] [--profile]",
  moments:
    "the optimizer's moments in f32 and in 8 bits: losses of [--spec FILE --data FILE] [--seeds 1,2,3], or " +
    "memory and tok/s of --step gpt2",
  teach: "X19, a program clicks as a person would: [--seeds 1,2] [--clicks 60] [--measured 400]",
  bandit: "X10, a bandit whose outcome is known exactly, with its control: [--seeds 3]",
  "fit-planner":
    "constants of the planner's step times, fitted on half of the published steps, tried on the rest",
  "planner-runs": "hours of whole runs, from Llama 7B to BLOOM, published and planned",
  start:
    "from the shell to train's first step, sample's first token, compile's end, and what that is made of: " +
    "[--starts N] [--program sinter.js] [--parts]",
  language: "the language service on every beginning of every spec: how long it takes: [--every N]",
  policies:
    "X12 to X14, tasks learnt from rewards: addition|sorting|echo [--seeds 5] [--control shuffled] " +
    "[--results FILE]",
  instructions:
    "X5 and X8, a published model learns instructions, then which answer is polite: --model CHECKPOINT " +
    "--data FILE --pairs FILE [--control]",
  names:
    "X7, which of two names a judge of vowels prefers: --text FILE [--seeds 3] [--labels flipped|random] " +
    "[--folder DIR]",
  style:
    "X15 and X16, vowels as a reward with a leash, and a reward model that is found out: leash|hacking " +
    "[--seeds 3] [--picture FILE.html]",
  busy:
    "tokens per second beside busy processes and alone, by turns, with peers: [--neighbours 2] [--only " +
    "train|decode]",
  split: "how evenly each kernel's tasks are spread over many workers, counted: [--workers 16,32,64]",
  turns: "this checkout beside another one, by turns: --against DIR [--filter NAMES] [--pairs N]",
  tokenizers: "MB/s of a tokenizer beside @huggingface/tokenizers: TOKENIZER TEXT…",
  "llama-cpp": "beside llama.cpp, native: --gguf FILE, --time (needs npm ci --prefix bench/peers)",
  serve:
    "clients of sinter serve that ask at once, beside llama.cpp: [--model gpt2:q8_0] [--texts 16:128] " +
    "[--keep DIR]",
  "serve-load":
    "what sinter serve promises under load: [MODEL] [--requests 10000] [--streams 64] [--disconnects 1000]",
  page: "training in a page of Chromium beside Node and jax-js, by turns: [--spec FILE] [--target simd]",
  browser: "beside llama.cpp in a page of Chromium: --tokenizer DIR (needs chromium and the peers)",
} as const;

const isStudy = (name: string): name is keyof typeof studies => Object.hasOwn(studies, name);

/** The comment that a study's file begins with: how it is asked, and what it does. */
function headOf(name: string): string {
  const text = readFileSync(new URL(`${name}.ts`, import.meta.url), "utf8");
  const head = /^\/\*\*\n([^]*?)\n? \*\/\n/.exec(text)?.[1] ?? "";
  return head.replaceAll(/^ \* ?/gm, "");
}

/** How it is asked, as far as its head says it; else what the list says. */
function usageOf(name: keyof typeof studies, head = headOf(name).split("\n\n")[0]!): string {
  const known = head.startsWith("npm run study") ? head : `npm run study -- ${name}\n\n${head}`;
  return `usage: ${known.trimEnd()}\n\n${name}: ${studies[name]}`;
}

/** Whether the command line is to blame. */
const isUsage = (error: unknown): boolean =>
  error instanceof Error &&
  ((error instanceof SinterError && error.kind === "usage") ||
    ("code" in error && String(error.code).startsWith("ERR_PARSE_ARGS")));

function list(): string {
  const rows = Object.entries(studies).map(([name, about]) => `  ${name.padEnd(12)}${about}`);
  return ["usage: npm run study -- NAME [options]", "", ...rows, ""].join("\n");
}

const [name, ...rest] = process.argv.slice(2);
if (name === undefined || name === "--help") console.log(list());
else if (!isStudy(name)) {
  console.error(`error: there is no study ${JSON.stringify(name)}\n\n${list()}`);
  process.exitCode = 2;
} else if (rest.includes("--help")) console.log(usageOf(name, headOf(name)));
else {
  process.argv.splice(2, Infinity, ...rest);
  try {
    await import(`./${name}.ts`);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    const hint =
      error instanceof Error && "hint" in error && typeof error.hint === "string"
        ? `\nhelp: ${error.hint}`
        : "";
    console.error(process.env["SINTER_DEBUG"] ? error : `error: ${said}${hint}`);
    if (isUsage(error)) console.error(`\n${usageOf(name)}`);
    process.exitCode = isUsage(error) ? exitCodes.usage : exitCodes.input;
  }
}
