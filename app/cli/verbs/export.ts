/**
 * `sinter export DIR --to hf|gguf|peft|torch`: a run's weights, its adapters alone, or a program that trains
 * it elsewhere.
 */
import { existsSync, statSync } from "node:fs";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import type { FloatFormat } from "../../../runtime/contract/number-formats.ts";
import { openNewest } from "../../../runtime/store/checkpoint.ts";
import { textRuleOf, type Run } from "../../../runtime/store/run-folder.ts";
import type { OutgoingForm, OutgoingType } from "../../../runtime/formats/outgoing.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { openAdapter } from "../runs/adapters.ts";
import { exportAdapters, exportRun, type Exported } from "../runs/export-run.ts";
import { sizeText } from "../../../runtime/contract/amounts.ts";
import { flag, oneWord, read, required, text, type Options } from "../options/option.ts";
import { adapterOption } from "../options/run-options.ts";
import { encodeText, type Tokens } from "../../../runtime/train/sources/text-windows.ts";
import { dataPath, readData } from "../train/data-text.ts";
import { pathFrom, type Io } from "../terminal/io.ts";
import { adaptersIn, exportTorch } from "../runs/export-torch.ts";
import { tokenExamples } from "../train/token-examples.ts";
import { openWeights } from "../runs/open-weights.ts";
import { anyCluster, clusterOf, standardCluster } from "../options/cluster.ts";
import { planNamed } from "../options/plan.ts";
import { checkOptions, firstModel, rightSpec, specOptions } from "../options/spec.ts";
import { askedOf } from "../../../compiler/planner/judge-plans.ts";
import { planOf } from "../../../compiler/planner/plan.ts";
import { openRunAt } from "../runs/use-run.ts";
import { defineVerb } from "./verb.ts";

interface Form {
  readonly title: string;
  readonly isFolder: boolean;
  /** Number formats by their names. */
  readonly types: Readonly<Record<string, FloatFormat>>;
}

const forms = {
  hf: { title: "Hugging Face folder", isFolder: true, types: { f32: "F32", f16: "F16", bf16: "BF16" } },
  gguf: {
    title: "GGUF file",
    isFolder: false,
    types: { f32: "F32", f16: "F16", bf16: "BF16", q8_0: "Q8_0", q4_0: "Q4_0" },
  },
  peft: { title: "PEFT folder", isFolder: true, types: { f32: "F32" } },
  torch: { title: "PyTorch program", isFolder: true, types: { f32: "F32" } },
} as const satisfies Readonly<Record<OutgoingForm | "peft" | "torch", Form>>;

const options = {
  to: required(
    read(
      text(
        "<form>",
        "hf (config.json, model.safetensors, tokenizer), gguf (llama.cpp), peft (the adapters alone), or " +
          "torch (a program for torchrun; also of a spec)",
      ),
      (given, name) => oneWord(["hf", "gguf", "peft", "torch"], given, name),
    ),
  ),
  out: required(text("<path>", "the folder (hf, peft, torch) or file (gguf)", { short: "o" })),
  dtype: text("<type>", "f32, f16, bf16; for gguf also q8_0 and q4_0 (default: as the run keeps them)"),
  adapter: adapterOption,
  on: anyCluster("torch: devices that the program's plan is for (default: h100:8)"),
  plan: text("<name>", "torch, of a spec: the plan of the spec that goes with the program"),
  data: text(
    "<file>",
    "torch, of a run: a text, whose tokens the program gets; of sft and prefer their examples " +
      "(default: where they were)",
  ),
  ...specOptions,
  force: flag("replace what is there"),
  json: flag("machine-readable"),
};

export const exportVerb = defineVerb({
  name: "export",
  summary: "a run's weights for other programs",
  arguments: [{ name: "<dir>", help: "folder of a run; torch: or a spec file" }],
  options,
  notes: [
    "Adapters (--lora of sft) are merged into the matrices beside which they stand, but for peft and torch.",
  ],
  examples: [
    "sinter export runs/gpt2 --to gguf --dtype q8_0 -o gpt2-q8.gguf",
    "sinter export runs/stories --to hf -o stories-hf",
    "sinter export runs/answers --to peft -o answers-adapter",
    "sinter export runs/stories --adapter answers-adapter --to gguf -o answers.gguf",
    "sinter export specs/llama3.sinter --to torch --on h100:64 -o llama3-torch",
    "sinter export specs/llama3.sinter --to torch --plan meta-llama3-8b -o llama3-torch",
    "sinter export runs/tiny --to torch --data shakespeare.txt -o tiny-torch",
    "sinter export runs/answers --to torch -o answers-torch",
  ],
  async run([dir], asked, io) {
    const { to, out: given, json } = asked;
    const { title } = forms[to];
    const type = typeAsked(asked);
    const out = pathFrom(io, given);
    refuseUnused(dir!, asked);
    await checkOut(out, asked);
    if (to === "torch") return await program(dir!, out, asked, io);
    const run = await openRunAt(dir!, io);
    const made =
      to === "peft" ? await adaptersOf(run, asked, out, io) : await modelOf(run, to, type, asked, out, io);
    const numbers = made.numbers.toLowerCase();
    const facts = [
      title,
      `${made.tensors} tensors`,
      asked.dtype?.toLowerCase() ?? `most of it ${numbers}`,
      `${sizeText(made.bytes)} (weights of step ${made.step})`,
    ];
    const notes = made.notes.map((note) => `note: ${note}\n`).join("");
    io.out(
      json
        ? `${JSON.stringify({ to, path: given, ...made, dtype: numbers, numbers: undefined })}\n`
        : `${given}: ${facts.join(", ")}\n${notes}`,
    );
    return exitCodes.ok;
  },
});
type Asked = Options<typeof options>;

function typeAsked({ to, dtype }: Asked): OutgoingType {
  const { title, types }: Form = forms[to];
  const type = dtype?.toLowerCase();
  if (type === undefined) return "as stored";
  if (!Object.hasOwn(types, type))
    throw new SinterError("usage", `--dtype ${type}: a ${title} takes ${Object.keys(types).join(", ")}`);
  return types[type]!;
}

async function checkOut(out: string, { to, out: given, force }: Asked): Promise<void> {
  const { title, isFolder } = forms[to];
  if (!force && (await nodeFiles().exists(out)))
    throw new SinterError(
      "input",
      `${given} is there already`,
      "Choose another name, or replace it: --force",
    );
  if (existsSync(out) && statSync(out).isDirectory() !== isFolder)
    throw new SinterError(
      "input",
      `${given} is ${isFolder ? "a file" : "a folder"}, and a ${title} is none`,
      "Choose another name.",
    );
}

async function adaptersOf(run: Run, { adapter }: Asked, out: string, io: Io): Promise<Exported> {
  if (adapter !== undefined)
    throw new SinterError("usage", "--to peft writes the run's own adapters; --adapter names others");
  return { ...(await exportAdapters(nodeFiles(), run, out, io)), numbers: "F32", notes: [] };
}

async function modelOf(
  run: Run,
  form: OutgoingForm,
  type: OutgoingType,
  { adapter }: Asked,
  out: string,
  io: Io,
): Promise<Exported> {
  const files = nodeFiles();
  const opened = adapter === undefined ? undefined : await openAdapter(files, adapter, run, openRunAt, io);
  return exportRun(files, run, { form, type, out, adapter: opened?.adapter }, io);
}

const MOMENTS_OF_TORCH =
  "PyTorch has no AdamW with moments in 8 bits: the program keeps them in f32, 8 bytes for each parameter";

/** Of a spec the program alone; of a run its weights, too, so that it goes on there. */
async function program(source: string, out: string, asked: Asked, io: Io): Promise<number> {
  const run = isSpecPath(source) ? undefined : await openRunAt(source, io);
  const checked = run ? undefined : rightSpec(source, checkOptions(asked), io);
  const block = asked.plan === undefined || !checked ? undefined : planNamed(asked.plan, checked);
  const model = block?.model ?? run?.bundle.manifest.model ?? firstModel(source, checked!, io);
  const own = checked?.hardware;
  const of = {
    ...standardCluster(own),
    ...(block && askedOf(block)),
    ...(asked.on && clusterOf(asked.on, own)),
  };
  const plan = planOf(model, { ...of, optimizer: "adamw" }); // which is what the program has
  if ("together" in plan) throw new SinterError("input", `the batch of ${asked.plan} does not come out even`);
  const checkpoint = run && (await openWeights(nodeFiles(), run, io, openNewest));
  try {
    const examples = run && (await tokenExamples(run, asked, io));
    const tokens = examples || asked.data === undefined ? undefined : tokensOf(asked.data, run, io);
    const adapters = run && adaptersIn(run);
    const contents = { checkpoint, tokens, examples, adapters };
    const { tensors, step } = await exportTorch(model, plan, out, contents);
    const facts = { to: "torch", path: asked.out, tensors, ...(step !== undefined && { step }) };
    const begins = step === undefined ? "first weights of its own" : `weights of step ${step}`;
    const next = `try it: python3 ${asked.out}/test_parity.py`;
    if (model.train.optimizer === "adamw8") io.err(`note: ${MOMENTS_OF_TORCH}\n`);
    io.out(
      asked.json
        ? `${JSON.stringify(facts)}\n`
        : `${asked.out}: PyTorch program, ${tensors} tensors, ${begins}\n${next}\n`,
    );
    return exitCodes.ok;
  } finally {
    await checkpoint?.close();
  }
}

/** What would have no effect is refused. */
function refuseUnused(source: string, { to, data, adapter, model, set, plan }: Asked): void {
  const isSpec = isSpecPath(source);
  const wrong = (what: string): SinterError => new SinterError("usage", what);
  if (to !== "torch" && data !== undefined) throw wrong("--data goes with --to torch");
  if (data !== undefined && isSpec) throw wrong("--data needs a run, which has a tokenizer");
  if (to === "torch" && adapter !== undefined) throw wrong("--to torch takes no --adapter");
  if (!(to === "torch" && isSpec) && (model !== undefined || set !== undefined || plan !== undefined))
    throw wrong("--model, --set and --plan go with --to torch and a spec");
}

const isSpecPath = (source: string): boolean => source.endsWith(".sinter") || source === "-";

/** The ids of a text as the run would learn them. */
function tokensOf(path: string, run: Run | undefined, io: Io): Tokens | undefined {
  if (!run) return undefined;
  const { vocab } = run.bundle.manifest.model.sizes;
  return encodeText(readData(dataPath(path, io), io), run.tokenizer, vocab, textRuleOf(run.record));
}
