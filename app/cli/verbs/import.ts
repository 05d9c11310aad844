/** `sinter import PATH -o DIR`: a published model becomes a run folder. */
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import type { FloatFormat } from "../../../runtime/contract/number-formats.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { sizeText, thousands } from "../../../runtime/contract/amounts.ts";
import { holdsRun } from "../../../runtime/store/run-folder.ts";
import { tilesFor } from "../options/tune-file.ts";
import { tuneOptions } from "../options/tune-options.ts";
import { importPublished } from "../runs/import-published.ts";
import { importTorch } from "../runs/import-torch.ts";
import { openRunAt } from "../runs/use-run.ts";
import { mixedFormats, weightsText, type Mixed } from "../options/weights.ts";
import { flag, read, required, text, whole } from "../options/option.ts";
import { memoryOptions, targetOption } from "../options/run-options.ts";
import { pathFrom } from "../terminal/io.ts";
import { defineVerb } from "./verb.ts";

const dtypes = ["f32", "f16", "bf16", "q8_0", "q4_0"] as const;

function dtypeFrom(given: string, name: string): Mixed<FloatFormat> {
  const { others, table, output } = mixedFormats(name, given.toLowerCase(), dtypes);
  const upper = (type: (typeof dtypes)[number]) => type.toUpperCase() as Uppercase<typeof type>;
  return {
    others: upper(others),
    ...(table && { table: upper(table) }),
    ...(output && { output: upper(output) }),
  };
}

const options = {
  ...memoryOptions,
  ...tuneOptions,
  out: required(text("<dir>", "folder of the run", { short: "o" })),
  tokenizer: text(
    "<dir>",
    "folder with the tokenizer's files (default: what lies beside the weights or in them)",
  ),
  context: whole("<n>", "a shorter context than published: less memory for keys and values", { least: 1 }),
  dtype: read(
    text(
      "<type>",
      `numbers that matrices are kept in: ${dtypes.join(", ")} (default: as in the file). ` +
        "Of a mix: q4_0,table=q8_0,output=q8_0, which is what q4_0 alone means",
    ),
    dtypeFrom,
  ),
  target: targetOption(),
  back: flag("the path is where an exported PyTorch program has trained; -o is the run that it came from"),
  force: flag("replace the run that is in the folder, once all is checked"),
  json: flag("machine-readable"),
};

export const importVerb = defineVerb({
  name: "import",
  summary: "a published model becomes a run folder",
  arguments: [
    {
      name: "<path>",
      help: "Hugging Face folder, .safetensors with its config.json, .gguf, or llama2.c .bin",
    },
  ],
  options,
  examples: [
    "sinter import gpt2/ -o runs/gpt2",
    "sinter import stories15M.bin -o runs/stories",
    "sinter import model.gguf -o runs/model --context 2048",
    "sinter import llama/ -o runs/llama --dtype q4_0",
    'sinter sample runs/stories -p "Once upon a time"',
    "sinter import stories-torch/run --back -o runs/stories",
  ],
  async run([path], asked, io) {
    const files = nodeFiles();
    const folder = pathFrom(io, asked.out);
    const source = pathFrom(io, path!);
    if (asked.back) {
      const step = await importTorch(await openRunAt(asked.out, io), source, io);
      const facts = { folder: asked.out, step };
      io.out(asked.json ? `${JSON.stringify(facts)}\n` : `${asked.out}: is at step ${step} now\n`);
      return exitCodes.ok;
    }
    const held = await holdsRun(files, folder);
    if (held && !asked.force)
      throw new SinterError(
        "input",
        `${folder} holds a run already`,
        "Name another folder: -o DIR. Or replace it: --force",
      );
    const { published, imported, tokenizer, notes } = await importPublished(source, {
      files,
      folder,
      tokenizer: asked.tokenizer,
      context: asked.context,
      target: asked.target,
      memoryLimit: asked.memoryLimit,
      lanes: asked.lanes,
      dtype: asked.dtype,
      tiles: tilesFor(source, asked, io),
      force: held,
      io,
    });
    const facts = {
      folder: asked.out,
      model: imported.model.name,
      form: published.title,
      parameters: imported.parameters,
      tensors: imported.tensors,
      tokenizer: tokenizer.name,
      bytes: imported.bytes,
      weights: weightsText(imported.weights),
      notes,
    };
    io.out(asked.json ? `${JSON.stringify(facts)}\n` : importedText(facts));
    return exitCodes.ok;
  },
});

interface Facts {
  readonly folder: string;
  readonly model: string;
  readonly form: string;
  readonly parameters: number;
  readonly tensors: number;
  readonly tokenizer: string;
  readonly bytes: number;
  readonly weights: string;
  readonly notes: readonly string[];
}

function importedText(f: Facts): string {
  const what = [
    f.form,
    `${thousands(f.parameters)} parameters in ${f.tensors} tensors`,
    `${sizeText(f.bytes)} in ${f.weights}`,
    `tokenizer ${f.tokenizer}`,
  ];
  return [
    `${f.model}: ${what.join(", ")}`,
    ...f.notes.map((note) => `note: ${note}`),
    `${f.folder}/spec.sinter is its spec; go on with: sinter sample ${f.folder}`,
    "",
  ].join("\n");
}
